use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{JsonMap, only, only_in};

/// What a message says: plain text, or parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text; empty when the message has none.
    Text(String),
    /// Text, images, documents and audio, in order.
    Parts(Vec<Part>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Content {
    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Content;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text, or a list of content parts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }
            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_none<E: serde::de::Error>(self) -> Result<Content, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// One content part, with an optional Anthropic-style `cache_control` mark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// What it is.
    #[serde(flatten)]
    pub body: PartBody,
    /// A prompt-cache mark for vendors that take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
}

/// The kinds of content part, in OpenAI's shapes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartBody {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An image, by URL or `data:` URL.
    ImageUrl {
        /// Where it is.
        image_url: ImagePart,
    },
    /// Audio.
    InputAudio {
        /// The audio.
        input_audio: Audio,
    },
    /// A document.
    File {
        /// The document.
        file: FilePart,
    },
    /// A refusal of an earlier assistant turn.
    Refusal {
        /// What it said.
        refusal: String,
    },
    /// Any other part, or one with fields we do not know, passed as it is to targets of the same dialect.
    #[serde(untagged)]
    Other(JsonMap),
}

/// An image part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImagePart {
    /// `https:` or `data:` URL. Passed to the vendor, never fetched by us.
    pub url: String,
    /// `low`, `high` or `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An audio part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audio {
    /// Base64.
    pub data: String,
    /// `wav`, `mp3`, …
    pub format: String,
}

/// A document part: exactly one of `file_data` (a `data:` URL) and `file_id` (a vendor's own upload).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FilePart {
    /// `data:application/pdf;base64,…`, or an `https:` URL for vendors that fetch one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_data: Option<String>,
    /// The vendor's upload id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    /// A name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Known {
            Text { text: String },
            ImageUrl { image_url: ImagePart },
            InputAudio { input_audio: Audio },
            File { file: FilePart },
            Refusal { refusal: String },
        }
        let mut map = JsonMap::deserialize(deserializer)?;
        let cache_control = map.remove("cache_control").filter(|mark| !mark.is_null());
        let kind = map
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| serde::de::Error::missing_field("type"))?;
        let inner: &[&str] = match kind {
            "text" | "refusal" => &[],
            "image_url" => &["url", "detail"],
            "input_audio" => &["data", "format"],
            "file" => &["file_data", "file_id", "filename"],
            _ => {
                return Ok(Self {
                    body: PartBody::Other(map),
                    cache_control,
                });
            }
        };
        if !only(&map, &["type", kind]) || !only_in(&map, kind, inner) {
            return Ok(Self {
                body: PartBody::Other(map),
                cache_control,
            });
        }
        let known: Known = serde_json::from_value(Value::Object(map)).map_err(serde::de::Error::custom)?;
        let body = match known {
            Known::Text { text } => PartBody::Text { text },
            Known::ImageUrl { image_url } => PartBody::ImageUrl { image_url },
            Known::InputAudio { input_audio } => PartBody::InputAudio { input_audio },
            Known::File { file } => PartBody::File { file },
            Known::Refusal { refusal } => PartBody::Refusal { refusal },
        };
        Ok(Self { body, cache_control })
    }
}

impl Part {
    /// A text part.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            body: PartBody::Text { text: text.into() },
            cache_control: None,
        }
    }
}

/// Where some media is: inline, or at a URL the vendor fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media<'a> {
    /// A URL.
    Url(&'a str),
    /// Base64 data and its media type.
    Base64 {
        /// `image/png`, …
        media_type: &'a str,
        /// The data.
        data: &'a str,
    },
}

/// Splits a `data:<type>;base64,<data>` URL; anything else is a URL to fetch. None for a `data:` URL that is not base64.
#[must_use]
pub fn parse_data_url(url: &str) -> Option<Media<'_>> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Some(Media::Url(url));
    };
    let (head, data) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next().filter(|t| !t.is_empty())?;
    Some(Media::Base64 { media_type, data })
}
