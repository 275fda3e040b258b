//! Errors cross to every language in one flat form, and one table says which class each becomes.

use hotspare::types::{Attempt, Completion, FailureClass};
use hotspare::{Error, ErrorKind};
use serde::Serialize;

/// Every code an error can have, with the class it is raised as. Python, TypeScript, Swift and Kotlin use these names.
pub const EXCEPTIONS: [(&str, &str); 20] = [
    ("config", "ConfigError"),
    ("all_targets_failed", "AllTargetsFailed"),
    ("stream_interrupted", "StreamInterrupted"),
    ("internal", "InternalError"),
    ("connect", "ConnectError"),
    ("reset", "ResetError"),
    ("timeout", "TimeoutError"),
    ("server", "ServerError"),
    ("overloaded", "OverloadedError"),
    ("rate_limited", "RateLimitedError"),
    ("quota_exhausted", "QuotaExhaustedError"),
    ("authentication", "AuthenticationError"),
    ("model_not_found", "ModelNotFoundError"),
    ("context_length", "ContextLengthError"),
    ("content_filtered", "ContentFilteredError"),
    ("invalid_request", "InvalidRequestError"),
    ("malformed", "MalformedError"),
    ("unsupported", "UnsupportedError"),
    ("budget_exceeded", "BudgetExceededError"),
    ("cancelled", "CancelledError"),
];

/// The class that an error of `code` is raised as. A code without one is a bug the tests find; it is raised as our own.
#[must_use]
pub fn exception_name(code: &str) -> &'static str {
    EXCEPTIONS
        .iter()
        .find_map(|(known, name)| (*known == code).then_some(*name))
        .unwrap_or("InternalError")
}

/// An error, flat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorRecord {
    /// The kind's code.
    pub kind: &'static str,
    /// The failure class's code, when a failure is behind it.
    pub class: Option<&'static str>,
    /// What decides the exception class: the failure class for an error of kind `failed`, else the kind.
    pub code: &'static str,
    /// The exception class.
    pub exception: &'static str,
    /// One line for a person.
    pub message: String,
    /// HTTP status of the last failure.
    pub status: Option<u16>,
    /// Seconds after which a target asked to be called again.
    pub retry_after: Option<f64>,
    /// The target of the last attempt.
    pub target: Option<String>,
    /// How far the last attempt had come.
    pub phase: Option<hotspare::types::Phase>,
    /// Whether any attempt may have reached a vendor.
    pub maybe_sent: bool,
    /// The vendor's own code of the last failure.
    pub vendor_code: Option<String>,
    /// The vendor's request id of the last failure.
    pub request_id: Option<String>,
    /// US dollars of all attempts at least.
    pub cost_min_usd: f64,
    /// US dollars of all attempts at most; None when a price is unknown.
    pub cost_max_usd: Option<f64>,
    /// Every attempt.
    pub trail: Vec<Attempt>,
    /// What had reached the caller when a stream broke.
    pub partial: Option<Completion>,
    /// The last failure as an error of its own; None when this is it.
    pub last: Option<Box<ErrorRecord>>,
}

/// `error`, flat.
#[must_use]
pub fn error_record(error: &Error) -> ErrorRecord {
    let failure = error.failure();
    let class = error.class().map(FailureClass::as_str);
    let code = error.code();
    let cost = error.cost();
    let last = match (error.kind(), failure) {
        (ErrorKind::Failed, _) | (_, None) => None,
        (_, Some(failure)) => Some(Box::new(error_record(&Error::failed(
            failure.clone(),
            error.trail().clone(),
        )))),
    };
    ErrorRecord {
        kind: error.kind().as_str(),
        class,
        code,
        exception: exception_name(code),
        message: error.message().to_owned(),
        status: error.status(),
        retry_after: error.retry_after().map(|wait| wait.as_secs_f64()),
        target: error.trail().last().map(|attempt| attempt.target.clone()),
        phase: error.phase(),
        maybe_sent: error.maybe_sent(),
        vendor_code: failure.and_then(|failure| failure.code.clone()),
        request_id: failure.and_then(|failure| failure.request_id.clone()),
        cost_min_usd: cost.min,
        cost_max_usd: cost.max,
        trail: error.trail().clone(),
        partial: error.partial().cloned(),
        last,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotspare::types::{Failure, Phase, Trail};

    use super::*;

    #[test]
    fn every_code_has_its_own_class() {
        let codes: Vec<&str> = ErrorKind::ALL
            .into_iter()
            .filter(|kind| *kind != ErrorKind::Failed)
            .map(ErrorKind::as_str)
            .chain(FailureClass::ALL.into_iter().map(FailureClass::as_str))
            .collect();
        assert_eq!(EXCEPTIONS.map(|(code, _)| code).to_vec(), codes);
        let mut names = EXCEPTIONS.map(|(_, name)| name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn a_failure_crosses_with_its_fields() {
        let mut failure = Failure::new(FailureClass::RateLimited, Phase::Head, "slow down");
        failure.status = Some(429);
        failure.retry_after = Some(Duration::from_millis(1500));
        failure.code = Some("rate_limit_exceeded".to_owned());
        let record = error_record(&Error::failed(failure.clone(), Trail::new()));
        assert_eq!(
            (record.kind, record.class, record.code, record.exception),
            ("failed", Some("rate_limited"), "rate_limited", "RateLimitedError")
        );
        assert_eq!((record.status, record.retry_after), (Some(429), Some(1.5)));
        assert_eq!(record.vendor_code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!((record.cost_min_usd, record.cost_max_usd), (0.0, Some(0.0)));
        assert!(record.last.is_none());

        let record = error_record(&Error::all_targets_failed(failure, Trail::new(), 0));
        assert_eq!(
            (record.code, record.exception),
            ("all_targets_failed", "AllTargetsFailed")
        );
        assert_eq!(record.last.unwrap().exception, "RateLimitedError");
    }

    #[test]
    fn errors_without_a_failure_cross_by_kind() {
        for (error, name) in [
            (Error::config("x"), "ConfigError"),
            (Error::internal("x"), "InternalError"),
            (Error::invalid_request("x"), "InvalidRequestError"),
        ] {
            assert_eq!(error_record(&error).exception, name);
        }
    }
}
