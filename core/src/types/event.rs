use serde::{Deserialize, Serialize};

use super::{Billing, CostRange, Next};

/// Something that happened in a client: a state change, an attempt, or a decision. Holds no key, no prompt and no
/// answer. What a callback of `on_event` gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since the client was made.
    pub at: f64,
    /// The request it belongs to, numbered from 1 in the order they began; None when it belongs to none.
    pub request: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What an [`Event`] says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// A request began.
    RequestStarted {
        /// Its route.
        route: String,
        /// Whether its answer is streamed to the caller.
        stream: bool,
    },
    /// An attempt goes out.
    AttemptStarted {
        /// `provider/model`.
        target: String,
        /// A fingerprint of the key; None when the provider has none.
        key: Option<String>,
        /// It races an attempt that is under way.
        hedge: bool,
        /// It tries out a target whose breaker is half-open.
        probe: bool,
    },
    /// The first content of an attempt came.
    FirstContent {
        /// `provider/model`.
        target: String,
        /// Seconds since the attempt began.
        after: f64,
    },
    /// An attempt ended.
    AttemptEnded {
        /// `provider/model`.
        target: String,
        /// A fingerprint of the key.
        key: Option<String>,
        /// `ok`, `cancelled` or the failure class's code.
        code: String,
        /// HTTP status, when there was a response.
        status: Option<u16>,
        /// What is known of its bill.
        billing: Billing,
        /// US dollars it may have cost.
        cost: CostRange,
        /// What was decided then.
        next: Next,
        /// Why, in a few words.
        reason: String,
    },
    /// A target was not called, and why.
    Skipped {
        /// `provider/model`.
        target: String,
        /// The class that closed it.
        code: String,
        /// Why, in a few words.
        reason: String,
        /// What was decided then.
        next: Next,
    },
    /// Nothing can be called now: the request waits.
    Waiting {
        /// Seconds.
        seconds: f64,
    },
    /// A stream broke after content had reached the caller, and goes on with another attempt.
    Recovering {
        /// `restart` or `continue`.
        how: String,
        /// The target that broke.
        from: String,
        /// The target that answers now.
        to: String,
    },
    /// A request ended.
    RequestEnded {
        /// `ok`, `cancelled` or the error's code.
        code: String,
        /// The target that answered.
        target: Option<String>,
        /// Attempts that were sent or found impossible.
        attempts: usize,
        /// Seconds.
        elapsed: f64,
        /// US dollars of all attempts.
        cost: CostRange,
    },
    /// A breaker changed its state.
    Breaker {
        /// `target`, `endpoint` or `domain`.
        scope: String,
        /// Whose.
        name: String,
        /// `closed`, `degraded`, `open`, `half_open`, `ramp`, `forced_open` or `forced_closed`.
        from: String,
        /// Likewise.
        to: String,
        /// Why, in a few words.
        why: String,
    },
    /// A key, or all keys of its account, must not be used for a while, or until its secret changes.
    KeyParked {
        /// Whose key.
        provider: String,
        /// Its fingerprint.
        key: Option<String>,
        /// The class that parked it.
        code: String,
        /// The status that came with it.
        status: Option<u16>,
        /// Seconds; None: until its secret changes.
        seconds: Option<f64>,
    },
    /// A parked key is used again.
    KeyOpened {
        /// Whose key.
        provider: String,
        /// Its fingerprint.
        key: Option<String>,
    },
    /// The secret of a key was read again and is another one.
    KeyRenewed {
        /// Whose key.
        provider: String,
        /// The new fingerprint.
        key: Option<String>,
    },
    /// A vendor's limit, or our own pacing of it, holds a target back.
    Limited {
        /// `provider/model`.
        target: String,
        /// What holds it back, in a few words.
        reason: String,
        /// Seconds; None when it is no matter of time.
        seconds: Option<f64>,
    },
    /// The vendor does not know the model: the target is passed over.
    TargetParked {
        /// `provider/model`.
        target: String,
        /// Seconds; None: not by waiting.
        seconds: Option<f64>,
    },
    /// Every provider refuses to connect at once, or can be reached again: no breaker moves for that.
    LocalNetwork {
        /// Whether it seems to be down.
        down: bool,
    },
    /// The facts on models were changed, or were to be.
    Catalog {
        /// By whom: `file`, `url` or `app`.
        layer: String,
        /// Why they are what they were; None when they were changed.
        problem: Option<String>,
    },
    /// A free request to an endpoint came back, or did not.
    Probed {
        /// The provider.
        provider: String,
        /// Whether it could be reached.
        reached: bool,
        /// Its status.
        status: Option<u16>,
    },
}
