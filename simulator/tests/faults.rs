//! Every fault, on sockets and in process, from the same script.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it met"
)]

mod support;

use std::time::Duration;

use hotspare_simulator::{End, SimTransport, Simulator};
use serde_json::{Value, json};
use support::{DIALECTS, Ending, LONG, Outcome, chat, in_process, over_tcp, script, settled};

struct Case {
    step: Value,
    ending: Ending,
    status: Option<u16>,
    end: End,
    body: fn(&Outcome, normal: &str),
}

fn whatever(_: &Outcome, _: &str) {}

fn nothing(outcome: &Outcome, _: &str) {
    assert_eq!(outcome.text(), "");
}

fn part(outcome: &Outcome, normal: &str) {
    let body = outcome.text();
    assert!(normal.starts_with(body), "{body}");
    assert!(!body.is_empty() && body.len() < normal.len(), "{body}");
}

fn all(outcome: &Outcome, normal: &str) {
    assert_eq!(outcome.text(), normal);
}

fn malformed(outcome: &Outcome, _: &str) {
    let body = outcome.text();
    if body.contains(":message-type") {
        assert_eq!(
            body.matches(r#"{"contentBlockIndex":0,"delta":{"te?"#).count(),
            1,
            "{body}"
        );
        return;
    }
    let documents: Vec<&str> = if body.contains("data: ") {
        body.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect()
    } else {
        body.lines().collect()
    };
    let broken = |text: &&&str| **text != "[DONE]" && serde_json::from_str::<Value>(text).is_err();
    assert_eq!(documents.iter().filter(broken).count(), 1, "{body}");
}

fn overloaded(outcome: &Outcome, _: &str) {
    let body = outcome.text();
    let said = [
        "overloaded",
        "unable to process",
        "temporarily unavailable",
        "server busy",
    ];
    let body_lower = body.to_lowercase();
    assert!(said.iter().any(|word| body_lower.contains(word)), "{body}");
    assert!(!terminal(body), "{body}");
}

fn terminal(body: &str) -> bool {
    [
        "\"stop\"",
        "[DONE]",
        "end_turn",
        "message_stop",
        "STOP",
        "COMPLETE",
        "response.completed",
        "\"status\":\"completed\",\"background\"",
    ]
    .iter()
    .any(|marker| body.contains(marker))
}

fn endless(outcome: &Outcome, normal: &str) {
    let body = outcome.text();
    assert!(terminal(normal) && !terminal(body), "{body}");
    assert!(body.contains("three"), "{body}");
}

fn html(outcome: &Outcome, _: &str) {
    assert!(outcome.text().starts_with("<!DOCTYPE html>"));
    assert!(outcome.header("content-type").unwrap().starts_with("text/html"));
}

fn elsewhere(outcome: &Outcome, _: &str) {
    assert!(
        outcome
            .header("location")
            .unwrap()
            .starts_with("/_hotspare/redirected/")
    );
}

fn cases() -> Vec<Case> {
    let case = |fault: &str, ending, status, end, body| Case {
        step: json!({"fault": fault}),
        ending,
        status,
        end,
        body,
    };
    let ok = Some(200);
    let mut cases = vec![
        case("refuse", Ending::Refused, None, End::Refused, nothing),
        case("reset_before_head", Ending::NoHead, None, End::Reset, nothing),
        case("reset_in_head", Ending::NoHead, None, End::Reset, nothing),
        case("reset_mid_body", Ending::Broken, ok, End::Cut, part),
        case("hang", Ending::Waiting, None, End::ClientDisconnected, nothing),
        case("stall", Ending::Waiting, ok, End::ClientDisconnected, part),
        case("cut", Ending::Broken, ok, End::Cut, part),
        case("clean_cut", Ending::Complete, ok, End::Complete, part),
        case("malformed_event", Ending::Complete, ok, End::Complete, malformed),
        case("html", Ending::Complete, ok, End::Complete, html),
        case("no_terminal_marker", Ending::Complete, ok, End::Complete, endless),
        case("empty", Ending::Complete, ok, End::Complete, nothing),
        case("wrong_content_length", Ending::Broken, ok, End::Cut, all),
        case("redirect", Ending::Complete, Some(307), End::Complete, elsewhere),
        case(
            "ping_only",
            Ending::Waiting,
            ok,
            End::ClientDisconnected,
            whatever,
        ),
        case("error_event", Ending::Complete, ok, End::Complete, overloaded),
    ];
    if let Some(last) = cases.last_mut() {
        last.step = json!({"fault": "error_event", "error": "overloaded", "after_chunks": 2});
    }
    cases
}

fn fault_script(dialect: &str, step: &Value) -> Value {
    json!({"providers": {"p": {
        "dialect": dialect,
        "reply": {"chunks": ["one ", "two ", "three"]},
        "latency": {"gap": "1ms"},
        "steps": [{}, step],
    }}})
}

fn check(case: &Case, stream: bool, outcome: &Outcome, normal: &str, refused: Ending) {
    let expected = if case.ending == Ending::Refused {
        refused
    } else {
        case.ending
    };
    assert_eq!(
        (outcome.ending, outcome.status),
        (expected, case.status),
        "stream: {stream}"
    );
    (case.body)(&outcome.readable(), normal);
}

#[tokio::test(start_paused = true)]
async fn every_fault_in_process() {
    for dialect in DIALECTS {
        for case in cases() {
            for stream in [false, true] {
                println!("{dialect} {} stream: {stream}", case.step);
                let transport = SimTransport::new(script(fault_script(dialect, &case.step)));
                let (path, body) = chat(dialect, stream);
                let normal = in_process(&transport, "p", &path, &[], &body, LONG).await;
                let outcome = in_process(&transport, "p", &path, &[], &body, LONG).await;
                check(&case, stream, &outcome, normal.readable().text(), Ending::Refused);
                let journal = transport.journal();
                assert_eq!(journal[1].end, Some(case.end));
                assert_eq!(journal[1].bytes_sent, outcome.body.len() as u64);
                assert_eq!(journal[1].step.as_deref(), Some("steps[1]"));
            }
        }
    }
}

#[tokio::test]
async fn every_fault_on_sockets() {
    for dialect in DIALECTS {
        for case in cases() {
            for stream in [false, true] {
                println!("{dialect} {} stream: {stream}", case.step);
                let simulator = Simulator::start(script(fault_script(dialect, &case.step)))
                    .await
                    .unwrap();
                let (path, body) = chat(dialect, stream);
                let normal = over_tcp(&simulator, "p", &path, &[], &body, LONG).await;
                let patience = if case.ending == Ending::Waiting {
                    Duration::from_millis(150)
                } else {
                    LONG
                };
                let outcome = over_tcp(&simulator, "p", &path, &[], &body, patience).await;
                // A step comes to pass once a request is there, so the connection is too.
                check(&case, stream, &outcome, normal.readable().text(), Ending::NoHead);
                let journal = settled(&simulator).await;
                assert_eq!(journal[1].end, Some(case.end));
                if case.ending != Ending::Waiting {
                    assert_eq!(journal[1].bytes_sent, outcome.body.len() as u64);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_and_bytes_are_counted_out() {
    let text = |step: Value| async move {
        let transport = SimTransport::new(script(fault_script("openai_chat", &step)));
        let (path, body) = chat("openai_chat", true);
        in_process(&transport, "p", &path, &[], &body, LONG).await;
        let outcome = in_process(&transport, "p", &path, &[], &body, LONG).await;
        let chunks = transport.journal()[1].chunks_sent;
        (outcome.text().to_owned(), chunks)
    };
    for (after, words) in [(0, 0), (1, 1), (2, 2), (3, 3), (9, 3)] {
        for fault in ["cut", "clean_cut", "stall"] {
            let (body, chunks) = text(json!({"fault": fault, "after_chunks": after})).await;
            let found = ["one ", "two ", "three"]
                .iter()
                .filter(|word| body.contains(**word))
                .count();
            assert_eq!((found, chunks), (words, words as u64), "{fault} after {after}");
            assert!(!terminal(&body));
            assert_eq!(body.is_empty(), after == 0);
        }
    }
    for bytes in [0, 1, 100, 500] {
        let (body, _) = text(json!({"fault": "cut", "after_bytes": bytes})).await;
        assert_eq!(body.len(), bytes);
    }
    let (body, chunks) = text(json!({"fault": "error_event", "after_chunks": 0})).await;
    assert!(body.starts_with("data: {\"error\""), "{body}");
    assert_eq!(chunks, 0);
}

#[tokio::test]
async fn a_split_body_is_whole_all_the_same() {
    for split in [json!("bytes"), json!(7), json!([1, 5, 60, 61])] {
        let json = fault_script("anthropic_messages", &json!({"split": split}));
        let simulator = Simulator::start(script(json)).await.unwrap();
        for stream in [false, true] {
            let (path, body) = chat("anthropic_messages", stream);
            let outcome = over_tcp(&simulator, "p", &path, &[], &body, LONG).await;
            assert_eq!(outcome.ending, Ending::Complete);
            assert!(outcome.text().contains("end_turn"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_body_comes_in_the_parts_asked_for() {
    use hotspare::transport::Transport as _;

    for (split, expected) in [
        (json!("bytes"), vec![1; 8]),
        (json!(3), vec![3, 3, 2]),
        (json!([5, 2]), vec![2, 3, 3]),
    ] {
        let transport = SimTransport::new(script(json!({"providers": {"p": {
            "dialect": "openai_chat",
            "steps": [{"body": "12345678", "split": split}],
        }}})));
        let (path, body) = chat("openai_chat", false);
        let request = support::in_process_request("p", &path, &[], &body);
        let mut response = transport.send(request).await.unwrap();
        let mut parts = Vec::new();
        while let Some(part) = response.body.next().await {
            parts.push(part.unwrap().len());
        }
        assert_eq!(parts, expected);
    }
}
