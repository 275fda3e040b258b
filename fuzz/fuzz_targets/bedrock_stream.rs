#![no_main]

use hotspare::types::DialectId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    hotspare_fuzz::check_stream(DialectId::BedrockConverse, data);
    // Checksums keep mutations out, so the bytes are read as payloads too.
    hotspare_fuzz::check_stream(DialectId::BedrockConverse, &hotspare_fuzz::framed(data));
});
