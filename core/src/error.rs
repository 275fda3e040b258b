//! The one error of every call: what went wrong, where, whether it may have cost money, and what was tried.

use std::fmt;
use std::time::Duration;

use crate::types::{Completion, CostRange, Failure, FailureClass, Phase, Sent, Trail};

/// What kind of ending an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The config is wrong. The message lists every problem.
    Config,
    /// A failure class that ends the request where it happened: the class says which.
    Failed,
    /// Every target of the plan was tried, or as many as `max_attempts` allows; the last failure is
    /// [`Error::failure`].
    AllTargetsFailed,
    /// A stream broke after content had reached the caller; what had come is [`Error::partial`].
    StreamInterrupted,
    /// A bug of ours, caught.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Config,
        Self::Failed,
        Self::AllTargetsFailed,
        Self::StreamInterrupted,
        Self::Internal,
    ];

    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Failed => "failed",
            Self::AllTargetsFailed => "all_targets_failed",
            Self::StreamInterrupted => "stream_interrupted",
            Self::Internal => "internal",
        }
    }
}

/// The error of every hotspare call. One line as `Display`; `Debug` adds a line for each attempt.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    failure: Option<Failure>,
    trail: Trail,
    partial: Option<Completion>,
    retry_after: Option<Duration>,
}

/// What hotspare's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            message,
            failure: None,
            trail: Trail::new(),
            partial: None,
            retry_after: None,
        }))
    }

    /// The config is wrong; `message` lists every problem.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message.into())
    }

    /// The caller's request is wrong, found before any target was tried.
    #[must_use]
    pub fn invalid_request(message: impl Into<String>) -> Self {
        let failure = Failure::new(FailureClass::InvalidRequest, Phase::Encode, message);
        Self::failed(failure, Trail::new())
    }

    /// A bug of ours, caught.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message.into())
    }

    /// The request ended with `failure`.
    #[must_use]
    pub fn failed(failure: Failure, trail: Trail) -> Self {
        let at = trail
            .last()
            .map(|attempt| format!("{}: ", attempt.target))
            .unwrap_or_default();
        let mut error = Self::new(
            ErrorKind::Failed,
            format!("{}: {at}{}", failure.class, failure.message),
        );
        error.0.retry_after = failure.retry_after;
        error.0.failure = Some(failure);
        error.0.trail = trail;
        error
    }

    /// Every target of the plan failed, the last with `last`, but for `untried` targets that `max_attempts` left no turn.
    #[must_use]
    pub fn all_targets_failed(last: Failure, trail: Trail, untried: usize) -> Self {
        let tried = trail
            .iter()
            .map(|attempt| format!("{} {}", attempt.target, attempt.code()))
            .collect::<Vec<_>>()
            .join(", ");
        let mut error = Self::new(
            ErrorKind::AllTargetsFailed,
            match untried {
                0 => format!("every target failed ({tried}); last: {}", last.message),
                _ => format!(
                    "{} attempts failed, all that `max_attempts` allows, and {untried} targets had no turn ({tried}); \
                     last: {}",
                    trail
                        .iter()
                        .filter_map(crate::types::Attempt::failure)
                        .filter(|failure| failure.phase != Phase::Encode)
                        .count(),
                    last.message
                ),
            },
        );
        error.0.retry_after = soonest(&trail);
        error.0.failure = Some(last);
        error.0.trail = trail;
        error
    }

    /// A stream broke with `failure` after `partial` had reached the caller.
    #[must_use]
    pub fn stream_interrupted(failure: Failure, partial: Completion, trail: Trail) -> Self {
        let at = trail
            .last()
            .map(|attempt| format!(" from {}", attempt.target))
            .unwrap_or_default();
        let mut error = Self::new(
            ErrorKind::StreamInterrupted,
            format!(
                "the stream{at} broke after {} characters: {}: {}",
                partial.text.chars().count(),
                failure.class,
                failure.message
            ),
        );
        error.0.retry_after = failure.retry_after;
        error.0.failure = Some(failure);
        error.0.trail = trail;
        error.0.partial = Some(partial);
        error
    }

    /// What kind of ending it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, the same in every language: the failure class of an error that is one, else the kind's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match (self.kind(), self.class()) {
            (ErrorKind::Failed, Some(class)) => class.as_str(),
            (ErrorKind::Failed, None) => ErrorKind::Internal.as_str(),
            (kind, _) => kind.as_str(),
        }
    }

    /// The class of the (last) failure; None for config and internal errors.
    #[must_use]
    pub fn class(&self) -> Option<FailureClass> {
        self.0.failure.as_ref().map(|failure| failure.class)
    }

    /// The (last) failure.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.0.failure.as_ref()
    }

    /// How far the (last) attempt had come.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.0.failure.as_ref().map(|failure| failure.phase)
    }

    /// Whether any attempt may have reached a vendor, and so may be billed.
    #[must_use]
    pub fn maybe_sent(&self) -> bool {
        self.0
            .trail
            .iter()
            .filter_map(crate::types::Attempt::failure)
            .any(|failure| failure.sent != Sent::No)
    }

    /// HTTP status of the (last) failure.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.failure.as_ref().and_then(|failure| failure.status)
    }

    /// How long from now, the end of the request, until the first target that asked for a wait may be called again.
    /// None when none asked.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Every attempt, in order.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.0.trail
    }

    /// US dollars of all attempts.
    #[must_use]
    pub fn cost(&self) -> CostRange {
        crate::types::cost(&self.0.trail)
    }

    /// What had reached the caller when a stream broke.
    #[must_use]
    pub fn partial(&self) -> Option<&Completion> {
        self.0.partial.as_ref()
    }

    /// The line `Display` shows.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// The soonest of the times targets asked for, each by its last word with each key, counted from the trail's end.
fn soonest(trail: &Trail) -> Option<Duration> {
    let end = trail.last()?.ended;
    let mut seen = Vec::with_capacity(trail.len());
    let mut waits = Vec::new();
    for attempt in trail.iter().rev() {
        let place = (&attempt.target, &attempt.key);
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        if let Some(asked) = attempt.failure().and_then(|failure| failure.retry_after) {
            let since = Duration::try_from_secs_f64(end - attempt.ended).unwrap_or_default();
            waits.push(asked.saturating_sub(since));
        }
    }
    waits.into_iter().min()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.0.message, self.0.kind.as_str())?;
        for (number, attempt) in self.0.trail.iter().enumerate() {
            write!(
                f,
                "\n  {}. {} after {:.3} s: {}",
                number + 1,
                attempt.target,
                attempt.ended,
                attempt.code()
            )?;
            if let Some(failure) = attempt.failure() {
                write!(f, ": {}", failure.message)?;
            }
            write!(f, " ({})", attempt.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
