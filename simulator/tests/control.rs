//! Control and sight, from Rust: what a client tells of itself, what it would do, and what the operator says to it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotspare::types::{Event, FunctionTool, Tool, What};
use hotspare::{ChatRequest, Client, Config, ErrorKind};
use hotspare_simulator::{Script, SimTransport};
use serde_json::{Value, json};

/// A client of the providers of the script, each of which has the model `m` and a key of its own unless `config` says more.
fn client(script: Value, config: &Value) -> (Client, Arc<Mutex<Vec<Event>>>) {
    let providers = script["providers"].as_object().unwrap().clone();
    let transport = Arc::new(SimTransport::new(Script::from_json(&script.to_string()).unwrap()));
    let mut whole = json!({"providers": {}, "routes": {"default": {"targets": []}}});
    for (name, provider) in &providers {
        whole["providers"][name] = json!({
            "dialect": provider["dialect"], "base_url": SimTransport::url(name), "keys": [format!("key-{name}")],
        });
        let targets = whole["routes"]["default"]["targets"].as_array_mut().unwrap();
        targets.push(json!(format!("{name}/m")));
    }
    merge(&mut whole, config);
    let config = Config::from_json(&whole.to_string()).unwrap();
    let client = Client::with_transport(config, transport, Some(1));
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let told = Arc::clone(&events);
    client.on_event(move |event| told.lock().unwrap().push(event.clone()));
    (client, events)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The types of what was told, and whom it was about.
fn told(events: &Mutex<Vec<Event>>) -> Vec<String> {
    let events = events.lock().unwrap();
    let short = |event: &Event| {
        let event = serde_json::to_value(event).unwrap();
        let about = ["target", "provider", "name", "how"]
            .iter()
            .find_map(|key| event[key].as_str());
        format!("{} {}", event["type"].as_str().unwrap(), about.unwrap_or("-"))
    };
    events.iter().map(short).collect()
}

fn good(dialect: &str) -> Value {
    json!({"dialect": dialect, "reply": {"text": "Hello."}})
}

fn failing(step: &Value) -> Value {
    json!({"dialect": "openai_chat", "phases": [{"step": step}]})
}

#[tokio::test(start_paused = true)]
async fn a_failover_is_told_step_by_step() {
    let script =
        json!({"providers": {"a": failing(&json!({"status": 500})), "b": good("anthropic_messages")}});
    let (client, events) = client(script, &json!({}));
    client.chat("hi").send().await.unwrap();
    assert_eq!(
        told(&events),
        [
            "request_started -",
            "attempt_started a/m",
            "attempt_ended a/m",
            "attempt_started b/m",
            "first_content b/m",
            "attempt_ended b/m",
            "request_ended b/m"
        ]
    );
    let events = events.lock().unwrap();
    assert!(events.iter().all(|event| event.request == Some(1)));
    assert!(
        matches!(&events.last().unwrap().what, What::RequestEnded { code, attempts: 2, .. } if code == "ok")
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_is_told_of() {
    let script = json!({"providers": {"a": failing(&json!({"fault": "hang"}))}});
    let (client, events) = client(script, &json!({}));
    let call = client.chat("hi").send();
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    let lines = told(&events);
    assert_eq!(
        lines,
        [
            "request_started -",
            "attempt_started a/m",
            "attempt_ended a/m",
            "request_ended -"
        ]
    );
    let status = client.status();
    assert_eq!((status.in_flight, status.targets[0].in_flight), (0, 0));
    assert!(status.reserved.abs() < 1e-12);
}

#[tokio::test(start_paused = true)]
async fn status_tells_what_is_wrong_since_when_and_until_when() {
    let script = json!({"providers": {
        "a": failing(&json!({"status": 500})),
        "b": failing(&json!({"error": "authentication"})),
        "c": good("gemini"),
    }});
    let config = json!({
        "providers": {"d": {"dialect": "openai_chat", "base_url": "http://d.sim/v1", "keys": ["env:HOTSPARE_TEST_NOT_SET"]}},
        "routes": {"default": {"failover_on": ["authentication"], "targets": ["d/m", "a/m", "b/m", "c/m"]}},
    });
    let (client, events) = client(script, &config);
    for _ in 0..6 {
        assert_eq!(client.chat("hi").send().await.unwrap().target, "c/m");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status = client.status();
    let of = |name: &str| {
        status
            .targets
            .iter()
            .find(|target| target.target == name)
            .unwrap()
    };
    let a = of("a/m");
    assert_eq!((a.state.as_str(), a.recent_errors.len()), ("open", 5));
    assert!(
        !a.why.is_empty() && a.since > 0.0 && a.next_probe.is_some_and(|seconds| seconds > 5.0),
        "{a:?}"
    );
    assert_eq!(
        (a.recent_errors[0].code.as_str(), a.recent_errors[0].status),
        ("server", Some(500))
    );
    let c = of("c/m");
    assert_eq!(
        (c.state.as_str(), c.why.as_str(), c.next_probe),
        ("closed", "", None)
    );
    let states: Vec<(&str, &str)> = status
        .keys
        .iter()
        .map(|key| (key.provider.as_str(), key.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [("a", "open"), ("b", "parked"), ("c", "open"), ("d", "not_set")]
    );
    assert_eq!(
        (status.keys[1].code.as_deref(), status.keys[1].seconds),
        (Some("authentication"), None)
    );
    assert!(status.retry_budget.left < status.retry_budget.most);
    let told = told(&events);
    assert!(
        told.contains(&"breaker a/m".to_owned()) && told.contains(&"key_parked b".to_owned()),
        "{told:?}"
    );
    assert!(told.contains(&"skipped d/m".to_owned()));

    // A stream tells how fast first contents are.
    client.hold("a").unwrap();
    let mut stream = client.chat("hi").stream().await.unwrap();
    while stream.next().await.is_some() {}
    let status = client.status();
    let held = status
        .targets
        .iter()
        .find(|target| target.target == "a/m")
        .unwrap();
    assert_eq!(held.state, "forced_open");
    assert!(status.targets.iter().any(|target| target.latency.ewma.is_some()));
}

#[tokio::test(start_paused = true)]
async fn explain_has_a_reason_for_every_target() {
    let script = json!({"providers": {
        "a": good("openai_chat"), "b": good("anthropic_messages"), "c": good("openai_chat"),
        "d": failing(&json!({"status": 500})),
    }});
    let config = json!({
        "providers": {"e": {"dialect": "openai_chat", "base_url": "http://e.sim/v1", "keys": ["env:HOTSPARE_TEST_NOT_SET"]}},
        "routes": {
            "default": {"targets": ["a/m", "b/m", "c/m", "d/m", "e/m"]},
            "failing": {"targets": ["d/m", "a/m"]},
        },
    });
    let (client, events) = client(script, &config);
    for _ in 0..6 {
        client.chat("hi").route("failing").send().await.unwrap();
    }
    client.hold("c/m").unwrap();
    events.lock().unwrap().clear();
    let request = ChatRequest {
        seed: Some(1),
        ..ChatRequest::of("hi")
    };
    let explained = client.explain(request).unwrap();
    assert_eq!(told(&events), Vec::<String>::new(), "nothing is done");
    let reasons: Vec<(&str, bool, &str)> = explained
        .targets
        .iter()
        .map(|target| (target.target.as_str(), target.included, target.reason.as_str()))
        .collect();
    assert_eq!(reasons[0], ("a/m", true, "called first"));
    assert!(
        !reasons[1].1 && reasons[1].2.contains("`seed`"),
        "{:?}",
        reasons[1]
    );
    assert!(
        !reasons[2].1 && reasons[2].2.contains("operator"),
        "{:?}",
        reasons[2]
    );
    assert!(
        !reasons[3].1 && explained.targets[3].opens_in.is_some(),
        "{:?}",
        reasons[3]
    );
    assert!(
        !reasons[4].1 && reasons[4].2.contains("HOTSPARE_TEST_NOT_SET"),
        "{:?}",
        reasons[4]
    );
    assert!(explained.targets[0].key.is_some() && explained.input_tokens > 0);

    // After its open time a breaker lets one call through.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let probing = client.explain("hi").unwrap();
    assert!(
        probing.targets[3].included && probing.targets[3].reason.contains("half-open"),
        "{probing:?}"
    );
    assert_eq!(client.explain(Vec::new()).unwrap_err().kind(), ErrorKind::Failed);
    let request = ChatRequest {
        route: Some("defualt".to_owned()),
        ..ChatRequest::of("hi")
    };
    assert!(client.explain(request).unwrap_err().message().contains("default"));
}

#[tokio::test(start_paused = true)]
async fn the_operator_has_the_last_word() {
    let script = json!({"providers": {"a": failing(&json!({"status": 503})), "b": good("openai_chat")}});
    let (client, events) = client(script, &json!({}));
    assert_eq!(client.force_closed("a/*").unwrap(), 1);
    for _ in 0..8 {
        assert_eq!(
            client.chat("hi").send().await.unwrap().trail.len(),
            2,
            "its breaker never opens"
        );
    }
    assert_eq!(client.hold("a/m").unwrap(), 1);
    let reply = client.chat("hi").send().await.unwrap();
    assert_eq!(
        (reply.trail[0].code(), reply.trail[0].first_content),
        ("overloaded", None)
    );
    assert!(reply.trail[0].failure().unwrap().message.contains("not called"));
    assert_eq!(client.release("a").unwrap(), 1);
    let error = client.hold("a/n").unwrap_err();
    assert!(error.message().contains("did you mean \"a/m\"?"), "{error}");
    assert!(
        client
            .hold("zzz")
            .unwrap_err()
            .message()
            .contains("known: a/m, b/m")
    );
    let breakers = told(&events)
        .iter()
        .filter(|line| line.starts_with("breaker"))
        .count();
    assert_eq!(breakers, 3, "kept closed, held, released");
}

#[tokio::test(start_paused = true)]
async fn the_local_network_is_told_from_the_providers() {
    let outage = json!({"fault": "refuse"});
    let script = json!({
        "outages": [{"providers": ["a", "b"], "until": "5s", "step": outage}],
        "providers": {"a": good("openai_chat"), "b": good("openai_chat")},
    });
    let (client, events) = client(script, &json!({}));
    for _ in 0..5 {
        let error = client.chat("hi").send().await.unwrap_err();
        assert!(error.message().contains("network"), "{error}");
    }
    let status = client.status();
    assert!(status.local_network_down && status.targets.iter().all(|target| target.state == "closed"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    client.network_changed();
    client.chat("hi").send().await.unwrap();
    assert!(!client.status().local_network_down);
    let network: Vec<bool> = events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event.what {
            What::LocalNetwork { down } => Some(down),
            _ => None,
        })
        .collect();
    assert_eq!(network, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn keys_models_and_places_that_close_are_told() {
    let script = json!({"providers": {
        "a": {"dialect": "openai_chat", "steps": [
            {"error": "insufficient_quota"}, {"error": "model_not_found"}, {"error": "rate_limit"}, {"status": 529}]},
        "b": good("openai_chat"),
    }});
    let keys = json!({"providers": {"a": {"keys": ["key-1", "key-2"]}}, "routes": {"default": {"targets": ["a/m", "b/m"]}}});
    let (client, events) = client(script, &keys);
    client.chat("hi").send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3601)).await;
    for _ in 0..3 {
        client.chat("hi").send().await.unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    let told = told(&events);
    for line in ["key_parked a", "key_opened a", "target_parked a/m", "limited a/m"] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_put_together_by_name() {
    let (client, _) = client(json!({"providers": {"a": good("openai_chat")}}), &json!({}));
    let tool = Tool::Function {
        function: FunctionTool {
            name: "f".to_owned(),
            description: None,
            parameters: None,
            strict: None,
        },
        cache_control: None,
    };
    let call = client
        .chat("hi".to_owned())
        .route("a/m")
        .timeout(Duration::from_secs(5))
        .max_tokens(9)
        .tool(tool);
    let reply = call.send().await.unwrap();
    assert_eq!((reply.text(), reply.target.as_str()), ("Hello.", "a/m"));
    assert_eq!(reply.to_openai()["choices"][0]["message"]["content"], "Hello.");
    assert!(format!("{client:?}").contains("default"));
    assert!(Client::from_toml("[routes.a]").is_err() && Client::from_json("{}").is_err());
    assert!(Client::builder().target("nobody/m").build().is_err());
    assert!(Client::from_file("/nowhere/hotspare.toml").await.is_err());
    let error = client
        .chat("hi")
        .timeout(Duration::ZERO)
        .send()
        .await
        .unwrap_err();
    assert!(error.message().contains("timeout"));
}
