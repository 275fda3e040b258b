//! What makes a provider behave as a real one under load, and as a bill.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{Span, Step};

/// A server that slows down with what it has to do, and at last turns requests away.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// Requests it is made for.
    pub(crate) concurrency: u32,
    /// How much longer the head and the first content take for each `concurrency` other requests under way.
    #[serde(default = "one")]
    pub(crate) slowdown: f64,
    /// Requests it takes in beyond `concurrency`.
    #[serde(default)]
    pub(crate) queue: u32,
}

fn one() -> f64 {
    1.0
}

impl Load {
    /// What the delays of a new request are multiplied by, or None when there is no room for it.
    pub(crate) fn stretch(self, under_way: u32) -> Option<f64> {
        let room = u64::from(self.concurrency) + u64::from(self.queue);
        let has_room = u64::from(under_way) < room;
        has_room.then(|| 1.0 + self.slowdown * f64::from(under_way) / f64::from(self.concurrency.max(1)))
    }
}

/// How fast traffic may grow.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceleration {
    /// Requests a minute at first.
    pub(crate) from: u32,
    /// How long until it is twice as many.
    pub(crate) doubling: Span,
}

/// What tokens cost, in dollars a million.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Prices {
    pub(crate) input: f64,
    pub(crate) output: f64,
}

impl Prices {
    pub(crate) fn of(self, input: u64, output: u64) -> f64 {
        (input as f64 * self.input + output as f64 * self.output) / 1e6
    }
}

/// A key, and when it is good.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) from: Span,
    /// None: for ever.
    pub(crate) until: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFields {
    key: String,
    #[serde(default)]
    from: Span,
    #[serde(default)]
    until: Option<Span>,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key, or an object of `key`, `from` and `until`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key {
                    key: text.to_owned(),
                    from: Span::default(),
                    until: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Key, A::Error> {
                let KeyFields { key, from, until } = KeyFields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Key { key, from, until })
            }
        }

        deserializer.deserialize_any(KeyVisitor)
    }
}

/// TLS on the provider's port.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    pub(crate) certificate: Certificate,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Certificate {
    /// For localhost, by the simulator's own authority.
    #[default]
    Good,
    Expired,
    WrongHost,
    /// By an authority that nobody is told of.
    UnknownCa,
}

/// The error codes of HTTP/2, in the order of their numbers (RFC 9113 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamCode {
    NoError,
    ProtocolError,
    InternalError,
    FlowControlError,
    SettingsTimeout,
    StreamClosed,
    FrameSizeError,
    RefusedStream,
    Cancel,
    CompressionError,
    ConnectError,
    EnhanceYourCalm,
    InadequateSecurity,
    #[serde(rename = "http_1_1_required")]
    Http11Required,
}

/// The same phase in several providers at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outage {
    pub(crate) providers: Vec<String>,
    #[serde(default)]
    pub(crate) from: Span,
    /// None: for ever.
    #[serde(default)]
    pub(crate) until: Option<Span>,
    pub(crate) step: Step,
}
