//! `hotspare check`: is the config right, are the keys there, do the providers answer?

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::config::{KeySource, Provider};
use hotspare::transport::HttpTransport;
use hotspare::{Config, secrets};
use secrecy::SecretString;

use crate::reach::reach;

/// Say whether a config is right, which of its keys are there, and whether its providers answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The config file, .toml or .json
    config: PathBuf,
    /// Leave the network alone: look at the config and the keys only
    #[arg(long)]
    offline: bool,
}

/// True when every provider can be used.
pub(crate) async fn run(args: Args) -> io::Result<bool> {
    let mut out = io::stdout();
    let config = match Config::from_file(&args.config) {
        Ok(config) => config,
        Err(error) => {
            writeln!(out, "{error}")?;
            let count = error.problems.len();
            writeln!(out, "{}: {count} problem{}", args.config.display(), plural(count))?;
            return Ok(false);
        }
    };
    let transport = match HttpTransport::new(&config.extra_roots) {
        Ok(transport) => transport,
        Err(error) => {
            writeln!(out, "{}: {error}", args.config.display())?;
            return Ok(false);
        }
    };
    let (providers, routes) = (config.providers.len(), config.routes.len());
    writeln!(
        out,
        "{}: valid, {providers} provider{}, {routes} route{}",
        args.config.display(),
        plural(providers),
        plural(routes)
    )?;
    for route in config.routes.values() {
        writeln!(out, "route {}", route.name)?;
        for target in &route.targets {
            let known = config
                .catalog
                .facts
                .model(&target.provider, &target.model)
                .is_some();
            let note = if known {
                ""
            } else {
                " (not in the catalog: its cost is unknown)"
            };
            writeln!(out, "  {target}{note}")?;
        }
    }
    let mut usable = true;
    for provider in config.providers.values() {
        writeln!(
            out,
            "provider {}: {} at {}",
            provider.name, provider.dialect, provider.base_url
        )?;
        let keys = keys(provider, &mut out)?;
        if keys.is_empty() && !provider.keys.is_empty() {
            writeln!(out, "  it has no key, so no target of it can answer")?;
            usable = false;
        }
        if args.offline {
            continue;
        }
        for reached in reach(&transport, provider, &keys).await {
            match reached.key {
                Some(key) => writeln!(out, "  with {key}: {}", reached.words)?,
                None => writeln!(out, "  {}", reached.words)?,
            }
            usable &= reached.fine;
        }
    }
    Ok(usable)
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The keys that are there; each is told by its fingerprint, each that is not by what is missing.
fn keys(provider: &Provider, out: &mut impl Write) -> io::Result<Vec<SecretString>> {
    let mut found = Vec::new();
    for source in provider.keys.iter().map(|key| &key.source) {
        if let KeySource::Cloud(cloud) = source {
            match secrets::cloud::check(cloud) {
                Ok(()) => writeln!(
                    out,
                    "  {cloud}: asked for a token, or a signature, at the first call"
                )?,
                Err(why) => writeln!(out, "  no key: {why}")?,
            }
            continue;
        }
        match secrets::resolve(source) {
            Ok(key) => {
                let place = match source {
                    KeySource::Env(name) => format!("env:{name}"),
                    KeySource::File(path) => format!("file:{}", path.display()),
                    KeySource::Literal(_) | KeySource::Cloud(_) => "the config".to_owned(),
                };
                writeln!(out, "  {} from {place}", secrets::fingerprint(&key))?;
                found.push(key);
            }
            Err(why) => writeln!(out, "  no key: {why}")?,
        }
    }
    Ok(found)
}
