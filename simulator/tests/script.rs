//! What a script does besides faults, in virtual time, and what is told of a wrong one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, and says what it met"
)]

mod support;

use std::time::Duration;

use hotspare::transport::Transport as _;
use hotspare_simulator::{End, Script, SimTransport, Simulator};
use serde_json::{Value, json};
use support::{
    DIALECTS, Ending, LONG, chat, in_process, in_process_request, key_header, over_tcp, script, settled,
};

fn one(provider: Value) -> SimTransport {
    SimTransport::new(script(json!({"seed": 7, "providers": {"p": provider}})))
}

async fn ask(transport: &SimTransport, dialect: &str, stream: bool, key: &str) -> support::Outcome {
    let (path, body) = chat(dialect, stream);
    let (name, value) = key_header(dialect, key);
    in_process(transport, "p", &path, &[(name, value)], &body, LONG).await
}

#[tokio::test(start_paused = true)]
async fn delays_are_virtual_and_exact() {
    let transport = one(json!({
        "dialect": "openai_chat",
        "reply": {"chunks": ["a", "b", "c"]},
        "latency": {"head": "5ms", "first_token": "50ms", "gap": "10ms"},
    }));
    ask(&transport, "openai_chat", true, "k").await;
    ask(&transport, "openai_chat", false, "k").await;
    let journal = transport.journal();
    let times: Vec<_> = journal
        .iter()
        .map(|e| (e.at_ms, e.first_byte_ms, e.ended_ms))
        .collect();
    assert_eq!(times, [(0, Some(5), Some(75)), (75, Some(150), Some(150))]);
}

#[tokio::test(start_paused = true)]
async fn limits_are_told_in_the_vendors_way_and_heal() {
    for (dialect, header, remaining) in [
        ("openai_chat", "x-ratelimit-remaining-requests", Some("0")),
        (
            "anthropic_messages",
            "anthropic-ratelimit-requests-remaining",
            Some("0"),
        ),
        ("gemini", "retry-after", None),
        ("openai_responses", "x-ratelimit-remaining-requests", Some("0")),
        ("bedrock_converse", "retry-after", None),
        ("cohere_chat", "retry-after", None),
        ("ollama_chat", "retry-after", None),
    ] {
        let transport = one(json!({"dialect": dialect, "limits": {"requests_per_minute": 60, "burst": 1}}));
        let first = ask(&transport, dialect, false, "k").await;
        assert_eq!((first.status, first.header(header)), (Some(200), remaining));
        let second = ask(&transport, dialect, false, "k").await;
        assert_eq!(second.status, Some(429));
        if dialect == "gemini" {
            assert!(
                second.text().contains(r#""retryDelay":"1s""#),
                "{}",
                second.text()
            );
        } else {
            assert_eq!(second.header("retry-after"), remaining.map(|_| "1"));
        }
        assert_eq!(ask(&transport, dialect, false, "other").await.status, Some(200));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(ask(&transport, dialect, false, "k").await.status, Some(200));
        assert_eq!(transport.journal()[1].step.as_deref(), Some("limits"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_turned_away_and_never_written_down() {
    for (dialect, status) in [
        ("openai_chat", 401),
        ("openai_responses", 401),
        ("anthropic_messages", 401),
        ("gemini", 400),
        ("bedrock_converse", 403),
        ("cohere_chat", 401),
        ("ollama_chat", 401),
    ] {
        let transport = one(json!({"dialect": dialect, "keys": ["sk-good"], "steps": [{"status": 500}]}));
        assert_eq!(
            ask(&transport, dialect, false, "sk-bad").await.status,
            Some(status)
        );
        assert_eq!(ask(&transport, dialect, false, "sk-good").await.status, Some(500));
        let journal = transport.journal();
        assert_eq!((journal[0].authorized, journal[1].authorized), (false, true));
        assert_ne!(journal[0].key, journal[1].key);
        let text = serde_json::to_string(&journal).unwrap();
        assert!(!text.contains("sk-"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn steps_then_phases_then_chance() {
    let transport = one(json!({
        "dialect": "anthropic_messages",
        "steps": [{"error": "overloaded", "repeat": 2}, {"status": 418, "body": "tea"}],
        "phases": [{"from": "5s", "until": "10s", "step": {"fault": "refuse"}}],
        "random": [{"probability": 1.0, "step": {"error": "server"}}],
    }));
    let mut met = Vec::new();
    for _ in 0..4 {
        met.push(ask(&transport, "anthropic_messages", false, "k").await.status);
    }
    assert_eq!(met, [Some(529), Some(529), Some(418), Some(500)]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        ask(&transport, "anthropic_messages", false, "k").await.ending,
        Ending::Refused
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        ask(&transport, "anthropic_messages", false, "k").await.status,
        Some(500)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_journal() {
    let play = |seed: u64| async move {
        let transport = SimTransport::new(script(json!({"seed": seed, "providers": {"p": {
            "dialect": "gemini",
            "latency": {"head": "20ms", "gap": "3ms", "jitter": 0.5},
            "random": [{"probability": 0.3, "step": {"fault": "cut"}}],
        }}})));
        for _ in 0..50 {
            ask(&transport, "gemini", true, "k").await;
        }
        transport.journal()
    };
    let (first, again, other) = (play(7).await, play(7).await, play(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let cut = first.iter().filter(|entry| entry.end == Some(End::Cut)).count();
    assert!((5..=25).contains(&cut), "{cut}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_exchange_is_a_disconnect() {
    let transport = one(json!({"dialect": "openai_chat", "latency": {"head": "10s", "gap": "1s"}}));
    let (path, body) = chat("openai_chat", true);
    let send = || transport.send(in_process_request("p", &path, &[], &body));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), send())
            .await
            .is_err()
    );
    let mut response = send().await.unwrap();
    response.body.next().await.unwrap().unwrap();
    assert_eq!(transport.journal()[1].end, None);
    drop(response);
    let journal = transport.journal();
    assert_eq!(journal[0].end, Some(End::ClientDisconnected));
    assert_eq!((journal[0].ended_ms, journal[0].status), (Some(1000), Some(200)));
    assert_eq!(journal[1].end, Some(End::ClientDisconnected));
}

#[tokio::test]
async fn recordings_are_served_exactly_and_cut_all_the_same() {
    let folder = std::env::temp_dir().join(format!("hotspare-replay-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sse = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n";
    for (name, response) in [
        (
            "a",
            json!({"status": 200, "headers": {}, "body": {"choices": []}}),
        ),
        (
            "b",
            json!({"status": 200, "headers": {"content-type": "text/event-stream"}, "sse": sse}),
        ),
        ("c", json!({"status": 500, "headers": {}, "body": {}})),
    ] {
        let fixture = json!({
            "schema": "fixture/1", "id": format!("x/{name}"), "provider": "x",
            "endpoint": "chat.completions", "response": response,
        });
        std::fs::write(folder.join(format!("{name}.json")), fixture.to_string()).unwrap();
    }
    let transport = one(json!({
        "dialect": "openai_chat", "replay": folder,
        "steps": [{}, {}, {"fault": "cut", "after_chunks": 1}, {}],
    }));
    let stream = ask(&transport, "openai_chat", true, "k").await;
    assert_eq!(
        (stream.text(), stream.header("x-hotspare-fixture")),
        (sse, Some("x/b"))
    );
    let whole = ask(&transport, "openai_chat", false, "k").await;
    assert_eq!(
        (whole.text(), whole.header("x-hotspare-fixture")),
        (r#"{"choices":[]}"#, Some("x/a"))
    );
    let cut = ask(&transport, "openai_chat", true, "k").await;
    assert_eq!(
        (cut.ending, cut.text()),
        (Ending::Broken, sse.split("data: [DONE]").next().unwrap())
    );
    let named = r#"{"model":"x/b"}"#;
    let named = in_process(&transport, "p", "/chat/completions", &[], named, LONG).await;
    assert_eq!(named.text(), sse);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_list_of_models_is_a_get_in_process_too() {
    let transport = one(json!({"dialect": "openai_chat"}));
    let listed = in_process(&transport, "p", "/models", &[], "", LONG).await;
    assert!(listed.json()["data"].is_array());
    assert_eq!(transport.journal()[0].method, "GET");
}

#[tokio::test]
async fn sockets_notice_a_client_that_leaves_and_refuse_in_a_phase() {
    let mut simulator = Simulator::start(script(json!({"providers": {
        "slow": {"dialect": "openai_chat", "latency": {"head": "1h"}},
        "down": {"dialect": "openai_chat", "refuse": true},
        "soon": {"dialect": "gemini", "phases": [{"until": "300ms", "step": {"fault": "refuse"}}]},
    }})))
    .await
    .unwrap();
    let (path, body) = chat("openai_chat", true);
    let left = over_tcp(&simulator, "slow", &path, &[], &body, Duration::from_millis(50)).await;
    assert_eq!(left.ending, Ending::Waiting);
    assert_eq!(settled(&simulator).await[0].end, Some(End::ClientDisconnected));
    assert_eq!(
        over_tcp(&simulator, "down", &path, &[], &body, LONG).await.ending,
        Ending::Refused
    );
    let (path, body) = chat("gemini", false);
    let back = async {
        loop {
            let met = over_tcp(&simulator, "soon", &path, &[], &body, LONG).await;
            if met.ending == Ending::Complete {
                break met;
            }
            assert_eq!(met.ending, Ending::Refused);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(tokio::time::timeout(LONG, back).await.unwrap().status, Some(200));
    let models = over_tcp(&simulator, "soon", "/models", &[], "", LONG).await;
    assert!(models.json()["models"].is_array());
    simulator.shutdown().await;
    assert_eq!(
        over_tcp(&simulator, "slow", &path, &[], &body, LONG).await.ending,
        Ending::Refused
    );
}

#[test]
fn a_wrong_script_is_told_where_and_what_was_meant() {
    for (provider, path, hint) in [
        (
            json!({"dialect": "openai_chatt"}),
            "providers.p.dialect",
            Some("openai_chat"),
        ),
        (
            json!({"dialect": "gemini", "replly": {}}),
            "providers.p.replly",
            Some("reply"),
        ),
        (
            json!({"dialect": "gemini", "steps": [{"fault": "hagn"}]}),
            "providers.p.steps[0].fault",
            Some("hang"),
        ),
        (
            json!({"dialect": "gemini", "steps": [{"status": 99}]}),
            "providers.p.steps[0].status",
            None,
        ),
        (
            json!({"dialect": "gemini", "latency": {"head": "soon"}}),
            "providers.p.latency.head",
            None,
        ),
        (
            json!({"dialect": "gemini", "random": [{"probability": 2, "step": {}}]}),
            "providers.p.random[0].probability",
            None,
        ),
        (
            json!({"dialect": "gemini", "replay": "/nowhere"}),
            "providers.p.replay",
            None,
        ),
    ] {
        let text = json!({"providers": {"p": provider}}).to_string();
        let error = Script::from_json(&text).unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.hint.as_deref()),
            (path, hint),
            "{error}"
        );
    }
}

#[test]
fn the_readmes_script_is_a_good_one() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```json\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    Script::from_json(text).unwrap();
}

/// The parser names all fields it knows when it meets one it does not.
#[test]
fn the_schema_and_the_parser_know_the_same_names() {
    let text = include_str!("../../tests/schema/script.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let outage = json!({"providers": {}, "outages": [{"?": 0}]});
    assert_same_names(&schema, "outage", &outage);
    let at = |inner: Value| json!({"dialect": "gemini", "steps": [inner]});
    let wrong = json!({"?": 0});
    for (definition, provider) in [
        ("provider", json!({"dialect": "gemini", "?": 0})),
        ("reply", json!({"dialect": "gemini", "reply": wrong})),
        ("latency", json!({"dialect": "gemini", "latency": wrong})),
        ("limits", json!({"dialect": "gemini", "limits": wrong})),
        ("phase", json!({"dialect": "gemini", "phases": [wrong]})),
        ("random", json!({"dialect": "gemini", "random": [wrong]})),
        ("load", json!({"dialect": "gemini", "load": wrong})),
        ("prices", json!({"dialect": "gemini", "prices": wrong})),
        ("key", json!({"dialect": "gemini", "keys": [wrong]})),
        ("tls", json!({"dialect": "gemini", "tls": wrong})),
        (
            "tls/properties/certificate",
            json!({"dialect": "gemini", "tls": {"certificate": "?"}}),
        ),
        (
            "acceleration",
            json!({"dialect": "gemini", "limits": {"acceleration": wrong}}),
        ),
        ("step/properties/code", at(json!({"code": "?"}))),
        ("step", at(wrong.clone())),
        ("step/properties/fault", at(json!({"fault": "?"}))),
        ("step/properties/error", at(json!({"error": "?"}))),
    ] {
        assert_same_names(&schema, definition, &json!({"providers": {"p": provider}}));
    }
}

fn assert_same_names(schema: &Value, definition: &str, wrong: &Value) {
    let node = schema.pointer(&format!("/$defs/{definition}")).unwrap();
    let mut listed: Vec<String> = match node.get("enum") {
        Some(names) => serde_json::from_value(names.clone()).unwrap(),
        None => node["properties"].as_object().unwrap().keys().cloned().collect(),
    };
    let message = Script::from_json(&wrong.to_string()).unwrap_err().message;
    let mut known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    known.sort_unstable();
    listed.sort_unstable();
    assert_eq!(known, listed, "{definition}: {message}");
}

/// All of a folder of recordings, where `HOTSPARE_FIXTURES` names one: each is served whole, in both ways to run.
#[tokio::test]
async fn every_recording_at_hand_can_be_served() {
    let Some(folder) = std::env::var_os("HOTSPARE_FIXTURES").map(std::path::PathBuf::from) else {
        return;
    };
    for dialect in DIALECTS {
        let played = script(json!({"providers": {"p": {"dialect": dialect, "replay": folder}}}));
        let simulator = Simulator::start(played.clone()).await.unwrap();
        let transport = SimTransport::new(played);
        for stream in [false, true] {
            let (path, body) = chat(dialect, stream);
            for _ in 0..60 {
                let near = in_process(&transport, "p", &path, &[], &body, LONG).await;
                let far = over_tcp(&simulator, "p", &path, &[], &body, LONG).await;
                assert_eq!((near.ending, far.ending), (Ending::Complete, Ending::Complete));
                assert!(near.header("x-hotspare-fixture").is_some());
                assert_eq!(near.body, far.body);
            }
        }
    }
}
