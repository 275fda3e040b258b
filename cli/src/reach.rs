//! Whether a provider answers, asked by the one request that costs nothing.

use std::time::Duration;

use hotspare::config::{KeySource, Provider};
use hotspare::secrets;
use hotspare::transport::HttpTransport;
use secrecy::SecretString;
use serde::Serialize;

/// How long a provider may take to list its models.
const LIMIT: Duration = Duration::from_secs(5);

/// What came of asking a provider for its models with one key.
#[derive(Debug, Serialize)]
pub(crate) struct Reach {
    /// Who was asked.
    pub(crate) provider: String,
    /// The fingerprint of the key; None when the provider has none.
    pub(crate) key: Option<String>,
    /// Whether it can be used.
    pub(crate) fine: bool,
    /// What the answer means, or why there was none.
    pub(crate) words: String,
}

/// Asks once with each key, and once without where there is none.
pub(crate) async fn reach(
    transport: &HttpTransport,
    provider: &Provider,
    keys: &[SecretString],
) -> Vec<Reach> {
    let each: Vec<Option<&SecretString>> = if keys.is_empty() {
        vec![None]
    } else {
        keys.iter().map(Some).collect()
    };
    let cloud = provider
        .keys
        .iter()
        .any(|key| matches!(key.source, KeySource::Cloud(_)));
    let mut reached = Vec::with_capacity(each.len());
    for key in each {
        let (fine, words) = match transport.probe(provider, key, LIMIT).await {
            Ok(status) if provider.vendor.is_some() && provider.probe.is_none() => {
                in_few_words(status.as_u16())
            }
            Ok(status) if key.is_none() && cloud && matches!(status.as_u16(), 401 | 403) => (
                true,
                format!("answers; no credentials were tried ({})", status.as_u16()),
            ),
            Ok(status) => in_words(status.as_u16(), key.is_some()),
            Err(error) => (false, format!("cannot be reached: {}", error.message)),
        };
        reached.push(Reach {
            provider: provider.name.clone(),
            key: key.map(secrets::fingerprint),
            fine,
            words,
        });
    }
    reached
}

/// What the answer of a vendor without a free request means, which was asked for its base URL without a key.
fn in_few_words(status: u16) -> (bool, String) {
    let (fine, words) = match status {
        500..=599 => (false, "answers with a failure of its own"),
        _ => (true, "answers; it has no free request, so no key was tried"),
    };
    (fine, format!("{words} ({status})"))
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
