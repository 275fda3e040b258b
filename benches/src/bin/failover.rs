//! What a failing primary costs a call, on sockets with TLS, against the simulator: one that goes silent, one that answers
//! 500, one that refuses connections, each with a warm backup; and a primary that answers 503 for a minute while a call is
//! made every 4 s. Takes about 100 s, the flapping primary's time.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time itself, and stops at the first thing that goes wrong"
)]

use std::time::{Duration, Instant};

use hotspare::types::What;
use hotspare::{Client, Config};
use hotspare_simulator::{Script, Simulator};
use tokio::sync::mpsc::unbounded_channel;

const SILENT_CALLS: usize = 20;
const FAST_CALLS: usize = 300;
const FIRST_TOKEN: Duration = Duration::from_secs(1);
const FLAPPING: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(4);

async fn simulate(primary: &str) -> Simulator {
    let script = format!(
        r#"{{"providers": {{
            "a": {{"dialect": "openai_chat", "tls": {{}}, "reply": {{"text": "From a."}}, {primary}}},
            "b": {{"dialect": "anthropic_messages", "tls": {{}}, "reply": {{"text": "From b."}}}}}}}}"#
    );
    let script = Script::from_json(&script).expect("a script");
    Simulator::start(script).await.expect("a simulator")
}

/// A client of both, which trusts the simulator's authority.
fn client(simulator: &Simulator, more: &str) -> Client {
    let authority = std::env::temp_dir().join(format!("hotspare-bench-{}.pem", fastrand::u64(..)));
    let pem = simulator.ca_pem().expect("an authority");
    std::fs::write(&authority, pem).expect("a file");
    let provider = |name: &str, dialect: &str| {
        let url = simulator.url(name).expect("a URL");
        format!(
            "[providers.{name}]\ndialect = \"{dialect}\"\nbase_url = \"{url}\"\nkeys = [\"k\"]\nprobe = \"/models\"\n"
        )
    };
    let text = format!(
        "[tls]\nextra_roots = [{authority:?}]\n{}{}[routes.default]\ntargets = [\"a/m\", \"b/m\"]\n{more}",
        provider("a", "openai_chat"),
        provider("b", "anthropic_messages"),
    );
    let client = Client::new(Config::from_toml(&text).expect("a config")).expect("a client");
    let _ = std::fs::remove_file(authority);
    client
}

/// A client whose breakers stay closed, so that every call meets the primary's fault, and whose backup is warm.
async fn steady(simulator: &Simulator, more: &str) -> Client {
    let client = client(simulator, more);
    client.force_closed("a").expect("it is known");
    client.force_closed("b").expect("it is known");
    let (told, mut warm) = unbounded_channel();
    client.on_event(move |event| {
        if let What::Probed {
            provider,
            reached: true,
            ..
        } = &event.what
            && provider == "b"
        {
            let _ = told.send(());
        }
    });
    let reply = client.chat("Say hi").send().await.expect("an answer");
    assert_eq!(reply.target, "b/m");
    let _ = tokio::time::timeout(Duration::from_secs(2), warm.recv()).await;
    client
}

fn at(times: &mut [f64], share: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    *times
        .get((times.len() - 1) * share / 100)
        .expect("calls were made")
}

/// Milliseconds of calls that fail over, whole or as streams up to their first event.
async fn calls(client: &Client, count: usize, stream: bool) -> Vec<f64> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        let target = if stream {
            let stream = client.chat("Say hi").stream().await.expect("a stream");
            stream.target().to_owned()
        } else {
            client.chat("Say hi").send().await.expect("an answer").target
        };
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(target, "b/m");
    }
    times
}

async fn faults() {
    println!(
        "{:<44}{:>9}{:>9}{:>9}",
        "a call that fails over to a warm backup, ms", "p50", "p95", "max"
    );
    let line = |what: &str, mut times: Vec<f64>| {
        let (p50, p95, max) = (at(&mut times, 50), at(&mut times, 95), at(&mut times, 100));
        println!("{what:<44}{p50:>9.2}{p95:>9.2}{max:>9.2}");
    };
    let timeouts = "timeouts = { first_token = \"1s\", attempt = \"1s\" }";
    let silent = simulate(r#""phases": [{"step": {"fault": "hang"}}]"#).await;
    let client = steady(&silent, timeouts).await;
    let over = |times: Vec<f64>| -> Vec<f64> {
        let limit = FIRST_TOKEN.as_secs_f64() * 1e3;
        times.into_iter().map(|time| time - limit).collect()
    };
    line(
        "silent, over a first-token limit of 1 s",
        over(calls(&client, SILENT_CALLS, true).await),
    );
    line(
        "silent, over an attempt limit of 1 s",
        over(calls(&client, SILENT_CALLS, false).await),
    );
    let failing = simulate(r#""phases": [{"step": {"status": 500}}]"#).await;
    let client = steady(&failing, "").await;
    line("500", calls(&client, FAST_CALLS, false).await);
    line(
        "500, a stream's first event",
        calls(&client, FAST_CALLS, true).await,
    );
    let refusing = simulate(r#""refuse": true"#).await;
    let client = steady(&refusing, "").await;
    line("connection refused", calls(&client, FAST_CALLS, false).await);
    line(
        "connection refused, a stream's first event",
        calls(&client, FAST_CALLS, true).await,
    );
}

/// Attempts the primary saw in its bad minute, and seconds until it was used again after that.
async fn flapping() -> (usize, Option<f64>) {
    let bad = FLAPPING.as_secs();
    let script = format!(r#""phases": [{{"until": "{bad}s", "step": {{"status": 503}}}}]"#);
    let simulator = simulate(&script).await;
    let began = Instant::now();
    let client = client(&simulator, "");
    let mut back = None;
    let mut number = 0;
    while back.is_none() && began.elapsed() < FLAPPING + Duration::from_secs(60) {
        tokio::time::sleep_until((began + EVERY * number).into()).await;
        let reply = client.chat("Say hi").send().await.expect("an answer");
        if reply.target == "a/m" && began.elapsed() >= FLAPPING {
            back = Some((began.elapsed() - FLAPPING).as_secs_f64());
        }
        number += 1;
    }
    let journal = simulator.journal();
    let bad = u128::from(bad) * 1000;
    let seen = journal
        .iter()
        .filter(|entry| entry.provider == "a" && entry.method == "POST" && u128::from(entry.at_ms) < bad);
    (seen.count(), back)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let flapping = tokio::spawn(flapping());
    faults().await;
    let (attempts, back) = flapping.await.expect("it ends");
    println!(
        "\na primary that answers 503 for {} s, a call every {} s: {attempts} attempts there; in use again {}",
        FLAPPING.as_secs(),
        EVERY.as_secs(),
        back.map_or_else(
            || "not within a minute".to_owned(),
            |seconds| format!("{seconds:.1} s after it recovered")
        )
    );
}
