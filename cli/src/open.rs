//! The client that a command works with, and how its errors are told.

use std::io::{self, Write};
use std::path::Path;

use hotspare::types::Attempt;
use hotspare::{Client, Error, catalog};

/// What is asked of each provider whose key is in the environment when no target is named: a small, cheap model.
const SMALL: [(&str, &str); 3] = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-3.5-flash-lite"),
];

/// A client of a config file; else of the targets named; else of a small model of every provider whose key is in the
/// environment.
pub(crate) async fn open(config: Option<&Path>, targets: &[String]) -> hotspare::Result<Client> {
    if let Some(path) = config {
        return Client::from_file(path).await;
    }
    let targets = if targets.is_empty() {
        usual_targets(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    } else {
        targets.to_vec()
    };
    if targets.is_empty() {
        let names: Vec<&str> = SMALL
            .iter()
            .filter_map(|(provider, _)| catalog::provider(provider))
            .flat_map(|provider| provider.key_env.iter().map(String::as_str))
            .collect();
        return Err(Error::config(format!(
            "no key in the environment: set one of {}, or give --config",
            names.join(", ")
        )));
    }
    let builder = targets
        .into_iter()
        .fold(Client::builder(), |builder, target| builder.target(target));
    builder.build()
}

fn usual_targets(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    SMALL
        .into_iter()
        .filter(|(provider, _)| {
            catalog::provider(provider).is_some_and(|known| known.key_env.iter().any(|name| is_set(name)))
        })
        .map(|(provider, model)| format!("{provider}/{model}"))
        .collect()
}

/// Tells an error, with every attempt, on standard error. False, as the command's outcome.
pub(crate) fn failed(error: &Error) -> io::Result<bool> {
    let mut err = io::stderr().lock();
    writeln!(err, "hotspare: {error}")?;
    for attempt in error.trail() {
        writeln!(err, "  {}", told(attempt))?;
    }
    Ok(false)
}

fn told(attempt: &Attempt) -> String {
    let why = attempt.failure().map_or("", |failure| failure.message.as_str());
    let ms = (attempt.ended - attempt.started) * 1e3;
    format!("{} {} after {ms:.0} ms: {why}", attempt.target, attempt.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_targets_are_those_with_a_key() {
        assert!(usual_targets(|_| false).is_empty());
        assert_eq!(usual_targets(|_| true).len(), SMALL.len());
        assert_eq!(
            usual_targets(|name| name == "GOOGLE_API_KEY"),
            ["gemini/gemini-3.5-flash-lite"]
        );
        for (provider, model) in SMALL {
            assert!(catalog::model(provider, model).is_some(), "{provider}/{model}");
        }
    }
}
