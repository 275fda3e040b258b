//! What a client's HTTP request asks for.

use std::fmt;

use http::Method;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::HttpAsk;
use crate::dialect::{Heard, Ingress, ingress};
use crate::error::Error;
use crate::types::{DialectId, Failure, FailureClass, JsonMap, Phase, Trail};

/// What is asked, and in whose words the answer must be.
pub(super) enum Endpoint {
    /// An answer.
    Chat(&'static dyn Ingress),
    /// The vectors of texts, as OpenAI has them.
    Embed(&'static dyn Ingress),
    /// The names there are.
    Models(&'static dyn Ingress),
    /// Nothing that is served here.
    None(&'static dyn Ingress, Error),
}

/// What is served, and what is said of the rest.
const SERVED: &str =
    "served are POST …/chat/completions, …/responses, …/messages and …/embeddings, and GET …/models";

impl Endpoint {
    pub(super) fn of(ask: &HttpAsk) -> Self {
        let path = ask.path.split(['?', '#']).next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        let ends = |end: &str| {
            path.strip_suffix(end)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let anthropic = ask.headers.contains_key("anthropic-version");
        let usual = match anthropic {
            true => DialectId::AnthropicMessages,
            false => DialectId::OpenaiChat,
        };
        let chat = [
            ("chat/completions", DialectId::OpenaiChat),
            ("responses", DialectId::OpenaiResponses),
            ("messages", DialectId::AnthropicMessages),
        ]
        .into_iter()
        .find(|(end, _)| ends(end));
        let embeds = ends("embeddings");
        let (format, wanted) = match chat {
            Some((_, dialect)) => (speaker(dialect), Method::POST),
            None if embeds => (speaker(DialectId::OpenaiChat), Method::POST),
            None => (speaker(usual), Method::GET),
        };
        let shown = Failure::clean(path);
        match chat {
            None if !embeds && !ends("models") => Self::None(
                format,
                refused(404, format!("nothing is served at {shown}; {SERVED}")),
            ),
            _ if ask.method != wanted => Self::None(
                format,
                refused(405, format!("{} is not for {shown}; {SERVED}", ask.method)),
            ),
            Some(_) => Self::Chat(format),
            None if embeds => Self::Embed(format),
            None => Self::Models(format),
        }
    }

    pub(super) const fn format(&self) -> &'static dyn Ingress {
        match self {
            Self::Chat(format) | Self::Embed(format) | Self::Models(format) | Self::None(format, _) => {
                *format
            }
        }
    }
}

fn speaker(dialect: DialectId) -> &'static dyn Ingress {
    ingress(dialect).unwrap_or(&crate::dialect::openai_chat::OPENAI_CHAT)
}

fn refused(status: u16, message: String) -> Error {
    let mut failure = Failure::new(FailureClass::InvalidRequest, Phase::Encode, message);
    failure.status = Some(status);
    Error::failed(failure, Trail::new())
}

/// Reads a client's request.
///
/// # Errors
/// `invalid_request`, naming the place.
pub(super) fn heard(format: &'static dyn Ingress, ask: &HttpAsk) -> Result<Heard, Failure> {
    let asked = format.decode_request(&ask.path, &ask.body)?;
    let repeats = format.repeats();
    let body = match repeats.is_empty() {
        true => JsonMap::new(),
        false => Only(repeats)
            .deserialize(&mut serde_json::Deserializer::from_slice(&ask.body))
            .unwrap_or_default(),
    };
    Ok(Heard { asked, body })
}

/// Reads these fields of an object, and skips the others.
struct Only(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Only {
    type Value = JsonMap;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<JsonMap, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Only {
    type Value = JsonMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonMap, A::Error> {
        let mut kept = JsonMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.contains(&name.as_str()) {
                true => drop(kept.insert(name, map.next_value()?)),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(kept)
    }
}
