#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sixways_fuzz::seeds::write_if_asked("npt"),
    |data: &[u8]| sixways_fuzz::npt::run(data)
);
