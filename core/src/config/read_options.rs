//! The readers of what has defaults of its own: key pools, limits, stream recovery, hedging, standby.

use std::sync::Arc;

use super::field;
use super::problem::did_you_mean;
use super::section::{At, Reader, Section};
use super::tree::Value;
use super::{Adapt, CatalogSource, Hedge, HoldBack, PooledKey, Route, Standby, StreamRecovery};
use crate::catalog::{BadCatalog, Layer};
use crate::types::Rates;

/// Weights beyond this are a mistake, not a wish.
const MOST_WEIGHT: f64 = 1000.0;

impl Reader<'_> {
    /// A pool: sources, or tables of a source with a weight and an account.
    pub(super) fn keys(&mut self, at: &At<'_>) -> Vec<PooledKey> {
        let mut keys = Vec::new();
        for item in self.list(at, "strings such as \"env:NAME\"").unwrap_or_default() {
            if !matches!(item.node.value, Value::Table(_)) {
                let read = field::key_source(item.node, self.base);
                keys.extend(self.take(&item, read).map(PooledKey::from));
                continue;
            }
            let Some(section) = self.section(&item, &["key", "weight", "group"]) else {
                continue;
            };
            let Some(at) = section.get("key") else {
                let hint = "for example { key = \"env:NAME\", weight = 2 }".to_owned();
                self.problem(
                    &item.path,
                    item.node.line,
                    "`key` is missing".to_owned(),
                    Some(hint),
                );
                continue;
            };
            let read = field::key_source(at.node, self.base);
            let source = self.take(&at, read);
            let weight = section
                .get("weight")
                .and_then(|at| self.take(&at, field::portion(at.node, MOST_WEIGHT)));
            let group = self.name(&section, "group");
            keys.extend(source.map(|source| PooledKey {
                source,
                weight: weight.unwrap_or(1.0),
                group,
            }));
        }
        keys
    }

    pub(super) fn name(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        let at = section.get(key)?;
        match self.take(&at, field::text(at.node))? {
            "" => {
                self.problem(&at.path, at.node.line, "the name is empty".to_owned(), None);
                None
            }
            name => Some(name.to_owned()),
        }
    }

    pub(super) fn rates(&mut self, at: &At<'_>) -> Rates {
        const KNOWN: [&str; 6] = [
            "requests_per_minute",
            "tokens_per_minute",
            "input_tokens_per_minute",
            "output_tokens_per_minute",
            "burst",
            "concurrency",
        ];
        let Some(section) = self.section(at, &KNOWN) else {
            return Rates::default();
        };
        let mut count = |key: &str| {
            let at = section.get(key)?;
            self.take(&at, field::count(at.node, u32::MAX))
        };
        Rates {
            requests_per_minute: count("requests_per_minute"),
            tokens_per_minute: count("tokens_per_minute"),
            input_tokens_per_minute: count("input_tokens_per_minute"),
            output_tokens_per_minute: count("output_tokens_per_minute"),
            burst: count("burst"),
            concurrency: count("concurrency"),
        }
    }

    pub(super) fn adapt(&mut self, section: &Section<'_>) -> Adapt {
        let Some(at) = section.get("adapt") else {
            return Adapt::default();
        };
        match self.take(&at, field::text(at.node)) {
            Some("lossy") => return Adapt::Lossy,
            Some("strict") | None => {}
            Some(other) => {
                let hint = did_you_mean(other, ["strict", "lossy"])
                    .unwrap_or_else(|| "known: strict, lossy".to_owned());
                let message = format!("unknown way to adapt {other:?}");
                self.problem(&at.path, at.node.line, message, Some(hint));
            }
        }
        Adapt::Strict
    }

    pub(super) fn domains(&mut self, at: &At<'_>) -> Vec<String> {
        let mut domains = Vec::new();
        for item in self
            .list(at, "names such as \"cloud:aws:us-east-1\"")
            .unwrap_or_default()
        {
            match self.take(&item, field::text(item.node)) {
                Some("") => self.problem(&item.path, item.node.line, "the name is empty".to_owned(), None),
                Some(name) => domains.push(name.to_owned()),
                None => {}
            }
        }
        domains
    }

    pub(super) fn probe(&mut self, at: &At<'_>) -> Option<String> {
        if at.node.value == Value::Bool(false) {
            return None;
        }
        let path = self.take(at, field::text(at.node))?;
        if path.starts_with('/') && !path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Some(path.to_owned());
        }
        let hint = "for example \"/models\", or false".to_owned();
        self.problem(
            &at.path,
            at.node.line,
            format!("expected a path that begins with a slash, found {path:?}"),
            Some(hint),
        );
        None
    }

    /// What a route says of streams.
    pub(super) fn streams(&mut self, section: &Section<'_>, route: &mut Route) {
        if let Some(at) = section.get("stream_recovery")
            && let Some(word) = self.take(&at, field::text(at.node))
        {
            let names = StreamRecovery::ALL.map(StreamRecovery::as_str);
            match StreamRecovery::ALL.into_iter().find(|one| one.as_str() == word) {
                Some(recovery) => route.stream_recovery = recovery,
                None => {
                    let hint =
                        did_you_mean(word, names).unwrap_or_else(|| format!("known: {}", names.join(", ")));
                    let message = format!("unknown way to recover {word:?}");
                    self.problem(&at.path, at.node.line, message, Some(hint));
                }
            }
        }
        if let Some(at) = section.get("hold_back") {
            route.hold_back = self.hold_back(&at);
        }
        if let Some(at) = section.get("via_stream") {
            route.via_stream = self.take(&at, field::truth(at.node)).unwrap_or(false);
        }
        if let Some(at) = section.get("hedge") {
            route.hedge = self.hedge(&at);
        }
    }

    /// Characters, a time, or a table of both.
    fn hold_back(&mut self, at: &At<'_>) -> Option<HoldBack> {
        const MOST_CHARS: u32 = 1_000_000;
        let chars = |reader: &mut Self, at: &At<'_>| {
            let count = reader.take(at, field::count(at.node, MOST_CHARS))?;
            usize::try_from(count).ok()
        };
        match &at.node.value {
            Value::Number(_) => Some(HoldBack {
                chars: Some(chars(self, at)?),
                time: None,
            }),
            Value::Table(_) => {
                let section = self.section(at, &["chars", "time"])?;
                let chars = section.get("chars").and_then(|at| chars(self, &at));
                let time = self.duration(&section, "time", false);
                (chars.is_some() || time.is_some()).then_some(HoldBack { chars, time })
            }
            _ => Some(HoldBack {
                chars: None,
                time: Some(self.take(at, field::duration(at.node, false))?),
            }),
        }
    }

    /// `true`, or a table.
    fn hedge(&mut self, at: &At<'_>) -> Option<Hedge> {
        if let Value::Bool(wanted) = at.node.value {
            return wanted.then(Hedge::default);
        }
        let section = self.section(at, &["after", "share"])?;
        let share = section
            .get("share")
            .and_then(|at| self.take(&at, field::portion(at.node, 1.0)));
        Some(Hedge {
            after: self.duration(&section, "after", false),
            share: share.unwrap_or(Hedge::default().share),
        })
    }

    /// `false`, or a table.
    pub(super) fn standby(&mut self, at: &At<'_>) -> Standby {
        const MOST_SPARES: u32 = 16;
        let mut standby = Standby::default();
        if let Value::Bool(enabled) = at.node.value {
            standby.enabled = enabled;
            return standby;
        }
        let Some(section) = self.section(at, &["enabled", "spares", "refresh"]) else {
            return standby;
        };
        if let Some(at) = section.get("enabled") {
            standby.enabled = self.take(&at, field::truth(at.node)).unwrap_or(true);
        }
        if let Some(at) = section.get("spares") {
            let read = self.take(&at, field::count(at.node, MOST_SPARES));
            standby.spares = read.unwrap_or(standby.spares);
        }
        standby.refresh = self
            .duration(&section, "refresh", false)
            .unwrap_or(standby.refresh);
        standby
    }

    pub(super) fn catalog(&mut self, at: &At<'_>) -> CatalogSource {
        let mut source = CatalogSource::default();
        let Some(section) = self.section(at, &["file", "url", "refresh"]) else {
            return source;
        };
        if let Some(at) = section.get("file")
            && let Some(path) = self.take(&at, field::text(at.node))
        {
            let path = self.base.join(path);
            let text =
                std::fs::read_to_string(&path).map_err(|error| vec![format!("cannot be read: {error}")]);
            let read = text.and_then(|text| {
                let wrong = |bad: BadCatalog| bad.misfits.iter().map(ToString::to_string).collect();
                source.facts.with(Layer::File, &text).map_err(wrong)
            });
            match read {
                Ok(facts) => source.facts = Arc::new(facts),
                Err(problems) => {
                    for problem in problems {
                        let message = format!("{}: {problem}", path.display());
                        self.problem(&at.path, at.node.line, message, None);
                    }
                }
            }
        }
        source.url = section
            .get("url")
            .and_then(|at| self.take(&at, field::page_url(at.node)));
        source.refresh = self
            .duration(&section, "refresh", false)
            .unwrap_or(source.refresh);
        source
    }
}
