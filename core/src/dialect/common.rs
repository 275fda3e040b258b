//! What the error bodies of all vendors share.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::retry_after::retry_after;
use crate::types::{Failure, FailureClass, Phase};

/// The class a status means when nothing better is known. Informational, success and redirect statuses are no answer
/// to a chat request, so they are `malformed`.
pub(crate) const fn class_of_status(status: u16) -> FailureClass {
    match status {
        401 | 403 => FailureClass::Authentication,
        402 => FailureClass::QuotaExhausted,
        404 | 410 => FailureClass::ModelNotFound,
        408 | 499 => FailureClass::Timeout,
        // Conflict, failed dependency and "too early" clear by themselves.
        409 | 424 | 425 => FailureClass::Server,
        429 => FailureClass::RateLimited,
        // 498 is Groq's "flex capacity exceeded".
        498 | 503 | 529 => FailureClass::Overloaded,
        400..=497 => FailureClass::InvalidRequest,
        500..=599 => FailureClass::Server,
        _ => FailureClass::Malformed,
    }
}

/// The body as JSON, however it begins; None when it is something else (HTML, plain text). Nesting is bounded by
/// `serde_json` at 128 levels.
pub(crate) fn parse_json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)).ok()
}

/// Whether a message says that the prompt does not fit the model's window. Deliberately without a bare "too many
/// tokens", which rate limits say too.
pub(crate) fn says_context_length(message: &str) -> bool {
    const PATTERNS: &[&[&str]] = &[
        &["maximum context length"],
        &["prompt is too long"],
        &["input length", "exceed context limit"],
        &["input length exceeds the context length"],
        &["input token count", "exceeds the maximum"],
        &["input is too long for requested model"],
        &["input tokens exceed the configured limit"],
        &["maximum prompt length is"],
        &["reduce the length of the messages"],
        &["longer than the model's context length"],
        &["too many tokens: "],
        &["range of input length should be"],
        &["exceeds the available context size"],
        &["greater than the context length"],
        &["exceeds the context window"],
        &["context window exceeds limit"],
        &["exceeded model token limit"],
        &["context_length_exceeded"],
        &["number of input tokens exceeds maximum length"],
    ];
    // Cohere words so what asks for more output than the model gives, where no larger window helps.
    const OTHERS: &[&[&str]] = &[&["max tokens must be less than or equal to"]];
    let lowercase = message.to_ascii_lowercase();
    matches_any(&lowercase, PATTERNS) && !matches_any(&lowercase, OTHERS)
}

/// Whether `lowercase` holds every text of one of the patterns.
pub(crate) fn matches_any(lowercase: &str, patterns: &[&[&str]]) -> bool {
    patterns
        .iter()
        .any(|pattern| pattern.iter().all(|text| lowercase.contains(text)))
}

/// Most tool calls of one reply.
pub(crate) const MAX_CALLS: u32 = 1024;

/// Counts one more call of a reply and gives its place.
///
/// # Errors
/// `malformed` when there are more than [`MAX_CALLS`].
pub(crate) fn next_call(calls: &mut u32) -> Result<u32, Failure> {
    let index = *calls;
    if index >= MAX_CALLS {
        return Err(Failure::malformed(format!(
            "the reply has more than {MAX_CALLS} tool calls"
        )));
    }
    *calls = index.saturating_add(1);
    Ok(index)
}

/// An id for a call to which the vendor gives none. `reply` tells this reply's calls from those of the same
/// conversation's other replies, whose ids other vendors want to be different.
pub(crate) fn made_call_id(reply: Option<&str>, index: u32) -> String {
    // OpenAI takes ids of 40 letters at most.
    const LONGEST: usize = 28;
    let reply: String = reply
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(LONGEST)
        .collect();
    if reply.is_empty() {
        format!("call_{index}")
    } else {
        format!("call_{reply}_{index}")
    }
}

/// The vendor's request id, under any of the names vendors give it.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    [
        "x-request-id",
        "request-id",
        "apim-request-id",
        "x-ds-trace-id",
        "x-kong-request-id",
        "x-amzn-requestid",
        "x-debug-trace-id",
        "x-generation-id",
        "mistral-correlation-id",
        "inference-id",
        "cf-ray",
    ]
    .iter()
    .find_map(|name| headers.get(*name)?.to_str().ok())
    .map(Failure::clean)
}

/// What a failed reply said, read by a dialect and ready to become a [`Failure`].
#[derive(Debug)]
pub(crate) struct Rejection<'a> {
    /// The class, decided by the dialect.
    pub(crate) class: FailureClass,
    /// The vendor's code or type.
    pub(crate) code: Option<String>,
    /// The vendor's message; when it gave none, the status stands for it.
    pub(crate) message: Option<&'a str>,
    /// The body, when it was JSON.
    pub(crate) body: Option<&'a Value>,
}

impl Rejection<'_> {
    /// The failure of a reply with an error status.
    pub(crate) fn at_status(mut self, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Failure {
        if status == StatusCode::FORBIDDEN
            && self.body.is_none()
            && self.class == FailureClass::Authentication
        {
            // Vendors refuse a key in JSON. A firewall's page says nothing of the key, and must not park it.
            self.class = FailureClass::Malformed;
        }
        let message = self.message.unwrap_or_default();
        let mut failure = Failure::new(self.class, Phase::Body, Failure::clean(message));
        if message.is_empty() {
            failure.message = format!("HTTP {status}");
        }
        failure.status = Some(status.as_u16());
        // A wait on what no waiting helps would only mislead whoever sorts targets by it.
        let waiting_helps = matches!(
            self.class,
            FailureClass::RateLimited
                | FailureClass::QuotaExhausted
                | FailureClass::Overloaded
                | FailureClass::Server
                | FailureClass::Timeout
        );
        if waiting_helps {
            failure.retry_after = retry_after(headers, self.body, message, now);
        }
        failure.should_retry = match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
            Some(b"true") => Some(true),
            Some(b"false") => Some(false),
            _ => None,
        };
        failure.code = self.code.as_deref().map(Failure::clean);
        failure.request_id = request_id(headers).or_else(|| {
            // Anthropic and Qwen, Groq, Cohere.
            let mut pointers = ["/request_id", "/x_groq/id", "/id"].iter();
            let id = pointers.find_map(|pointer| self.body?.pointer(pointer)?.as_str())?;
            Some(Failure::clean(id))
        });
        failure
    }

    /// The failure of an error inside a 200.
    pub(crate) fn in_band(self) -> Failure {
        let message = match self.message {
            Some(message) if !message.is_empty() => Failure::clean(message),
            _ => "the vendor sent an error without a message".to_owned(),
        };
        let mut failure = Failure::new(self.class, Phase::Body, message);
        failure.code = self.code.as_deref().map(Failure::clean);
        // Without headers only relative waits can be read, and those need no clock.
        failure.retry_after = match self.class {
            FailureClass::RateLimited | FailureClass::Overloaded => retry_after(
                &HeaderMap::new(),
                None,
                self.message.unwrap_or_default(),
                SystemTime::UNIX_EPOCH,
            ),
            _ => None,
        };
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_suit_every_vendor() {
        let moment = "2026-05-24T20:01:31.123456789+02:00";
        for (reply, id) in [
            (None, "call_1023".to_owned()),
            (Some("::"), "call_1023".to_owned()),
            (Some("r.1"), "call_r1_1023".to_owned()),
            (Some(moment), "call_2026-05-24T20013112345678902_1023".to_owned()),
        ] {
            let made = made_call_id(reply, MAX_CALLS - 1);
            assert_eq!(made, id);
            assert!(made.len() <= 40, "{made}");
        }
    }

    #[test]
    fn a_firewalls_page_is_no_word_on_the_key() {
        use FailureClass as C;
        let json = Value::Object(serde_json::Map::new());
        for (status, body, class) in [
            (403, None, C::Malformed),
            (403, Some(&json), C::Authentication),
            (401, None, C::Authentication),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let rejection = Rejection {
                class: class_of_status(status.as_u16()),
                code: None,
                message: None,
                body,
            };
            let failure = rejection.at_status(status, &HeaderMap::new(), SystemTime::UNIX_EPOCH);
            assert_eq!(failure.class, class, "{status}");
        }
    }

    #[test]
    fn request_ids_stand_in_headers_or_in_bodies() {
        use serde_json::json;
        for (header, body, expected) in [
            (Some(("x-request-id", "h")), json!({"request_id": "b"}), Some("h")),
            (Some(("inference-id", "h")), json!({}), Some("h")),
            (None, json!({"request_id": "b"}), Some("b")),
            (None, json!({"x_groq": {"id": "b"}}), Some("b")),
            (None, json!({"id": "b", "message": "x"}), Some("b")),
            (None, json!({"id": 5}), None),
        ] {
            let headers: HeaderMap = header
                .iter()
                .map(|(name, value)| {
                    let name = http::HeaderName::from_static(name);
                    (name, http::HeaderValue::from_static(value))
                })
                .collect();
            let rejection = Rejection {
                class: FailureClass::Server,
                code: None,
                message: None,
                body: Some(&body),
            };
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let failure = rejection.at_status(status, &headers, SystemTime::UNIX_EPOCH);
            assert_eq!(failure.request_id.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn statuses() {
        use FailureClass as C;
        for (status, class) in [
            (101, C::Malformed),
            (204, C::Malformed),
            (302, C::Malformed),
            (400, C::InvalidRequest),
            (401, C::Authentication),
            (402, C::QuotaExhausted),
            (403, C::Authentication),
            (404, C::ModelNotFound),
            (408, C::Timeout),
            (413, C::InvalidRequest),
            (422, C::InvalidRequest),
            (429, C::RateLimited),
            (499, C::Timeout),
            (500, C::Server),
            (503, C::Overloaded),
            (504, C::Server),
            (524, C::Server),
            (529, C::Overloaded),
        ] {
            assert_eq!(class_of_status(status), class, "{status}");
        }
    }

    #[test]
    fn context_length_words() {
        for message in [
            "This model's maximum context length is 4096 tokens.",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 3",
            "The input token count (1) exceeds the maximum number of tokens allowed (0).",
            "Range of input length should be [1, 129024]",
            "Your input exceeds the context window of this model.",
        ] {
            assert!(says_context_length(message), "{message}");
        }
        for message in [
            "Too many tokens, please wait before trying again.",
            "rate limit: too many tokens",
            "please reduce your message size and try again",
        ] {
            assert!(!says_context_length(message), "{message}");
        }
    }

    #[test]
    fn deep_json_is_not_parsed() {
        assert!(parse_json("[".repeat(100_000).as_bytes()).is_none());
        assert!(parse_json(b"<html>").is_none());
        assert!(parse_json(b"\n\n{}").is_some());
    }
}
