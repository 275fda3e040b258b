//! Every way a vendor fails here, and the words it says then. Written from the vendors' own formats.

use hotspare::types::DialectId;
use serde_json::{Value, json};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Dns,
    Refused,
    Tls,
    ConnectHangs,
    ResetBeforeHead,
    HangBeforeHead,
    SlowHead,
    Error(Error),
    /// An error status whose body never ends.
    ErrorStalls,
    Html,
    Redirect,
    /// 200, and JSON that is none.
    Malformed,
    /// 200, and nothing at all.
    Nothing,
    /// 200, and an answer that says nothing.
    Empty,
    ErrorFirst(Error),
    ErrorMid(Error),
    StallBefore,
    StallAfter,
    PingsOnly,
    CutClean,
    CutUnclean,
    NoMarker,
    SlowTokens,
    BegunAnew,
    NoCounts,
    TricklesBytes,
    EndlessLine,
    EndlessComments,
    EndlessError,
}

/// What an error reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Error {
    Server500,
    Gateway502,
    Busy503,
    Late504,
    Overloaded529,
    RateLimit,
    Accelerating,
    Quota,
    Payment402,
    Key401,
    Forbidden403,
    Model404,
    Invalid400,
    Invalid422,
    TooLong,
    Filtered,
    TooLarge413,
    Timeout408,
    Conflict409,
}

/// What a client that read an error to its end knows, as far as an invariant asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Try what you like.
    Other,
    /// This secret is no good.
    Key,
    /// Wait.
    Limit,
    /// No vendor will take this request.
    Never,
    /// Only a larger window will take it.
    TooLong,
    /// The prompt is not wanted.
    Filtered,
}

impl Fault {
    /// Each, once.
    pub(crate) const ALL: [Self; 49] = {
        use Error as E;
        [
            Self::Dns,
            Self::Refused,
            Self::Tls,
            Self::ConnectHangs,
            Self::ResetBeforeHead,
            Self::HangBeforeHead,
            Self::SlowHead,
            Self::Error(E::Server500),
            Self::Error(E::Gateway502),
            Self::Error(E::Busy503),
            Self::Error(E::Late504),
            Self::Error(E::Overloaded529),
            Self::Error(E::RateLimit),
            Self::Error(E::Accelerating),
            Self::Error(E::Quota),
            Self::Error(E::Payment402),
            Self::Error(E::Key401),
            Self::Error(E::Forbidden403),
            Self::Error(E::Model404),
            Self::Error(E::Invalid400),
            Self::Error(E::Invalid422),
            Self::Error(E::TooLong),
            Self::Error(E::Filtered),
            Self::Error(E::TooLarge413),
            Self::Error(E::Timeout408),
            Self::Error(E::Conflict409),
            Self::ErrorStalls,
            Self::Html,
            Self::Redirect,
            Self::Malformed,
            Self::Nothing,
            Self::Empty,
            Self::ErrorFirst(E::Overloaded529),
            Self::ErrorFirst(E::Server500),
            Self::ErrorMid(E::Overloaded529),
            Self::ErrorMid(E::RateLimit),
            Self::StallBefore,
            Self::StallAfter,
            Self::PingsOnly,
            Self::CutClean,
            Self::CutUnclean,
            Self::NoMarker,
            Self::SlowTokens,
            Self::BegunAnew,
            Self::NoCounts,
            Self::TricklesBytes,
            Self::EndlessLine,
            Self::EndlessComments,
            Self::EndlessError,
        ]
    };

    /// Those that cost this machine much, and so are struck by seldom.
    pub(crate) fn heavy(self) -> bool {
        matches!(
            self,
            Self::EndlessLine | Self::EndlessComments | Self::EndlessError
        )
    }

    /// A name for the list of what happened.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Error(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        }
    }
}

impl Error {
    /// The status it comes with.
    pub(crate) fn status(self, dialect: DialectId) -> u16 {
        match self {
            Self::Server500 => 500,
            Self::Gateway502 => 502,
            Self::Busy503 => 503,
            Self::Late504 => 504,
            Self::Overloaded529 => 529,
            Self::RateLimit | Self::Accelerating => 429,
            Self::Quota if dialect == DialectId::AnthropicMessages => 400,
            Self::Quota => 429,
            Self::Payment402 => 402,
            Self::Key401 => 401,
            Self::Forbidden403 => 403,
            Self::Model404 => 404,
            Self::Invalid400 | Self::TooLong | Self::Filtered => 400,
            Self::Invalid422 => 422,
            Self::TooLarge413 => 413,
            Self::Timeout408 => 408,
            Self::Conflict409 => 409,
        }
    }

    /// Whether a `Retry-After` may come with it.
    pub(crate) fn may_ask_to_wait(self) -> bool {
        matches!(
            self,
            Self::Busy503 | Self::Overloaded529 | Self::RateLimit | Self::Accelerating | Self::Server500
        )
    }

    /// What it teaches.
    pub(crate) fn lesson(self) -> Lesson {
        match self {
            Self::Key401 | Self::Forbidden403 => Lesson::Key,
            Self::RateLimit => Lesson::Limit,
            Self::Invalid400 | Self::Invalid422 | Self::TooLarge413 => Lesson::Never,
            Self::TooLong => Lesson::TooLong,
            Self::Filtered => Lesson::Filtered,
            _ => Lesson::Other,
        }
    }

    /// Type or code, and message, in the vendor's words.
    fn words(self, dialect: DialectId) -> (&'static str, &'static str) {
        use DialectId as D;
        match (self, dialect) {
            (Self::Server500, D::Gemini) => ("INTERNAL", "An internal error has occurred."),
            (Self::Server500, D::AnthropicMessages) => ("api_error", "Internal server error"),
            (Self::Server500, _) => ("server_error", "The server had an error."),
            (Self::Gateway502, D::Gemini) => ("UNKNOWN", "bad gateway"),
            (Self::Gateway502, D::AnthropicMessages) => ("api_error", "bad gateway"),
            (Self::Gateway502, _) => ("server_error", "bad gateway"),
            (Self::Busy503 | Self::Overloaded529, D::Gemini) => ("UNAVAILABLE", "The model is overloaded."),
            (Self::Busy503 | Self::Overloaded529, D::AnthropicMessages) => ("overloaded_error", "Overloaded"),
            (Self::Busy503 | Self::Overloaded529, _) => {
                ("server_is_overloaded", "The server is currently overloaded.")
            }
            (Self::Late504, D::Gemini) => ("DEADLINE_EXCEEDED", "Deadline expired."),
            (Self::Late504, D::AnthropicMessages) => ("timeout_error", "Request timed out"),
            (Self::Late504, _) => ("server_error", "timed out"),
            (Self::RateLimit, D::Gemini) => ("RESOURCE_EXHAUSTED", "Resource has been exhausted."),
            (Self::RateLimit, D::AnthropicMessages) => {
                ("rate_limit_error", "This request would exceed the limit.")
            }
            (Self::RateLimit, _) => ("rate_limit_exceeded", "Rate limit reached."),
            (Self::Accelerating, D::Gemini) => ("RESOURCE_EXHAUSTED", "Traffic has increased too quickly."),
            (Self::Accelerating, D::AnthropicMessages) => (
                "rate_limit_error",
                "Usage has increased too quickly: acceleration limit.",
            ),
            (Self::Accelerating, _) => ("slow_down", "Please slow down."),
            (Self::Quota, D::Gemini) => ("RESOURCE_EXHAUSTED", "Quota exceeded: requests per day."),
            (Self::Quota, D::AnthropicMessages) => (
                "invalid_request_error",
                "Your credit balance is too low to access the API.",
            ),
            (Self::Quota, _) => ("insufficient_quota", "You exceeded your current quota."),
            (Self::Payment402, D::Gemini) => ("RESOURCE_EXHAUSTED", "prepayment credits are depleted"),
            (Self::Payment402, D::AnthropicMessages) => ("billing_error", "Payment required"),
            (Self::Payment402, _) => ("insufficient_quota", "Insufficient Balance"),
            (Self::Key401, D::Gemini) => ("UNAUTHENTICATED", "API key not valid."),
            (Self::Key401, D::AnthropicMessages) => ("authentication_error", "invalid x-api-key"),
            (Self::Key401, _) => ("invalid_api_key", "Incorrect API key provided."),
            (Self::Forbidden403, D::Gemini) => ("PERMISSION_DENIED", "The caller does not have permission."),
            (Self::Forbidden403, D::AnthropicMessages) => {
                ("permission_error", "Your API key has no permission.")
            }
            (Self::Forbidden403, _) => ("invalid_api_key", "You have no access."),
            (Self::Model404, D::Gemini) => ("NOT_FOUND", "models/x is not found."),
            (Self::Model404, D::AnthropicMessages) => ("not_found_error", "model: x"),
            (Self::Model404, _) => ("model_not_found", "The model does not exist."),
            (Self::TooLong, D::Gemini) => (
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ),
            (Self::TooLong, D::AnthropicMessages) => (
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum",
            ),
            (Self::TooLong, _) => (
                "context_length_exceeded",
                "This model's maximum context length is 8 tokens.",
            ),
            (Self::Filtered, D::Gemini) => ("", ""),
            (Self::Filtered, D::AnthropicMessages) => (
                "invalid_request_error",
                "Output blocked by content filtering policy",
            ),
            (Self::Filtered, _) => ("content_policy_violation", "Your request was rejected."),
            (Self::Invalid400 | Self::Invalid422, D::Gemini) => ("INVALID_ARGUMENT", "Invalid value."),
            (Self::Invalid400 | Self::Invalid422, D::AnthropicMessages) => {
                ("invalid_request_error", "messages: Field required")
            }
            (Self::Invalid400 | Self::Invalid422, _) => {
                ("invalid_request_error", "Invalid value for 'messages'.")
            }
            (Self::TooLarge413, D::AnthropicMessages) => {
                ("request_too_large", "Request exceeds the maximum size")
            }
            (Self::TooLarge413, D::Gemini) => ("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
            (Self::TooLarge413, _) => ("invalid_request_error", "Request too large."),
            (Self::Timeout408, _) => ("", "timed out"),
            (Self::Conflict409, _) => ("", "conflict"),
        }
    }

    /// The error as JSON, as a status comes with it or as an event holds it.
    pub(crate) fn body(self, dialect: DialectId) -> Value {
        let (kind, message) = self.words(dialect);
        match dialect {
            DialectId::Gemini => json!({"error": {
                "code": self.status(dialect), "message": message, "status": kind}}),
            DialectId::AnthropicMessages => {
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
            _ => json!({"error": {"message": message, "type": kind, "param": null, "code": kind}}),
        }
    }
}
