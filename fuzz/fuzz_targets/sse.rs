#![no_main]

use hotspare::dialect::{SseEvent, SseParser};
use hotspare::types::Failure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((bytes, pieces)) = hotspare_fuzz::split(data) {
        assert_eq!(parse(&pieces), parse(&[bytes]), "the split changed the events");
    }
});

fn parse(pieces: &[&[u8]]) -> (Vec<SseEvent>, Option<Failure>) {
    let mut parser = SseParser::default();
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(failure) = parser.push(piece, &mut events) {
            return (events, Some(failure));
        }
    }
    let failure = parser.finish(&mut events).err();
    (events, failure)
}
