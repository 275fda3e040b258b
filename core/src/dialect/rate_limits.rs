//! What reply headers tell of limits, in every form a vendor is known to write it.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

use super::retry_after::{header, reset_value, seconds};
use crate::types::{RateTold, RateUnit};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest reset believed.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Most limits read of one structured header.
const MOST: usize = 8;

/// How a family of headers says over how long its limit counts.
#[derive(Clone, Copy)]
enum Period {
    /// The name says it.
    Known(Duration),
    /// Azure's `x-ratelimit-renewalperiod-*` in seconds, else what the reset and what is used up imply.
    Implied,
    /// The shortest usual period the reset fits in.
    Fits,
}

/// One limit's headers.
struct Family {
    what: RateUnit,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
    renewal: &'static str,
    period: Period,
}

const fn family(
    what: RateUnit,
    period: Period,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
    renewal: &'static str,
) -> Family {
    Family {
        what,
        limit,
        remaining,
        reset,
        renewal,
        period,
    }
}

/// `name!("x-ratelimit-", "-requests", …)`: the headers of vendors that put the word in the middle, or at the end.
macro_rules! named {
    ($what:ident, $period:expr, $before:literal, $after:literal) => {
        family(
            RateUnit::$what,
            $period,
            concat!($before, "limit", $after),
            concat!($before, "remaining", $after),
            concat!($before, "reset", $after),
            concat!($before, "renewalperiod", $after),
        )
    };
}

const FAMILIES: &[Family] = &[
    // OpenAI, Azure, Groq (requests a day), Fireworks, xAI and most that are like them.
    named!(Requests, Period::Implied, "x-ratelimit-", "-requests"),
    named!(Tokens, Period::Implied, "x-ratelimit-", "-tokens"),
    // Anthropic.
    named!(
        Requests,
        Period::Known(MINUTE),
        "anthropic-ratelimit-requests-",
        ""
    ),
    named!(Tokens, Period::Known(MINUTE), "anthropic-ratelimit-tokens-", ""),
    named!(
        InputTokens,
        Period::Known(MINUTE),
        "anthropic-ratelimit-input-tokens-",
        ""
    ),
    named!(
        OutputTokens,
        Period::Known(MINUTE),
        "anthropic-ratelimit-output-tokens-",
        ""
    ),
    // Mistral, new and old.
    named!(Requests, Period::Known(MINUTE), "x-ratelimit-", "-req-minute"),
    named!(
        Requests,
        Period::Known(Duration::from_secs(10)),
        "x-ratelimit-",
        "-req-10-second"
    ),
    named!(Tokens, Period::Known(MINUTE), "x-ratelimit-", "-tokens-minute"),
    named!(Tokens, Period::Known(MONTH), "x-ratelimit-", "-tokens-month"),
    named!(Tokens, Period::Known(MINUTE), "ratelimitbysize-", ""),
    named!(Tokens, Period::Known(MINUTE), "x-ratelimitbysize-", "-minute"),
    named!(Tokens, Period::Known(MONTH), "x-ratelimitbysize-", "-month"),
    // Together, a second; others (OpenRouter, a day) write the same names.
    named!(Requests, Period::Fits, "x-ratelimit-", ""),
    named!(Tokens, Period::Fits, "x-tokenlimit-", ""),
];

/// All that the headers of one reply tell of limits, whoever wrote them. `wall` turns the moments they name into times
/// from now. What cannot be read, and what a vendor writes for "unknown" (−1, a limit of 0), is passed over.
#[must_use]
pub fn told(headers: &HeaderMap, wall: SystemTime) -> Vec<RateTold> {
    // Every reply is looked at, and most vendors tell nothing: looking up fifty names costs more than reading a few.
    if !headers.keys().any(is_of_a_limit) {
        return Vec::new();
    }
    let families = FAMILIES.iter().filter_map(|family| read(headers, family, wall));
    families.chain(structured(headers)).collect()
}

/// Whether any of the families, or the structured header, has names that begin so.
fn is_of_a_limit(name: &HeaderName) -> bool {
    const BEGIN: [&str; 4] = ["x-ratelimit", "x-tokenlimit", "anthropic-ratelimit", "ratelimit"];
    BEGIN.iter().any(|begin| name.as_str().starts_with(begin))
}

fn read(headers: &HeaderMap, family: &Family, wall: SystemTime) -> Option<RateTold> {
    let limit = match header(headers, family.limit) {
        Some(text) => Some(count(text).filter(|limit| *limit > 0)?),
        None => None,
    };
    let remaining = header(headers, family.remaining).and_then(count);
    if limit.is_none() && remaining.is_none() {
        return None;
    }
    let resets_in = header(headers, family.reset)
        .and_then(|text| reset_value(text, wall))
        .map(|reset| reset.min(MAX));
    let per = match family.period {
        Period::Known(per) => Some(per),
        Period::Fits => resets_in.and_then(fits),
        Period::Implied => {
            let renewal = header(headers, family.renewal).and_then(|text| seconds(text.parse().ok()?));
            match renewal.filter(|per| !per.is_zero() && *per <= MAX) {
                Some(per) => Some(per),
                None => implied(limit, remaining, resets_in)?,
            }
        }
    };
    Some(RateTold {
        what: family.what,
        per,
        limit,
        remaining,
        resets_in,
    })
}

/// Whole numbers, also where written as `5.0`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only finite, positive numbers are cast, and a cast from float saturates"
)]
fn count(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let number = text.parse::<f64>().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number as u64)
    })
}

/// The period of a limit that refills evenly: `reset` is how long what is used up takes to refill, so a whole limit takes
/// this long. Some(None): nothing can be told; None: the three contradict each other (OpenAI has written a limit of 1 token
/// that is whole again in 28 ms), so none is believed.
#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
#[expect(
    clippy::option_option,
    reason = "\"not told\" and \"nonsense\" are two answers"
)]
fn implied(limit: Option<u64>, remaining: Option<u64>, reset: Option<Duration>) -> Option<Option<Duration>> {
    let (Some(limit), Some(remaining), Some(reset)) = (limit, remaining, reset) else {
        return Some(None);
    };
    let used = limit.saturating_sub(remaining);
    if used == 0 || reset.is_zero() {
        return Some(None);
    }
    let whole = reset.as_secs_f64() * limit as f64 / used as f64;
    if whole < 0.5 {
        return None;
    }
    // Resets are rounded to milliseconds, so half and double are still it.
    let near = |per: &Duration| (0.5..=2.0).contains(&(whole / per.as_secs_f64()));
    // No vendor of this family counts by the second; what seems so is a bucket smaller than its limit, just used.
    Some([MINUTE, HOUR, DAY].into_iter().find(near))
}

/// The shortest usual period that ends no later than `reset` from now. Together resets its second in 2.
fn fits(reset: Duration) -> Option<Duration> {
    [(2, SECOND), (60, MINUTE), (3600, HOUR), (86_400, DAY)]
        .into_iter()
        .find(|(most, _)| reset <= Duration::from_secs(*most))
        .map(|(_, per)| per)
}

/// IETF `ratelimit: "api";r=999;t=295` with `ratelimit-policy: "fixed window";"api";q=1000;w=300` (Hugging Face).
fn structured(headers: &HeaderMap) -> Vec<RateTold> {
    let Some(limits) = header(headers, "ratelimit") else {
        return Vec::new();
    };
    let policies = header(headers, "ratelimit-policy").unwrap_or_default();
    let limits = limits.split(',').take(MOST).filter_map(|limit| {
        let name = limit.split(';').next()?.trim();
        let remaining = Some(parameter(limit, "r=")?);
        let mut policies = policies.split(',').take(MOST);
        let policy = policies.find(|policy| policy.split(';').any(|part| part.trim() == name));
        let wait = |text, key| Some(Duration::from_secs(parameter(text, key)?).min(MAX));
        Some(RateTold {
            what: RateUnit::Requests,
            per: policy
                .and_then(|policy| wait(policy, "w="))
                .filter(|per| !per.is_zero()),
            limit: policy
                .and_then(|policy| parameter(policy, "q="))
                .filter(|limit| *limit > 0),
            remaining,
            resets_in: wait(limit, "t="),
        })
    });
    limits.collect()
}

fn parameter(text: &str, key: &str) -> Option<u64> {
    text.split(';')
        .find_map(|part| count(part.trim().strip_prefix(key)?))
}

#[cfg(test)]
mod tests;
