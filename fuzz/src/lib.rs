//! What the fuzz targets share: bytes in pieces, and what a stream of them comes to.

use hotspare::catalog::Quirks;
use hotspare::dialect::{Call, StreamDecoder, dialect, embedder, encode, length};
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

/// Lays an input out as AWS event-stream frames with right checksums: behind the piece lengths of [`split`], each line is a
/// payload, after the event's name and a space. A name that begins with `!` is an exception's.
pub fn framed(data: &[u8]) -> Vec<u8> {
    let Some((bytes, _)) = split(data) else {
        return data.to_vec();
    };
    let mut out = data[..data.len() - bytes.len()].to_vec();
    for line in bytes.split(|&byte| byte == b'\n') {
        let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let (name, payload) = line.split_at(space.min(60));
        let headers = match name.strip_prefix(b"!") {
            Some(name) => [header(":message-type", b"exception"), header(":exception-type", name)],
            None => [header(":message-type", b"event"), header(":event-type", name)],
        };
        out.extend(frame(&headers.concat(), payload));
    }
    out
}

fn header(name: &str, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_be_bytes();
    [&[name.len() as u8], name.as_bytes(), &[7], &length, value].concat()
}

fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = 16 + headers.len() + payload.len();
    let mut out = [(length as u32).to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    let checksum = crc32fast::hash(&out).to_be_bytes();
    out.extend(checksum);
    out
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

/// Checks that no dialect's reader of requests panics, that a request it refuses is told why, and that what is read can be
/// written to any format, which is then read again. The first byte chooses both formats, and whether a loss is taken.
pub fn check_request(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let (count, choice) = (DialectId::ALL.len(), usize::from(choice));
    let from = dialect(DialectId::ALL[choice % count]);
    let to = dialect(DialectId::ALL[choice / count % count]);
    let path = match from.id() {
        DialectId::Gemini => "/v1beta/models/m:generateContent",
        DialectId::BedrockConverse => "/model/m/converse",
        _ => "/v1/chat",
    };
    let asked = match from.decode_request(path, body) {
        Ok(asked) => asked,
        Err(failure) => {
            assert!(!failure.message.is_empty(), "a failure that says nothing");
            return;
        }
    };
    let encoded = encode(
        to,
        &Call {
            request: &asked.request,
            provider: "p",
            model: "m",
            facts: None,
            quirks: &Quirks::default(),
            lossy: choice / (count * count) % 2 == 1,
            stream: asked.stream,
        },
    );
    match encoded {
        Ok(encoded) => {
            let path = encoded.path.split('?').next().unwrap_or_default();
            if let Err(failure) = to.decode_request(path, &encoded.body) {
                panic!("what was written cannot be read: {}", failure.message);
            }
        }
        Err(failure) => assert!(!failure.message.is_empty(), "a failure that says nothing"),
    }
}
