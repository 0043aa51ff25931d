#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sixways_fuzz::seeds::write_if_asked("pipeline"),
    |data: &[u8]| sixways_fuzz::pipeline::run(data)
);
