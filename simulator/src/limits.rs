//! Token buckets by account, and the headers the vendors tell them by.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Now;
use crate::errors::{Exceeded, Limit};
use crate::script::{Acceleration, Dialect, Limits};

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

/// How fast one account's traffic may grow.
#[derive(Debug)]
struct Ramp {
    rule: Acceleration,
    bucket: Bucket,
    /// When traffic began, and when it was last seen.
    began: Duration,
    last: Duration,
    doublings: u32,
}

impl Ramp {
    /// Without a request for this long, traffic begins anew.
    const QUIET: Duration = Duration::from_secs(60);

    fn new(rule: Acceleration, now: Duration) -> Self {
        let mut bucket = Bucket::new(rule.from, rule.from);
        bucket.at = now;
        Self {
            rule,
            bucket,
            began: now,
            last: now,
            doublings: 0,
        }
    }

    /// Grows to what is allowed by now.
    fn advance(&mut self, now: Duration) {
        if now.saturating_sub(self.last) >= Self::QUIET {
            *self = Self::new(self.rule, now);
        }
        self.last = now;
        let step = self.rule.doubling.0;
        while now.saturating_sub(self.began) >= step * (self.doublings + 1) {
            let Some(doubled) = self.bucket.per_minute.checked_mul(2) else {
                break;
            };
            self.bucket.refill(self.began + step * (self.doublings + 1));
            self.doublings += 1;
            // What is allowed more can be used at once.
            self.bucket.level += self.bucket.capacity;
            self.bucket.capacity *= 2;
            self.bucket.per_minute = doubled;
        }
        self.bucket.refill(now);
    }

    /// Until one more request passes: zero now.
    fn wait(&self, now: Duration) -> Duration {
        let wait = self.bucket.until(self.bucket.price(1));
        let growth = (self.began + self.rule.doubling.0 * (self.doublings + 1)).saturating_sub(now);
        wait.min(growth)
    }
}

#[derive(Debug)]
struct Buckets {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    ramp: Option<Ramp>,
}

impl Buckets {
    fn new(limits: &Limits, now: Duration) -> Self {
        Self {
            requests: limits
                .requests_per_minute
                .map(|limit| Bucket::new(limit, limits.burst.unwrap_or(limit))),
            tokens: limits.tokens_per_minute.map(|limit| Bucket::new(limit, limit)),
            ramp: limits.acceleration.map(|rule| Ramp::new(rule, now)),
        }
    }
}

/// The limits of every account of one provider. A key that is in no account is one of its own.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    /// Which account a key is of.
    accounts: HashMap<String, usize>,
    shared: Vec<Option<Buckets>>,
    own: HashMap<String, Buckets>,
    keyless: Option<Buckets>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, accounts: &BTreeMap<String, Vec<String>>) -> Self {
        let mut of = HashMap::new();
        for (account, keys) in accounts.values().enumerate() {
            of.extend(keys.iter().map(|key| (key.clone(), account)));
        }
        Self {
            limits,
            accounts: of,
            shared: accounts.iter().map(|_| None).collect(),
            own: HashMap::new(),
            keyless: None,
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
        let new = || Buckets::new(limits, now.elapsed);
        let account = key.and_then(|key| self.accounts.get(key));
        let shared = account.and_then(|account| self.shared.get_mut(*account));
        let buckets = match (shared, key) {
            (Some(shared), _) => shared.get_or_insert_with(new),
            (None, Some(key)) => self.own.entry(key.to_owned()).or_insert_with(new),
            (None, None) => self.keyless.get_or_insert_with(new),
        };
        let mut exceeded: Option<Exceeded> = None;
        let mut each = [(&mut buckets.requests, 1), (&mut buckets.tokens, tokens)];
        for ((bucket, units), limit) in each.iter_mut().zip([Limit::Requests, Limit::Tokens]) {
            let Some(bucket) = bucket else { continue };
            bucket.refill(now.elapsed);
            let wait = bucket.until(bucket.price(*units));
            if !wait.is_zero() && exceeded.is_none_or(|longest| wait > longest.wait) {
                exceeded = Some(Exceeded {
                    wait,
                    limit: bucket.per_minute,
                    of: limit,
                });
            }
        }
        if let Some(ramp) = &mut buckets.ramp {
            ramp.advance(now.elapsed);
            let wait = ramp.wait(now.elapsed);
            if !wait.is_zero() && exceeded.is_none() {
                exceeded = Some(Exceeded {
                    wait,
                    limit: ramp.bucket.per_minute,
                    of: Limit::Acceleration,
                });
            }
        }
        if exceeded.is_none() {
            let ramp = buckets.ramp.as_mut().map(|ramp| (&mut ramp.bucket, 1));
            let each = each
                .into_iter()
                .filter_map(|(bucket, units)| Some((bucket.as_mut()?, units)));
            for (bucket, units) in each.chain(ramp) {
                bucket.level = bucket.level.saturating_sub(bucket.price(units));
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
        Dialect::OpenaiChat | Dialect::OpenaiResponses => go_duration(full),
        Dialect::AnthropicMessages => rfc3339(wall.checked_add(full).unwrap_or(wall)),
        // Told in the body of a 429 alone, or nowhere.
        Dialect::Gemini | Dialect::BedrockConverse | Dialect::CohereChat | Dialect::OllamaChat => return,
    };
    for (what, value) in [
        ("limit", bucket.per_minute.to_string()),
        ("remaining", bucket.remaining().to_string()),
        ("reset", reset),
    ] {
        let name = match dialect {
            _ if dialect.openai() => format!("x-ratelimit-{what}-{name}"),
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
