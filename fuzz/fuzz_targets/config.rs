#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sixways_fuzz::seeds::write_if_asked("config"),
    |data: &[u8]| sixways_fuzz::config::run(data)
);
