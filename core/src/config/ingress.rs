//! What the model names of clients that speak a vendor's format mean.

use super::problem::did_you_mean;
use super::section::{At, Reader};
use super::{Config, field};

/// The `[ingress]` section. A name in a client's request that is a route's, or a target's (`provider/model`), means that;
/// this is for the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// A model's name, or the beginning of names followed by `*`, and the route or target it stands for. The longest that
    /// fits counts, a whole name before any beginning.
    pub models: Vec<(String, String)>,
    /// The route or target of every other name in a chat. Default: the route named `default`.
    pub default_route: Option<String>,
    /// The route or target of every other name in a request for vectors. Default: the route named `embed`.
    pub embed_route: Option<String>,
}

impl Names {
    /// What stands for `model`, when it is one of [`Self::models`].
    #[must_use]
    pub fn find(&self, model: &str) -> Option<&str> {
        let rank = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning).then_some((false, pattern.len())),
            None => (pattern == model).then_some((true, pattern.len())),
        };
        let fitting = self
            .models
            .iter()
            .filter_map(|(pattern, meant)| Some((rank(pattern)?, meant.as_str())));
        fitting.max_by_key(|(rank, _)| *rank).map(|(_, meant)| meant)
    }
}

impl Reader<'_> {
    /// The section; every name in it must be one of `config`'s routes, or a target of one of its providers.
    pub(super) fn names(&mut self, at: &At<'_>, config: &Config) -> Names {
        let mut names = Names::default();
        let Some(section) = self.section(at, &["models", "default_route", "embed_route"]) else {
            return names;
        };
        if let Some(at) = section.get("models") {
            for entry in self.table(&at).unwrap_or_default() {
                let at = At {
                    path: super::section::join(&at.path, &entry.key),
                    node: &entry.node,
                };
                if let Some(meant) = self.meant(&at, config) {
                    names.models.push((entry.key.clone(), meant));
                }
            }
        }
        names.default_route = section
            .get("default_route")
            .and_then(|at| self.meant(&at, config));
        names.embed_route = section.get("embed_route").and_then(|at| self.meant(&at, config));
        names
    }

    fn meant(&mut self, at: &At<'_>, config: &Config) -> Option<String> {
        let name = self.take(at, field::text(at.node))?;
        let is_target = name
            .split_once('/')
            .is_some_and(|(provider, model)| config.providers.contains_key(provider) && !model.is_empty());
        if config.routes.contains_key(name) || is_target {
            return Some(name.to_owned());
        }
        let routes = config.routes.keys().map(String::as_str);
        let hint = did_you_mean(name, routes).unwrap_or_else(|| {
            "a target is written provider/model, with a provider of the config".to_owned()
        });
        let message = format!("no route or target is named {name:?}");
        self.problem(&at.path, at.node.line, message, Some(hint));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "[providers.openai]\n[routes.smart]\ntargets = [\"openai/gpt-4o\"]\n[ingress]\n";

    #[test]
    fn the_longest_name_that_fits_counts() {
        let text = format!(
            "{ROUTES}models = {{ \"gpt-*\" = \"smart\", \"gpt-4*\" = \"openai/a\", \"gpt-4o\" = \"openai/b\" }}"
        );
        let names = Config::from_toml(&text).unwrap().ingress;
        for (model, meant) in [
            ("gpt-4o", Some("openai/b")),
            ("gpt-4o-mini", Some("openai/a")),
            ("gpt-3.5", Some("smart")),
            ("claude", None),
        ] {
            assert_eq!(names.find(model), meant, "{model}");
        }
        assert_eq!(names.default_route, None);
    }

    #[test]
    fn a_name_that_is_nothing_is_a_problem() {
        for (line, path) in [
            ("models = { a = \"smrt\" }", "ingress.models.a"),
            ("default_route = \"openia/gpt-4o\"", "ingress.default_route"),
            ("embed_route = \"\"", "ingress.embed_route"),
        ] {
            let error = Config::from_toml(&format!("{ROUTES}{line}")).unwrap_err();
            assert_eq!(error.problems.len(), 1, "{error}");
            assert_eq!(error.problems[0].path, path);
            assert!(error.problems[0].hint.is_some());
        }
    }
}
