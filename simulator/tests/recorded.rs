//! The main job on real traffic: recorded exchanges of every dialect, served on sockets by a backup while the
//! primary fails in each way of the failure table. Every call that may be answered must be, by the recorded reply,
//! decoded right. What a reply holds is worked out by the extractors of the core's fixture test, not by the codecs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking and reports by printing, in its helpers too"
)]

#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "../../core/tests/fixtures/disagreements.rs"]
mod disagreements;
#[path = "../../core/tests/fixtures/expect.rs"]
mod expect;
#[path = "../../core/tests/fixtures/expect_more.rs"]
mod expect_more;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "../../core/tests/fixtures/frames.rs"]
mod frames;
#[allow(dead_code, reason = "this test needs a part of it")]
#[path = "../../core/tests/fixtures/load.rs"]
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use disagreements::Disagreements;
use expect::{Call, Expected};
use hotspare::types::{Completion, FinishReason};
use hotspare::{ChatRequest, Client, StreamEvent};
use hotspare_simulator::{Script, Simulator};
use load::{Fixture, Payload};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The folder of a vendor's recordings, their dialect, and the endpoints that speak it.
const VENDORS: [(&str, &str, &[&str]); 7] = [
    ("openai", "openai_chat", &["chat.completions"]),
    ("openai-responses", "openai_responses", &["responses"]),
    ("anthropic", "anthropic_messages", &["messages"]),
    ("gemini", "gemini", &["generateContent", "streamGenerateContent"]),
    ("bedrock", "bedrock_converse", &["converse", "converse-stream"]),
    ("cohere", "cohere_chat", &["v2.chat"]),
    ("ollama", "ollama_chat", &["api.chat"]),
];

/// Each way to fail that leaves a call to be answered by another target: its name, the class the trail must show, and
/// the simulator's step. `s`: of streams only; `c`: of whole replies only.
fn ways() -> Vec<(&'static str, &'static str, char, Value)> {
    vec![
        ("refused", "connect", ' ', json!({"fault": "refuse"})),
        ("reset", "reset", ' ', json!({"fault": "reset_before_head"})),
        ("reset_in_head", "reset", ' ', json!({"fault": "reset_in_head"})),
        ("hang", "timeout", ' ', json!({"fault": "hang"})),
        (
            "stall",
            "timeout",
            ' ',
            json!({"fault": "stall", "after_chunks": 0}),
        ),
        ("pings", "timeout", 's', json!({"fault": "ping_only"})),
        ("server", "server", ' ', json!({"status": 500})),
        ("overloaded", "overloaded", ' ', json!({"error": "overloaded"})),
        (
            "rate_limited",
            "rate_limited",
            ' ',
            json!({"error": "rate_limit", "headers": {"retry-after-ms": "1"}}),
        ),
        (
            "quota",
            "quota_exhausted",
            ' ',
            json!({"error": "insufficient_quota"}),
        ),
        (
            "no_model",
            "model_not_found",
            ' ',
            json!({"error": "model_not_found"}),
        ),
        ("html", "malformed", ' ', json!({"fault": "html"})),
        ("redirect", "malformed", ' ', json!({"fault": "redirect"})),
        ("empty", "malformed", ' ', json!({"fault": "empty"})),
        ("mid_body", "malformed", 'c', json!({"fault": "reset_mid_body"})),
        (
            "short_body",
            "malformed",
            'c',
            json!({"fault": "wrong_content_length"}),
        ),
        (
            "cut",
            "malformed",
            's',
            json!({"fault": "cut", "after_chunks": 0}),
        ),
        (
            "clean_cut",
            "malformed",
            's',
            json!({"fault": "clean_cut", "after_chunks": 0}),
        ),
        (
            "bad_event",
            "malformed",
            's',
            json!({"fault": "malformed_event", "after_chunks": 0}),
        ),
        (
            "error_event",
            "overloaded",
            's',
            json!({"fault": "error_event", "error": "overloaded", "after_chunks": 0}),
        ),
    ]
}

/// A recorded exchange that holds an answer.
struct Exchange {
    id: String,
    vendor: &'static str,
    stream: bool,
    expected: Expected,
}

fn exchanges(folder: &std::path::Path) -> (Vec<Exchange>, Vec<String>) {
    let mut found = Vec::new();
    let mut without = Vec::new();
    for (vendor, _, endpoints) in VENDORS {
        for fixture in load::fixtures(folder, vendor) {
            if !endpoints.contains(&fixture.endpoint.as_str()) || !(200..300).contains(&fixture.status) {
                continue;
            }
            let stream = !matches!(fixture.payload, Payload::Json(_));
            match answer(vendor, &fixture) {
                Some(expected) => found.push(Exchange {
                    id: fixture.id,
                    vendor,
                    stream,
                    expected,
                }),
                None => without.push(fixture.id),
            }
        }
    }
    (found, without)
}

/// What the exchange holds, when that is an answer: an error inside a 200, or nothing said for no reason, is none.
fn answer(vendor: &str, fixture: &Fixture) -> Option<Expected> {
    if fixture.is_labelled_error() {
        return None;
    }
    let expected = match vendor {
        "openai" => expect::openai_chat(fixture),
        "openai-responses" => expect_more::openai_responses(fixture),
        "anthropic" => expect::anthropic(fixture),
        "gemini" => expect::gemini(fixture),
        "bedrock" => expect_more::bedrock(fixture),
        "cohere" => expect_more::cohere(fixture),
        "ollama" => expect_more::ollama(fixture),
        other => panic!("{other} has no extractor"),
    }?;
    let says = !expected.text.is_empty() || !expected.calls.is_empty();
    let explains = !matches!(
        expected.finish,
        None | Some(FinishReason::Stop | FinishReason::Other | FinishReason::ToolCalls)
    );
    (says || explains).then_some(expected)
}

/// (what, ours, theirs) of the first thing that differs.
type Difference = (&'static str, String, String);

fn differs(expected: &Expected, done: &Completion) -> Option<Difference> {
    let calls: Vec<Call> = done
        .tool_calls
        .iter()
        .map(|call| Call::new(&call.name, &call.arguments))
        .collect();
    let usage = done.usage.reported.then_some(expect::Usage {
        input: done.usage.input_tokens,
        output: done.usage.output_tokens,
        cache_read: done.usage.cache_read_tokens,
        cache_write: done.usage.cache_write_tokens,
        reasoning: done.usage.reasoning_tokens,
    });
    let pairs = [
        ("text", format!("{:?}", done.text), format!("{:?}", expected.text)),
        ("calls", format!("{calls:?}"), format!("{:?}", expected.calls)),
        (
            "finish",
            format!("{:?}", done.finish_reason),
            format!("{:?}", expected.finish),
        ),
        ("usage", format!("{usage:?}"), format!("{:?}", expected.usage)),
    ];
    pairs.into_iter().find(|(_, ours, theirs)| ours != theirs)
}

async fn call(client: &Client, route: String, stream: bool) -> Result<hotspare::Reply, String> {
    let request = ChatRequest {
        route: Some(route),
        ..ChatRequest::of("Say hi")
    };
    if !stream {
        return client.send(request).await.map_err(|error| error.to_string());
    }
    let mut stream = client.open(request).await.map_err(|error| error.to_string())?;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event.map_err(|error| error.to_string())? {
            StreamEvent::Finish { reply } if reply.text() == text => return Ok(*reply),
            StreamEvent::Finish { .. } => return Err("the events do not add up to the reply".to_owned()),
            event => text.push_str(event.text()),
        }
    }
    Err("the stream ended without a finish event".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_answers_with_what_was_recorded() {
    let Some(folder) = load::folder() else {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "HOTSPARE_REQUIRE_FIXTURES=1, and there is no folder of fixtures"
        );
        eprintln!("\n*** RECORDED TRAFFIC DID NOT RUN: no ../shared/fixtures; set HOTSPARE_FIXTURES ***\n");
        return;
    };
    let (exchanges, without) = exchanges(&folder);
    let ways = ways();

    // Each way is a primary of its own; each vendor a backup that serves the recordings. The primaries of a way take
    // turns over the dialects, so that every dialect fails in every way.
    let mut script = serde_json::Map::new();
    for (vendor, dialect, _) in VENDORS {
        let replay = folder.join(vendor);
        script.insert(vendor.to_owned(), json!({"dialect": dialect, "replay": replay}));
        for (way, _, _, step) in &ways {
            let mut step = step.clone();
            step["repeat"] = json!(1_000_000);
            let provider = if *way == "refused" {
                json!({"dialect": dialect, "refuse": true})
            } else {
                json!({"dialect": dialect, "steps": [step]})
            };
            script.insert(format!("{way}-{vendor}"), provider);
        }
    }
    let script = json!({"providers": script}).to_string();
    let mut simulator = Simulator::start(Script::from_json(&script).unwrap())
        .await
        .unwrap();

    let mut providers = serde_json::Map::new();
    for (vendor, dialect, _) in VENDORS {
        let names = ways.iter().map(|(way, ..)| format!("{way}-{vendor}"));
        for name in names.chain([vendor.to_owned()]) {
            let url = simulator.url(&name).unwrap();
            providers.insert(
                name,
                json!({"dialect": dialect, "base_url": url, "keys": ["key"]}),
            );
        }
    }
    let mut routes = serde_json::Map::new();
    let mut calls = Vec::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        for (way, class, only, _) in &ways {
            if (*only == 's' && !exchange.stream) || (*only == 'c' && exchange.stream) {
                continue;
            }
            let vendor = VENDORS[number % VENDORS.len()].0;
            let primary = format!("{way}-{vendor}");
            // All that these two say in a stream is that they failed.
            let class = if *way == "error_event" && ["cohere", "ollama"].contains(&vendor) {
                "server"
            } else {
                class
            };
            let route = format!("{way}-{number}");
            // A model of its own for each exchange: a model that was not found is not asked for again.
            let targets = [
                format!("{primary}/m{number}"),
                format!("{}/{}", exchange.vendor, exchange.id),
            ];
            let timeouts = json!({"total": "30s", "attempt": "250ms", "first_token": "250ms", "idle": "10s"});
            routes.insert(route.clone(), json!({"targets": targets, "timeouts": timeouts}));
            calls.push((route, number, *way, class));
        }
    }
    let config = json!({"providers": providers, "routes": routes}).to_string();
    let client = Client::from_json(&config).unwrap();

    let exchanges = Arc::new(exchanges);
    let room = Arc::new(Semaphore::new(24));
    let mut tasks = JoinSet::new();
    let total = calls.len();
    for (route, number, way, class) in calls {
        let (client, exchanges, room) = (client.clone(), Arc::clone(&exchanges), Arc::clone(&room));
        tasks.spawn(async move {
            let _place = room.acquire_owned().await.unwrap();
            let exchange = &exchanges[number];
            let problem = match call(&client, route, exchange.stream).await {
                Err(error) => Some(("result", error, "an answer".to_owned())),
                Ok(reply) if reply.trail[0].code() != class => Some((
                    "the primary's class",
                    reply.trail[0].code().to_owned(),
                    class.to_owned(),
                )),
                Ok(reply) => differs(&exchange.expected, &reply.completion),
            };
            (way, number, problem)
        });
    }
    let mut by_way: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut table = Disagreements::read();
    while let Some(done) = tasks.join_next().await {
        let (way, number, problem) = done.unwrap();
        let id = &exchanges[number].id;
        match problem {
            Some((what, ours, theirs)) if table.allows(id, what, &ours).is_none() => {
                wrong.push(format!("{way}, {id}: {what}: ours {ours}, theirs {theirs}"));
            }
            _ => *by_way.entry(way).or_default() += 1,
        }
    }
    simulator.shutdown().await;
    println!(
        "{} recorded exchanges, {} ways to fail: {total} calls, {} answered right by the backup",
        exchanges.len(),
        ways.len(),
        total - wrong.len()
    );
    for (way, count) in by_way {
        println!("  {way}: {count}");
    }
    println!(
        "{} recordings hold no answer: {}",
        without.len(),
        without.join(", ")
    );
    wrong.sort();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(exchanges.len() >= 170, "only {} exchanges", exchanges.len());
}
