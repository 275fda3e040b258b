use super::settings::HealthSettings;
use super::state::State;
use crate::types::{FailureClass, Moment};

/// What every step of a breaker needs.
pub(super) struct Turn<'a> {
    pub(super) settings: &'a HealthSettings,
    pub(super) rng: &'a mut fastrand::Rng,
    pub(super) now: Moment,
}

/// What a breaker refuses with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bar {
    /// It is open; `spent`: its last-resort attempt was made.
    Open { until: Moment, spent: bool },
    /// The half-open permit is taken, and free again by then.
    Permit { until: Moment },
    /// As many as the ramp allows are under way.
    Ramp,
}

/// What opened a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) why: String,
    pub(super) class: FailureClass,
    pub(super) status: Option<u16>,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) why: String,
}
