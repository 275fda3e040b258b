//! Where keys come from: `env:`, `file:` or the config itself → a secret that cannot be printed; and the credentials of
//! clouds, from which tokens and signatures are made.

pub mod aws;
pub mod azure;
pub mod cloud;
pub mod gcp;
mod sigv4;
pub mod token;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{KeySource, check_key};

pub use sigv4::{AwsCredentials, SigningRequest, sign};

/// Reads a key from where it is kept. White space around it is dropped.
///
/// The environment, or the file, is read anew each time, so that a renewed key is seen.
///
/// # Errors
/// What is missing or wrong, naming the variable or file, never its content.
pub fn resolve(source: &KeySource) -> Result<SecretString, String> {
    resolve_with(source, |name| std::env::var_os(name))
}

fn resolve_with(
    source: &KeySource,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<SecretString, String> {
    let (place, read) = match source {
        KeySource::Env(name) => {
            let read = variable(name).ok_or_else(|| "is not set".to_owned());
            let read = read.and_then(|value| value.into_string().map_err(|_| "is not UTF-8".to_owned()));
            (format!("the environment variable {name}"), read)
        }
        KeySource::File(path) => {
            let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let read = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
            (format!("the key file {}", path.display()), read)
        }
        KeySource::Cloud(cloud) => return Err(format!("{cloud} is no key but a way to make them")),
        KeySource::Literal(secret) => (
            "the key in the config".to_owned(),
            Ok(secret.expose_secret().to_owned()),
        ),
    };
    // From here on the text is wiped when it is dropped.
    let read = read.map(SecretString::from);
    let key = read.and_then(|text| {
        let key = text.expose_secret().trim();
        check_key(key).map_err(str::to_owned)?;
        Ok(SecretString::from(key))
    });
    key.map_err(|why| format!("{place} {why}"))
}

/// A short name for a secret, such as `key-3f9a2c1b`: equal for equal secrets within this process.
///
/// Its salt is random in each process, so a guess at the secret cannot be checked against a fingerprint in a log.
#[must_use]
pub fn fingerprint(secret: &SecretString) -> String {
    static SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("key-{:08x}", SALT.hash_one(secret.expose_secret()) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "sk-canary-4f1d";

    fn env(value: Option<&str>) -> Result<SecretString, String> {
        let value = value.map(OsString::from);
        resolve_with(&KeySource::Env("SOME_KEY".to_owned()), |name| {
            assert_eq!(name, "SOME_KEY");
            value.clone()
        })
    }

    #[test]
    fn keys_are_read_and_trimmed() {
        let directory = std::env::temp_dir().join(format!("hotspare-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("key");
        std::fs::write(&file, format!("\n {CANARY}\r\n")).unwrap();
        let sources = [
            KeySource::File(file.clone()),
            KeySource::Literal(SecretString::from(CANARY)),
        ];
        let mut keys: Vec<_> = sources.iter().map(|source| resolve(source).unwrap()).collect();
        keys.push(env(Some(CANARY)).unwrap());
        for key in &keys {
            assert_eq!(key.expose_secret(), CANARY);
        }
        std::fs::write(&file, b"\xff\xfe").unwrap();
        let error = resolve(&KeySource::File(file.clone())).unwrap_err();
        assert_eq!(error, format!("the key file {} is not UTF-8", file.display()));
        std::fs::remove_dir_all(&directory).unwrap();
        let error = resolve(&KeySource::File(file)).unwrap_err();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn errors_name_the_source_only() {
        for (value, why) in [
            (None, "is not set"),
            (Some(""), "is empty"),
            (Some(" \n"), "is empty"),
            (Some("sk-canary\r\n-4f1d"), "holds a line break or a NUL"),
            (Some("sk-canary\0"), "holds a line break or a NUL"),
            (
                Some("sk-canary-ключ"),
                "holds a character that cannot stand in a header",
            ),
        ] {
            let error = env(value).unwrap_err();
            assert_eq!(error, format!("the environment variable SOME_KEY {why}"));
        }
    }

    #[test]
    fn a_key_never_prints_and_its_fingerprint_tells_it_apart() {
        let key = env(Some(CANARY)).unwrap();
        let print = fingerprint(&key);
        for shown in [format!("{key:?}"), format!("{key:#?}"), print.clone()] {
            assert!(!shown.contains("canary") && !shown.contains("4f1d"), "{shown}");
        }
        assert_eq!(print, fingerprint(&SecretString::from(CANARY)));
        assert_ne!(print, fingerprint(&SecretString::from("sk-canary-4f1e")));
        assert!(print.len() == 12 && print.starts_with("key-"), "{print}");
    }
}
