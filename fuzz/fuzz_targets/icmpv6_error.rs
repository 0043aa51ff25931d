#![no_main]

libfuzzer_sys::fuzz_target!(
    init: sixways_fuzz::seeds::write_if_asked("icmpv6-error"),
    |data: &[u8]| sixways_fuzz::icmpv6_error::run(data)
);
