//! Requests keep their meaning from one format to another: what differs afterwards is named.
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

#[path = "round_trips/generate.rs"]
mod generate;
#[path = "round_trips/normal.rs"]
mod normal;
#[path = "round_trips/report.rs"]
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hotspare::catalog::Quirks;
use hotspare::dialect::{self, Asked, Call, Encoded, dialect as codec};
use hotspare::types::{ChatRequest, DialectId, Failure, FailureClass};
use normal::normal;
use proptest::prelude::*;
use report::Report;
use serde_json::Value;

/// The formats of the recorded endpoints.
const ENDPOINTS: &[(&str, DialectId)] = &[
    ("chat.completions", DialectId::OpenaiChat),
    ("openai-compat", DialectId::OpenaiChat),
    ("messages", DialectId::AnthropicMessages),
    ("generateContent", DialectId::Gemini),
    ("streamGenerateContent", DialectId::Gemini),
    ("responses", DialectId::OpenaiResponses),
    ("converse", DialectId::BedrockConverse),
    ("converse-stream", DialectId::BedrockConverse),
    ("v2.chat", DialectId::CohereChat),
    ("api.chat", DialectId::OllamaChat),
];

/// Recorded requests that are wrong in themselves: their vendor refused them, and so do we.
const WRONG: &[(&str, &str)] = &[
    ("anthropic/messages__anthropic_completion_error", "messages[0]"),
    (
        "vertex/generateContent__test_generate_content_invalid_role",
        "contents[0].role",
    ),
];

/// A model that nothing is known of.
const MODEL: &str = "m";

struct Recorded {
    id: String,
    dialect: DialectId,
    path: String,
    body: Value,
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HOTSPARE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

/// Every recorded chat request, in the order of its id.
fn recorded(folder: &Path) -> Vec<Recorded> {
    let mut all = BTreeMap::new();
    for provider in std::fs::read_dir(folder).unwrap() {
        let provider = provider.unwrap().path();
        if !provider.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&provider).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let endpoint = json["endpoint"].as_str().unwrap();
            let body = &json["request"]["body"];
            let Some(&(_, dialect)) = ENDPOINTS.iter().find(|(name, _)| *name == endpoint) else {
                continue;
            };
            if !body.is_object() {
                continue;
            }
            let id = json["id"].as_str().unwrap().to_owned();
            let path = json["request"]["path"].as_str().unwrap_or_default();
            let one = Recorded {
                id: id.clone(),
                dialect,
                path: path.split('?').next().unwrap_or_default().to_owned(),
                body: body.clone(),
            };
            all.insert(id, one);
        }
    }
    all.into_values().collect()
}

fn recordings() -> Option<Vec<Recorded>> {
    let Some(folder) = folder() else {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "HOTSPARE_REQUIRE_FIXTURES=1, and there is no folder of fixtures"
        );
        eprintln!(
            "\n*** FIXTURES DID NOT RUN: no ../shared/fixtures; set HOTSPARE_FIXTURES to their folder ***\n"
        );
        return None;
    };
    Some(recorded(&folder))
}

fn encode(
    (id, model): (DialectId, &str),
    request: &ChatRequest,
    lossy: bool,
    stream: bool,
) -> Result<Encoded, Failure> {
    let call = Call {
        request,
        provider: "p",
        model,
        facts: None,
        quirks: &Quirks::default(),
        lossy,
        stream,
    };
    dialect::encode(codec(id), &call)
}

/// The model of a request that stays in its format, which may decide how a thing is said.
fn model_for(asked: &Asked, from: DialectId, to: DialectId) -> &str {
    match asked.model.as_deref() {
        Some(model) if from == to && !model.is_empty() => model,
        _ => MODEL,
    }
}

fn decode(id: DialectId, encoded: &Encoded) -> Asked {
    let path = encoded.path.split('?').next().unwrap_or_default();
    codec(id)
        .decode_request(path, &encoded.body)
        .unwrap_or_else(|failure| panic!("{id}: {failure:?} of {:?}", encoded.body))
}

/// What differs between two requests and is named by no line: the field, before and after.
fn unnamed(before: &ChatRequest, after: &ChatRequest, lines: &[String]) -> Vec<String> {
    let (mut before, mut after) = (normal(before), normal(after));
    normal::match_names(&mut before, &mut after);
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    fields
        .into_iter()
        .filter(|field| before.get(*field) != after.get(*field))
        .filter(|field| !lines.iter().any(|line| normal::names(line, field)))
        .map(|field| {
            let show = |side: Option<&Value>| side.map_or("nothing".to_owned(), Value::to_string);
            format!(
                "{field}:\n      before {:.900}\n      after  {:.900}",
                show(before.get(field)),
                show(after.get(field))
            )
        })
        .collect()
}

/// Every recorded request, read and written to every format, keeps its meaning but for what is named.
#[test]
fn recorded_requests_go_to_every_format() {
    let Some(recordings) = recordings() else { return };
    let mut report = Report::default();
    let mut problems = Vec::new();
    for Recorded {
        id,
        dialect,
        path,
        body,
    } in &recordings
    {
        let asked = match codec(*dialect).decode_request(path, body.to_string().as_bytes()) {
            Ok(asked) => asked,
            Err(failure) => {
                if !WRONG.contains(&(id.as_str(), failure.code.as_deref().unwrap_or_default())) {
                    problems.push(format!("{id}: not read: {}", failure.message));
                }
                continue;
            }
        };
        for to in DialectId::ALL {
            let model = model_for(&asked, *dialect, to);
            let encoded = match encode((to, model), &asked.request, true, asked.stream) {
                Ok(encoded) => encoded,
                Err(failure) => {
                    if failure.class != FailureClass::Unsupported || to == *dialect {
                        problems.push(format!("{id} to {to}: {}", failure.message));
                    }
                    report.refused(*dialect, to, &failure);
                    continue;
                }
            };
            if let Err(failure) = encode((to, model), &asked.request, false, asked.stream) {
                report.lost(*dialect, to, &failure);
            }
            let again = decode(to, &encoded).request;
            let cell = report.cell(*dialect, to);
            match normal(&asked.request) == normal(&again) {
                true => cell.whole += 1,
                false => cell.named += 1,
            }
            for one in unnamed(&asked.request, &again, &encoded.adapted) {
                problems.push(format!("{id} to {to}: {one}\n      lines  {:?}", encoded.adapted));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    report.compare(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/round-trips.md"
    )));
}

/// A recorded request, read and written to its own format, has every value that it had.
#[test]
fn recorded_requests_come_back_whole() {
    let Some(recordings) = recordings() else { return };
    let mut problems = Vec::new();
    for Recorded {
        id,
        dialect,
        path,
        body,
    } in &recordings
    {
        let Ok(asked) = codec(*dialect).decode_request(path, body.to_string().as_bytes()) else {
            continue;
        };
        let Ok(encoded) = encode(
            (*dialect, asked.model.as_deref().unwrap_or(MODEL)),
            &asked.request,
            false,
            asked.stream,
        ) else {
            problems.push(format!("{id}: refused"));
            continue;
        };
        let after: Value = serde_json::from_slice(&encoded.body).unwrap();
        let mut missing = normal::missing(*dialect, body, &after);
        // OpenAI refuses a strict mode with such a schema, and others may take it: a line says that it is not asked for.
        let loosened = |line: &String| line.contains(".strict: sent as false");
        missing.retain(|leaf| leaf != "strict=true" || !encoded.adapted.iter().any(loosened));
        if !missing.is_empty() {
            problems.push(format!("{id}: {missing:?}\n      lines {:?}", encoded.adapted));
        }
        assert_eq!(decode(*dialect, &encoded).stream, asked.stream, "{id}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether a client's body is read or refused, and when read goes to every format and is read there, or is refused.
fn goes_on(id: DialectId, path: &str, body: &[u8]) -> Result<(), String> {
    let asked = match codec(id).decode_request(path, body) {
        Ok(asked) => asked,
        Err(failure) => {
            let refused = matches!(
                failure.class,
                FailureClass::InvalidRequest | FailureClass::Unsupported
            );
            return if refused {
                Ok(())
            } else {
                Err(format!("{failure:?}"))
            };
        }
    };
    for to in DialectId::ALL {
        let model = model_for(&asked, id, to);
        match encode((to, model), &asked.request, true, asked.stream) {
            Ok(encoded) => {
                let again = decode(to, &encoded).request;
                let unnamed = unnamed(&asked.request, &again, &encoded.adapted);
                if !unnamed.is_empty() {
                    return Err(format!("{id} to {to}: {unnamed:?} of {:?}", encoded.adapted));
                }
            }
            Err(failure) if failure.class == FailureClass::Unsupported => {}
            Err(failure) => return Err(format!("{id} to {to}: {failure:?}")),
        }
    }
    Ok(())
}

/// Recorded requests with something taken out, doubled, or in the place of something else.
#[test]
fn bent_requests_are_read_or_refused() {
    let Some(recordings) = recordings() else { return };
    let mut random = fastrand::Rng::with_seed(4);
    let mut problems = BTreeMap::new();
    for one in &recordings {
        for _ in 0..40 {
            let mut body = one.body.clone();
            for _ in 0..random.usize(1..3) {
                bend(&mut body, &mut random);
            }
            let body = body.to_string();
            if let Err(problem) = goes_on(one.dialect, &one.path, body.as_bytes()) {
                let kind = problem.split("before").next().unwrap_or_default().to_owned();
                problems.insert(kind, format!("{}: {problem}\n  of {body:.2000}", one.id));
            }
        }
    }
    let problems: Vec<String> = problems.into_values().collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Goes down the value at random, and changes what it comes to.
fn bend(value: &mut Value, random: &mut fastrand::Rng) {
    let deeper = random.u8(..) < 230;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = map.keys().nth(random.usize(..map.len())).unwrap().clone();
            bend(&mut map[&key], random);
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let place = random.usize(..list.len());
            if random.u8(..) < 40 {
                let twin = list[place].clone();
                list.insert(place, twin);
            }
            bend(&mut list[place], random);
        }
        other => {
            *other = match random.u8(..8) {
                0 => Value::Null,
                1 => Value::Bool(random.bool()),
                2 => Value::from(random.i32(-3..70_000)),
                3 => Value::from("{\"a\": 1}"),
                4 => Value::from(""),
                5 => Value::Array(vec![other.take()]),
                6 => serde_json::json!({"type": "text", "text": other.take()}),
                _ => Value::Object(serde_json::Map::new()),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// What every format can say comes back as it went in, with nothing changed on the way.
    #[test]
    fn the_shared_part_comes_back(request in generate::request(), stream in any::<bool>()) {
        for id in DialectId::ALL {
            let request = generate::shared(id, &request);
            let encoded = encode((id, MODEL), &request, false, stream).unwrap();
            let lines: Vec<_> = encoded.adapted.iter().filter(|line| !generate::known(id, line)).collect();
            prop_assert!(lines.is_empty(), "{id}: {lines:?}");
            let asked = decode(id, &encoded);
            prop_assert_eq!(normal(&asked.request), normal(&request), "{}", id);
            prop_assert_eq!(asked.stream, stream, "{}", id);
            prop_assert_eq!(asked.model.as_deref(), Some(MODEL), "{}", id);
        }
    }

    /// Any bytes give a request or a failure; a request goes to every format, and is read there, or is refused.
    #[test]
    fn any_bytes_are_read_or_refused(body in generate::any_body(), path in "/?(models/)?[a-z:]{0,12}") {
        for id in DialectId::ALL {
            let gone_on = goes_on(id, &path, &body);
            prop_assert!(gone_on.is_ok(), "{}", gone_on.unwrap_err());
        }
    }
}
