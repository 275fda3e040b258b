//! What is said of attempts.

use std::time::Duration;

use crate::error::Error;
use crate::policy::{Refusal, RefusedBy};
use crate::types::{Attempt, Failure, FailureClass, Moment, Phase, Sent, Trail, What};

/// An attempt as an event. `called`: it was made, though perhaps never sent.
pub(super) fn told(attempt: &Attempt, called: bool) -> What {
    if !called {
        return What::Skipped {
            target: attempt.target.clone(),
            code: attempt.code().to_owned(),
            reason: attempt.reason.clone(),
            next: attempt.next,
        };
    }
    What::AttemptEnded {
        target: attempt.target.clone(),
        key: attempt.key.clone(),
        code: attempt.code().to_owned(),
        status: attempt.status,
        billing: attempt.billing,
        cost: attempt.cost(),
        next: attempt.next,
        reason: attempt.reason.clone(),
    }
}

/// Why a target was not called.
pub(super) fn not_called(refusal: &Refusal, now: Moment) -> String {
    match (refusal.by, refusal.until) {
        (RefusedBy::Parked, None) => format!(
            "not called: its key was refused ({}) and has not changed since",
            refusal.class
        ),
        (RefusedBy::Parked | RefusedBy::Limited, Some(until)) => format!(
            "not called: {} before, and to be left alone for {:.1} s more",
            refusal.class,
            (until - now).as_secs_f64()
        ),
        (_, Some(until)) => format!(
            "not called: {}; to be asked again in {:.1} s",
            refusal.why,
            (until - now).as_secs_f64()
        ),
        (_, None) => format!("not called: {}", refusal.why),
    }
}

/// The deadline of `total` passed, with `left` targets not tried.
pub(super) fn deadline_error(total: Duration, left: usize, trail: Trail) -> Error {
    let total = total.as_secs_f64();
    let mut failure = Failure::new(
        FailureClass::Timeout,
        Phase::Head,
        format!("the deadline of {total} s passed with {left} of the plan's targets not tried"),
    );
    failure.sent = trail
        .iter()
        .filter_map(|attempt| attempt.failure())
        .map(|failure| failure.sent)
        .find(|sent| *sent != Sent::No)
        .unwrap_or(Sent::No);
    Error::failed(failure, trail)
}
