//! Replays every `tests/incidents/*.json` in virtual time: calls begin at their times whatever has become of the ones
//! before, against providers that go through the incident, each with one healthy target left. Prints what it cost.
//! `INCIDENT=part-of-a-name` runs some of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it met"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hotspare::types::{Attempt, Phase};
use hotspare::{ChatRequest, Client, Config, Error, Reply, StreamEvent};
use hotspare_simulator::{JournalEntry, Script, SimTransport};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    #[expect(dead_code, reason = "for the reader of the file")]
    title: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    story: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    source: String,
    /// A hotspare config; `"$name"` stands for the URL of the simulated provider `name`.
    config: Value,
    script: Value,
    load: Load,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Load {
    calls: u32,
    /// From one call's begin to the next's, as in `250ms`.
    every: String,
    stream: bool,
    request: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The least share of calls that are answered.
    success: f64,
    /// The most seconds that 95 of 100 calls that went on lose before the attempt that answers begins.
    failover_p95_s: f64,
    /// The most chat requests that a provider sees.
    #[serde(default)]
    attempts: BTreeMap<String, usize>,
}

/// What an incident came to.
struct Outcome {
    answered: usize,
    failures: BTreeMap<String, usize>,
    /// Seconds lost by each call that went on, in order of length.
    lost: Vec<f64>,
    attempts: BTreeMap<String, usize>,
}

impl Outcome {
    fn percentile(&self, share: f64) -> f64 {
        let rank = (share * self.lost.len() as f64).ceil() as usize;
        self.lost.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    fn check(&self, incident: &Incident) -> Result<(), String> {
        let (calls, expect) = (incident.load.calls, &incident.expect);
        if self.lost.is_empty() && self.failures.is_empty() {
            return Err("no call met it".to_owned());
        }
        let success = self.answered as f64 / f64::from(calls);
        if success < expect.success {
            let failures = &self.failures;
            return Err(format!(
                "{} of {calls} calls were answered: {failures:?}",
                self.answered
            ));
        }
        if self.percentile(0.95) > expect.failover_p95_s {
            let (found, most) = (self.percentile(0.95), expect.failover_p95_s);
            return Err(format!("going on took {found:.3} s at p95, not {most} s"));
        }
        for (provider, most) in &expect.attempts {
            let found = self.attempts.get(provider).copied().unwrap_or(0);
            if found > *most {
                return Err(format!("{provider} saw {found} attempts, not {most}"));
            }
        }
        Ok(())
    }
}

/// `"250ms"` or `"4s"`.
fn duration(text: &str) -> Duration {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').expect("seconds or milliseconds"), 1.0),
    };
    Duration::from_secs_f64(number.parse::<f64>().expect("a number") * unit)
}

fn with_urls(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('$') {
                *text = SimTransport::url(name);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(with_urls),
        Value::Object(map) => map.values_mut().for_each(with_urls),
        _ => {}
    }
}

async fn call(client: Client, stream: bool, request: ChatRequest) -> Result<Reply, Error> {
    if !stream {
        return client.send(request).await;
    }
    let mut stream = client.open(request).await?;
    let mut finished = None;
    while let Some(event) = stream.next().await {
        if let StreamEvent::Finish { reply } = event? {
            finished = Some(*reply);
        }
    }
    Ok(finished.expect("a stream ends with a finish event or an error"))
}

/// Whether an attempt met the incident. One that was left out before it began did not.
fn met(attempt: &Attempt) -> bool {
    attempt
        .failure()
        .is_some_and(|failure| failure.phase != Phase::Encode)
}

async fn replay(incident: &Incident) -> Result<(Outcome, Vec<JournalEntry>), String> {
    let script =
        Script::from_json(&incident.script.to_string()).map_err(|error| format!("script: {error}"))?;
    let transport = Arc::new(SimTransport::new(script));
    let mut config = incident.config.clone();
    with_urls(&mut config);
    let config = Config::from_json(&config.to_string()).map_err(|error| format!("config: {error}"))?;
    let client = Client::with_transport(config, Arc::clone(&transport) as Arc<_>, Some(7));

    let load = &incident.load;
    let request = load
        .request
        .clone()
        .unwrap_or_else(|| json!({"messages": "Say hi"}));
    let request =
        ChatRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let (every, stream) = (duration(&load.every), load.stream);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..load.calls {
        let (client, request) = (client.clone(), request.clone());
        calls.spawn(async move {
            tokio::time::sleep(every * number).await;
            call(client, stream, request).await
        });
    }
    let mut outcome = Outcome {
        answered: 0,
        failures: BTreeMap::new(),
        lost: Vec::new(),
        attempts: BTreeMap::new(),
    };
    while let Some(ended) = calls.join_next().await {
        match ended.expect("a call does not panic") {
            Ok(reply) => {
                let provider = reply.target.split('/').next().unwrap_or_default();
                let said = &incident.script["providers"][provider]["reply"]["text"];
                if said != reply.text() {
                    return Err(format!("{} did not say {:?}", reply.target, reply.text()));
                }
                outcome.answered += 1;
                let went_on = reply.trail.iter().any(met);
                let answering = reply.trail.iter().last().filter(|_| went_on);
                outcome.lost.extend(answering.map(|attempt| attempt.started));
            }
            Err(error) => {
                let codes: Vec<_> = error.trail().iter().map(|attempt| attempt.code()).collect();
                *outcome.failures.entry(codes.join(" ")).or_default() += 1;
            }
        }
    }
    outcome.lost.sort_by(f64::total_cmp);
    let journal = transport.journal();
    for entry in journal.iter().filter(|entry| entry.chat) {
        *outcome.attempts.entry(entry.provider.clone()).or_default() += 1;
    }
    Ok((outcome, journal))
}

fn run(incident: &Incident) -> Result<(Outcome, Vec<JournalEntry>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(replay(incident))
}

/// Every incident, in order of file name.
fn all() -> BTreeMap<String, Incident> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/incidents");
    let files = std::fs::read_dir(folder).expect("the folder of incidents");
    let incidents = files.map(|file| {
        let file = file.expect("an entry").path();
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let incident = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, incident)
    });
    incidents.collect()
}

#[test]
fn every_incident_is_survived() {
    let only = std::env::var("INCIDENT").unwrap_or_default();
    let mut failed = Vec::new();
    let mut ran = 0;
    println!(
        "{:<24}{:>7}{:>10}{:>10}{:>9}{:>9}  attempts",
        "incident", "calls", "success", "went on", "p50 s", "p95 s"
    );
    for (name, incident) in all() {
        if !name.contains(&only) {
            continue;
        }
        ran += 1;
        match run(&incident) {
            Err(problem) => failed.push(format!("{name}: {problem}")),
            Ok((outcome, _)) => {
                let calls = incident.load.calls;
                println!(
                    "{name:<24}{calls:>7}{:>9.2}%{:>10}{:>9.3}{:>9.3}  {:?}",
                    100.0 * outcome.answered as f64 / f64::from(calls),
                    outcome.lost.len(),
                    outcome.percentile(0.5),
                    outcome.percentile(0.95),
                    outcome.attempts,
                );
                failed.extend(
                    outcome
                        .check(&incident)
                        .err()
                        .map(|problem| format!("{name}: {problem}")),
                );
            }
        }
    }
    assert!(ran > 0, "no incident has {only:?} in its name");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// The one with most under way at once, twice.
#[test]
fn an_incident_replays_exactly() {
    let incident = &all()["backup-overloaded"];
    let (first, again) = (run(incident).unwrap(), run(incident).unwrap());
    assert_eq!(first.1, again.1);
    assert_eq!(first.0.lost, again.0.lost);
}
