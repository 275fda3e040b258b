use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::types::Moment;

/// The one place that reads a clock. It is Tokio's, so that a paused runtime moves it, wall time included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    wall: SystemTime,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock the ban points to")]
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock the ban points to")]
    pub(crate) fn now(&self) -> Moment {
        Moment::new(Instant::now().saturating_duration_since(self.start))
    }

    pub(crate) fn wall(&self) -> SystemTime {
        self.wall_at(self.now())
    }

    /// The time of day at a moment.
    pub(crate) fn wall_at(&self, moment: Moment) -> SystemTime {
        self.wall + moment.since_start()
    }

    pub(crate) fn unix_seconds(&self, moment: Moment) -> u64 {
        self.wall_at(moment)
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs()
    }

    /// The instant of a moment; far moments are cut to what Tokio's timers take.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        const FAR: Duration = Duration::from_secs(30 * 86_400);
        let since = moment.since_start();
        if since <= FAR {
            return self.start + since;
        }
        self.start + since.min(FAR.saturating_add(self.now().since_start()))
    }

    pub(crate) async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep_until(self.instant(moment)).await;
    }
}
