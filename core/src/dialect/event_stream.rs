//! AWS event streams (`application/vnd.amazon.eventstream`): binary frames, each with two checksums. Linear in its input,
//! bounded in memory, right for every split.
//!
//! A frame is its length and that of its headers (four bytes each, big-endian), the CRC-32 of these eight bytes, headers,
//! payload, and the CRC-32 of all that.

use serde_json::json;

use super::SseEvent;
use crate::types::Failure;

/// Longest frame taken, in bytes. AWS's own bound is 24 MiB; chat events are some hundred bytes.
const MAX_FRAME: usize = 16 << 20;
/// Most bytes of headers in a frame, AWS's own bound.
const MAX_HEADERS: usize = 128 << 10;
/// Two lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const CHECKSUM: usize = 4;

/// The parser. Feed it bytes as they come.
#[derive(Debug)]
pub struct EventStreamParser {
    /// The frame that has begun.
    frame: Vec<u8>,
    /// How many bytes of it must be there before the next look: the prelude, then all of it.
    needed: usize,
}

impl Default for EventStreamParser {
    fn default() -> Self {
        Self::new()
    }
}

impl EventStreamParser {
    /// A parser at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frame: Vec::new(),
            needed: PRELUDE,
        }
    }

    /// Takes the next bytes and appends the events they complete to `out`. An event's name is its `:event-type`. What AWS
    /// marks as an exception or an error is marked in [`SseEvent::error`], its name being the exception's type or the
    /// error's code; the text of an error, which has no payload, stands in `data` as `{"message": …}`.
    ///
    /// # Errors
    /// `malformed` when a checksum is wrong, a frame is longer than 16 MiB or its headers than 128 KiB, its headers
    /// cannot be read, or its payload is not UTF-8. Nothing can be read after that.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let missing = self.needed.saturating_sub(self.frame.len());
            let (head, tail) = bytes.split_at(missing.min(bytes.len()));
            self.frame.extend_from_slice(head);
            bytes = tail;
            if self.frame.len() < self.needed {
                break;
            }
            if self.needed == PRELUDE {
                self.needed = frame_length(&self.frame)?;
                self.frame
                    .reserve(self.needed.saturating_sub(PRELUDE).min(1 << 16));
            } else {
                out.extend(read_frame(&self.frame)?);
                self.frame.clear();
                self.needed = PRELUDE;
            }
        }
        Ok(())
    }
}

fn wrong(what: &str) -> Failure {
    Failure::malformed(format!("an event-stream frame {what}"))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

/// The length of the frame that a prelude begins.
fn frame_length(prelude: &[u8]) -> Result<usize, Failure> {
    let summed = prelude.get(..8).unwrap_or_default();
    if word(prelude, 8) != Some(crc32fast::hash(summed)) {
        return Err(wrong("has a wrong checksum in its prelude"));
    }
    let (Some(total), Some(headers)) = (length(prelude, 0), length(prelude, 4)) else {
        return Err(wrong("has no length"));
    };
    if total > MAX_FRAME {
        return Err(wrong("is longer than 16 MiB"));
    }
    if headers > MAX_HEADERS {
        return Err(wrong("has headers longer than 128 KiB"));
    }
    if total < PRELUDE + headers + CHECKSUM {
        return Err(wrong("is shorter than its headers"));
    }
    Ok(total)
}

/// The event in a whole frame; none when it is of a kind we do not know.
fn read_frame(frame: &[u8]) -> Result<Option<SseEvent>, Failure> {
    let (body, checksum) = frame.split_at(frame.len().saturating_sub(CHECKSUM));
    if word(checksum, 0) != Some(crc32fast::hash(body)) {
        return Err(wrong("has a wrong checksum"));
    }
    let length = length(frame, 4).unwrap_or_default();
    let (headers, payload) = body
        .get(PRELUDE..)
        .and_then(|rest| rest.split_at_checked(length))
        .ok_or_else(|| wrong("is shorter than its headers"))?;
    let headers = Headers::read(headers).ok_or_else(|| wrong("has headers that cannot be read"))?;
    let payload = || match std::str::from_utf8(payload) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(wrong("has a payload that is not UTF-8")),
    };
    let event = match headers.message_type {
        Some("event") => SseEvent {
            name: headers.event_type.map(str::to_owned),
            data: payload()?,
            error: false,
        },
        Some("exception") => SseEvent {
            name: headers.exception_type.map(str::to_owned),
            data: payload()?,
            error: true,
        },
        Some("error") => SseEvent {
            name: headers.error_code.map(str::to_owned),
            data: json!({"message": headers.error_message.unwrap_or_default()}).to_string(),
            error: true,
        },
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// The headers that say what a frame is.
#[derive(Default)]
struct Headers<'a> {
    message_type: Option<&'a str>,
    event_type: Option<&'a str>,
    exception_type: Option<&'a str>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// None when they are cut off, or hold a value of a type we do not know, whose length cannot be known.
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut headers = Self::default();
        while let Some((&name_length, rest)) = bytes.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
            let (&kind, rest) = rest.split_first()?;
            let (length, rest) = match kind {
                // True and false have no value besides their type; then byte, short, integer and long; byte arrays and
                // strings, which say their length; timestamp and UUID.
                0 | 1 => (0, rest),
                2 => (1, rest),
                3 => (2, rest),
                4 => (4, rest),
                5 | 8 => (8, rest),
                6 | 7 => {
                    let (length, rest) = rest.split_at_checked(2)?;
                    (usize::from(u16::from_be_bytes(length.try_into().ok()?)), rest)
                }
                9 => (16, rest),
                _ => return None,
            };
            let (value, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            let slot = match name {
                b":message-type" => &mut headers.message_type,
                b":event-type" => &mut headers.event_type,
                b":exception-type" => &mut headers.exception_type,
                b":error-code" => &mut headers.error_code,
                b":error-message" => &mut headers.error_message,
                _ => continue,
            };
            *slot = if kind == 7 {
                std::str::from_utf8(value).ok()
            } else {
                None
            };
        }
        Some(headers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::testing::frame;

    fn parse(pieces: &[&[u8]]) -> (Vec<SseEvent>, Option<Failure>) {
        let mut parser = EventStreamParser::default();
        let mut out = Vec::new();
        let failed = pieces.iter().find_map(|piece| parser.push(piece, &mut out).err());
        (out, failed)
    }

    fn event(name: &str, data: &str, error: bool) -> SseEvent {
        SseEvent {
            name: Some(name.to_owned()),
            data: data.to_owned(),
            error,
        }
    }

    fn header(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
        [
            &[u8::try_from(name.len()).unwrap()],
            name.as_bytes(),
            &[kind],
            value,
        ]
        .concat()
    }

    fn text(name: &str, value: &str) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        header(name, 7, &[&length, value.as_bytes()].concat())
    }

    #[test]
    fn reads_events_exceptions_and_errors() {
        let others = [
            header("t", 0, b""),
            header("f", 1, b""),
            header("byte", 2, &[1]),
            header("short", 3, &[1; 2]),
            header("int", 4, &[1; 4]),
            header("long", 5, &[1; 8]),
            header("bytes", 6, &[0, 3, 1, 2, 3]),
            header("time", 8, &[1; 8]),
            header("uuid", 9, &[1; 16]),
        ]
        .concat();
        let kind = |kind: &str| text(":message-type", kind);
        let bytes = [
            frame(
                &[others, text(":event-type", "ping"), kind("event")].concat(),
                b"{\"a\":\"\xc3\xa9\"}",
            ),
            frame(
                &[kind("exception"), text(":exception-type", "throttlingException")].concat(),
                b"{}",
            ),
            frame(
                &[
                    kind("error"),
                    text(":error-code", "InternalError"),
                    text(":error-message", "no \"luck\""),
                ]
                .concat(),
                b"",
            ),
            frame(&kind("of tomorrow"), b"\xff"),
            frame(b"", b""),
        ]
        .concat();
        let expected = vec![
            event("ping", "{\"a\":\"é\"}", false),
            event("throttlingException", "{}", true),
            event("InternalError", r#"{"message":"no \"luck\""}"#, true),
        ];
        assert_eq!(parse(&[&bytes]), (expected.clone(), None));
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(parse(&[head, tail]), (expected.clone(), None), "{cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(parse(&single), (expected, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let prelude = |total: u32, headers: u32| {
            let lengths = [total.to_be_bytes(), headers.to_be_bytes()].concat();
            let checksum = crc32fast::hash(&lengths).to_be_bytes();
            [lengths, checksum.to_vec()].concat()
        };
        let good = frame(&text(":message-type", "event"), b"{}");
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        let event = text(":message-type", "event");
        for (bytes, why) in [
            (flipped(0), "wrong checksum in its prelude"),
            (flipped(9), "wrong checksum in its prelude"),
            (flipped(20), "has a wrong checksum"),
            (flipped(good.len() - 1), "has a wrong checksum"),
            (prelude(MAX_FRAME as u32 + 1, 0), "longer than 16 MiB"),
            (
                prelude(1 << 20, MAX_HEADERS as u32 + 1),
                "headers longer than 128 KiB",
            ),
            (prelude(15, 0), "shorter than its headers"),
            (prelude(20, 8), "shorter than its headers"),
            (frame(&header("x", 10, b""), b""), "headers that cannot be read"),
            (frame(&event[..20], b""), "headers that cannot be read"),
            (frame(&event, b"\xff"), "not UTF-8"),
        ] {
            let (events, failure) = parse(&[&bytes]);
            assert!(events.is_empty(), "{why}");
            let message = failure.unwrap().message;
            assert!(message.contains(why), "{message}");
        }
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_gives_the_same(
            payloads in prop::collection::vec("[a-zé😀{}\"]{0,40}", 0..4),
            noise in prop::collection::vec(any::<u8>(), 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let headers = [text(":event-type", "x"), text(":message-type", "event")].concat();
            let mut bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(&headers, payload.as_bytes())).collect();
            bytes.extend(noise);
            let whole = parse(&[&bytes]);
            prop_assert!(whole.0.iter().map(|event| &event.data).eq(&payloads));
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in at {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(parse(&pieces), whole);
        }
    }
}
