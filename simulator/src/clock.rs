//! The only place that reads a clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment, as the pure parts see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Since the simulator started; Tokio's clock, so a paused one moves it.
    pub(crate) elapsed: Duration,
    /// The calendar time that is, in the simulator's world.
    pub(crate) wall: SystemTime,
}

impl Now {
    pub(crate) fn millis(self) -> u64 {
        millis(self.elapsed)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Now, for a timer.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clocks; all else is told the time"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// When the simulator started, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    epoch: SystemTime,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks; all else is told the time"
    )]
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            epoch: SystemTime::now(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks; all else is told the time"
    )]
    pub(crate) fn now(&self) -> Now {
        let elapsed = Instant::now().saturating_duration_since(self.start);
        Now {
            elapsed,
            wall: self.epoch.checked_add(elapsed).unwrap_or(self.epoch),
        }
    }
}
