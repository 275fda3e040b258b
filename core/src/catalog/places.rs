//! Templates of URLs → where a provider is.

use std::collections::BTreeMap;

use super::{Auth, Provider};

/// What a provider's section says on where it is, by the name of the key.
pub type Variables = BTreeMap<String, String>;

/// Where a provider is, made of its templates and what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its base URL, without a trailing slash.
    pub base_url: String,
    /// The region, where one is named or usual.
    pub region: Option<String>,
    /// What it may fail together with.
    pub domains: Vec<String>,
    /// The base URL of each surface that is served there, with its index in [`Provider::surfaces`]. Those that follow the
    /// provider's base URL have none.
    pub surfaces: Vec<(usize, Option<String>)>,
    /// The path, over that of the quirks.
    pub path: Option<String>,
    /// How a request shows its key, where not as at the vendor's usual place.
    pub auth: Option<Auth>,
}

/// Why a provider cannot be found by what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// There is no endpoint of that name; these are there.
    Endpoint(Vec<String>),
    /// There is no region of that name; these are there. Empty: it has no regions.
    Region(Vec<String>),
    /// A variable is missing.
    Missing(String),
    /// A variable is given that is used nowhere there; these are.
    Unused(String, Vec<String>),
}

impl Provider {
    /// Every variable that its templates use, each once.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let endpoints = self.endpoints.values();
        let templates = std::iter::once(&self.base_url)
            .chain(endpoints.flat_map(|endpoint| std::iter::once(&endpoint.base_url).chain(&endpoint.path)))
            .chain(
                self.surfaces
                    .iter()
                    .filter_map(|surface| surface.base_url.as_ref()),
            )
            .chain(&self.host);
        for name in templates.flat_map(|template| names_in(template)) {
            if name != "host" && name != "model" && !names.contains(&name) {
                names.push(name);
            }
        }
        if !self.hosts.is_empty() && !names.contains(&"region") {
            names.push("region");
        }
        names
    }

    /// Whether any region will do, and not just those listed in `hosts`.
    #[must_use]
    pub fn takes_any_region(&self) -> bool {
        let anywhere = |template: &String| names_in(template).any(|name| name == "region");
        self.host
            .as_ref()
            .map_or_else(|| anywhere(&self.base_url), anywhere)
    }

    /// Where it is. `endpoint` names one of its other endpoints; without it, the first is taken that needs a variable
    /// which is given and which the usual place has no use for.
    ///
    /// # Errors
    /// Everything that is missing, unknown, or of no use.
    pub fn place(&self, endpoint: Option<&str>, given: &Variables) -> Result<Place, Vec<Lost>> {
        let chosen = match endpoint {
            Some(name) => match self.endpoints.get(name) {
                Some(endpoint) => Some(endpoint),
                None => return Err(vec![Lost::Endpoint(self.endpoints.keys().cloned().collect())]),
            },
            None => self.implied(given),
        };
        let mut names = Names::new(self, given);
        let (template, path) = match chosen {
            Some(endpoint) => (&endpoint.base_url, endpoint.path.as_ref()),
            None => (&self.base_url, None),
        };
        let base_url = names.fill(template);
        let path = path.map(|path| names.fill(path));
        let surfaces = match chosen {
            Some(_) => Vec::new(),
            None => {
                let all = self.surfaces.iter().enumerate();
                all.map(|(index, surface)| {
                    (
                        index,
                        surface.base_url.as_ref().map(|template| names.fill(template)),
                    )
                })
                .collect()
            }
        };
        let domains = self.domains.iter().map(|template| names.fill(template)).collect();
        names.finish()?;
        Ok(Place {
            base_url,
            region: given.get("region").or(self.variables.get("region")).cloned(),
            domains,
            surfaces,
            path,
            auth: chosen.and_then(|endpoint| endpoint.auth.clone()),
        })
    }

    fn implied(&self, given: &Variables) -> Option<&super::Endpoint> {
        let uses = |template: &str, name: &str| names_in(template).any(|used| used == name);
        let usual = |name: &String| {
            name == "region"
                || uses(&self.base_url, name)
                || self.host.as_ref().is_some_and(|host| uses(host, name))
        };
        let telling: Vec<&String> = given.keys().filter(|name| !usual(name)).collect();
        self.endpoints.values().find(|endpoint| {
            let path = endpoint.path.as_deref().unwrap_or_default();
            telling
                .iter()
                .any(|name| uses(&endpoint.base_url, name) || uses(path, name))
        })
    }
}

/// The names in braces of a template.
fn names_in(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|piece| Some(piece.split_once('}')?.0))
}

/// Fills templates, and keeps what was used and what was missing.
struct Names<'a> {
    provider: &'a Provider,
    given: &'a Variables,
    used: Vec<String>,
    lost: Vec<Lost>,
}

impl<'a> Names<'a> {
    const fn new(provider: &'a Provider, given: &'a Variables) -> Self {
        Self {
            provider,
            given,
            used: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn value(&mut self, name: &str) -> Option<&'a String> {
        if !self.used.iter().any(|used| used == name) {
            self.used.push(name.to_owned());
        }
        self.given.get(name).or(self.provider.variables.get(name))
    }

    fn lose(&mut self, lost: Lost) {
        if !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }

    /// The template with its names replaced; `{model}` stays for later.
    fn fill(&mut self, template: &str) -> String {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            match name {
                "model" => out.push_str("{model}"),
                "host" => {
                    let host = self.host();
                    out.push_str(&host);
                }
                name => match self.value(name) {
                    Some(value) => out.push_str(value),
                    None => self.lose(Lost::Missing(name.to_owned())),
                },
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn host(&mut self) -> String {
        let provider = self.provider;
        let region = self.value("region");
        if let Some(host) = region.and_then(|region| provider.hosts.get(region)) {
            return self.fill(host);
        }
        let host = provider.host.as_deref().unwrap_or_default();
        if region.is_some() && !names_in(host).any(|name| name == "region") {
            self.lose(Lost::Region(provider.hosts.keys().cloned().collect()));
        }
        self.fill(host)
    }

    fn finish(mut self) -> Result<(), Vec<Lost>> {
        for name in self.given.keys() {
            if self.used.contains(name) {
                continue;
            }
            match name.as_str() {
                "region" => self.lost.push(Lost::Region(Vec::new())),
                _ => self.lost.push(Lost::Unused(name.clone(), self.used.clone())),
            }
        }
        if self.lost.is_empty() {
            Ok(())
        } else {
            Err(self.lost)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{provider, providers};

    fn given(pairs: &[(&str, &str)]) -> Variables {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// The base URL, or what is wrong.
    fn at(name: &str, endpoint: Option<&str>, pairs: &[(&str, &str)]) -> Result<String, Vec<Lost>> {
        let place = provider(name).unwrap().place(endpoint, &given(pairs))?;
        Ok(place.base_url)
    }

    #[test]
    fn base_urls() {
        for (name, endpoint, pairs, expected) in [
            ("openai", None, &[][..], "https://api.openai.com/v1"),
            (
                "openai",
                None,
                &[("region", "eu")],
                "https://eu.api.openai.com/v1",
            ),
            (
                "vertex",
                None,
                &[("project", "p")],
                "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google",
            ),
            (
                "vertex",
                None,
                &[("project", "p"), ("region", "europe-west4")],
                "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google",
            ),
            (
                "vertex",
                None,
                &[("project", "p"), ("region", "eu")],
                "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google",
            ),
            (
                "azure",
                None,
                &[("resource", "r")],
                "https://r.openai.azure.com/openai/v1",
            ),
            (
                "azure",
                None,
                &[("resource", "r"), ("api_version", "2024-10-21")],
                "https://r.openai.azure.com/openai",
            ),
            (
                "azure",
                Some("classic"),
                &[("resource", "r")],
                "https://r.openai.azure.com/openai",
            ),
            (
                "bedrock",
                None,
                &[("region", "eu-west-3")],
                "https://bedrock-runtime.eu-west-3.amazonaws.com",
            ),
            (
                "bedrock",
                None,
                &[("region", "cn-north-1")],
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            ),
            (
                "bedrock",
                Some("fips"),
                &[("region", "us-east-1")],
                "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
            ),
            (
                "qwen",
                None,
                &[],
                "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            ),
            (
                "qwen",
                None,
                &[("region", "cn-beijing")],
                "https://dashscope.aliyuncs.com/compatible-mode/v1",
            ),
            (
                "qwen",
                None,
                &[("workspace", "llm-1"), ("region", "eu-central-1")],
                "https://llm-1.eu-central-1.maas.aliyuncs.com/compatible-mode/v1",
            ),
        ] {
            assert_eq!(
                at(name, endpoint, pairs).as_deref(),
                Ok(expected),
                "{name} {pairs:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (name, endpoint, pairs, expected) in [
            ("bedrock", None, &[][..], vec![Lost::Missing("region".to_owned())]),
            ("vertex", None, &[], vec![Lost::Missing("project".to_owned())]),
            (
                "openai",
                None,
                &[("region", "mars")],
                vec![Lost::Region(names(&["ae", "au", "eu", "in", "jp", "us"]))],
            ),
            (
                "mistral",
                None,
                &[("region", "eu")],
                vec![Lost::Region(Vec::new())],
            ),
            (
                "mistral",
                None,
                &[("project", "p")],
                vec![Lost::Unused("project".to_owned(), Vec::new())],
            ),
            (
                "azure",
                None,
                &[("project", "p")],
                vec![
                    Lost::Missing("resource".to_owned()),
                    Lost::Unused("project".to_owned(), names(&["resource"])),
                ],
            ),
            ("azure", Some("x"), &[], vec![Lost::Endpoint(names(&["classic"]))]),
        ] {
            assert_eq!(at(name, endpoint, pairs), Err(expected), "{name} {pairs:?}");
        }
    }

    #[test]
    fn every_entry_is_somewhere_in_each_of_its_regions() {
        for provider in providers() {
            let mut regions: Vec<Option<&str>> = vec![None];
            regions.extend(provider.hosts.keys().map(|region| Some(region.as_str())));
            if provider.takes_any_region() {
                regions.push(Some("eu-west-1"));
            }
            let endpoints = provider.endpoints.keys().map(|name| Some(name.as_str()));
            for endpoint in std::iter::once(None).chain(endpoints) {
                for region in &regions {
                    let mut all: Variables = Variables::new();
                    all.extend(region.map(|region| ("region".to_owned(), region.to_owned())));
                    // What it says to be missing is given, until it is content.
                    let place = loop {
                        match provider.place(endpoint, &all) {
                            Ok(place) => break Some(place),
                            Err(lost) => match lost.first() {
                                Some(Lost::Missing(name)) => {
                                    let value = if name == "region" { "eu-west-1" } else { "x1" };
                                    assert!(all.insert(name.clone(), value.to_owned()).is_none());
                                }
                                // An endpoint may be where regions make no difference.
                                Some(Lost::Region(known)) if known.is_empty() && endpoint.is_some() => {
                                    break None;
                                }
                                other => panic!("{} {endpoint:?} {all:?}: {other:?}", provider.name),
                            },
                        }
                    };
                    let Some(place) = place else { continue };
                    let urls = place.surfaces.iter().filter_map(|(_, url)| url.as_ref());
                    for url in std::iter::once(&place.base_url).chain(urls) {
                        let parsed = url::Url::parse(url).unwrap();
                        assert!(parsed.host_str().is_some() && !url.ends_with('/'), "{url}");
                        assert!(!url.contains(['{', '}']), "{url}");
                        assert!(
                            parsed.scheme() == "https" || parsed.host_str() == Some("localhost"),
                            "{url}"
                        );
                    }
                    assert!(
                        place.domains.iter().all(|domain| !domain.contains('{')),
                        "{place:?}"
                    );
                }
            }
        }
    }
}
