//! `hotspare status`: every target of a config at a glance.

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::config::KeySource;
use hotspare::transport::HttpTransport;
use hotspare::types::{KeyStatus, Status, TargetStatus};
use hotspare::{Client, secrets};
use serde_json::json;

use crate::open::{failed, open};
use crate::reach::{Reach, reach};
use crate::table::table;

/// Show every target: its breaker, its keys, its limits, and whether its provider answers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A config file, .toml or .json [default: a small model of every provider whose key is in the environment]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// True when every provider can be used.
pub(crate) async fn run(args: Args) -> io::Result<bool> {
    let looked = match open(args.config.as_deref(), &[]).await {
        Ok(client) => look(&client).await.map(|reached| (client.status(), reached)),
        Err(error) => Err(error),
    };
    let (status, reached) = match looked {
        Ok(looked) => looked,
        Err(error) => return failed(&error),
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &json!({ "status": status, "reached": reached }))?;
        writeln!(out)?;
    } else {
        let head = ["target", "state", "keys", "limits", "provider"].map(str::to_owned);
        let rows = status.targets.iter().map(|target| row(target, &status, &reached));
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        for line in table(&rows) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(reached.iter().all(|reached| reached.fine))
}

/// Asks every provider for its models, with each of its keys.
async fn look(client: &Client) -> hotspare::Result<Vec<Reach>> {
    let transport = HttpTransport::new(&client.config().extra_roots)?;
    let mut all = Vec::new();
    for provider in client.config().providers.values() {
        let sources = provider.keys.iter().map(|key| &key.source);
        let keys: Vec<_> = sources
            .filter_map(|source| secrets::resolve(source).ok())
            .collect();
        let mut reached = reach(&transport, provider, &keys).await;
        let cloud = provider.keys.iter().any(|key| match &key.source {
            KeySource::Cloud(cloud) => secrets::cloud::check(cloud).is_ok(),
            _ => false,
        });
        if keys.is_empty() && !cloud && !provider.keys.is_empty() {
            for reached in &mut reached {
                reached.fine = false;
            }
        }
        all.append(&mut reached);
    }
    Ok(all)
}

fn row(target: &TargetStatus, status: &Status, reached: &[Reach]) -> [String; 5] {
    let provider = target.target.split('/').next().unwrap_or_default();
    [
        target.target.clone(),
        target.state.clone(),
        keys(status.keys.iter().filter(|key| key.provider == provider)),
        limits(target),
        words(reached.iter().filter(|reached| reached.provider == provider)),
    ]
}

fn keys<'a>(keys: impl Iterator<Item = &'a KeyStatus>) -> String {
    let (mut found, mut missing) = (Vec::new(), 0);
    for key in keys {
        match (&key.key, key.state.as_str()) {
            (_, "not_set") => missing += 1,
            (Some(key), _) => found.push(key.as_str()),
            (None, _) => {}
        }
    }
    match (found.is_empty(), missing) {
        (true, 0) => "none needed".to_owned(),
        (true, _) => "not set".to_owned(),
        (false, 0) => found.join(", "),
        (false, _) => format!("{}, {missing} not set", found.join(", ")),
    }
}

fn limits(target: &TargetStatus) -> String {
    let known: Vec<String> = [
        target.requests_left.map(|left| format!("{left} requests left")),
        target.tokens_left.map(|left| format!("{left} tokens left")),
        target.concurrency.map(|most| format!("{most} at once")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if known.is_empty() {
        "none known".to_owned()
    } else {
        known.join(", ")
    }
}

/// What each key's answer means; said once where all say the same.
fn words<'a>(reached: impl Iterator<Item = &'a Reach>) -> String {
    let mut words: Vec<&str> = reached.map(|reached| reached.words.as_str()).collect();
    words.dedup();
    words.join("; ")
}
