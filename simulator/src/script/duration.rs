//! Durations as people write them: `"250ms"`, `"1.5s"`, `2`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A length of time. Default: zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

const UNITS: [(&str, f64); 5] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl Span {
    fn seconds(value: f64) -> Option<Self> {
        Duration::try_from_secs_f64(value).ok().map(Self)
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        Self::seconds(number.trim().parse::<f64>().ok()? * scale)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;

        impl Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"250ms\" or \"1.5s\", or a number of seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Span, E> {
                Span::seconds(value).ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_secs(value)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Span, E> {
                Err(E::invalid_value(de::Unexpected::Signed(value), &self))
            }
        }

        deserializer.deserialize_any(SpanVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (json, expected) in [
            ("\"250ms\"", Some(Duration::from_millis(250))),
            ("\"1.5s\"", Some(Duration::from_millis(1500))),
            ("\"2 m\"", Some(Duration::from_secs(120))),
            ("\"10us\"", Some(Duration::from_micros(10))),
            ("3", Some(Duration::from_secs(3))),
            ("0.25", Some(Duration::from_millis(250))),
            ("\"5\"", None),
            ("\"-1s\"", None),
            ("-1", None),
            ("\"1 fortnight\"", None),
            ("null", None),
        ] {
            let read = serde_json::from_str::<Span>(json).ok().map(|span| span.0);
            assert_eq!(read, expected, "{json}");
        }
    }
}
