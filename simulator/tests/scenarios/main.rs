//! Runs every `tests/scenarios/*.json` through the Rust client: in virtual time against the in-process transport, and
//! in real time against sockets. Leaves a report for the matrix.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

mod check;
mod make;
mod scenario;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotspare::transport::HttpTransport;
use hotspare::{Client, Config};
use hotspare_simulator::{JournalEntry, Script, SimTransport, Simulator};
use scenario::{Mode, Scenario};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// How the providers are reached, and so whose time it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Virtual,
    Sockets,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Sockets => "sockets",
        }
    }
}

fn runtime(way: Way) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if way == Way::Virtual {
        builder.start_paused(true);
    }
    builder.build().expect("a runtime")
}

async fn run(scenario: &Scenario, mode: Mode, way: Way, folder: &Path) -> Result<(), String> {
    let script =
        Script::from_json(&scenario.script.to_string()).map_err(|error| format!("script: {error}"))?;
    make::write(&scenario.files, folder)?;
    let of = (mode, way == Way::Virtual, folder);
    match way {
        Way::Virtual => {
            let transport = Arc::new(SimTransport::new(script));
            let config = scenario.config(folder, SimTransport::url)?;
            let client = client(&config, Some(Arc::clone(&transport)))?;
            make::calls(scenario, of, &client).await?;
            check::server(scenario, || transport.journal()).await
        }
        Way::Sockets => {
            let mut simulator = Simulator::start(script)
                .await
                .map_err(|error| error.to_string())?;
            let config =
                scenario.config(folder, |name| simulator.url(name).unwrap_or_default().to_owned())?;
            let client = client(&config, None)?;
            make::calls(scenario, of, &client).await?;
            let journal = || -> Vec<JournalEntry> { simulator.journal() };
            let seen = check::server(scenario, journal).await;
            simulator.shutdown().await;
            seen
        }
    }
}

fn client(config: &str, transport: Option<Arc<SimTransport>>) -> Result<Client, String> {
    let config = Config::from_json(config).map_err(|error| format!("config: {error}"))?;
    Ok(match transport {
        Some(transport) => Client::with_transport(config, transport, Some(7)),
        None => {
            let transport = HttpTransport::new(&[]).map_err(|error| error.to_string())?;
            Client::with_transport(config, Arc::new(transport), Some(7))
        }
    })
}

#[test]
fn every_scenario() {
    let only = std::env::var("SCENARIO").ok();
    let scenarios = Scenario::all(&root().join("tests/scenarios"));
    assert!(!scenarios.is_empty(), "there are scenarios");
    let mut results: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut failed = Vec::new();
    let mut ran = 0;
    for (name, scenario) in &scenarios {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        for &mode in &scenario.modes {
            for way in [Way::Virtual, Way::Sockets] {
                let column = format!("{} {}", mode.name(), way.name());
                let files = format!("target/scenario-files/{name}-{}-{}", mode.name(), way.name());
                let result = runtime(way).block_on(run(scenario, mode, way, &root().join(files)));
                ran += 1;
                if let Err(problem) = &result {
                    failed.push(format!("{name}, {column}: {problem}"));
                }
                let cell = result.map_or_else(|problem| format!("failed: {problem}"), |()| "ok".to_owned());
                results.entry(name.clone()).or_default().insert(column, cell);
            }
        }
    }
    let columns = ["chat virtual", "chat sockets", "stream virtual", "stream sockets"];
    let report = serde_json::json!({"columns": columns, "results": results});
    let folder = root().join("target/scenario-matrix");
    std::fs::create_dir_all(&folder).expect("a folder for the report");
    std::fs::write(folder.join("rust.json"), report.to_string()).expect("the report is written");
    println!(
        "{} scenarios, {ran} runs, {} failed",
        scenarios.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
