#![no_main]

use hotspare::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for read in [Config::from_toml(text), Config::from_json(text)] {
        if let Err(error) = read {
            assert!(!error.to_string().is_empty(), "an error that says nothing");
        }
    }
});
