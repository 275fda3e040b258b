//! Replays recorded vendor traffic through the codecs. What a reply holds is worked out a second time by
//! `fixtures/expect.rs`, which knows nothing of the codecs.
//!
//! The recordings lie outside the repository, in `../shared/fixtures` or where `HOTSPARE_FIXTURES` points. Without
//! them nothing is checked, which is said loudly, and is an error when `HOTSPARE_REQUIRE_FIXTURES` is `1`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and reports by printing, in its helpers too"
)]

#[path = "fixtures/asked.rs"]
mod asked;
#[path = "fixtures/disagreements.rs"]
mod disagreements;
#[path = "fixtures/expect.rs"]
mod expect;
#[path = "fixtures/expect_more.rs"]
mod expect_more;
#[path = "fixtures/frames.rs"]
mod frames;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "fixtures/load.rs"]
mod load;
#[path = "fixtures/report.rs"]
mod report;
#[path = "fixtures/vendors.rs"]
mod vendors;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use disagreements::Disagreements;
use expect::{Call, Expected};
use hotspare::catalog::Quirks;
use hotspare::dialect::{Dialect, StreamDecoder, dialect, rate_limits};
use hotspare::types::{
    Accumulator, Completion, Delta, DialectId, Failure, FailureClass, FinishReason, RateUnit,
};
use load::{Fixture, Payload};
use report::Report;
use serde_json::Value;
use vendors::{PROVIDERS, quirks, speaks};

/// How many recordings there are: one that is lost, or not looked at, is noticed.
const RECORDINGS: usize = 449;

/// Why a success at an endpoint that is none of ours is not replayed here.
fn outside(endpoint: &str) -> &'static str {
    match endpoint {
        "embeddings" | "embed" => "embeddings: replayed by `core/tests/embeddings.rs`",
        "completions" | "complete" => "text completion, which came before chat",
        "models" => "a list of models: a free probe, of which only the status is looked at",
        "countTokens" | "count_tokens" | "count-tokens" => "counts tokens, answers nothing",
        "interactions" => "Google's Interactions API: another dialect than `gemini`",
        "v1.chat" => "Cohere's first chat API, which v2 replaced",
        "invoke" | "invoke-stream" => "a model's own format behind Bedrock, which Converse replaced",
        _ => "UNKNOWN ENDPOINT",
    }
}

#[test]
fn replay() {
    let Some(folder) = load::folder() else {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "HOTSPARE_REQUIRE_FIXTURES=1, and there is no folder of fixtures"
        );
        eprintln!(
            "\n*** FIXTURES DID NOT RUN: no ../shared/fixtures; set HOTSPARE_FIXTURES to their folder ***\n"
        );
        return;
    };
    let mut table = Disagreements::read();
    let mut report = Report::default();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for &(provider, vendor, otherwise) in PROVIDERS {
        for fixture in load::fixtures(&folder, provider) {
            seen += 1;
            let id = match speaks(&fixture.endpoint) {
                Some(id) => id,
                // Errors have a provider's shape, whatever was asked.
                None if fixture.status != 200 => otherwise,
                None => {
                    let why = outside(&fixture.endpoint);
                    assert!(
                        why != "UNKNOWN ENDPOINT",
                        "{}: say why it is not replayed",
                        fixture.id
                    );
                    report.outside(&fixture, why);
                    continue;
                }
            };
            let codec = dialect(id);
            assert_eq!(codec.id(), id);
            let mut listed = Vec::new();
            let mut passes = true;
            let mut differences = check(codec, &quirks(vendor, id), &fixture);
            if speaks(&fixture.endpoint) == Some(id) && fixture.endpoint != "api.generate" {
                differences.extend(asked::compare(codec, &fixture));
            }
            for (what, ours, theirs) in differences {
                match table.allows(&fixture.id, what, &ours) {
                    Some(reason) => listed.push(reason),
                    None => {
                        passes = false;
                        wrong.push(format!(
                            "{}: {what}:\n    ours   {ours}\n    theirs {theirs}",
                            fixture.id
                        ));
                    }
                }
            }
            report.replayed(&fixture, id, passes, listed);
        }
    }
    assert_eq!(seen, RECORDINGS, "a folder of recordings is not looked at");
    wrong.extend(table.stale());
    println!("{}", report.summary());
    assert!(
        wrong.is_empty(),
        "{} disagreements:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    report.compare(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/fixtures.md"
    )));
}

/// (what, ours, theirs) for everything that differs.
type Differences = Vec<(&'static str, String, String)>;

fn check(codec: &'static dyn Dialect, quirks: &Quirks, fixture: &Fixture) -> Differences {
    let bytes = fixture.bytes();
    if fixture.status != 200 {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_428_000);
        let failure = codec.classify(fixture.status_code(), &fixture.headers, &bytes, now, quirks);
        return compare_error(fixture, Err(failure));
    }
    let whole = match fixture.payload {
        Payload::Json(_) if fixture.endpoint != "streamGenerateContent" => codec.decode(&bytes),
        _ => match stream(codec, quirks, [bytes.as_slice()]) {
            Ok(whole) => {
                if let Some(difference) = splits(codec, quirks, &bytes, &whole) {
                    return vec![difference];
                }
                whole.outcome()
            }
            Err(panicked) => return vec![("stream", panicked, "an outcome".to_owned())],
        },
    };
    if fixture.is_labelled_error() {
        return compare_error(fixture, whole);
    }
    let mut expected = match codec.id() {
        DialectId::OpenaiChat => expect::openai_chat(fixture),
        DialectId::AnthropicMessages => expect::anthropic(fixture),
        DialectId::Gemini => expect::gemini(fixture),
        DialectId::OpenaiResponses => expect_more::openai_responses(fixture),
        DialectId::BedrockConverse => expect_more::bedrock(fixture),
        DialectId::CohereChat => expect_more::cohere(fixture),
        DialectId::OllamaChat => expect_more::ollama(fixture),
        other => panic!("{other} has no extractor"),
    };
    if let Some(expected) = &mut expected
        && quirks.done_is_end
        && !matches!(fixture.payload, Payload::Json(_))
    {
        // No reason is named: that it ended is all there is.
        expected.finish = expected.finish.or(Some(FinishReason::Stop));
    }
    match (expected, whole) {
        (Some(expected), Ok(done)) => compare(&expected, &done),
        (Some(expected), Err(failure)) => {
            vec![(
                "result",
                format!("{}: {}", failure.class, failure.message),
                format!("{expected:?}"),
            )]
        }
        (None, Err(failure)) if failure.class == FailureClass::Malformed => Vec::new(),
        (None, other) => vec![(
            "result",
            format!("{other:?}"),
            "malformed: it holds no answer".to_owned(),
        )],
    }
}

/// What a stream came to.
#[derive(Debug, PartialEq)]
struct Streamed {
    done: Completion,
    failure: Option<Failure>,
}

impl Streamed {
    fn outcome(self) -> Result<Completion, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.done),
        }
    }
}

fn stream<'a>(
    codec: &'static dyn Dialect,
    quirks: &Quirks,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Streamed, String> {
    let mut decoder = StreamDecoder::new(codec, quirks);
    let mut deltas = Vec::new();
    let mut failure = pieces
        .into_iter()
        .find_map(|piece| decoder.push(piece, &mut deltas).err());
    if failure.is_none() {
        failure = decoder.finish(&mut deltas).err();
    }
    let mut fold = Accumulator::default();
    let mut calls = 0;
    for delta in &deltas {
        if let Delta::ToolCall { index, .. } = delta {
            if *index > calls {
                return Err(format!("tool call {index} before {calls}"));
            }
            calls = calls.max(index + 1);
        }
        fold.apply(delta);
    }
    Ok(Streamed {
        done: fold.finish(),
        failure,
    })
}

/// Every byte alone, and twenty random splits, must come to the same.
fn splits(
    codec: &'static dyn Dialect,
    quirks: &Quirks,
    bytes: &[u8],
    whole: &Streamed,
) -> Option<(&'static str, String, String)> {
    let differs = |how: String, split: Result<Streamed, String>| {
        (split.as_ref() != Ok(whole)).then(|| ("stream", format!("{how}: {split:?}"), format!("{whole:?}")))
    };
    differs("single bytes".to_owned(), stream(codec, quirks, bytes.chunks(1))).or_else(|| {
        (0..20u64).find_map(|seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut rest = bytes;
            let pieces = std::iter::from_fn(|| {
                let length = random.usize(1..=200).min(rest.len());
                let (piece, tail) = rest.split_at(length);
                rest = tail;
                (!piece.is_empty()).then_some(piece)
            });
            let pieces: Vec<&[u8]> = pieces.collect();
            differs(format!("seed {seed}"), stream(codec, quirks, pieces))
        })
    })
}

fn compare(expected: &Expected, done: &Completion) -> Differences {
    let ours_calls: Vec<Call> = done
        .tool_calls
        .iter()
        .map(|call| Call::new(&call.name, &call.arguments))
        .collect();
    let ids = done.tool_calls.iter().map(|call| &call.id);
    let distinct: std::collections::BTreeSet<&String> = ids.clone().filter(|id| !id.is_empty()).collect();
    let usage = done.usage.reported.then_some(expect::Usage {
        input: done.usage.input_tokens,
        output: done.usage.output_tokens,
        cache_read: done.usage.cache_read_tokens,
        cache_write: done.usage.cache_write_tokens,
        reasoning: done.usage.reasoning_tokens,
    });
    let mut out = Vec::new();
    let mut differ = |what, ours: String, theirs: String| {
        if ours != theirs {
            out.push((what, ours, theirs));
        }
    };
    differ("text", format!("{:?}", done.text), format!("{:?}", expected.text));
    differ(
        "reasoning",
        format!("{:?}", done.reasoning),
        format!("{:?}", expected.reasoning),
    );
    differ(
        "calls",
        format!("{ours_calls:?}"),
        format!("{:?}", expected.calls),
    );
    differ("ids", distinct.len().to_string(), ids.count().to_string());
    differ(
        "finish",
        format!("{:?}", done.finish_reason),
        format!("{:?}", expected.finish),
    );
    differ("usage", format!("{usage:?}"), format!("{:?}", expected.usage));
    out
}

fn compare_error(fixture: &Fixture, ours: Result<Completion, Failure>) -> Differences {
    let theirs = fixture.class().to_string();
    let (ours, message) = match ours {
        Err(failure) => (failure.class.to_string(), failure.message),
        Ok(done) => (format!("{:?}", done.finish_reason), done.text),
    };
    if ours == theirs {
        return Vec::new();
    }
    vec![("class", ours, format!("{theirs} ({message})"))]
}

/// What recorded headers tell of limits, by provider: every number is one that was written, and each family that a provider
/// sends is read.
#[test]
fn limits_are_read_from_recorded_headers() {
    let Some(folder) = load::folder() else {
        return;
    };
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_428_000);
    // (provider, kinds of limits told, their periods in seconds)
    let expected: &[(&str, &[RateUnit], &[u64])] = &[
        ("openai", &[RateUnit::Requests, RateUnit::Tokens], &[60, 86_400]),
        ("azure-openai", &[RateUnit::Requests, RateUnit::Tokens], &[60]),
        (
            "anthropic",
            &[
                RateUnit::Requests,
                RateUnit::Tokens,
                RateUnit::InputTokens,
                RateUnit::OutputTokens,
            ],
            &[60],
        ),
        ("groq", &[RateUnit::Requests, RateUnit::Tokens], &[60, 86_400]),
        (
            "mistral",
            &[RateUnit::Requests, RateUnit::Tokens],
            &[10, 60, 2_592_000],
        ),
        ("together", &[RateUnit::Requests], &[1]),
        ("fireworks", &[RateUnit::Requests], &[]),
        ("gemini", &[], &[]),
        ("deepseek", &[], &[]),
    ];
    for (provider, units, periods) in expected {
        let mut found = (BTreeSet::new(), BTreeSet::new());
        for fixture in load::fixtures(&folder, provider) {
            let written = fixture.headers.values().filter_map(|value| value.to_str().ok());
            let written: Vec<&str> = written.collect();
            for told in rate_limits::told(&fixture.headers, wall) {
                for number in told.limit.into_iter().chain(told.remaining) {
                    let number = number.to_string();
                    assert!(
                        written.iter().any(|value| value.contains(&number)),
                        "{}: {number}",
                        fixture.id
                    );
                }
                found.0.insert(told.what);
                found.1.extend(told.per.map(|per| per.as_secs()));
            }
        }
        let expected = (units.iter().copied().collect(), periods.iter().copied().collect());
        assert_eq!(found, expected, "{provider}");
    }
}

#[test]
fn the_extractors_read_what_is_there() {
    let arguments = Call::new("f", r#"{"a": [1]}"#);
    assert_eq!(arguments, Call::new("f", "{\"a\":[1]}"));
    assert_ne!(arguments, Call::new("f", r#"{"a": [2]}"#));
    assert_eq!(Call::new("f", r#"{"a": [1"#), Call::new("f", r#"{"a": [1"#));
    assert_eq!(
        Call::new("f", ""),
        Call::of("f", &Value::Object(serde_json::Map::new()))
    );
}
