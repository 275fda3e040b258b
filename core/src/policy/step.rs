//! What the machine is told and what it answers.

use std::time::Duration;

use super::admission::{Permit, Refusal};
use crate::config::{Backoff, Hedge, Timeouts};
use crate::types::{FailureClass, KeyId, Moment, Next, RouteId, TargetId};

/// What a route allows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which route.
    pub route: RouteId,
    /// Most attempts that are sent.
    pub max_attempts: u32,
    /// Longest wait when nothing else is left.
    pub rate_limit_wait: Duration,
    /// Classes that go on though by default they do not.
    pub failover_on: Vec<FailureClass>,
    /// Waits before the same target again.
    pub backoff: Backoff,
    /// Timers.
    pub timeouts: Timeouts,
    /// Whether the answer comes as a stream.
    pub stream: bool,
    /// Whether a stream that breaks after content had reached the caller goes on with another attempt.
    pub recovers: bool,
    /// A second attempt that races a slow first one.
    pub hedge: Option<Hedge>,
}

/// When an attempt must have shown something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Making the connection.
    pub connect: Duration,
    /// The first content (streams) or the whole reply (calls) must be there by then: the attempt's slice.
    pub answer_by: Moment,
    /// Longest silence between two pieces of content.
    pub idle: Duration,
    /// The whole request ends then.
    pub deadline: Moment,
}

/// An attempt to make now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Index into the plan.
    pub index: usize,
    /// The client's number for the target.
    pub target: TargetId,
    /// The key to use.
    pub key: KeyId,
    /// Its timers.
    pub limits: Limits,
}

/// What to do now.
#[derive(Debug)]
#[must_use = "a start holds a permit"]
pub enum Step {
    /// Make an attempt.
    Start(Start, Box<Permit>),
    /// Do not call this target: book the refusal and tell [`Machine::refused`](super::Machine::refused).
    Refuse {
        /// Index into the plan.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// Nothing before then.
    Wait(Moment),
    /// The request is over.
    Finish(Ending),
}

/// How a request that got no answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The last failure's class ends it.
    Failed,
    /// Every target was tried.
    AllTargetsFailed,
    /// The deadline passed with targets left.
    DeadlineExceeded,
    /// Attempts ran out with targets left.
    AttemptsExhausted,
    /// The stream broke after content had reached the caller.
    Interrupted,
}

/// What was decided after a failure, for the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What comes next.
    pub next: Next,
    /// Why.
    pub reason: &'static str,
    /// How long it is waited for.
    pub wait: Duration,
}

impl Verdict {
    pub(super) const fn new(next: Next, reason: &'static str) -> Self {
        Self {
            next,
            reason,
            wait: Duration::ZERO,
        }
    }
}
