//! What is known to be left of every key, and which may be used now. Pure: time is passed in, and nothing is sent.
//!
//! - Gates ([`Gates`]): what a failure closed, by key, account, target, or account and target.
//! - Rates: requests and tokens in a period, by account and target, from the config and from reply headers; reserved before
//!   sending, settled after. Where no limit is known, a pace is found after the first refusal.
//! - Concurrency, by target.
//! - The ramp of a target that takes over for another.
//! - [`RetryBudget`]: how much is spent on second tries, process-wide.

mod bucket;
mod concurrency;
mod cubic;
mod gates;
mod meter;
mod pace;
mod pool;
mod retry;
mod spill;
#[cfg(test)]
mod tests;

pub use gates::{Gate, Gates};
pub use pool::Limits;
pub use retry::{Draw, RetryBudget};

pub use crate::types::{KeyId, TargetId};

use crate::types::{Estimate, FailureClass, GroupId, Moment, Usage};

/// A key of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeySpec {
    /// Which.
    pub key: KeyId,
    /// The account it belongs to: its keys share their limits, so turning from one to another gains nothing.
    pub group: GroupId,
    /// Its share of the work beside other keys with as much left. Default elsewhere is 1; what is not above 0 counts as
    /// the least.
    pub weight: f64,
}

/// What a request asks for before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// The target it goes to.
    pub target: TargetId,
    /// The keys it may use, in order of preference.
    pub keys: &'a [KeyId],
    /// Those of them it has used up.
    pub spent: &'a [KeyId],
    /// What it is thought to use. What is more than a whole limit takes the whole limit.
    pub estimate: Estimate,
    /// The target is not the first of its plan, and takes over for one that is.
    pub spill: bool,
    /// Only this key will do, `spent` or not.
    pub only: Option<KeyId>,
}

/// Permission to send one request with one key: all it needs is reserved. Give it back to [`Limits::settle`] exactly
/// once, whatever happens; until then its reservation stands and its place is taken.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its reservation stands until it is settled"]
pub struct Slot {
    id: u64,
    key: KeyId,
    group: GroupId,
    target: TargetId,
    estimate: Estimate,
}

impl Slot {
    /// The key to send with.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The target to send to.
    #[must_use]
    pub const fn target(&self) -> TargetId {
        self.target
    }

    /// What was reserved, besides one request and one place.
    #[must_use]
    pub const fn estimate(&self) -> Estimate {
        self.estimate
    }
}

/// What holds a request back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedBy {
    /// The key, its account or the target is closed: authentication, money, or a model the vendor does not know.
    Parked,
    /// The vendor said to wait.
    Limited,
    /// Our own count says that the limit is reached.
    Paced,
    /// As many requests as the target takes are in flight. Its gate has no time: a place comes free when one ends.
    Busy,
    /// The target takes over for another, and grows gently.
    Spill,
    /// No key is left to try.
    NoKey,
}

/// Why nothing may be sent now: of all keys, the one that would be open first.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocked {
    /// The key; None where no key is left.
    pub key: Option<KeyId>,
    /// Its gate. For what is our own doing the class is `rate_limited` (`overloaded` for [`BlockedBy::Busy`]) and there is no
    /// status.
    pub gate: Gate,
    /// What holds it.
    pub why: BlockedBy,
}

/// How a slot's request ended, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was never sent: the request and its tokens are given back.
    Unsent,
    /// The vendor answered; the tokens are put right when their usage was reported, and stay as reserved when not.
    Used(Usage),
    /// It may have been sent, and nobody knows what it used: the reservation stays.
    Unknown,
}

/// What is known of one key at one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Headroom {
    /// Requests that may be sent at once, by the tightest limit known; None: none is known.
    pub requests_left: Option<u64>,
    /// That limit, requests in its period.
    pub requests_limit: Option<u64>,
    /// Tokens that may be used at once, by the tightest limit known; None: none is known.
    pub tokens_left: Option<u64>,
    /// That limit, tokens in its period.
    pub tokens_limit: Option<u64>,
    /// What closes it.
    pub parked: Option<Gate>,
    /// Requests to the target in flight, with any key.
    pub in_flight: u32,
    /// Most of them at once; None: no limit.
    pub concurrency: Option<u32>,
}

/// Something that changed and that a person may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitChange {
    /// A key is not used until then; None: until it holds another secret.
    KeyParked {
        /// Which.
        key: KeyId,
        /// The class that closed it.
        class: FailureClass,
        /// The status that came with it.
        status: Option<u16>,
        /// Until when.
        until: Option<Moment>,
    },
    /// A parked key is used again.
    KeyOpened {
        /// Which.
        key: KeyId,
    },
    /// The vendor limits an account at a target.
    GroupLimited {
        /// Whose.
        group: GroupId,
        /// Where.
        target: TargetId,
        /// Until when.
        until: Moment,
    },
    /// The vendor does not know a target's model.
    TargetParked {
        /// Which.
        target: TargetId,
        /// The status that came with it.
        status: Option<u16>,
        /// Until when.
        until: Option<Moment>,
    },
    /// A target is sent no more than this at once.
    ConcurrencyLimited {
        /// Which.
        target: TargetId,
        /// The limit.
        limit: u32,
    },
    /// A target's learned limit on requests at once bound nothing any more, and is dropped.
    ConcurrencyFreed {
        /// Which.
        target: TargetId,
    },
}
