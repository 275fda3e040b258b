use std::time::Duration;

use crate::types::{Failure, FailureClass, Phase};

/// What one attempt came to, as far as health is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer came.
    Answered,
    /// It failed before content had reached the caller.
    Failed(Fault),
    /// The answer broke off after its first content.
    Cut,
    /// It says nothing of health: the caller went away, the request was wrong, a key was, or our own limit was short.
    Neutral,
}

/// A failure that health counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is counted.
    pub kind: FaultKind,
    /// The failure's class.
    pub class: FailureClass,
    /// HTTP status, when there was one.
    pub status: Option<u16>,
    /// How long the vendor asked to wait.
    pub retry_after: Option<Duration>,
}

/// Kinds of faults. Each is counted against the endpoint or against the target, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Endpoint: DNS, TCP or TLS failed.
    Unreachable,
    /// Endpoint: the connection was lost before the response head.
    Lost,
    /// Endpoint: its edge answered for it (502, 504, 520–524).
    Edge,
    /// Target: it failed by its own account, or the connection was lost between head and content.
    Server,
    /// Target: 503, 529 or the vendor's word for "too busy".
    Overloaded,
    /// Target: the first content did not come in time, though it was given as long as it usually needs.
    Slow,
    /// Target: the answer cannot be understood.
    Malformed,
}

impl FaultKind {
    /// Whether it is counted against the endpoint; else it is against the target.
    #[must_use]
    pub const fn is_of_endpoint(self) -> bool {
        matches!(self, Self::Unreachable | Self::Lost | Self::Edge)
    }

    /// Whether it shows that something answered at the endpoint. A first content that is late may be the network's doing.
    pub(super) const fn shows_a_head(self) -> bool {
        matches!(
            self,
            Self::Edge | Self::Server | Self::Overloaded | Self::Malformed
        )
    }
}

impl Fault {
    /// The class, with the status where there was one.
    pub(super) fn text(&self) -> String {
        match self.status {
            Some(status) => format!("{}, status {status}", self.class),
            None => self.class.to_string(),
        }
    }
}

/// What a failure says of health (reliability reference §1.4).
///
/// `delivered`: content had reached the caller, so it is a cut stream. `patient`: our own limit was at least what the
/// target usually needs (the 95th percentile of its first-content times); a timeout under a shorter limit says nothing.
/// Rate limits, quotas, keys, unknown models and wrong requests are never counted: they have gates of their own.
#[must_use]
pub fn outcome_of(failure: &Failure, delivered: bool, patient: bool) -> Outcome {
    let Some(kind) = kind_of(failure, patient) else {
        return Outcome::Neutral;
    };
    if delivered {
        return Outcome::Cut;
    }
    Outcome::Failed(Fault {
        kind,
        class: failure.class,
        status: failure.status,
        retry_after: failure.retry_after,
    })
}

const fn kind_of(failure: &Failure, patient: bool) -> Option<FaultKind> {
    use FailureClass as C;
    if matches!(failure.phase, Phase::Encode) {
        return None;
    }
    match (failure.class, failure.phase) {
        (C::Connect, _) | (C::Timeout, Phase::Connect) => Some(FaultKind::Unreachable),
        (C::Reset, Phase::Connect | Phase::Head) => Some(FaultKind::Lost),
        (C::Reset, _) => Some(FaultKind::Server),
        (C::Timeout, _) if patient => Some(FaultKind::Slow),
        (C::Server, _) if matches!(failure.status, Some(502 | 504 | 520..=524)) => Some(FaultKind::Edge),
        (C::Server, _) => Some(FaultKind::Server),
        (C::Overloaded, _) => Some(FaultKind::Overloaded),
        (C::Malformed, _) => Some(FaultKind::Malformed),
        (
            C::Timeout
            | C::RateLimited
            | C::QuotaExhausted
            | C::Authentication
            | C::ModelNotFound
            | C::ContextLength
            | C::ContentFiltered
            | C::InvalidRequest
            | C::Unsupported
            | C::BudgetExceeded
            | C::Cancelled,
            _,
        ) => None,
    }
}
