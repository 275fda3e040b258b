#![no_main]

use hotspare::types::DialectId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| hotspare_fuzz::check_stream(DialectId::CohereChat, data));
