use std::time::Duration;

use crate::config::Backoff;

/// The n-th wait (from 0), full jitter: anywhere in 0..min(cap, base·2ⁿ).
pub(super) fn full_jitter(backoff: &Backoff, n: u32, rng: &mut fastrand::Rng) -> Duration {
    let ceiling = backoff
        .base
        .saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX))
        .min(backoff.cap);
    ceiling.mul_f64(rng.f64())
}
