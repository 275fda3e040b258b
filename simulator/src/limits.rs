//! Token buckets by key, and the headers the vendors tell them by.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Now;
use crate::errors::Exceeded;
use crate::script::{Dialect, Limits};

/// A whole minute's worth of one unit, in the nanoseconds levels are kept in, so that nothing is ever rounded.
const UNIT: u128 = 60_000_000_000;

#[derive(Debug)]
struct Bucket {
    per_minute: u32,
    capacity: u128,
    level: u128,
    at: Duration,
}

impl Bucket {
    fn new(per_minute: u32, capacity: u32) -> Self {
        let capacity = u128::from(capacity) * UNIT;
        Self {
            per_minute,
            capacity,
            level: capacity,
            at: Duration::ZERO,
        }
    }

    fn refill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.at).as_nanos() * u128::from(self.per_minute);
        self.level = self.capacity.min(self.level.saturating_add(gained));
        self.at = self.at.max(now);
    }

    fn until(&self, level: u128) -> Duration {
        let nanoseconds = level
            .saturating_sub(self.level)
            .div_ceil(u128::from(self.per_minute.max(1)));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// What a request needs; one that asks for more than ever fits takes all there is.
    fn price(&self, units: u64) -> u128 {
        (u128::from(units) * UNIT).min(self.capacity)
    }

    fn remaining(&self) -> u64 {
        u64::try_from(self.level / UNIT).unwrap_or(u64::MAX)
    }
}

#[derive(Debug)]
struct Buckets {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// The limits of every key of one provider.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    keys: HashMap<Option<String>, Buckets>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keys: HashMap::new(),
        }
    }

    /// Takes what the request needs, or says what it lacks. The headers go on the reply either way.
    pub(crate) fn take(
        &mut self,
        key: Option<&str>,
        tokens: u64,
        dialect: Dialect,
        now: Now,
    ) -> (HeaderMap, Option<Exceeded>) {
        let limits = &self.limits;
        let buckets = self
            .keys
            .entry(key.map(str::to_owned))
            .or_insert_with(|| Buckets {
                requests: limits
                    .requests_per_minute
                    .map(|limit| Bucket::new(limit, limits.burst.unwrap_or(limit))),
                tokens: limits.tokens_per_minute.map(|limit| Bucket::new(limit, limit)),
            });
        let mut exceeded: Option<Exceeded> = None;
        let mut each = [(&mut buckets.requests, 1), (&mut buckets.tokens, tokens)];
        for (is_tokens, (bucket, units)) in each.iter_mut().enumerate() {
            let Some(bucket) = bucket else { continue };
            bucket.refill(now.elapsed);
            let wait = bucket.until(bucket.price(*units));
            if !wait.is_zero() && exceeded.is_none_or(|longest| wait > longest.wait) {
                exceeded = Some(Exceeded {
                    wait,
                    limit: bucket.per_minute,
                    tokens: is_tokens == 1,
                });
            }
        }
        if exceeded.is_none() {
            for (bucket, units) in &mut each {
                if let Some(bucket) = bucket {
                    bucket.level = bucket.level.saturating_sub(bucket.price(*units));
                }
            }
        }
        let mut headers = HeaderMap::new();
        for (name, bucket) in [("requests", &buckets.requests), ("tokens", &buckets.tokens)] {
            if let Some(bucket) = bucket {
                write_headers(&mut headers, dialect, name, bucket, now.wall);
            }
        }
        (headers, exceeded)
    }
}

fn write_headers(headers: &mut HeaderMap, dialect: Dialect, name: &str, bucket: &Bucket, wall: SystemTime) {
    let full = bucket.until(bucket.capacity);
    let reset = match dialect {
        Dialect::OpenaiChat => go_duration(full),
        Dialect::AnthropicMessages => rfc3339(wall.checked_add(full).unwrap_or(wall)),
        // Gemini tells its limits in the body of a 429 alone.
        Dialect::Gemini => return,
    };
    for (what, value) in [
        ("limit", bucket.per_minute.to_string()),
        ("remaining", bucket.remaining().to_string()),
        ("reset", reset),
    ] {
        let name = match dialect {
            Dialect::OpenaiChat => format!("x-ratelimit-{what}-{name}"),
            _ => format!("anthropic-ratelimit-{name}-{what}"),
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// As Go prints one, in whole milliseconds: `12ms`, `6m0s`, `1h2m3.5s`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    let minutes = milliseconds / 60_000;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (seconds, fraction) = (milliseconds / 1000 % 60, milliseconds % 1000);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if hours > 0 || minutes > 0 {
        text += &format!("{minutes}m");
    }
    text += &seconds.to_string();
    if fraction > 0 {
        text += format!(".{fraction:03}").trim_end_matches('0');
    }
    text + "s"
}

/// In UTC and whole seconds, rounded up: `2026-09-01T00:00:42Z`.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date, in years that begin in March, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (milliseconds, text) in [
            (0, "0s"),
            (12, "12ms"),
            (1000, "1s"),
            (8640, "8.64s"),
            (360_000, "6m0s"),
            (3_723_500, "1h2m3.5s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(go_duration(Duration::from_nanos(1)), "1ms");
    }

    #[test]
    fn dates_are_civil() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_788_220_842, "2026-09-01T00:00:42Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(
                rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
                text
            );
        }
    }

    #[test]
    fn a_bucket_gives_back_exactly_what_time_earns() {
        let mut bucket = Bucket::new(7, 1);
        bucket.level = 0;
        let wait = bucket.until(bucket.price(1));
        bucket.refill(wait - Duration::from_nanos(1));
        assert!(!bucket.until(bucket.price(1)).is_zero());
        bucket.refill(wait);
        assert!(bucket.until(bucket.price(1)).is_zero());
    }
}
