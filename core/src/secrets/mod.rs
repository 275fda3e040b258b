//! Key sources → keys. A [`Key`] cannot be printed: what is shown of it is its fingerprint.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};

use crate::config::{KeySource, check_key};

/// A key ready for use. `Debug` and `Display` show its fingerprint.
#[derive(Clone)]
pub struct Key {
    secret: SecretString,
    fingerprint: String,
    source: String,
}

impl Key {
    /// The key itself, for the header that carries it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Such as `key-3f9a2c1b`: equal for equal keys, as long as the process lives.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Where it came from: `env:NAME`, `file:PATH`, or `config` for one that stood in the config itself.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} from {})", self.fingerprint, self.source)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint)
    }
}

/// Why a key could not be had. Names the source, never the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError {
    source: String,
    why: String,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.why)
    }
}

impl std::error::Error for SecretError {}

/// Reads a key from where it is kept. White space around it is dropped.
///
/// Reads a file for `file:` sources, so call it where a short block is no harm. The environment is read anew each time.
///
/// # Errors
/// When the variable or file is missing or empty, or holds what cannot stand in a header.
pub fn resolve(source: &KeySource) -> Result<Key, SecretError> {
    resolve_with(source, |name| std::env::var_os(name))
}

fn resolve_with(
    source: &KeySource,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<Key, SecretError> {
    let (label, read) = match source {
        KeySource::Env(name) => {
            let read = variable(name).ok_or_else(|| "is not set".to_owned());
            let read = read.and_then(|value| value.into_string().map_err(|_| "is not UTF-8".to_owned()));
            (format!("env:{name}"), read)
        }
        KeySource::File(path) => {
            let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let read = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
            (format!("file:{}", path.display()), read)
        }
        KeySource::Literal(secret) => ("config".to_owned(), Ok(secret.expose_secret().to_owned())),
    };
    let checked = read.map(SecretString::from).and_then(|text| {
        let key = text.expose_secret().trim();
        check_key(key).map_err(str::to_owned)?;
        Ok((fingerprint(key), SecretString::from(key)))
    });
    match checked {
        Ok((fingerprint, secret)) => Ok(Key {
            secret,
            fingerprint,
            source: label,
        }),
        Err(why) => Err(SecretError { source: label, why }),
    }
}

/// A short name for a secret, such as `key-3f9a2c1b`: equal for equal secrets within this process.
///
/// Its salt is random in each process, so a guess at the secret cannot be checked against a fingerprint in a log.
#[must_use]
pub fn fingerprint(secret: &str) -> String {
    static SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("key-{:08x}", SALT.hash_one(secret) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "sk-canary-4f1d";

    fn env(value: Option<&str>) -> Result<Key, SecretError> {
        let value = value.map(std::ffi::OsString::from);
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
        let mut keys: Vec<Key> = sources.iter().map(|source| resolve(source).unwrap()).collect();
        keys.push(env(Some(CANARY)).unwrap());
        for key in &keys {
            assert_eq!(key.secret().expose_secret(), CANARY);
            assert_eq!(key.fingerprint(), fingerprint(CANARY));
        }
        let labels: Vec<&str> = keys.iter().map(Key::source).collect();
        assert_eq!(
            labels,
            [
                format!("file:{}", file.display()).as_str(),
                "config",
                "env:SOME_KEY"
            ]
        );
        std::fs::write(&file, b"\xff\xfe").unwrap();
        let error = resolve(&KeySource::File(file.clone())).unwrap_err().to_string();
        assert!(
            error.starts_with("file:") && error.ends_with("key is not UTF-8"),
            "{error}"
        );
        std::fs::remove_dir_all(&directory).unwrap();
        let error = resolve(&KeySource::File(file)).unwrap_err().to_string();
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
            assert_eq!(error.to_string(), format!("env:SOME_KEY {why}"));
            assert!(!format!("{error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_key_never_prints() {
        let key = env(Some(CANARY)).unwrap();
        for shown in [
            format!("{key:?}"),
            format!("{key:#?}"),
            key.to_string(),
            format!("{:?}", key.secret()),
        ] {
            assert!(!shown.contains("canary") && !shown.contains("4f1d"), "{shown}");
        }
    }

    #[test]
    fn fingerprints_tell_keys_apart() {
        let one = fingerprint(CANARY);
        assert_eq!(one, fingerprint(CANARY));
        assert_ne!(one, fingerprint("sk-canary-4f1e"));
        assert!(one.len() == 12 && one.starts_with("key-"), "{one}");
    }
}
