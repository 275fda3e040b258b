//! The reader of a provider's section.

use std::collections::BTreeSet;

use http::HeaderName;
use url::Url;

use super::field::{self, Wrong};
use super::problem::did_you_mean;
use super::section::{At, Reader, Section, join};
use super::tree::Value;
use super::{CloudKey, KeySource, PooledKey, Provider, Surface};
use crate::catalog::{self, Auth, Lost, Place, Quirks, Variables};
use crate::types::{DialectId, Rates};

/// The keys of a provider's section besides the variables of its vendor's templates.
const KNOWN: [&str; 11] = [
    "vendor",
    "dialect",
    "base_url",
    "endpoint",
    "keys",
    "headers",
    "max_tokens_field",
    "refuses",
    "limits",
    "domains",
    "probe",
];

/// Headers that the engine or a dialect writes, and the user must not.
const OURS: [&str; 6] = [
    "host",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "transfer-encoding",
];

impl Reader<'_> {
    pub(super) fn provider(&mut self, name: &str, line: Option<u32>, at: &At<'_>) -> Option<Provider> {
        let variables = all_variables();
        let known: Vec<&str> = KNOWN.into_iter().chain(variables.iter().copied()).collect();
        let mut section = self.section(at, &known)?;
        section.line = line.or(section.line);
        // What stands by itself is read first, so that all that is wrong with it is told whatever else is.
        let keys = section.get("keys").map(|at| self.keys(&at));
        let headers = section
            .get("headers")
            .map_or_else(Vec::new, |at| self.headers(&at));
        let limits = section
            .get("limits")
            .map_or_else(Rates::default, |at| self.rates(&at));
        let domains = section
            .get("domains")
            .map_or_else(Vec::new, |at| self.domains(&at));
        let probe = section.get("probe").map(|at| self.probe(&at));
        let quirks = self.overrides(&section);
        let given = self.variables(&section, &variables);
        let written = section.get("dialect").map(|at| self.dialect(&at));
        let custom = section
            .get("base_url")
            .map(|at| self.take(&at, field::base_url(at.node)));
        let vendor = match section.get("vendor") {
            Some(at) => Some(self.vendor(&at)?),
            None => catalog::provider(name),
        };
        if vendor.is_none() && written.is_none() {
            self.missing(&section, "dialect", which_dialect(name));
        }
        if vendor.is_none() && custom.is_none() {
            let hint = "for example \"https://api.example.com/v1\"".to_owned();
            self.missing(&section, "base_url", hint);
        }
        let dialect = match written {
            Some(written) => written,
            None => vendor.map(|vendor| vendor.dialect),
        };
        let place = match (vendor, &given) {
            // Elsewhere than the vendor's own: nothing of its place holds there.
            (Some(vendor), Some(given)) if custom.is_some() => {
                self.of_no_use(&section, given, vendor);
                None
            }
            (Some(vendor), Some(given)) => Some(self.place(&section, vendor, given)?),
            (None, Some(given)) => {
                self.nobodys(&section, given);
                None
            }
            (_, None) => return None,
        };
        let base_url = match &place {
            Some(place) => self.made(&section, &place.base_url)?,
            None => custom??,
        };
        let mut provider = Provider {
            name: name.to_owned(),
            vendor: vendor.map(|vendor| vendor.name.clone()),
            dialect: dialect?,
            base_url,
            region: given.and_then(|given| given.get("region").cloned()),
            auth: None,
            keys: Vec::new(),
            headers,
            surfaces: Vec::new(),
            quirks: Quirks::default(),
            limits,
            domains,
            probe: None,
        };
        if let Some(vendor) = vendor {
            provider.fill(vendor, place.as_ref(), written.is_some());
        }
        if let Some(keys) = keys {
            provider.keys = keys;
        }
        if let Some(probe) = probe {
            provider.probe = probe;
        }
        quirks.apply(&mut provider);
        Some(provider)
    }

    fn missing(&mut self, section: &Section<'_>, key: &str, hint: String) {
        let path = join(&section.path, key);
        self.problem(&path, section.line, "missing".to_owned(), Some(hint));
    }

    fn vendor(&mut self, at: &At<'_>) -> Option<&'static catalog::Provider> {
        let name = self.take(at, field::text(at.node))?;
        let vendor = catalog::provider(name);
        if vendor.is_none() {
            let hint = did_you_mean(name, vendor_names())
                .unwrap_or_else(|| format!("known: {}", vendor_names().collect::<Vec<_>>().join(", ")));
            let message = format!("unknown vendor {name:?}");
            self.problem(&at.path, at.node.line, message, Some(hint));
        }
        vendor
    }

    fn dialect(&mut self, at: &At<'_>) -> Option<DialectId> {
        let name = self.take(at, field::text(at.node))?;
        let found = DialectId::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == name);
        if found.is_none() {
            let names = DialectId::ALL.map(DialectId::as_str);
            let hint = did_you_mean(name, names).unwrap_or_else(|| format!("known: {}", names.join(", ")));
            self.problem(
                &at.path,
                at.node.line,
                format!("unknown dialect {name:?}"),
                Some(hint),
            );
        }
        found
    }

    /// The variables that are written; None when one of them is no name.
    fn variables(&mut self, section: &Section<'_>, names: &[&str]) -> Option<Variables> {
        let mut variables = Variables::new();
        let mut sound = true;
        for name in names {
            let Some(at) = section.get(name) else {
                continue;
            };
            match self.take(&at, field::part(at.node)) {
                Some(value) => drop(variables.insert((*name).to_owned(), value.to_owned())),
                None => sound = false,
            }
        }
        sound.then_some(variables)
    }

    /// Where a vendor is, by what is written.
    fn place(
        &mut self,
        section: &Section<'_>,
        vendor: &catalog::Provider,
        given: &Variables,
    ) -> Option<Place> {
        let endpoint = match section.get("endpoint") {
            Some(at) => Some(self.take(&at, field::text(at.node))?),
            None => None,
        };
        match vendor.place(endpoint, given) {
            Ok(place) => Some(place),
            Err(lost) => {
                for lost in lost {
                    let (key, message, hint) = told(vendor, &lost);
                    let at = section.get(key);
                    let line = at.map_or(section.line, |at| at.node.line);
                    self.problem(&join(&section.path, key), line, message, Some(hint));
                }
                None
            }
        }
    }

    /// A base URL made of a template. A variable may hold what cannot stand in a host.
    fn made(&mut self, section: &Section<'_>, url: &str) -> Option<Url> {
        let made = Url::parse(url).ok();
        if made.is_none() {
            let message = format!("what is written here makes {url:?}, which is not a URL");
            self.problem(&section.path, section.line, message, None);
        }
        made
    }

    /// Says of the variables beside a `base_url` that they change nothing.
    fn of_no_use(&mut self, section: &Section<'_>, given: &Variables, vendor: &catalog::Provider) {
        // The region is a part of a signature, wherever the request goes.
        let signs = matches!(vendor.auth, Some(Auth::Aws(_)));
        let endpoint = section.get("endpoint").map(|_| "endpoint");
        let names = given.keys().map(String::as_str).chain(endpoint);
        for name in names.filter(|name| !(signs && *name == "region")) {
            let line = section.get(name).map_or(section.line, |at| at.node.line);
            let hint = "leave one of the two out".to_owned();
            self.problem(
                &join(&section.path, name),
                line,
                "changes nothing beside `base_url`".to_owned(),
                Some(hint),
            );
        }
    }

    /// Says of the variables of a provider without a vendor that nothing uses them.
    fn nobodys(&mut self, section: &Section<'_>, given: &Variables) {
        let endpoint = section.get("endpoint").map(|_| "endpoint");
        for name in given.keys().map(String::as_str).chain(endpoint) {
            let line = section.get(name).map_or(section.line, |at| at.node.line);
            let hint = "say whose it is, for example vendor = \"azure\"".to_owned();
            self.problem(
                &join(&section.path, name),
                line,
                "nothing uses it without a `vendor`".to_owned(),
                Some(hint),
            );
        }
    }

    fn headers(&mut self, at: &At<'_>) -> Vec<(HeaderName, KeySource)> {
        let mut headers: Vec<(HeaderName, KeySource)> = Vec::new();
        for entry in self.table(at).unwrap_or_default() {
            let at = At {
                path: join(&at.path, &entry.key),
                node: &entry.node,
            };
            if entry.node.value == Value::Null {
                continue;
            }
            let name = header_name(&entry.key);
            let twice = |name: &HeaderName| headers.iter().any(|(earlier, _)| earlier == name);
            let name = name.and_then(|name| match twice(&name) {
                true => Err(("the header is set twice".to_owned(), None)),
                false => Ok(name),
            });
            let name = match name {
                Ok(name) => Some(name),
                Err((message, hint)) => {
                    self.problem(&at.path, entry.line, message, hint);
                    None
                }
            };
            let value = self.take(&at, field::key_source(at.node, self.base));
            headers.extend(name.zip(value));
        }
        headers
    }

    fn overrides(&mut self, section: &Section<'_>) -> Overrides {
        let max_tokens = section.get("max_tokens_field").and_then(|at| {
            let read = field::part(at.node).map(str::to_owned);
            self.take(&at, read)
        });
        let mut refuses = BTreeSet::new();
        if let Some(at) = section.get("refuses") {
            for item in self.list(&at, "fields of a request").unwrap_or_default() {
                let read = field::part(item.node).map(str::to_owned);
                refuses.extend(self.take(&item, read));
            }
        }
        Overrides { max_tokens, refuses }
    }
}

/// What a user knows better than the table, of a server of their own.
struct Overrides {
    max_tokens: Option<String>,
    refuses: BTreeSet<String>,
}

impl Overrides {
    fn apply(self, provider: &mut Provider) {
        if let Some(field) = self.max_tokens {
            provider.quirks.max_tokens = field;
        }
        let surfaces = provider.surfaces.iter_mut().map(|surface| &mut surface.quirks);
        for quirks in surfaces.chain([&mut provider.quirks]) {
            for field in &self.refuses {
                if !quirks.refuses.contains(field) {
                    quirks.refuses.push(field.clone());
                }
            }
        }
    }
}

impl Provider {
    /// Takes from the table what the user did not write. `chosen`: the user chose the format, which then goes for all
    /// models.
    fn fill(&mut self, vendor: &catalog::Provider, place: Option<&Place>, chosen: bool) {
        let own = self.dialect == vendor.dialect;
        self.keys = usual_keys(vendor);
        if own {
            let there = place.and_then(|place| place.auth.as_ref());
            self.auth = there.or(vendor.auth.as_ref()).cloned();
            self.quirks = vendor.quirks.clone();
            self.probe.clone_from(&vendor.free_probe);
        }
        if !chosen {
            self.surfaces = self.surfaces_of(vendor, place);
        }
        if let Some(place) = place {
            self.region.clone_from(&place.region);
            let new = place
                .domains
                .iter()
                .filter(|domain| !self.domains.contains(domain));
            let new: Vec<String> = new.cloned().collect();
            self.domains.extend(new);
            if own && place.path.is_some() {
                self.quirks.path.clone_from(&place.path);
            }
        }
    }

    /// The vendor's surfaces. Away from the vendor's own place, those that follow the base URL.
    fn surfaces_of(&self, vendor: &catalog::Provider, place: Option<&Place>) -> Vec<Surface> {
        let all = vendor.surfaces.iter().enumerate();
        all.filter_map(|(index, surface)| {
            let base_url = match place {
                None if surface.base_url.is_some() => return None,
                None => self.base_url.clone(),
                Some(place) => {
                    let (_, own) = place.surfaces.iter().find(|(served, _)| *served == index)?;
                    match own {
                        Some(url) => Url::parse(url).ok()?,
                        None => self.base_url.clone(),
                    }
                }
            };
            Some(Surface {
                dialect: surface.dialect,
                models: surface.models.clone(),
                base_url,
                auth: surface.auth.as_ref().or(self.auth.as_ref()).cloned(),
                quirks: surface.quirks.clone(),
            })
        })
        .collect()
    }
}

/// A provider of the catalog that has no section. `names`: those that have one.
///
/// # Errors
/// There is none of that name, or it needs a section.
pub(super) fn usual<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> Result<Provider, Wrong> {
    let Some(vendor) = catalog::provider(name) else {
        let names = names.map(String::as_str).chain(vendor_names());
        let hint = did_you_mean(name, names)
            .unwrap_or_else(|| format!("add a [{}] section", join("providers", name)));
        return Err((format!("unknown provider {name:?}"), Some(hint)));
    };
    let place = vendor.place(None, &Variables::new()).map_err(|lost| {
        let needs: Vec<&str> = lost
            .iter()
            .filter_map(|lost| match lost {
                Lost::Missing(variable) => Some(variable.as_str()),
                _ => None,
            })
            .collect();
        let lines: Vec<String> = needs.iter().map(|name| format!("{name} = \"…\"")).collect();
        (
            format!("provider {name:?} needs `{}`", needs.join("`, `")),
            Some(format!(
                "add [{}] with {}",
                join("providers", name),
                lines.join(", ")
            )),
        )
    })?;
    let base_url = Url::parse(&place.base_url)
        .map_err(|error| (format!("the base URL of {name:?} is not valid: {error}"), None))?;
    let mut provider = Provider {
        name: name.to_owned(),
        vendor: Some(name.to_owned()),
        dialect: vendor.dialect,
        base_url,
        region: None,
        auth: None,
        keys: Vec::new(),
        headers: Vec::new(),
        surfaces: Vec::new(),
        quirks: Quirks::default(),
        limits: Rates::default(),
        domains: Vec::new(),
        probe: None,
    };
    provider.fill(vendor, Some(&place), false);
    Ok(provider)
}

/// Which key is wrong, why, and what to do.
fn told<'a>(vendor: &catalog::Provider, lost: &'a Lost) -> (&'a str, String, String) {
    let list = |names: &[String]| format!("known: {}", names.join(", "));
    let title = &vendor.title;
    match lost {
        Lost::Endpoint(known) if known.is_empty() => (
            "endpoint",
            format!("{title} has one endpoint only"),
            "leave it out".to_owned(),
        ),
        Lost::Endpoint(known) => ("endpoint", format!("{title} has no such endpoint"), list(known)),
        Lost::Region(known) if known.is_empty() => (
            "region",
            format!("{title} has no regions there"),
            "leave it out".to_owned(),
        ),
        Lost::Region(known) => ("region", format!("{title} has no such region"), list(known)),
        Lost::Missing(name) => (
            name,
            "missing".to_owned(),
            format!(
                "{title} is at {}",
                vendor
                    .base_url
                    .replace("{host}", vendor.host.as_deref().unwrap_or_default())
            ),
        ),
        Lost::Unused(name, used) => {
            let used: Vec<&str> = used
                .iter()
                .map(String::as_str)
                .chain(["keys", "endpoint"])
                .collect();
            (
                name,
                format!("{title} has no use for it there"),
                format!("what it uses: {}", used.join(", ")),
            )
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, Wrong> {
    let Ok(header) = HeaderName::try_from(name) else {
        return Err((
            "not a name that a header can have".to_owned(),
            Some("letters, digits and dashes, for example \"x-portkey-provider\"".to_owned()),
        ));
    };
    if OURS.contains(&header.as_str()) {
        return Err(("the client itself sets this header".to_owned(), None));
    }
    if header == http::header::AUTHORIZATION {
        return Err((
            "a header of this name carries the key".to_owned(),
            Some("put the key under `keys`".to_owned()),
        ));
    }
    Ok(header)
}

fn which_dialect(name: &str) -> String {
    did_you_mean(name, vendor_names()).unwrap_or_else(|| {
        format!(
            "\"{name}\" is not in the catalog; dialects: {}",
            DialectId::ALL.map(DialectId::as_str).join(", ")
        )
    })
}

fn vendor_names<'a>() -> impl Iterator<Item = &'a str> {
    catalog::providers().iter().map(|known| known.name.as_str())
}

/// The variables of all vendors, each once.
fn all_variables() -> Vec<&'static str> {
    let all: BTreeSet<&str> = catalog::providers()
        .iter()
        .flat_map(catalog::Provider::variables)
        .collect();
    all.into_iter().collect()
}

fn usual_keys(vendor: &catalog::Provider) -> Vec<PooledKey> {
    let sources = vendor.key_env.iter().cloned().map(KeySource::Env);
    // Where a cloud's own libraries would find credentials, so do we.
    let cloud = match vendor.auth {
        Some(Auth::Gcp) => Some(CloudKey::GcpDefault),
        Some(Auth::Aws(_)) => Some(CloudKey::AwsDefault),
        _ => None,
    };
    let sources = sources.chain(cloud.map(KeySource::Cloud));
    sources.map(PooledKey::from).collect()
}
