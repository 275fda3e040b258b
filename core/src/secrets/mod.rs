//! Where keys come from: `env:`, `file:` or the config itself → a secret that cannot be printed.

use std::hash::BuildHasher;

use secrecy::{ExposeSecret, SecretString};

use crate::config::KeySource;

/// Reads a key.
///
/// # Errors
/// What is missing or wrong, naming the variable or file, never its content.
pub fn resolve(source: &KeySource) -> Result<SecretString, String> {
    let text = match source {
        KeySource::Env(name) => match std::env::var(name) {
            Ok(text) => text,
            Err(std::env::VarError::NotPresent) => {
                return Err(format!("the environment variable {name} is not set"));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(format!("the environment variable {name} is not UTF-8"));
            }
        },
        KeySource::File(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("the key file {} cannot be read: {error}", path.display()))?,
        KeySource::Literal(secret) => secret.expose_secret().to_owned(),
    };
    let key = text.trim();
    let place = || match source {
        KeySource::Env(name) => format!("the environment variable {name}"),
        KeySource::File(path) => format!("the key file {}", path.display()),
        KeySource::Literal(_) => "the key in the config".to_owned(),
    };
    if key.is_empty() {
        return Err(format!("{} is empty", place()));
    }
    if key.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        return Err(format!(
            "{} holds a character that no key has (a line break, or one outside ASCII)",
            place()
        ));
    }
    Ok(SecretString::from(key.to_owned()))
}

/// A short name for a secret, for trails and logs: the same within a process, and of no use outside it, since it is
/// salted with the process's own random seed.
#[must_use]
pub fn fingerprint(secret: &SecretString) -> String {
    static SALT: std::sync::LazyLock<std::hash::RandomState> =
        std::sync::LazyLock::new(std::hash::RandomState::new);
    format!("key-{:08x}", SALT.hash_one(secret.expose_secret()) >> 32)
}
