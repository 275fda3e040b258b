//! What makes a provider behave as a real one, in virtual time: load, accounts, acceleration, bills, keys, outages.
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
use hotspare_simulator::{End, JournalEntry, Script, SimTransport, Simulator};
use serde_json::{Value, json};
use support::{Ending, LONG, Outcome, chat, in_process, in_process_request, key_header, over_tcp, script};

fn one(provider: Value) -> SimTransport {
    SimTransport::new(script(json!({"seed": 7, "providers": {"p": provider}})))
}

async fn ask(transport: &SimTransport, dialect: &str, stream: bool, key: &str) -> Outcome {
    let (path, body) = chat(dialect, stream);
    let (name, value) = key_header(dialect, key);
    in_process(transport, "p", &path, &[(name, value)], &body, LONG).await
}

/// Asks that many times at once, and gives the journal.
async fn at_once(transport: &SimTransport, count: usize) -> Vec<JournalEntry> {
    let (path, body) = chat("openai_chat", true);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (transport, path, body) = (transport.clone(), path.clone(), body.clone());
        asked.spawn(async move { in_process(&transport, "p", &path, &[], &body, LONG).await });
    }
    asked.join_all().await;
    transport.journal()
}

#[tokio::test(start_paused = true)]
async fn load_slows_down_and_then_turns_away() {
    let transport = one(json!({
        "dialect": "openai_chat",
        "reply": {"chunks": ["a", "b"]},
        "latency": {"head": "10ms", "first_token": "100ms", "gap": "1ms"},
        "load": {"concurrency": 2, "slowdown": 2, "queue": 2},
    }));
    let journal = at_once(&transport, 6).await;
    let heads: Vec<_> = journal.iter().map(|e| (e.status, e.first_byte_ms)).collect();
    // Each request under way adds the delay once more; the gap stays as it is.
    let (ok, full) = (Some(200), Some(503));
    assert_eq!(
        heads,
        [
            (ok, Some(10)),
            (ok, Some(20)),
            (ok, Some(30)),
            (ok, Some(40)),
            (full, Some(10)),
            (full, Some(10)),
        ]
    );
    let ends: Vec<_> = journal.iter().map(|entry| entry.ended_ms).collect();
    assert_eq!(ends[..4], [Some(111), Some(221), Some(331), Some(441)]);
    assert_eq!(journal[4].step.as_deref(), Some("load"));
    assert_eq!(journal[4].output_tokens, 0);
    let later = ask(&transport, "openai_chat", true, "k").await;
    assert_eq!(later.status, Some(200));
    let last = transport.journal().pop().unwrap();
    assert_eq!(last.first_byte_ms, Some(last.at_ms + 10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_makes_room() {
    let transport = one(json!({
        "dialect": "anthropic_messages", "latency": {"head": "1h"}, "load": {"concurrency": 1},
    }));
    let (path, body) = chat("anthropic_messages", false);
    let send = || transport.send(in_process_request("p", &path, &[], &body));
    let first = send();
    let mut first = Box::pin(tokio::time::timeout(Duration::from_secs(7200), first));
    let busy = std::future::poll_fn(|cx| {
        let waits = std::future::Future::poll(first.as_mut(), cx).is_pending();
        std::task::Poll::Ready(waits)
    });
    assert!(busy.await);
    assert_eq!(send().await.unwrap().status, 529);
    drop(first);
    assert_eq!(send().await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_account_share_its_limits() {
    let transport = one(json!({
        "dialect": "openai_chat",
        "limits": {"requests_per_minute": 60, "burst": 2},
        "accounts": {"acme": ["key-a", "key-b"]},
    }));
    let mut met = Vec::new();
    for key in ["key-a", "key-b", "key-a", "key-b", "acme", "other"] {
        met.push(ask(&transport, "openai_chat", false, key).await.status.unwrap());
    }
    assert_eq!(met, [200, 200, 429, 429, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn traffic_may_grow_only_so_fast() {
    for (dialect, word) in [
        ("openai_chat", "slow_down"),
        ("anthropic_messages", "acceleration"),
        ("gemini", "RESOURCE_EXHAUSTED"),
    ] {
        let transport = one(json!({
            "dialect": dialect, "limits": {"acceleration": {"from": 3, "doubling": "10s"}},
        }));
        let passed = || async {
            for passed in 0..100 {
                let met = ask(&transport, dialect, false, "k").await;
                if met.status != Some(200) {
                    return (passed, met);
                }
            }
            panic!("nothing was turned away");
        };
        let (first, met) = passed().await;
        assert_eq!((first, met.status), (3, Some(429)));
        assert!(met.text().contains(word), "{}", met.text());
        if dialect == "gemini" {
            assert!(met.text().contains(r#""retryDelay":"10s""#), "{}", met.text());
        } else {
            assert_eq!(met.header("retry-after"), Some("10"));
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        // Twice as many are allowed, and half of a request was earned meanwhile.
        assert_eq!(passed().await.0, 3);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(passed().await.0, 7);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(passed().await.0, 3, "after a quiet minute it begins anew");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_bills_what_it_says_it_bills() {
    let priced = |goes_on: bool, steps: Value| {
        one(json!({
            "dialect": "anthropic_messages",
            "reply": {"chunks": ["a", "b", "c", "d"], "usage": {"input_tokens": 1000, "output_tokens": 200}},
            "latency": {"gap": "1s"},
            "prices": {"input": 1.0, "output": 4.0},
            "bills_after_cancel": goes_on,
            "keys": ["k"],
            "steps": steps,
        }))
    };
    for (goes_on, stream, step, patience, tokens) in [
        (false, true, json!({}), 60.0, (1000, 200)),
        (false, false, json!({}), 60.0, (1000, 200)),
        // Left while the second of four chunks was the last.
        (false, true, json!({}), 1.5, (1000, 100)),
        (true, true, json!({}), 1.5, (1000, 200)),
        // What is not streamed is generated to its end.
        (false, false, json!({}), 1.5, (1000, 200)),
        (
            false,
            true,
            json!({"fault": "cut", "after_chunks": 1}),
            60.0,
            (1000, 50),
        ),
        (false, true, json!({"fault": "hang"}), 1.5, (1000, 0)),
        (false, true, json!({"fault": "empty"}), 60.0, (1000, 0)),
        (false, true, json!({"error": "overloaded"}), 60.0, (0, 0)),
        (false, true, json!({"fault": "html"}), 60.0, (0, 0)),
        (true, true, json!({"fault": "refuse"}), 60.0, (0, 0)),
        (
            false,
            true,
            json!({"reply": {"text": "x", "usage": {"input_tokens": 7, "output_tokens": 1}}}),
            60.0,
            (7, 1),
        ),
    ] {
        let transport = priced(goes_on, json!([step]));
        let (path, body) = chat("anthropic_messages", stream);
        let key = [("x-api-key", "k".to_owned())];
        let patience = Duration::from_secs_f64(patience);
        in_process(&transport, "p", &path, &key, &body, patience).await;
        let wrong_key = [("x-api-key", "stolen".to_owned())];
        in_process(&transport, "p", &path, &wrong_key, &body, patience).await;
        let journal = transport.journal();
        let found = (journal[0].input_tokens, journal[0].output_tokens);
        assert_eq!(found, tokens, "{step} {goes_on} {stream}");
        let usd = (tokens.0 as f64 + 4.0 * tokens.1 as f64) / 1e6;
        assert!((journal[0].billed_usd - usd).abs() < 1e-12);
        assert_eq!(journal[1].billed_usd, 0.0);
        assert_eq!(transport.billed_usd()["p"], journal[0].billed_usd);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_come_and_go() {
    let transport = one(json!({
        "dialect": "openai_chat",
        "keys": [{"key": "old", "until": "30s"}, {"key": "new", "from": "20s"}, "always"],
    }));
    let mut met = Vec::new();
    for _ in 0..3 {
        for key in ["old", "new", "always"] {
            met.push(ask(&transport, "openai_chat", false, key).await.status.unwrap());
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(met, [200, 401, 200, 200, 200, 200, 401, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_several_providers_at_once() {
    let transport = SimTransport::new(script(json!({
        "providers": {
            "p": {"dialect": "openai_chat", "phases": [{"step": {"status": 418, "body": "tea"}}]},
            "q": {"dialect": "gemini"},
            "r": {"dialect": "gemini"},
        },
        "outages": [{"providers": ["p", "q"], "from": "10s", "until": "70s", "step": {"error": "overloaded"}}],
    })));
    let all = || async {
        let mut met = Vec::new();
        for (provider, dialect) in [("p", "openai_chat"), ("q", "gemini"), ("r", "gemini")] {
            let (path, body) = chat(dialect, false);
            let outcome = in_process(&transport, provider, &path, &[], &body, LONG).await;
            met.push(outcome.status.unwrap());
        }
        met
    };
    assert_eq!(all().await, [418, 200, 200]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(all().await, [503, 503, 200]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(all().await, [418, 200, 200]);
    let labels: Vec<_> = transport.journal().into_iter().map(|entry| entry.step).collect();
    assert_eq!(labels[1].as_deref(), Some("outages[0]"));
    assert_eq!(labels[2].as_deref(), Some("phases[0]"));
}

/// The list of models is a free probe: it says whether a provider can be reached, not whether it can chat.
#[tokio::test]
async fn probes_meet_only_what_takes_the_whole_provider() {
    for (step, ending, status) in [
        (json!({"error": "server"}), Ending::Complete, Some(200)),
        (
            json!({"error": "server", "probe": true}),
            Ending::Complete,
            Some(500),
        ),
        (json!({"fault": "hang"}), Ending::Waiting, None),
        (json!({"fault": "refuse"}), Ending::Refused, None),
    ] {
        let played = script(json!({
            "providers": {"p": {"dialect": "openai_chat"}},
            "outages": [{"providers": ["p"], "step": step}],
        }));
        let simulator = Simulator::start(played).await.unwrap();
        let patience = if ending == Ending::Waiting {
            Duration::from_millis(100)
        } else {
            LONG
        };
        let probe = over_tcp(&simulator, "p", "/models", &[], "", patience).await;
        assert_eq!((probe.ending, probe.status), (ending, status), "{step}");
        let (path, body) = chat("openai_chat", false);
        over_tcp(&simulator, "p", &path, &[], &body, patience).await;
        let chats: Vec<_> = simulator.journal().into_iter().map(|entry| entry.chat).collect();
        if ending != Ending::Refused {
            assert_eq!(chats, [false, true]);
        }
    }
}

/// What the socket tests see of TLS and HTTP/2, without sockets.
#[tokio::test(start_paused = true)]
async fn connection_faults_are_transport_errors() {
    for (provider, ending) in [
        (json!({"tls": {"certificate": "expired"}}), Ending::Refused),
        (json!({"tls": {"certificate": "wrong_host"}}), Ending::Refused),
        (json!({"tls": {"certificate": "unknown_ca"}}), Ending::Refused),
        (
            json!({"tls": {}, "phases": [{"step": {"fault": "tls_handshake_close"}}]}),
            Ending::Refused,
        ),
        (json!({"tls": {}, "http2": true}), Ending::Complete),
        (
            json!({"tls": {}, "http2": true, "steps": [{"fault": "goaway"}]}),
            Ending::Refused,
        ),
        (
            json!({"tls": {}, "http2": true, "steps": [{"fault": "rst_stream"}]}),
            Ending::NoHead,
        ),
        (
            json!({"tls": {}, "http2": true, "steps": [{"fault": "rst_stream", "after_chunks": 1}]}),
            Ending::Broken,
        ),
    ] {
        let mut all = json!({"dialect": "openai_chat", "latency": {"gap": "1ms"}});
        for (name, value) in provider.as_object().unwrap() {
            all[name] = value.clone();
        }
        let transport = one(all);
        assert_eq!(
            ask(&transport, "openai_chat", true, "k").await.ending,
            ending,
            "{provider}"
        );
        let end = match ending {
            Ending::Complete => End::Complete,
            Ending::Broken => End::Cut,
            _ if provider.pointer("/steps/0/fault") == Some(&json!("rst_stream")) => End::Reset,
            _ => End::Refused,
        };
        assert_eq!(transport.journal()[0].end, Some(end), "{provider}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_journal_under_load() {
    let play = || async {
        let transport = one(json!({
            "dialect": "openai_chat",
            "latency": {"head": "20ms", "first_token": "80ms", "gap": "3ms", "jitter": 0.5},
            "load": {"concurrency": 4, "queue": 8, "slowdown": 2},
            "random": [{"probability": 0.2, "step": {"fault": "cut"}}],
            "prices": {"input": 1, "output": 2},
        }));
        for _ in 0..5 {
            at_once(&transport, 16).await;
        }
        transport.journal()
    };
    assert_eq!(play().await, play().await);
}

#[test]
fn wrong_physics_are_told_where() {
    let provider = |more: Value| {
        let mut all = json!({"dialect": "gemini"});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        json!({"providers": {"p": all}})
    };
    let outage = |outage: Value| json!({"providers": {"prime": {"dialect": "gemini"}}, "outages": [outage]});
    for (text, path, hint) in [
        (
            provider(json!({"load": {"concurrency": 0}})),
            "providers.p.load.concurrency",
            None,
        ),
        (
            provider(json!({"load": {"concurrency": 1, "slowdwn": 2}})),
            "providers.p.load.slowdwn",
            Some("slowdown"),
        ),
        (
            provider(json!({"accounts": {"a": ["k"]}})),
            "providers.p.accounts",
            None,
        ),
        (
            provider(json!({"limits": {}, "accounts": {"a": ["k"], "b": ["j", "k"]}})),
            "providers.p.accounts.b[1]",
            None,
        ),
        (
            provider(json!({"limits": {"acceleration": {"from": 1, "doubling": 0}}})),
            "providers.p.limits.acceleration.doubling",
            None,
        ),
        (
            provider(json!({"prices": {"input": -1}})),
            "providers.p.prices.input",
            None,
        ),
        (
            provider(json!({"keys": ["k", {"key": "l", "untill": 3}]})),
            "providers.p.keys[1].untill",
            Some("until"),
        ),
        (
            provider(json!({"keys": [{"key": "l", "from": 3, "until": 3}]})),
            "providers.p.keys[0].until",
            None,
        ),
        (provider(json!({"http2": true})), "providers.p.http2", None),
        (
            provider(json!({"tls": {"certificate": "expried"}})),
            "providers.p.tls.certificate",
            Some("expired"),
        ),
        (
            provider(json!({"steps": [{"fault": "tls_handshake_close"}]})),
            "providers.p.steps[0].fault",
            None,
        ),
        (
            provider(json!({"tls": {}, "steps": [{"fault": "goaway"}]})),
            "providers.p.steps[0].fault",
            None,
        ),
        (
            provider(json!({"steps": [{"code": "cancel"}]})),
            "providers.p.steps[0].code",
            None,
        ),
        (
            provider(json!({"steps": [{"probe": true}]})),
            "providers.p.steps[0].probe",
            None,
        ),
        (
            outage(json!({"providers": ["prine"], "step": {}})),
            "outages[0].providers[0]",
            Some("prime"),
        ),
        (
            outage(json!({"providers": [], "step": {}})),
            "outages[0].providers",
            None,
        ),
        (
            outage(json!({"providers": ["prime"], "from": 3, "until": 2, "step": {}})),
            "outages[0].until",
            None,
        ),
        (
            outage(json!({"providers": ["prime"], "step": {"fault": "rst_stream"}})),
            "outages[0].step.fault",
            None,
        ),
        (
            outage(json!({"providers": ["prime"], "step": {}, "form": 3})),
            "outages[0].form",
            Some("from"),
        ),
    ] {
        let error = Script::from_json(&text.to_string()).unwrap_err();
        let found = (error.path.as_str(), error.hint.as_deref());
        assert_eq!(found, (path, hint), "{error}");
    }
}
