//! The readers of a config's sections.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::field::{self, Wrong};
use super::problem::did_you_mean;
use super::read_provider::usual;
use super::section::{At, Reader, Section, join};
use super::tree::{Node, Value};
use super::{
    Backoff, CatalogSource, Config, ConfigError, Names, Problem, Provider, Route, Standby, Strategy, Target,
    Timeouts,
};
use crate::catalog;
use crate::types::FailureClass;

/// Attempts beyond this are a mistake, not a wish.
const MOST_ATTEMPTS: u32 = 100;

/// The config of a tree; relative paths are taken from `base`.
pub(super) fn config(tree: Result<Node, Vec<Problem>>, base: &Path) -> Result<Config, ConfigError> {
    let (config, problems) = match tree {
        Ok(root) => {
            let mut reader = Reader {
                problems: Vec::new(),
                base,
            };
            (Some(reader.config(&root)), reader.problems)
        }
        Err(problems) => (None, problems),
    };
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError {
            file: None,
            problems: in_order(problems),
        }),
    }
}

/// A config of one route.
pub(super) fn targets(targets: impl Iterator<Item = String>) -> Result<Config, ConfigError> {
    let items = targets.map(|target| Node {
        value: Value::Text(target),
        line: None,
    });
    let list = Node {
        value: Value::List(items.collect()),
        line: None,
    };
    let mut reader = Reader {
        problems: Vec::new(),
        base: Path::new(""),
    };
    let mut providers = BTreeMap::new();
    let targets = reader.targets(
        &At {
            path: "targets".to_owned(),
            node: &list,
        },
        &mut providers,
        &BTreeSet::new(),
    );
    if !reader.problems.is_empty() {
        return Err(ConfigError {
            file: None,
            problems: reader.problems,
        });
    }
    let route = Route {
        name: "default".to_owned(),
        targets,
        ..Route::default()
    };
    Ok(Config {
        providers,
        routes: BTreeMap::from([(route.name.clone(), route)]),
        extra_roots: Vec::new(),
        standby: Standby::default(),
        catalog: CatalogSource::default(),
        ingress: Names::default(),
    })
}

/// By line; stable, so that problems without one keep their place at the head.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.line);
    problems
}

impl Reader<'_> {
    fn config(&mut self, root: &Node) -> Config {
        let at = At {
            path: String::new(),
            node: root,
        };
        let mut config = Config {
            providers: BTreeMap::new(),
            routes: BTreeMap::new(),
            extra_roots: Vec::new(),
            standby: Standby::default(),
            catalog: CatalogSource::default(),
            ingress: Names::default(),
        };
        let Some(root) = self.section(
            &at,
            &["providers", "routes", "standby", "catalog", "ingress", "tls"],
        ) else {
            return config;
        };
        let mut broken = BTreeSet::new();
        for (name, line, at) in self.named(&root, "providers", "provider") {
            match self.provider(name, line, &at) {
                Some(provider) => drop(config.providers.insert(name.to_owned(), provider)),
                None => drop(broken.insert(name.to_owned())),
            }
        }
        let routes = self.named(&root, "routes", "route");
        if routes.is_empty()
            && !self
                .problems
                .iter()
                .any(|problem| problem.path.starts_with("routes"))
        {
            let hint = "add a [routes.default] with targets = [\"openai/gpt-4o-mini\"]".to_owned();
            self.problem("routes", None, "there is no route".to_owned(), Some(hint));
        }
        for (name, line, at) in routes {
            if let Some(route) = self.route(name, line, &at, &mut config.providers, &broken) {
                config.routes.insert(name.to_owned(), route);
            }
        }
        if let Some(at) = root.get("tls")
            && let Some(section) = self.section(&at, &["extra_roots"])
            && let Some(roots) = section.get("extra_roots")
        {
            config.extra_roots = self.extra_roots(&roots);
        }
        if let Some(at) = root.get("standby") {
            config.standby = self.standby(&at);
        }
        if let Some(at) = root.get("catalog") {
            config.catalog = self.catalog(&at);
        }
        if let Some(at) = root.get("ingress") {
            config.ingress = self.names(&at, &config);
        }
        config
    }

    fn extra_roots(&mut self, at: &At<'_>) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for item in self.list(at, "paths of PEM files").unwrap_or_default() {
            match self.take(&item, field::text(item.node)) {
                Some("") => self.problem(&item.path, item.node.line, "the path is empty".to_owned(), None),
                Some(path) => roots.push(self.base.join(path)),
                None => {}
            }
        }
        roots
    }

    fn route(
        &mut self,
        name: &str,
        line: Option<u32>,
        at: &At<'_>,
        providers: &mut BTreeMap<String, Provider>,
        broken: &BTreeSet<String>,
    ) -> Option<Route> {
        const KNOWN: [&str; 16] = [
            "targets",
            "kind",
            "same_model",
            "dimensions",
            "batch",
            "adapt",
            "strategy",
            "timeouts",
            "max_attempts",
            "rate_limit_wait",
            "failover_on",
            "backoff",
            "stream_recovery",
            "hold_back",
            "via_stream",
            "hedge",
        ];
        let section = self.section(at, &KNOWN)?;
        let mut route = Route {
            name: name.to_owned(),
            ..Route::default()
        };
        match section.get("targets") {
            Some(at) => route.targets = self.targets(&at, providers, broken),
            None => {
                let hint = "for example targets = [\"openai/gpt-4o-mini\"]".to_owned();
                self.problem(
                    &join(&section.path, "targets"),
                    line,
                    "missing".to_owned(),
                    Some(hint),
                );
            }
        }
        if let Some(at) = section.get("strategy")
            && let Some(name) = self.take(&at, field::text(at.node))
        {
            match name {
                "priority" => route.strategy = Strategy::Priority,
                _ => {
                    let message = format!("strategy {name:?} is not supported by this version");
                    self.problem(
                        &at.path,
                        at.node.line,
                        message,
                        Some("known: priority".to_owned()),
                    );
                }
            }
        }
        if let Some(at) = section.get("timeouts") {
            self.timeouts(&at, &mut route.timeouts);
        }
        if let Some(at) = section.get("max_attempts") {
            let read = self.take(&at, field::count(at.node, MOST_ATTEMPTS));
            route.max_attempts = read.unwrap_or(route.max_attempts);
        }
        if let Some(at) = section.get("rate_limit_wait") {
            let read = self.take(&at, field::duration(at.node, true));
            route.rate_limit_wait = read.unwrap_or(route.rate_limit_wait);
        }
        if let Some(at) = section.get("failover_on") {
            route.failover_on = self.failover_on(&at);
        }
        if let Some(at) = section.get("backoff") {
            self.backoff(&at, &mut route.backoff);
        }
        route.adapt = self.adapt(&section);
        self.streams(&section, &mut route);
        self.embedding(&section, &mut route, providers);
        Some(route)
    }

    /// A route's targets. A provider of the catalog that has no section is added to `providers`; one in `broken` has
    /// its problem told already.
    fn targets(
        &mut self,
        at: &At<'_>,
        providers: &mut BTreeMap<String, Provider>,
        broken: &BTreeSet<String>,
    ) -> Vec<Target> {
        let Some(items) = self.list(at, "targets such as \"openai/gpt-4o-mini\"") else {
            return Vec::new();
        };
        if items.is_empty() {
            self.problem(
                &at.path,
                at.node.line,
                "expected at least one target".to_owned(),
                None,
            );
        }
        let mut targets: Vec<Target> = Vec::with_capacity(items.len());
        for item in items {
            let Some(text) = self.take(&item, field::text(item.node)) else {
                continue;
            };
            let read = split(text).and_then(|target| {
                if !broken.contains(&target.provider) && !providers.contains_key(&target.provider) {
                    let provider = usual(&target.provider, providers.keys())?;
                    providers.insert(target.provider.clone(), provider);
                }
                match targets.iter().position(|earlier| *earlier == target) {
                    Some(index) => Err((
                        format!("\"{target}\" stands in the list twice, first as [{index}]"),
                        None,
                    )),
                    None => Ok(target),
                }
            });
            targets.extend(self.take(&item, read));
        }
        targets
    }

    fn failover_on(&mut self, at: &At<'_>) -> Vec<FailureClass> {
        const CHOICES: [FailureClass; 2] = [FailureClass::Authentication, FailureClass::ContentFiltered];
        let mut classes = Vec::new();
        for item in self.list(at, "failure classes").unwrap_or_default() {
            let Some(code) = self.take(&item, field::text(item.node)) else {
                continue;
            };
            match FailureClass::from_code(code) {
                Some(class) if CHOICES.contains(&class) => {
                    if !classes.contains(&class) {
                        classes.push(class);
                    }
                }
                found => {
                    let message = match found {
                        Some(_) => format!("whether \"{code}\" goes on to the next target is fixed"),
                        None => format!("unknown failure class {code:?}"),
                    };
                    let hint = did_you_mean(code, CHOICES.map(FailureClass::as_str)).unwrap_or_else(|| {
                        "only authentication and content_filtered can be chosen".to_owned()
                    });
                    self.problem(&item.path, item.node.line, message, Some(hint));
                }
            }
        }
        classes
    }

    fn timeouts(&mut self, at: &At<'_>, timeouts: &mut Timeouts) {
        const KNOWN: [&str; 6] = ["total", "first_token", "idle", "connect", "attempt", "reserve"];
        let Some(section) = self.section(at, &KNOWN) else {
            return;
        };
        if let Some(total) = self.duration(&section, "total", false) {
            timeouts.total = total;
        }
        for (key, zero) in [
            ("first_token", false),
            ("idle", false),
            ("connect", false),
            ("attempt", false),
            ("reserve", true),
        ] {
            let Some(duration) = self.duration(&section, key, zero) else {
                continue;
            };
            if duration > timeouts.total
                && let Some(at) = section.get(key)
            {
                let message = format!(
                    "{duration:?} is longer than `total`, which is {:?}",
                    timeouts.total
                );
                self.problem(&at.path, at.node.line, message, None);
            }
            match key {
                "first_token" => timeouts.first_token = duration,
                "idle" => timeouts.idle = duration,
                "connect" => timeouts.connect = duration,
                "attempt" => timeouts.attempt = Some(duration),
                _ => timeouts.reserve = duration,
            }
        }
    }

    fn backoff(&mut self, at: &At<'_>, backoff: &mut Backoff) {
        let Some(section) = self.section(at, &["base", "cap"]) else {
            return;
        };
        backoff.base = self.duration(&section, "base", true).unwrap_or(backoff.base);
        backoff.cap = self.duration(&section, "cap", true).unwrap_or(backoff.cap);
        if backoff.base > backoff.cap {
            let message = format!(
                "`base`, which is {:?}, is longer than `cap`, which is {:?}",
                backoff.base, backoff.cap
            );
            self.problem(&at.path, at.node.line, message, None);
        }
    }

    pub(super) fn duration(&mut self, section: &Section<'_>, key: &str, zero: bool) -> Option<Duration> {
        let at = section.get(key)?;
        self.take(&at, field::duration(at.node, zero))
    }
}

fn split(text: &str) -> Result<Target, Wrong> {
    match text.split_once('/') {
        Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Target {
            provider: provider.to_owned(),
            model: model.to_owned(),
        }),
        _ => {
            let owner = catalog::providers()
                .iter()
                .find(|known| catalog::model(&known.name, text).is_some());
            let hint = owner.map(|owner| format!("did you mean \"{}/{text}\"?", owner.name));
            Err((
                format!("expected a target such as \"openai/gpt-4o-mini\", found {text:?}"),
                hint,
            ))
        }
    }
}
