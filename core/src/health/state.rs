use serde::{Deserialize, Serialize};

use crate::types::{DomainId, EndpointId, FailureClass, Moment, TargetId};

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything.
    Closed,
    /// Everything, but others are better: it is slow, or its streams break.
    Degraded,
    /// Nothing until a set time.
    Open,
    /// One attempt, to see.
    HalfOpen,
    /// A few at a time, twice as many after each success.
    Ramp,
    /// Nothing, by the operator's word.
    ForcedOpen,
    /// Everything, by the operator's word.
    ForcedClosed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Closed,
        Self::Degraded,
        Self::Open,
        Self::HalfOpen,
        Self::Ramp,
        Self::ForcedOpen,
        Self::ForcedClosed,
    ];

    /// The stable name used in status and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Degraded => "degraded",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Ramp => "ramp",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
        }
    }

    /// Of two breakers an attempt must pass, the one with the larger number decides.
    pub(super) const fn severity(self) -> u8 {
        match self {
            Self::ForcedClosed | Self::Closed => 0,
            Self::Degraded => 1,
            Self::Ramp => 2,
            Self::HalfOpen => 3,
            Self::Open => 4,
            Self::ForcedOpen => 5,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a state belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One target.
    Target(TargetId),
    /// An endpoint, and so all its targets.
    Endpoint(EndpointId),
    /// A correlation domain.
    Domain(DomainId),
}

/// How a target that may be tried stands, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Nothing speaks against it.
    Healthy,
    /// It is slow, or its streams break: others are better.
    Degraded,
    /// It is coming back, and has room for one more.
    Ramping,
    /// Its half-open permit is free.
    Probing,
    /// Its breaker would refuse it, but nothing else can serve the request.
    LastResort,
}

/// Why a target must not be tried now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Whose breaker refuses.
    pub scope: Scope,
    /// That breaker's state.
    pub state: State,
    /// Why, for a person.
    pub why: String,
    /// When it may be tried again; None: not by waiting for a set time.
    pub until: Option<Moment>,
    /// The class of what opened it; `Overloaded` when a permit is taken, a ramp is full, the throttle refuses, or an
    /// operator holds it.
    pub class: FailureClass,
    /// The status that came with it.
    pub status: Option<u16>,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Moment,
    /// Whose state.
    pub scope: Scope,
    /// Its name: `openai/gpt-4o-mini`, `openai`, or `domain 3`.
    pub name: String,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why, for a person.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_serde_writes() {
        for state in State::ALL {
            let written = serde_json::to_value(state).unwrap();
            assert_eq!(written, state.as_str());
            assert_eq!(serde_json::from_value::<State>(written).unwrap(), state);
            assert_eq!(state.to_string(), state.as_str());
        }
    }
}
