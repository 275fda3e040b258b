//! `hotspare check`: is the config right, are the keys there, do the providers answer?

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use hotspare::config::{KeySource, Provider};
use hotspare::transport::HttpTransport;
use hotspare::{Config, catalog, secrets};
use secrecy::SecretString;

/// How long a provider may take to list its models.
const LIMIT: Duration = Duration::from_secs(5);

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
            let known = catalog::model(&target.provider, &target.model).is_some();
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
        let each: Vec<Option<&SecretString>> = if keys.is_empty() {
            vec![None]
        } else {
            keys.iter().map(Some).collect()
        };
        for key in each {
            let (fine, words) = match transport.probe(provider, key, LIMIT).await {
                Ok(status) => in_words(status.as_u16(), key.is_some()),
                Err(error) => (false, format!("cannot be reached: {}", error.message)),
            };
            match key {
                Some(key) => writeln!(out, "  with {}: {words}", secrets::fingerprint(key))?,
                None => writeln!(out, "  {words}")?,
            }
            usable &= fine;
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
        match secrets::resolve(source) {
            Ok(key) => {
                let place = match source {
                    KeySource::Env(name) => format!("env:{name}"),
                    KeySource::File(path) => format!("file:{}", path.display()),
                    KeySource::Literal(_) => "the config".to_owned(),
                };
                writeln!(out, "  {} from {place}", secrets::fingerprint(&key))?;
                found.push(key);
            }
            Err(why) => writeln!(out, "  no key: {why}")?,
        }
    }
    Ok(found)
}

/// Whether the answer to "list your models" is a good one, and what it means.
fn in_words(status: u16, keyed: bool) -> (bool, String) {
    let (fine, words) = match status {
        200..=299 if keyed => (true, "answers, and takes the key"),
        200..=299 => (true, "answers"),
        429 => (true, "answers, but is limiting the rate"),
        401 | 403 if keyed => (false, "answers, but refuses the key"),
        401 | 403 => (false, "answers, but wants a key"),
        300..=399 => (
            false,
            "redirects elsewhere, which is never followed: the base URL is wrong",
        ),
        404 | 405 => (
            false,
            "answers, but lists no models there: the base URL may be wrong",
        ),
        500..=599 => (false, "answers with a failure of its own"),
        _ => (false, "answers, but refuses the request"),
    };
    (fine, format!("{words} ({status})"))
}
