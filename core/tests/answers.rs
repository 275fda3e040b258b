//! Clients that speak a vendor's format are answered in it, whoever answered: what is written is read again by our own
//! codec of the format, and holds all that the format has a word for.
//!
//! The recordings lie outside the repository, in `../shared/fixtures` or where `HOTSPARE_FIXTURES` points. Without
//! them that part is not checked, which is said loudly, and is an error when `HOTSPARE_REQUIRE_FIXTURES` is `1`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking and reports by printing, in its helpers too"
)]

#[path = "answers/anthropic_messages.rs"]
mod anthropic_messages;
#[path = "answers/formats.rs"]
mod formats;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "fixtures/frames.rs"]
mod frames;
#[path = "answers/generate.rs"]
mod generate;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "fixtures/load.rs"]
mod load;
#[path = "answers/openai_chat.rs"]
mod openai_chat;
#[path = "answers/openai_responses.rs"]
mod openai_responses;
#[path = "fixtures/vendors.rs"]
mod vendors;

use std::time::SystemTime;

use formats::{FORMATS, Format, plain, turn};
use generate::{Said, cut, events, reply};
use hotspare::catalog::Quirks;
use hotspare::dialect::{
    Dialect, Heard, Ingress, Opening, Problem, SseEvent, SseParser, StreamDecoder, dialect, ingress,
};
use hotspare::types::{Accumulator, Completion, Delta, DialectId, Failure, FailureClass, Phase, StreamEvent};
use http::HeaderMap;
use load::{Fixture, Payload};
use proptest::prelude::*;
use serde_json::Value;
use vendors::{PROVIDERS, quirks, speaks};

/// A recorded success, and how it came.
struct Success {
    fixture: Fixture,
    from: DialectId,
    quirks: Quirks,
    deltas: Vec<Delta>,
}

/// Every recorded success of every format, read.
fn successes() -> Vec<Success> {
    let Some(folder) = load::folder() else {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "HOTSPARE_REQUIRE_FIXTURES=1, and there is no folder of fixtures"
        );
        eprintln!(
            "\n*** FIXTURES DID NOT RUN: no ../shared/fixtures; set HOTSPARE_FIXTURES to their folder ***\n"
        );
        return Vec::new();
    };
    let mut all = Vec::new();
    for &(provider, vendor, _) in PROVIDERS {
        for fixture in load::fixtures(&folder, provider) {
            let Some(from) = speaks(&fixture.endpoint).filter(|_| fixture.status == 200) else {
                continue;
            };
            let quirks = quirks(vendor, from);
            if let Ok(deltas) = read(dialect(from), &quirks, &fixture.bytes()) {
                all.push(Success {
                    fixture,
                    from,
                    quirks,
                    deltas,
                });
            }
        }
    }
    assert!(all.len() > 250, "only {} recorded successes are read", all.len());
    all
}

/// What a stream, or a whole body, says.
fn read(codec: &'static dyn Dialect, quirks: &Quirks, bytes: &[u8]) -> Result<Vec<Delta>, Failure> {
    let mut decoder = StreamDecoder::new(codec, quirks);
    let mut deltas = Vec::new();
    decoder.push(bytes, &mut deltas)?;
    decoder.finish(&mut deltas)?;
    Ok(deltas)
}

fn fold(deltas: &[Delta]) -> Completion {
    let mut fold = Accumulator::default();
    deltas.iter().for_each(|delta| fold.apply(delta));
    fold.finish()
}

fn client(format: &Format) -> (&'static dyn Ingress, Heard) {
    let Value::Object(body) = (format.asks)() else {
        panic!("{}: a request is an object", format.id)
    };
    let text = serde_json::to_vec(&body).unwrap();
    let client = ingress(format.id).unwrap();
    let asked = client.decode_request(format.path, &text).unwrap();
    (client, Heard { asked, body })
}

fn opening() -> Opening {
    Opening {
        id: "0123456789abcdef".to_owned(),
        model: "m".to_owned(),
        created: 1_795_428_000,
    }
}

/// The stream a client gets for these events: every call of the writer gives whole server-sent events.
fn written(format: &Format, events: &[StreamEvent]) -> Result<Vec<u8>, String> {
    let (client, heard) = client(format);
    let mut writer = client.writer(opening(), &heard);
    let (mut parser, mut parsed) = (SseParser::new(), Vec::new());
    let mut out = Vec::new();
    for event in events {
        let before = out.len();
        writer.event(event, &mut out);
        let new = &out[before..];
        if !(new.is_empty() || new.ends_with(b"\n\n")) {
            return Err(format!("{event:?} gives a part of an event"));
        }
        parser.push(new, &mut parsed).unwrap();
    }
    for SseEvent { data, .. } in &parsed {
        if data != "[DONE]" && !serde_json::from_str::<Value>(data).is_ok_and(|data| data.is_object()) {
            return Err(format!("{data:?} is no object"));
        }
    }
    Ok(out)
}

/// How what is read again differs from what the format can say of `done`.
fn difference(what: &str, format: &Format, done: &Completion, again: &Completion) -> Option<String> {
    let mut expected = plain((format.reads)(done.clone()));
    let mut again = plain(again.clone());
    if format.paragraphs {
        for done in [&mut expected, &mut again] {
            done.reasoning = done.reasoning.replace("\n\n", "");
        }
    }
    (again != expected).then(|| format!("{what}:\n    expected {expected:?}\n    read     {again:?}"))
}

/// Writes a whole reply, and reads it again as a reply, and as a turn that comes back.
fn whole(format: &Format, done: &Completion) -> Vec<String> {
    let (client, heard) = client(format);
    let body = client.write_reply(&reply(done.clone()), &heard);
    let mut problems = Vec::new();
    match client.decode(&body) {
        Ok(again) => problems.extend(difference("whole", format, done, &again)),
        Err(failure) => problems.push(format!("whole: {failure:?}")),
    }
    let value: Value = serde_json::from_slice(&body).unwrap();
    let next = (format.sends_back)(&value).to_string();
    match client.decode_request(format.path, next.as_bytes()) {
        Ok(asked) => {
            let (expected, again) = (
                turn(&(format.keeps)(done.clone())),
                formats::sent_back(&asked.request),
            );
            if expected != again {
                problems.push(format!(
                    "sent back:\n    expected {expected:?}\n    read     {again:?}"
                ));
            }
        }
        Err(failure) => problems.push(format!("sent back: {failure:?}")),
    }
    problems
}

/// Writes a stream, and reads it again.
fn streamed(format: &Format, events: &[StreamEvent], done: &Completion) -> Option<String> {
    let stream = match written(format, events) {
        Ok(stream) => stream,
        Err(problem) => return Some(problem),
    };
    match read(dialect(format.id), &Quirks::default(), &stream) {
        Ok(deltas) => difference("stream", format, done, &fold(&deltas)),
        Err(failure) => Some(format!("stream: {failure:?}")),
    }
}

/// Every recorded success, of any format, is the same reply in each format that clients speak.
#[test]
fn recorded_successes_go_to_every_client() {
    let mut problems = Vec::new();
    for success in successes() {
        let done = fold(&success.deltas);
        for format in FORMATS {
            let mut found = whole(format, &done);
            for seed in 0..3 {
                let events = cut(events(&success.deltas), &mut fastrand::Rng::with_seed(seed));
                found.extend(streamed(format, &events, &done));
            }
            let name = format!("{} ({}) to {}", success.fixture.id, success.from, format.id);
            problems.extend(found.first().map(|problem| format!("{name}: {problem:.3000}")));
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// A recorded stream of the client's own format is the same after it went through.
#[test]
fn recorded_streams_go_through() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for success in successes() {
        let Payload::Sse(text) = &success.fixture.payload else {
            continue;
        };
        let Some(format) = FORMATS.iter().find(|format| format.id == success.from) else {
            continue;
        };
        seen += 1;
        let (client, heard) = client(format);
        let mut parsed = Vec::new();
        let mut parser = SseParser::new();
        parser.push(text.as_bytes(), &mut parsed).unwrap();
        parser.finish(&mut parsed).unwrap();
        let mut stream = Vec::new();
        for event in &parsed {
            if let Some(data) = client.pass(event, &heard) {
                let name = event.name.iter().map(|name| format!("event: {name}\n"));
                let data = data.split('\n').map(|line| format!("data: {line}\n"));
                let text: String = name.chain(data).chain(["\n".to_owned()]).collect();
                stream.extend(text.into_bytes());
            }
        }
        stream.extend_from_slice(client.ending());
        match read(client, &success.quirks, &stream) {
            Ok(deltas) if fold(&deltas) == fold(&success.deltas) => {}
            other => problems.push(format!("{}: {other:?}", success.fixture.id)),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 0 || load::folder().is_none(), "no stream went through");
}

/// An error as a client's own codec reads it, whole and in a stream that has begun or not.
#[test]
fn errors_keep_their_class() {
    for format in FORMATS {
        let (client, heard) = client(format);
        for class in FailureClass::ALL {
            let failure = Failure::new(class, Phase::Head, "it did not go well");
            let error = hotspare::Error::failed(failure, Vec::new());
            let problem = Problem::of(&error, "request-1");
            let (status, body) = client.write_error(&problem);
            let failure = client.classify(
                status,
                &HeaderMap::new(),
                &body,
                SystemTime::UNIX_EPOCH,
                &Quirks::default(),
            );
            let (id, message) = (format.id, error.message());
            assert_eq!(
                failure.class,
                (format.class)(class, false),
                "{id} {class}: {failure:?}"
            );
            assert!(failure.message.contains(message), "{id} {class}: {failure:?}");
            for begun in [false, true] {
                let mut writer = client.writer(opening(), &heard);
                let mut out = Vec::new();
                if begun {
                    let text = "It ".to_owned();
                    writer.event(&StreamEvent::Text { text }, &mut out);
                }
                writer.error(&problem, &mut out);
                assert!(out.ends_with(b"\n\n"), "{id} {class}");
                let failure = read(client, &Quirks::default(), &out).unwrap_err();
                assert_eq!(
                    failure.class,
                    (format.class)(class, true),
                    "{id} {class}: {failure:?}"
                );
                assert!(failure.message.contains(message), "{id} {class}: {failure:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is said, in whatever pieces and order, is written and read again.
    #[test]
    fn whatever_is_said_is_read_again(said in generate::said()) {
        let Said { events, done } = said;
        for format in FORMATS {
            let problems = whole(format, &done);
            prop_assert!(problems.is_empty(), "{}: {}", format.id, problems.join("\n"));
            if let Some(problem) = streamed(format, &events, &done) {
                prop_assert!(false, "{}: {problem}", format.id);
            }
        }
    }

    /// A stream that breaks anywhere is whole events, and an error.
    #[test]
    fn a_stream_breaks_anywhere(said in generate::said(), at in any::<prop::sample::Index>()) {
        let events = &said.events[..at.index(said.events.len())];
        let error = hotspare::Error::failed(
            Failure::new(FailureClass::Overloaded, Phase::Stream, "no more"),
            Vec::new(),
        );
        for format in FORMATS {
            let (client, _) = client(format);
            let mut out = written(format, events).unwrap();
            let (_, heard) = self::client(format);
            let mut writer = client.writer(opening(), &heard);
            let mut again = Vec::new();
            events.iter().for_each(|event| writer.event(event, &mut again));
            prop_assert_eq!(&again, &out, "{}", format.id);
            let before = out.len();
            writer.error(&Problem::of(&error, "r"), &mut out);
            prop_assert!(out[before..].ends_with(b"\n\n"));
            let failure = read(client, &Quirks::default(), &out).unwrap_err();
            prop_assert_eq!(failure.class, FailureClass::Overloaded, "{}: {:?}", format.id, failure);
        }
    }
}
