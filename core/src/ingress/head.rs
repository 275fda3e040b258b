//! The headers of a reply to a client.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Served, ServedBody};
use crate::types::Attempt;

/// Longest header value: HTTP libraries refuse much longer ones.
const LONGEST: usize = 4096;

/// An id that no other request has: 24 letters and digits.
pub(super) fn fresh_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(24).collect()
}

/// The headers, being put together.
pub(super) struct Head(HeaderMap);

impl Head {
    pub(super) fn json(id_header: &'static str, id: &str) -> Self {
        Self::of("application/json", id_header, id)
    }

    pub(super) fn events(id_header: &'static str, id: &str) -> Self {
        let mut head = Self::of("text/event-stream; charset=utf-8", id_header, id);
        head.0.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        head
    }

    fn of(media_type: &'static str, id_header: &'static str, id: &str) -> Self {
        let mut head = Self(HeaderMap::with_capacity(16));
        head.0.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        head.put(id_header, &format!("req_{id}"));
        // What could be tried was tried, and within one deadline.
        head.put("x-should-retry", "false");
        head
    }

    /// Adds a header. What a header cannot hold is percent-encoded.
    pub(super) fn put(&mut self, name: &'static str, value: &str) {
        let value = encoded(value, "%");
        if let Ok(value) = HeaderValue::from_str(&value) {
            self.0.insert(HeaderName::from_static(name), value);
        }
    }

    /// What was tried; `open` is the target whose stream has just begun.
    pub(super) fn trail(&mut self, trail: &[Attempt], open: Option<&str>) {
        let tried = trail
            .iter()
            .map(|attempt| (attempt.target.as_str(), attempt.code()));
        let tried: Vec<_> = tried.chain(open.map(|target| (target, "open"))).collect();
        self.put("x-hotspare-attempts", &tried.len().to_string());
        let shown: Vec<String> = tried
            .iter()
            .map(|(target, code)| format!("{}={code}", encoded(target, ",=%")))
            .collect();
        if let Ok(value) = HeaderValue::from_str(&cut(&shown.join(", "))) {
            self.0.insert(HeaderName::from_static("x-hotspare-trail"), value);
        }
        if open.is_none()
            && !self.0.contains_key("x-hotspare-target")
            && let Some(last) = trail.last()
        {
            self.put("x-hotspare-target", &last.target);
        }
    }

    /// How the request was changed to fit the target that answered.
    pub(super) fn adapted(&mut self, changes: &[String]) {
        if !changes.is_empty() {
            self.put("x-hotspare-adapted", &changes.join("; "));
        }
    }

    /// US dollars of all attempts, where they are known.
    pub(super) fn cost(&mut self, cost: Option<f64>) {
        if let Some(cost) = cost {
            self.put("x-hotspare-cost-usd", &format!("{cost:.9}"));
        }
    }

    /// When to ask again: whole seconds, rounded up, as HTTP has it, and milliseconds, which the SDKs know.
    pub(super) fn retry_after(&mut self, wait: Option<Duration>) {
        if let Some(wait) = wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            self.0.insert(RETRY_AFTER, HeaderValue::from(seconds));
            self.put("retry-after-ms", &wait.as_millis().to_string());
        }
    }

    pub(super) fn served(self, status: StatusCode, body: ServedBody) -> Served {
        Served {
            status,
            headers: self.0,
            body,
        }
    }
}

/// `text` with all that is not printable ASCII, and the `reserved` characters, percent-encoded; cut where it is too long.
fn encoded(text: &str, reserved: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if out.len() >= LONGEST {
            break;
        }
        let plain = matches!(byte, b' '..=b'~') && !reserved.as_bytes().contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_any_text() {
        let mut head = Head::json("x-request-id", "a1");
        head.put("x-hotspare-route", "für,\n50%");
        head.retry_after(Some(Duration::from_millis(1200)));
        let served = head.served(StatusCode::OK, ServedBody::Whole(bytes::Bytes::new()));
        let value = |name: &str| served.headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(value("x-hotspare-route"), "f%C3%BCr,%0A50%25");
        assert_eq!((value("retry-after"), value("retry-after-ms")), ("2", "1200"));
        assert_eq!(
            (value("x-request-id"), value("x-should-retry")),
            ("req_a1", "false")
        );
        assert_eq!(fresh_id().len(), 24);
        assert!(encoded(&"ü".repeat(LONGEST), "").len() <= LONGEST + 3);
    }
}
