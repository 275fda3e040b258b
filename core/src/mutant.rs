//! For hotspare's own tests: places where the core can be broken on purpose, to show that the simulation notices.
//!
//! Without the feature `mutants` nothing can be broken: [`on`] is a constant, and every place it guards is compiled away.

/// One place where the core can be broken. The number is that of the invariant that must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[cfg_attr(
    not(feature = "mutants"),
    allow(unreachable_pub, reason = "it is public with the feature only")
)]
pub enum Mutant {
    /// 1: a stream that was answered just stops.
    NoLastEvent = 1,
    /// 2: the last event comes again.
    LastEventTwice,
    /// 3: attempts get a minute more than there is.
    DeadlineForgotten,
    /// 4: attempts are not counted.
    AttemptsUncounted,
    /// 5: open breakers let everything through.
    BreakerIgnored,
    /// 6: a refused key is not parked.
    RefusedKeyKept,
    /// 7: a vendor's wait is not noted.
    WaitForgotten,
    /// 8: a refused key sends the request on to the next vendor.
    RefusedKeyGoesOn,
    /// 9: a request no vendor takes is sent on.
    InvalidGoesOn,
    /// 10: answers are booked at half their price.
    HalfPrice,
    /// 11: retries are never refused.
    RetriesUnlimited,
    /// 12: a hedge that lost is not written down.
    LoserUnbooked,
    /// 13: a caller is not told that its answer began anew.
    RestartUntold,
    /// 14: a stream that ended early is taken for whole.
    EndNotNeeded,
    /// 15: a piece of text is given twice.
    TextTwice,
    /// 16: known limits are not kept.
    PaceForgotten,
    /// 17: a place is waited for as long as it takes.
    WaitUnbounded,
    /// 18: a rate limit closes its key for good.
    GateForGood,
    /// 19: a half-open breaker lets every probe through.
    ProbesUncounted,
    /// 20: the second attempt of a request is not written down.
    TrailShort,
    /// 21: a trail shows the key.
    KeyShown,
    /// 22: the log shows the prompt.
    PromptLogged,
    /// 23: a reply may be of any length.
    ReplyUnbounded,
    /// 24: jitter is drawn from nowhere.
    JitterUnseeded,
    /// 25: every vendor gets the first one's key.
    OneKeyForAll,
    /// 26: what was never sent has a price.
    UnsentCosts,
    /// 27: what a caller left behind stays open.
    StreamLeaks,
    /// 27: a caller who leaves takes its permit along.
    PermitLeaks,
    /// 28: a backup gets all the traffic at once.
    SpillAtOnce,
}

#[cfg(feature = "mutants")]
mod switch {
    use std::mem::ManuallyDrop;
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::task::Poll;

    use super::Mutant;
    use crate::transport::Body;

    static ON: AtomicU8 = AtomicU8::new(0);

    impl Mutant {
        /// Each, with its name and the number of the invariant that must notice it.
        pub const ALL: [(Self, &'static str, u8); 29] = [
            (Self::NoLastEvent, "no_last_event", 1),
            (Self::LastEventTwice, "last_event_twice", 2),
            (Self::DeadlineForgotten, "deadline_forgotten", 3),
            (Self::AttemptsUncounted, "attempts_uncounted", 4),
            (Self::BreakerIgnored, "breaker_ignored", 5),
            (Self::RefusedKeyKept, "refused_key_kept", 6),
            (Self::WaitForgotten, "wait_forgotten", 7),
            (Self::RefusedKeyGoesOn, "refused_key_goes_on", 8),
            (Self::InvalidGoesOn, "invalid_goes_on", 9),
            (Self::HalfPrice, "half_price", 10),
            (Self::RetriesUnlimited, "retries_unlimited", 11),
            (Self::LoserUnbooked, "loser_unbooked", 12),
            (Self::RestartUntold, "restart_untold", 13),
            (Self::EndNotNeeded, "end_not_needed", 14),
            (Self::TextTwice, "text_twice", 15),
            (Self::PaceForgotten, "pace_forgotten", 16),
            (Self::WaitUnbounded, "wait_unbounded", 17),
            (Self::GateForGood, "gate_for_good", 18),
            (Self::ProbesUncounted, "probes_uncounted", 19),
            (Self::TrailShort, "trail_short", 20),
            (Self::KeyShown, "key_shown", 21),
            (Self::PromptLogged, "prompt_logged", 22),
            (Self::ReplyUnbounded, "reply_unbounded", 23),
            (Self::JitterUnseeded, "jitter_unseeded", 24),
            (Self::OneKeyForAll, "one_key_for_all", 25),
            (Self::UnsentCosts, "unsent_costs", 26),
            (Self::StreamLeaks, "stream_leaks", 27),
            (Self::PermitLeaks, "permit_leaks", 27),
            (Self::SpillAtOnce, "spill_at_once", 28),
        ];
    }

    /// Breaks the core in this one place, for the whole process; None mends it.
    pub fn set(mutant: Option<Mutant>) {
        ON.store(mutant.map_or(0, |mutant| mutant as u8), Ordering::SeqCst);
    }

    /// Whether it is broken there.
    pub(crate) fn on(mutant: Mutant) -> bool {
        ON.load(Ordering::Relaxed) == mutant as u8
    }

    /// The body, never closed.
    pub(crate) fn leaky(body: Body) -> Body {
        struct Leaky(ManuallyDrop<Body>);
        impl futures_core::Stream for Leaky {
            type Item = Result<bytes::Bytes, crate::transport::TransportError>;
            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                self.0.poll_next(cx)
            }
        }
        Body::new(Leaky(ManuallyDrop::new(body)))
    }
}

#[cfg(feature = "mutants")]
pub use switch::set;
#[cfg(feature = "mutants")]
pub(crate) use switch::{leaky, on};

/// Whether it is broken there: never.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}

/// The body as it is.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn leaky(body: crate::transport::Body) -> crate::transport::Body {
    body
}
