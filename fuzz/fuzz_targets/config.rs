#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| driftless_fuzz::run("config", bytes));
