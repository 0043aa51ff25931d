#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sixways_fuzz::seeds::write_if_asked("control-socket"),
    |data: &[u8]| sixways_fuzz::control_socket::run(data)
);
