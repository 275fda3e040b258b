//! Readers of single values: durations, URLs, key sources, counts.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::problem::did_you_mean;
use super::tree::{Node, Value};
use super::{CloudKey, KeySource};

/// What is wrong with a value: the message and perhaps a hint.
pub(super) type Wrong = (String, Option<String>);

/// The longest duration a config takes.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn expected(what: &str, node: &Node) -> Wrong {
    let found = match &node.value {
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(text) => format!("{text:?}"),
        _ => node.kind().to_owned(),
    };
    (format!("expected {what}, found {found}"), None)
}

pub(super) fn text(node: &Node) -> Result<&str, Wrong> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(expected("a string", node)),
    }
}

/// A part of a URL or a name of a field: letters, digits, `-`, `_` and `.`.
pub(super) fn part(node: &Node) -> Result<&str, Wrong> {
    let text = text(node)?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text.chars().all(fine) {
        true => Ok(text),
        false => Err(expected("a name of letters, digits, `-`, `_` and `.`", node)),
    }
}

pub(super) fn count(node: &Node, most: u32) -> Result<u32, Wrong> {
    let what = || expected(&format!("a whole number from 1 to {most}"), node);
    match node.value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the guard bounds it"
        )]
        Value::Number(number) if number.fract() == 0.0 && (1.0..=f64::from(most)).contains(&number) => {
            Ok(number as u32)
        }
        _ => Err(what()),
    }
}

/// Yes or no.
pub(super) fn truth(node: &Node) -> Result<bool, Wrong> {
    match node.value {
        Value::Bool(truth) => Ok(truth),
        _ => Err(expected("true or false", node)),
    }
}

/// A number above 0 and up to `most`.
pub(super) fn portion(node: &Node, most: f64) -> Result<f64, Wrong> {
    match node.value {
        Value::Number(number) if number > 0.0 && number <= most => Ok(number),
        _ => Err(expected(&format!("a number above 0 and up to {most}"), node)),
    }
}

/// A duration: `"500ms"`, `"8s"`, `"2m"`, `"1h"`, or a number of seconds.
pub(super) fn duration(node: &Node, zero: bool) -> Result<Duration, Wrong> {
    let seconds = match &node.value {
        Value::Number(seconds) => Some(*seconds),
        Value::Text(text) => seconds(text),
        _ => None,
    };
    let Some(seconds) = seconds else {
        return Err(expected(
            r#"a duration such as "500ms", "8s", "2m" or a number of seconds"#,
            node,
        ));
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration > LONGEST => Err(expected("at most 24 hours", node)),
        Ok(duration) if duration.is_zero() && !zero => Err(expected("a duration above zero", node)),
        Ok(duration) => Ok(duration),
        Err(_) if seconds > 0.0 => Err(expected("at most 24 hours", node)),
        Err(_) if zero => Err(expected("a duration of zero or more", node)),
        Err(_) => Err(expected("a duration above zero", node)),
    }
}

fn seconds(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let scale = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// The URL of a page that is fetched without a key; it may have a query.
pub(super) fn page_url(node: &Node) -> Result<Url, Wrong> {
    let text = text(node)?;
    let (page, query) = text
        .split_once('?')
        .map_or((text, None), |(page, query)| (page, Some(query)));
    let mut url = checked_url(page, "could be changed on its way")?;
    url.set_query(query);
    Ok(url)
}

/// A base URL, without a trailing slash.
pub(super) fn base_url(node: &Node) -> Result<Url, Wrong> {
    checked_url(text(node)?, "would send keys in the clear")
}

/// Messages name the host at most: the rest may hold a secret.
fn checked_url(text: &str, harm: &str) -> Result<Url, Wrong> {
    let wrong = |message: String| Err((message, None));
    let Ok(mut url) = Url::parse(text) else {
        return wrong("expected a URL such as \"https://api.example.com/v1\"".to_owned());
    };
    let Some(host) = url.host() else {
        return wrong("expected a URL with a host, such as \"https://api.example.com/v1\"".to_owned());
    };
    let local = match &host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost") || name.ends_with(".sim")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => {
            return Err((
                format!("plain http to \"{host}\" {harm}"),
                Some("use https; http is for loopback hosts only".to_owned()),
            ));
        }
        _ => return wrong("expected an https URL".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "a base URL takes no user or password".to_owned(),
            Some("put the key under `keys`".to_owned()),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("a base URL takes no `?` or `#` part".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A key source. No message holds any part of what was written, since it may be a key.
pub(super) fn key_source(node: &Node, base: &Path) -> Result<KeySource, Wrong> {
    const KNOWN: [&str; 5] = ["env", "file", "gcp", "azure", "aws"];
    const LATER: [&str; 3] = ["vault", "aws-sm", "exec"];
    let wrong =
        |message: &str, hint: &str| Err((message.to_owned(), (!hint.is_empty()).then(|| hint.to_owned())));
    let Value::Text(text) = &node.value else {
        return wrong(
            &format!("expected a string such as \"env:NAME\", found {}", node.kind()),
            "",
        );
    };
    match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => return Ok(KeySource::Env(name.to_owned())),
        Some(("env", _)) => return wrong("what follows \"env:\" is not the name of a variable", ""),
        Some(("file", "")) => return wrong("a path is missing after \"file:\"", ""),
        Some(("file", path)) => return Ok(KeySource::File(base.join(path))),
        Some((scheme @ ("gcp" | "azure" | "aws"), rest)) => return cloud_key(scheme, rest, base),
        Some((scheme, _)) => {
            if let Some(later) = LATER.iter().find(|later| **later == scheme) {
                return wrong(
                    &format!("\"{later}:\" is not supported by this version"),
                    "known: env:, file:, gcp:, azure:, aws:",
                );
            }
            if let Some(hint) = did_you_mean(scheme, KNOWN.into_iter().chain(LATER)) {
                return wrong("unknown key scheme", &hint);
            }
        }
        None => {}
    }
    if text.starts_with('$') || is_upper_name(text) {
        return wrong(
            "this looks like the name of a variable",
            "write \"env:\" and the name",
        );
    }
    match check_key(text) {
        Ok(()) => Ok(KeySource::Literal(SecretString::from(text.clone()))),
        Err(why) => wrong(&format!("the key {why}"), ""),
    }
}

fn cloud_key(scheme: &str, rest: &str, base: &Path) -> Result<KeySource, Wrong> {
    let (kind, name) = rest
        .split_once(':')
        .map_or((rest, None), |(kind, name)| (kind, Some(name)));
    let cloud = match (scheme, kind, name.filter(|name| !name.is_empty())) {
        ("gcp", "service-account", Some(path)) => CloudKey::GcpServiceAccount(base.join(path)),
        ("gcp", "metadata", None) => CloudKey::GcpMetadata,
        ("gcp", "default", None) => CloudKey::GcpDefault,
        ("azure", "entra", None) => CloudKey::AzureEntra,
        ("azure", "managed-identity", None) => CloudKey::AzureManagedIdentity,
        ("aws", "env", None) => CloudKey::AwsEnv,
        ("aws", "profile", Some(name)) => CloudKey::AwsProfile(name.to_owned()),
        ("aws", "role", None) => CloudKey::AwsRole,
        ("aws", "default", None) => CloudKey::AwsDefault,
        _ => {
            let forms = CloudKey::FORMS
                .into_iter()
                .filter(|form| form.starts_with(scheme));
            let forms: Vec<&str> = forms.collect();
            return Err((
                format!("unknown credentials of \"{scheme}:\""),
                Some(format!("known: {}", forms.join(", "))),
            ));
        }
    };
    Ok(KeySource::Cloud(cloud))
}

/// Whether a key can stand in a header, or why not.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("is empty");
    }
    if key.contains(['\r', '\n', '\0']) {
        return Err("holds a line break or a NUL");
    }
    if !key.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err("holds a character that cannot stand in a header");
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_upper_name(text: &str) -> bool {
    is_variable(text) && text.contains('_') && !text.contains(|c: char| c.is_ascii_lowercase())
}
