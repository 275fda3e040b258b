//! `hotspare check`: is the config right, are the keys there, do the providers answer?

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::config::{KeySource, Provider, Target};
use hotspare::transport::HttpTransport;
use hotspare::{Config, catalog, secrets};
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
            writeln!(out, "  {target}{}", notes(&config, target))?;
        }
    }
    let mut usable = true;
    for provider in config.providers.values() {
        writeln!(out, "provider {}", told(provider))?;
        let (keys, clouds) = keys(provider, &mut out)?;
        for (name, source) in &provider.headers {
            if let Err(why) = secrets::resolve(source) {
                writeln!(out, "  no header {name}: {why}")?;
                usable = false;
            }
        }
        if keys.is_empty() && clouds == 0 && !provider.keys.is_empty() {
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

/// What a reader should know of a target, in brackets.
fn notes(config: &Config, target: &Target) -> String {
    let provider = config.providers.get(&target.provider);
    let vendor = provider.map(|provider| provider.vendor.as_deref().unwrap_or(&provider.name));
    let known = vendor.is_some_and(|vendor| config.catalog.facts.model(vendor, &target.model).is_some());
    let cost = (!known).then(|| "not in the catalog: its cost is unknown".to_owned());
    let surface = provider.and_then(|provider| Some((provider, provider.surface(&target.model)?)));
    let elsewhere = surface.map(|(provider, surface)| {
        if surface.base_url == provider.base_url {
            format!("by {}", surface.dialect)
        } else {
            let url = surface.base_url.as_str().trim_end_matches('/');
            format!("by {} at {url}", surface.dialect)
        }
    });
    let notes: Vec<String> = elsewhere.into_iter().chain(cost).collect();
    if notes.is_empty() {
        String::new()
    } else {
        format!(" ({})", notes.join("; "))
    }
}

/// What a provider is, in one line.
fn told(provider: &Provider) -> String {
    let url = provider.base_url.as_str().trim_end_matches('/');
    let mut line = format!("{}: {} at {url}", provider.name, provider.dialect);
    if let Some(vendor) = provider.vendor.as_deref().and_then(catalog::provider)
        && vendor.name != provider.name
    {
        line.push_str(&format!(", {}", vendor.title));
    }
    if let Some(region) = &provider.region {
        line.push_str(&format!(", region {region}"));
    }
    line
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The keys that are there, and how many credentials of a cloud; each key is told by its fingerprint, each that is not
/// there by what is missing.
fn keys(provider: &Provider, out: &mut impl Write) -> io::Result<(Vec<SecretString>, usize)> {
    let (mut found, mut clouds) = (Vec::new(), 0);
    for source in provider.keys.iter().map(|key| &key.source) {
        if let KeySource::Cloud(cloud) = source {
            match secrets::cloud::check(cloud) {
                Ok(()) => {
                    clouds += 1;
                    writeln!(
                        out,
                        "  {cloud}: asked for a token, or a signature, at the first call"
                    )?;
                }
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
    Ok((found, clouds))
}
