use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What went wrong with an attempt, normalized over vendors. What follows from each is `policy`'s table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// DNS, TCP or TLS failed: the request was never sent.
    Connect,
    /// The connection was lost before the response head.
    Reset,
    /// The first-token, idle or attempt time ran out.
    Timeout,
    /// 500, 502, 504, 520–524, or a known in-band server error.
    Server,
    /// 503, 529 or a vendor's word for "too busy".
    Overloaded,
    /// 429 that clears by waiting.
    RateLimited,
    /// Money or a long quota is used up: waiting seconds does not help.
    QuotaExhausted,
    /// The key is wrong, revoked or not allowed to do this.
    Authentication,
    /// The vendor does not know the model.
    ModelNotFound,
    /// The prompt does not fit the model's window.
    ContextLength,
    /// The prompt was refused by a content filter.
    ContentFiltered,
    /// The request is wrong, whoever answers it.
    InvalidRequest,
    /// The answer cannot be understood, or ended without its terminal marker.
    Malformed,
    /// The request asks for something this target's model cannot do, or its dialect has no equal for. Found before sending.
    Unsupported,
    /// Our own spend cap.
    BudgetExceeded,
    /// The caller went away.
    Cancelled,
}

impl FailureClass {
    /// Every class, in the order of the design's table.
    pub const ALL: [Self; 16] = [
        Self::Connect,
        Self::Reset,
        Self::Timeout,
        Self::Server,
        Self::Overloaded,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Authentication,
        Self::ModelNotFound,
        Self::ContextLength,
        Self::ContentFiltered,
        Self::InvalidRequest,
        Self::Malformed,
        Self::Unsupported,
        Self::BudgetExceeded,
        Self::Cancelled,
    ];

    /// The stable code used in configs, trails and every language's errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Authentication => "authentication",
            Self::ModelNotFound => "model_not_found",
            Self::ContextLength => "context_length",
            Self::ContentFiltered => "content_filtered",
            Self::InvalidRequest => "invalid_request",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Cancelled => "cancelled",
        }
    }

    /// The class of a code made by [`Self::as_str`].
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == code)
    }
}

impl std::fmt::Display for FailureClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an attempt had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Fitting the request to the target, before anything was sent.
    Encode,
    /// Making the connection.
    Connect,
    /// Waiting for the response head.
    Head,
    /// After the head, before the first content.
    FirstContent,
    /// After content had reached the caller.
    Stream,
    /// Reading or decoding a whole (non-stream) body.
    Body,
}

/// Whether the request may have reached the vendor, and so may be billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// It never left: free to repeat.
    No,
    /// It may have arrived: its fate is unknown.
    Maybe,
    /// The vendor answered something.
    Yes,
}

/// One attempt's failure, in our words, with the vendor's kept beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub class: FailureClass,
    /// How far the attempt had come.
    pub phase: Phase,
    /// Whether the vendor may have got the request.
    pub sent: Sent,
    /// HTTP status, when there was one.
    pub status: Option<u16>,
    /// The vendor's own code or type, as sent.
    pub code: Option<String>,
    /// What happened, for a person. Vendor text in it is escaped and cut to 512 bytes.
    pub message: String,
    /// How long the vendor asked to wait.
    #[serde(with = "seconds")]
    pub retry_after: Option<Duration>,
    /// The vendor's `x-should-retry` word, when it gave one; it wins over the class's own rule for the same target.
    pub should_retry: Option<bool>,
    /// The vendor's request id.
    pub request_id: Option<String>,
}

impl Failure {
    /// A failure of `class` at `phase`, with nothing else known. Sent follows from the phase.
    #[must_use]
    pub fn new(class: FailureClass, phase: Phase, message: impl Into<String>) -> Self {
        let sent = match phase {
            Phase::Encode | Phase::Connect => Sent::No,
            Phase::Head => Sent::Maybe,
            Phase::FirstContent | Phase::Stream | Phase::Body => Sent::Yes,
        };
        Self {
            class,
            phase,
            sent,
            status: None,
            code: None,
            message: message.into(),
            retry_after: None,
            should_retry: None,
            request_id: None,
        }
    }

    /// The target's dialect has no equal for `field` of the request.
    #[must_use]
    pub fn unsupported(field: &str, why: &str) -> Self {
        let mut failure = Self::new(
            FailureClass::Unsupported,
            Phase::Encode,
            format!("`{field}`: {why}"),
        );
        failure.code = Some(field.to_owned());
        failure
    }

    /// An answer that cannot be understood. `phase` is set by whoever read it. The message is made safe to show, since
    /// parsers quote what they cannot read, however long.
    #[must_use]
    pub fn malformed(message: impl AsRef<str>) -> Self {
        Self::new(
            FailureClass::Malformed,
            Phase::Body,
            Self::clean(message.as_ref()),
        )
    }

    /// Vendor text made safe to show: control characters and line breaks escaped, cut at 512 bytes.
    #[must_use]
    pub fn clean(text: &str) -> String {
        const LIMIT: usize = 512;
        let mut out = String::with_capacity(text.len().min(LIMIT));
        for c in text.chars() {
            if out.len() + c.len_utf8() > LIMIT {
                out.push('…');
                break;
            }
            if c.is_control() {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        out
    }
}

/// Durations cross as seconds, since that is what every language's own retry code speaks.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` fixes the signature")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_text_is_short_and_one_line() {
        let long = "x\n\u{1b}".repeat(100_000);
        for message in [Failure::clean(&long), Failure::malformed(long.as_str()).message] {
            assert!(message.len() < 540, "{}", message.len());
            assert!(!message.contains(char::is_control), "{message}");
        }
    }
}
