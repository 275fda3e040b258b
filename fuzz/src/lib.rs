//! What the fuzz targets share: bytes in pieces, and what a stream of them comes to.

use hotspare::catalog::Quirks;
use hotspare::dialect::{StreamDecoder, dialect, embedder, length};
use hotspare::types::{Accumulator, Delta, DialectId, Failure};

/// Reads an input as a way to cut and the bytes to be cut. The first byte is the number of piece lengths that follow
/// (at most 15), which are used in turn; none at all means pieces of one byte. So a recorded stream behind a zero byte
/// is a seed.
pub fn split(data: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (&count, rest) = data.split_first()?;
    let (lengths, bytes) = rest.split_at_checked(usize::from(count % 16))?;
    let mut lengths = lengths.iter().map(|&length| usize::from(length)).cycle();
    let mut left = bytes;
    let mut pieces = Vec::new();
    while !left.is_empty() {
        let length = lengths.next().unwrap_or(1).clamp(1, left.len());
        let (piece, rest) = left.split_at(length);
        pieces.push(piece);
        left = rest;
    }
    Some((bytes, pieces))
}

/// Checks that a dialect's decoder gives the same for every split of a stream, never panics, and keeps its promises
/// on what it gives.
pub fn check_stream(id: DialectId, data: &[u8]) {
    let Some((bytes, pieces)) = split(data) else {
        return;
    };
    let whole = decode(id, &[bytes]);
    assert_eq!(decode(id, &pieces), whole, "the split changed the answer");
    let mut fold = Accumulator::default();
    let mut calls = 0;
    for delta in &whole.0 {
        match delta {
            Delta::ToolCall { index, .. } => {
                assert!(*index <= calls, "call {index} before call {calls}");
                calls = calls.max(index + 1);
            }
            Delta::Reset => calls = 0,
            _ => {}
        }
        fold.apply(delta);
    }
    if let Some(failure) = &whole.1 {
        assert!(!failure.message.is_empty(), "a failure that says nothing");
    }
    let _ = fold.finish();
}

fn decode(id: DialectId, pieces: &[&[u8]]) -> (Vec<Delta>, Option<Failure>) {
    let mut decoder = StreamDecoder::new(dialect(id), &Quirks::default());
    let mut deltas = Vec::new();
    for piece in pieces {
        if let Err(failure) = decoder.push(piece, &mut deltas) {
            return (deltas, Some(failure));
        }
        let whole = decoder.complete();
        assert!(whole || !decoder.finished(), "finished, yet not complete");
    }
    let failure = decoder.finish(&mut deltas).err();
    (deltas, failure)
}

/// Checks that no dialect's reader of vectors panics, and that what it gives and passes is what it should be.
pub fn check_embeddings(data: &[u8]) {
    for id in DialectId::ALL {
        let Some(embedder) = embedder(id) else {
            continue;
        };
        let Ok(embedded) = embedder.decode(data) else {
            continue;
        };
        let texts = embedded.vectors.len();
        if let Ok(length) = length(&embedded, texts) {
            let mut vectors = embedded.vectors.iter();
            assert!(
                vectors
                    .all(|vector| vector.len() == length && vector.iter().all(|number| number.is_finite()))
            );
        }
    }
}
