//! One call every so often, whether the last one has ended or not; prints every event of the client as a line of JSON.
//! What to do comes as one JSON object on standard input: `{"config": {…}, "every_ms": 250, "seconds": 40}`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a test tool prints, and stops at the first thing that goes wrong"
)]

use std::time::Duration;

use hotspare::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;

#[derive(Deserialize)]
struct Task {
    config: Value,
    every_ms: u64,
    seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let task: Task = serde_json::from_reader(std::io::stdin()).expect("a task");
    let client = Client::from_json(&task.config.to_string()).expect("a client");
    client.on_event(|event| println!("{}", serde_json::to_string(event).expect("JSON")));
    let mut pace = tokio::time::interval(Duration::from_millis(task.every_ms));
    let mut calls = JoinSet::new();
    let count = (task.seconds * 1000.0 / task.every_ms as f64) as u64;
    for _ in 0..count {
        pace.tick().await;
        let call = client.chat("Say hi.").send();
        // What it came to is told by the event of its end.
        calls.spawn(async move { drop(call.await) });
        while calls.try_join_next().is_some() {}
    }
    calls.join_all().await;
}
