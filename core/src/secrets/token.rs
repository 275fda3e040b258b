//! Short-lived tokens of clouds: the request that gets one, and its answer. Pure: who sends it is the engine.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

use crate::types::Failure;

/// A request that is answered with a token, or on the way to one.
#[derive(Clone)]
pub struct TokenRequest {
    /// GET, POST or PUT.
    pub method: Method,
    /// Where to.
    pub url: String,
    /// Its headers. Those that carry a secret are marked sensitive.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// Its body; it may hold a secret.
    pub body: Bytes,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl TokenRequest {
    pub(crate) fn get(url: impl Into<String>, headers: Vec<(&'static str, HeaderValue)>) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers,
            body: Bytes::new(),
        }
    }

    /// What of it a wrong answer must not be quoted with.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        let headers = self.headers.iter().filter(|(_, value)| value.is_sensitive());
        let headers = headers.filter_map(|(_, value)| value.to_str().ok().map(SecretString::from));
        let form = url::form_urlencoded::parse(&self.body);
        let form = form.filter(|(name, _)| matches!(name.as_ref(), "client_secret" | "assertion"));
        headers
            .chain(form.map(|(_, value)| SecretString::from(value.into_owned())))
            .collect()
    }

    /// A form, posted.
    pub(crate) fn form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self {
            method: Method::POST,
            url: url.into(),
            headers: vec![(
                "content-type",
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            )],
            body: Bytes::from(body),
        }
    }
}

/// A token, and how long it is good for.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// From when it was asked for.
    pub expires_in: Duration,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// The credentials were refused, or cannot be used: asking again does not help.
    Refused(String),
    /// Whoever gives tokens could not be reached, or is ill: nothing is known of the credentials.
    Unavailable(String),
}

/// Reads the answer of an OAuth 2 token endpoint, or of a metadata server, which answer alike.
///
/// # Errors
/// `Refused` for a 4xx other than 408 and 429; `Unavailable` for anything else that holds no token.
pub fn read_token(status: StatusCode, body: &[u8]) -> Result<Token, NoToken> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: SecretString,
        #[serde(default = "an_hour", deserialize_with = "seconds")]
        expires_in: u64,
    }
    checked(status, body)?;
    let answer = serde_json::from_slice::<Answer>(body).ok();
    let answer = answer
        .filter(|answer| !answer.access_token.expose_secret().is_empty())
        .ok_or_else(|| NoToken::Unavailable("the answer holds no token".to_owned()))?;
    Ok(Token {
        secret: answer.access_token,
        expires_in: Duration::from_secs(answer.expires_in),
    })
}

/// An error status as what it says of the credentials.
pub(crate) fn checked(status: StatusCode, body: &[u8]) -> Result<(), NoToken> {
    #[derive(Deserialize)]
    struct Wrong {
        error: Option<serde_json::Value>,
        error_description: Option<String>,
        message: Option<String>,
    }
    if status.is_success() {
        return Ok(());
    }
    let said = serde_json::from_slice::<Wrong>(body).ok().and_then(|wrong| {
        let error = wrong.error.map(|error| match error {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        wrong.error_description.or(wrong.message).or(error)
    });
    let message = match said {
        Some(said) => format!("HTTP {status}: {}", Failure::clean(&said)),
        None => format!("HTTP {status}"),
    };
    let passing = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    Err(match status.is_client_error() && !passing {
        true => NoToken::Refused(message),
        false => NoToken::Unavailable(message),
    })
}

const fn an_hour() -> u64 {
    3600
}

/// Azure's metadata server writes the number as text.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(deserializer)? {
        Seconds::Number(number) => Ok(number),
        Seconds::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<(String, u64), NoToken> {
        let status = StatusCode::from_u16(status).unwrap();
        read_token(status, body.as_bytes()).map(|token| {
            (
                token.secret.expose_secret().to_owned(),
                token.expires_in.as_secs(),
            )
        })
    }

    #[test]
    fn answers() {
        let refused = |text: &str| Err(NoToken::Refused(text.to_owned()));
        let unavailable = |text: &str| Err(NoToken::Unavailable(text.to_owned()));
        for (status, body, expected) in [
            (
                200,
                r#"{"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}"#,
                Ok(("t".to_owned(), 3599)),
            ),
            (
                200,
                r#"{"access_token": "t", "expires_in": "86000"}"#,
                Ok(("t".to_owned(), 86_000)),
            ),
            (200, r#"{"access_token": "t"}"#, Ok(("t".to_owned(), 3600))),
            (200, "<html>", unavailable("the answer holds no token")),
            (
                200,
                r#"{"access_token": ""}"#,
                unavailable("the answer holds no token"),
            ),
            (
                400,
                r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#,
                refused("HTTP 400 Bad Request: Invalid JWT Signature."),
            ),
            (404, "", refused("HTTP 404 Not Found")),
            (429, "{}", unavailable("HTTP 429 Too Many Requests")),
            (503, "x", unavailable("HTTP 503 Service Unavailable")),
        ] {
            assert_eq!(read(status, body), expected, "{status} {body}");
        }
    }
}
