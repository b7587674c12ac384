#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| httpfsm_fuzz::tls::check(input));
