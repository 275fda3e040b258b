//! How long a vendor asks to wait, in every form one is known to say it.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::Value;

/// Longest wait believed. What is longer is cut to it, so that adding it to a moment never overflows.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// The wait a failed reply asks for, the most exact form first: `retry-after-ms`, `retry-after` (seconds or a date),
/// Google's `RetryInfo`, the reset of the limits that are used up, the message's own words.
///
/// A moment in the past is a wait of zero. What cannot be read is passed over.
pub(crate) fn retry_after(
    headers: &HeaderMap,
    body: Option<&Value>,
    message: &str,
    now: SystemTime,
) -> Option<Duration> {
    header(headers, "retry-after-ms")
        .and_then(|text| seconds(text.parse::<f64>().ok()? / 1000.0))
        .or_else(|| {
            let text = header(headers, "retry-after")?;
            match text.parse::<f64>() {
                Ok(number) => seconds(number),
                Err(_) => Some(until(httpdate::parse_http_date(text).ok()?, now)),
            }
        })
        .or_else(|| retry_info(body?, now))
        .or_else(|| exhausted(headers, now))
        .or_else(|| spoken(message))
        .map(|wait| wait.min(MAX))
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

pub(super) fn seconds(number: f64) -> Option<Duration> {
    // Infinite and absurd numbers fail to convert, negative ones too.
    Duration::try_from_secs_f64(number).ok()
}

fn until(moment: SystemTime, now: SystemTime) -> Duration {
    moment.duration_since(now).unwrap_or(Duration::ZERO)
}

/// `error.details[]`: `RetryInfo.retryDelay`, or the quota's reset in `ErrorInfo.metadata`.
fn retry_info(body: &Value, now: SystemTime) -> Option<Duration> {
    // Gemini wraps some errors in a list of one.
    let body = body.get(0).unwrap_or(body);
    let details = body.get("error")?.get("details")?.as_array()?;
    let text = |detail: &Value, pointer: &str| detail.pointer(pointer)?.as_str().map(str::to_owned);
    details
        .iter()
        .find_map(|detail| go_duration(&text(detail, "/retryDelay")?))
        .or_else(|| {
            details
                .iter()
                .find_map(|detail| go_duration(&text(detail, "/metadata/quotaResetDelay")?))
        })
        .or_else(|| {
            details.iter().find_map(|detail| {
                Some(until(
                    rfc3339(&text(detail, "/metadata/quotaResetTimeStamp")?)?,
                    now,
                ))
            })
        })
}

/// The longest reset among the limits of which nothing is left.
fn exhausted(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let value = value.to_str().ok()?.trim();
        if name == "ratelimit" {
            return ietf(value);
        }
        // Exactly zero: Azure says -1 where it does not know.
        if !name.contains("ratelimit") || value.parse::<f64>().ok()? != 0.0 {
            return None;
        }
        // `x-ratelimit-remaining-tokens` and `anthropic-ratelimit-tokens-remaining` both name their reset alike.
        let reset = name.replace("remaining", "reset");
        if reset == name {
            return None;
        }
        reset_value(header(headers, &reset)?, now)
    });
    pairs.max()
}

/// A reset as a duration, a date, seconds, or (when too large to be a wait) a Unix time in seconds or milliseconds.
pub(super) fn reset_value(text: &str, now: SystemTime) -> Option<Duration> {
    let Ok(number) = text.parse::<f64>() else {
        return go_duration(text).or_else(|| Some(until(rfc3339(text)?, now)));
    };
    let epoch = match number {
        n if n >= 1e12 => n / 1000.0,
        n if n >= 1e9 => n,
        n => return seconds(n),
    };
    Some(until(SystemTime::UNIX_EPOCH.checked_add(seconds(epoch)?)?, now))
}

/// IETF `ratelimit: "api";r=0;t=295`.
fn ietf(value: &str) -> Option<Duration> {
    value.split(',').find_map(|limit| {
        let parameter = |key| {
            limit
                .split(';')
                .find_map(|part| part.trim().strip_prefix(key)?.parse::<f64>().ok())
        };
        (parameter("r=")? == 0.0).then(|| seconds(parameter("t=")?))?
    })
}

/// "Please try again in 11.054s", "retry in 900.2ms", "Try again in 35 seconds".
fn spoken(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    ["again in ", "retry in ", "retry after "]
        .iter()
        .find_map(|lead| {
            let (_, rest) = message.split_once(lead)?;
            go_duration(
                rest.split_whitespace()
                    .next()?
                    .trim_end_matches(['.', ',', ')', ';']),
            )
            .or_else(|| words(rest))
        })
}

/// "35 seconds", "2 minutes".
fn words(text: &str) -> Option<Duration> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse::<f64>().ok()?;
    let unit = words.next()?.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let factor = match unit {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "day" | "days" => 86400.0,
        _ => return None,
    };
    seconds(number * factor)
}

/// `12ms`, `6m0s`, `1h2m3.5s`, `34.4s`: numbers with units, nothing else.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        total += number.parse::<f64>().ok()?
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return None,
            };
        rest = tail;
    }
    (!text.is_empty()).then(|| seconds(total))?
}

/// `2026-11-23T10:00:00.5Z`, or with an offset.
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone = clock.rfind(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at_checked(zone)?;
    let offset = match zone.strip_prefix(['Z', 'z']) {
        Some("") => 0,
        Some(_) => return None,
        None => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours
                .parse::<i64>()
                .ok()?
                .checked_mul(60)?
                .checked_add(minutes.parse().ok()?)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let mut clock = clock.splitn(3, ':');
    let hour = clock.next()?.parse::<i64>().ok()?;
    let minute = clock.next()?.parse::<i64>().ok()?;
    let second = clock.next()?.parse::<f64>().ok()?;
    let sane = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..61.0).contains(&second)
        && (-1440..=1440).contains(&offset);
    if !sane {
        return None;
    }
    // Days since 1970-01-01 of a Gregorian date, counting years from March so that a leap day comes last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let whole = days * 86_400 + hour * 3600 + (minute - offset) * 60;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(u64::try_from(whole).ok()?))?
        .checked_add(seconds(second)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    /// 2026-11-23T10:00:00Z.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_428_000)
    }

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn ms(wait: Option<Duration>) -> Option<u128> {
        wait.map(|wait| wait.as_millis())
    }

    #[test]
    fn reads_headers() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<u128>);
        let cases: &[Case<'_>] = &[
            (&[], None),
            (&[("retry-after-ms", "28")], Some(28)),
            (&[("retry-after-ms", "28"), ("retry-after", "1")], Some(28)),
            (&[("retry-after-ms", "soon"), ("retry-after", "1.5")], Some(1500)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "99999999999")], Some(MAX.as_millis())),
            (&[("retry-after", "Mon, 23 Nov 2026 10:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT")], Some(0)),
            (&[("retry-after", "tomorrow")], None),
            // Only the limit that is used up counts, and of several the longest.
            (
                &[
                    ("x-ratelimit-remaining-requests", "10"),
                    ("x-ratelimit-reset-requests", "1h"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                ],
                Some(360_000),
            ),
            (
                &[
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2026-11-23T10:00:12Z"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-23T10:00:02Z"),
                ],
                Some(12_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "-1"),
                    ("x-ratelimit-reset-tokens", "60"),
                ],
                None,
            ),
            (
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")],
                Some(7000),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1795428009"),
                ],
                Some(9000),
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1795428009500"),
                ],
                Some(9500),
            ),
            (&[("ratelimit", "\"api\";r=0;t=295")], Some(295_000)),
            (&[("ratelimit", "\"api\";r=999;t=295")], None),
        ];
        for (list, expected) in cases {
            assert_eq!(
                ms(retry_after(&headers(list), None, "", now())),
                *expected,
                "{list:?}"
            );
        }
    }

    #[test]
    fn reads_googles_details() {
        let of = |detail: Value| json!({"error": {"details": [{"@type": "x"}, detail]}});
        let cases = [
            (of(json!({"retryDelay": "34.4s"})), Some(34_400)),
            (json!([of(json!({"retryDelay": "2s"}))]), Some(2000)),
            (
                of(json!({"metadata": {"quotaResetDelay": "1h0m1s"}})),
                Some(3_601_000),
            ),
            (
                of(json!({"metadata": {"quotaResetTimeStamp": "2026-11-23T11:00:00+00:30"}})),
                Some(1_800_000),
            ),
            (of(json!({"retryDelay": 3})), None),
            (json!({"error": "text"}), None),
            (json!([]), None),
        ];
        for (body, expected) in cases {
            assert_eq!(
                ms(retry_after(&HeaderMap::new(), Some(&body), "", now())),
                expected,
                "{body}"
            );
        }
    }

    #[test]
    fn reads_messages() {
        let cases = [
            ("Please try again in 11.054s. Visit https://x.", Some(11_054)),
            ("Please try again in 28ms.", Some(28)),
            ("Try again in 6m0s", Some(360_000)),
            ("Please retry in 56.18s.", Some(56_180)),
            ("please retry in 900.2ms.", Some(900)),
            ("Rate limit exceeded. Try again in 35 seconds.", Some(35_000)),
            ("Please retry after 1 second. To increase", Some(1000)),
            ("try again in 2 minutes", Some(120_000)),
            ("try again in a while", None),
            ("try again later", None),
            ("try again in ", None),
        ];
        for (message, expected) in cases {
            assert_eq!(
                ms(retry_after(&HeaderMap::new(), None, message, now())),
                expected,
                "{message}"
            );
        }
    }

    #[test]
    fn reads_durations_and_dates() {
        for (text, expected) in [
            ("1h2m3.5s", Some(3_723_500)),
            ("2m59.56s", Some(179_560)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.2.3s", None),
            ("1x", None),
            ("1s!", None),
        ] {
            assert_eq!(ms(go_duration(text)), expected, "{text:?}");
        }
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-11-23T10:00:00Z", Some(1_795_428_000)),
            ("2026-11-23T12:00:00+02:00", Some(1_795_428_000)),
            ("2026-11-23T05:00:00-05:00", Some(1_795_428_000)),
            ("2026-13-23T10:00:00Z", None),
            ("2026-11-23T10:00:00", None),
            ("2026-11-23", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("é-é-éTé:é:éZ", None),
        ] {
            let found = rfc3339(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
