//! The failure table of the design: what follows from each class.

use crate::types::FailureClass;

/// Whether the same target is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Never.
    No,
    /// Once, before anything else.
    AtOnce,
    /// Once, after a wait, when nothing else is left.
    WhenNothingElse,
    /// Once, if its secret turned out to have changed.
    IfRenewed,
}

/// Whether the plan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoOn {
    /// To the next target.
    Yes,
    /// Not at all: the request ends here.
    No,
    /// Only where the route's `failover_on` names the class.
    OptIn,
    /// Only to a target whose window is known to be larger.
    LargerWindow,
}

/// What follows from a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) again: Again,
    /// Whether another key of the same target may do better.
    pub(super) other_key: bool,
    pub(super) go_on: GoOn,
}

/// The row of a class. "Once, jittered" of server errors comes after the other targets, so that failing over never
/// waits for a backoff.
pub(super) const fn row(class: FailureClass) -> Row {
    use FailureClass as C;
    let (again, other_key, go_on) = match class {
        C::Connect | C::Reset => (Again::AtOnce, false, GoOn::Yes),
        C::Server | C::Overloaded => (Again::WhenNothingElse, false, GoOn::Yes),
        C::RateLimited => (Again::WhenNothingElse, true, GoOn::Yes),
        C::QuotaExhausted => (Again::No, true, GoOn::Yes),
        C::Authentication => (Again::IfRenewed, true, GoOn::OptIn),
        C::Timeout | C::ModelNotFound | C::Malformed | C::Unsupported | C::BudgetExceeded => {
            (Again::No, false, GoOn::Yes)
        }
        C::ContextLength => (Again::No, false, GoOn::LargerWindow),
        C::ContentFiltered => (Again::No, false, GoOn::OptIn),
        C::InvalidRequest | C::Cancelled => (Again::No, false, GoOn::No),
    };
    Row {
        again,
        other_key,
        go_on,
    }
}
