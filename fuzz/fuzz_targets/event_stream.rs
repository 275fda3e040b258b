#![no_main]

use hotspare::dialect::{EventStreamParser, SseEvent};
use hotspare::types::Failure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&hotspare_fuzz::framed(data));
});

fn check(data: &[u8]) {
    if let Some((bytes, pieces)) = hotspare_fuzz::split(data) {
        assert_eq!(parse(&pieces), parse(&[bytes]), "the split changed the events");
    }
}

fn parse(pieces: &[&[u8]]) -> (Vec<SseEvent>, Option<Failure>) {
    let mut parser = EventStreamParser::default();
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(failure) = parser.push(piece, &mut events) {
            return (events, Some(failure));
        }
    }
    (events, None)
}
