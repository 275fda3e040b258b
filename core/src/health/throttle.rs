use std::time::Duration;

use super::window::Window;
use crate::types::Moment;

/// How far back it looks (Google's SRE book, "Handling Overload").
const SPAN: Duration = Duration::from_secs(120);
/// Below so many requests in the span it lets everything through.
const LEAST: u32 = 10;
/// Requests let through for each that was accepted, the book's K.
const PER_ACCEPTED: f64 = 2.0;
/// It never refuses a larger share, so that recovery is noticed.
const MOST: f64 = 0.9;

const REQUESTS: usize = 0;
const ACCEPTED: usize = 1;

/// What stands in for a breaker where a target has no alternative: the more of the last two minutes' requests were not
/// accepted, the larger the share that is refused here.
///
/// Requests are counted when they have come to something. The book counts them when they begin, which suits calls of
/// milliseconds: a first burst of calls that take seconds would be refused for want of answers.
#[derive(Debug, Clone)]
pub(super) struct Throttle(Window<2>);

impl Throttle {
    pub(super) fn new() -> Self {
        Self(Window::new(SPAN))
    }

    /// The share of requests to refuse now.
    pub(super) fn share(&self, now: Moment) -> f64 {
        let [requests, accepted] = self.0.sums(now);
        if requests < LEAST {
            return 0.0;
        }
        let over = f64::from(requests) - PER_ACCEPTED * f64::from(accepted);
        (over / (f64::from(requests) + 1.0)).clamp(0.0, MOST)
    }

    /// A request was answered.
    pub(super) fn accepted(&mut self, now: Moment) {
        self.0.add(now, REQUESTS);
        self.0.add(now, ACCEPTED);
    }

    /// A request failed, or was refused here.
    pub(super) fn rejected(&mut self, now: Moment) {
        self.0.add(now, REQUESTS);
    }

    /// The target was seen to have recovered: what was before says nothing any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn the_share_follows_the_books_formula() {
        // (requests, accepted, share)
        for (requests, accepted, share) in [
            (9, 0, 0.0),
            (10, 0, 0.9),
            (10, 5, 0.0),
            (10, 10, 0.0),
            (20, 4, 12.0 / 21.0),
            (99, 0, 0.9),
        ] {
            let mut throttle = Throttle::new();
            for _ in accepted..requests {
                throttle.rejected(at(0));
            }
            for _ in 0..accepted {
                throttle.accepted(at(0));
            }
            assert!(
                (throttle.share(at(0)) - share).abs() < 1e-9,
                "{requests} {accepted}"
            );
            assert!(throttle.share(at(121)).abs() < 1e-9, "it forgets");
            throttle.clear();
            assert!(throttle.share(at(0)).abs() < 1e-9);
        }
    }
}
