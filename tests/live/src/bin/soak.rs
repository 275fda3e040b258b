//! Many streams at once for a while, with callers who leave in the middle; then everything is let go.
//!
//! What to do comes as one JSON object on standard input: `{"config": {…}, "routes": ["…"], "streams": 300, "seconds": 600,
//! "sample": 5}`. Prints a line of JSON every `sample` seconds (memory, open files, Tokio tasks), one when all calls
//! have ended, and one when the client is gone. Linux only: it reads `/proc`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test tool prints, measures time itself, and stops at the first thing that goes wrong"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotspare::types::FailureClass;
use hotspare::{ChatRequest, Client, Error};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// One stream in so many is left by its caller after a few events.
const LEAVES: usize = 20;
/// How long what was let go of may take to close.
const GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct Task {
    config: Value,
    routes: Vec<String>,
    streams: usize,
    seconds: f64,
    sample: f64,
}

type Ends = Arc<Mutex<BTreeMap<String, u64>>>;

/// Resident memory, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("memory");
    let kilobytes = line.split_whitespace().nth(1).expect("a number");
    kilobytes.parse::<u64>().expect("a number") * 1024
}

/// Open files; the one that is open to count them is left out.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count() - 1
}

fn look(began: Instant) -> Value {
    json!({
        "at": began.elapsed().as_secs_f64(),
        "rss": memory(),
        "fds": files(),
        "tasks": Handle::current().metrics().num_alive_tasks(),
    })
}

/// One caller: one stream after the other until the time is over.
async fn caller(client: Client, routes: Vec<String>, seed: u64, until: Instant, ends: Ends) {
    let mut rng = fastrand::Rng::with_seed(seed);
    while Instant::now() < until {
        let mut request = ChatRequest::of("Tell a story.");
        request.route = rng.choice(&routes).cloned();
        let leaves_after = (rng.usize(..LEAVES) == 0).then(|| rng.usize(1..10));
        let end = one(&client, request, leaves_after).await;
        *ends.lock().expect("a lock").entry(end).or_insert(0) += 1;
    }
}

fn code(error: &Error) -> String {
    let class = error.class().map(FailureClass::as_str);
    class.unwrap_or_else(|| error.kind().as_str()).to_owned()
}

/// One stream, and how it ended.
async fn one(client: &Client, request: ChatRequest, leaves_after: Option<usize>) -> String {
    let mut stream = match client.open(request).await {
        Ok(stream) => stream,
        Err(error) => return code(&error),
    };
    let mut events = 0;
    while let Some(event) = stream.next().await {
        if let Err(error) = event {
            return code(&error);
        }
        events += 1;
        if leaves_after == Some(events) {
            return "left".to_owned();
        }
    }
    "ok".to_owned()
}

/// Waits until something holds, but not for ever.
async fn settle(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() && began.elapsed() < GRACE {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::main]
async fn main() {
    let task: Task = serde_json::from_reader(std::io::stdin()).expect("a task");
    let began = Instant::now();
    println!("{}", json!({"before": look(began)}));
    let client = Client::from_json(&task.config.to_string()).expect("a client");
    let until = began + Duration::from_secs_f64(task.seconds);
    let ends = Ends::default();
    let mut callers = JoinSet::new();
    for seed in 0..task.streams {
        callers.spawn(caller(
            client.clone(),
            task.routes.clone(),
            seed as u64,
            until,
            Arc::clone(&ends),
        ));
    }
    let mut pace = tokio::time::interval(Duration::from_secs_f64(task.sample));
    while Instant::now() < until {
        pace.tick().await;
        println!("{}", json!({"sample": look(began)}));
    }
    callers.join_all().await;
    let quiet = || {
        let status = client.status();
        let targets = status.targets.iter().map(|target| u64::from(target.in_flight));
        (status.in_flight, targets.sum::<u64>(), status.reserved)
    };
    settle(|| quiet() == (0, 0, 0.0)).await;
    let (in_flight, attempts, reserved) = quiet();
    println!(
        "{}",
        json!({"drained": {
            "ends": *ends.lock().expect("a lock"),
            "in_flight": in_flight,
            "attempts": attempts,
            "reserved": reserved,
        }})
    );
    drop(client);
    settle(|| Handle::current().metrics().num_alive_tasks() == 0).await;
    println!("{}", json!({"after": look(began)}));
}
