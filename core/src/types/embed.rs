use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::request::other_name;
use super::{JsonMap, Trail, Usage};

/// A request for the vectors of texts, with OpenAI's field names.
///
/// Fields we do not know are kept in `extra` and passed to targets of the OpenAI family; at any other target they are an
/// [`Unsupported`](super::FailureClass::Unsupported) failure that names the field, and the plan goes on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct EmbedRequest {
    /// A route's name, or one target as `provider/model`. Default: the route named `embed`; without one, the route named
    /// `default` if it is of kind `embed`. `model` is another name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Seconds the whole request may take, over the route's own `timeouts.total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// The texts: a string, or a list of them. Must not be empty. More than a vendor takes at once go out in several
    /// requests, one after the other.
    #[serde(deserialize_with = "texts")]
    pub input: Vec<String>,
    /// Numbers in a vector. Default: the route's `dimensions`; without one, the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// What the vectors are for. Models that make one kind of vector take no notice of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_type: Option<InputType>,
    /// An opaque id of the end user, for the vendor's abuse checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Fields added to the body at one provider only, by provider name or dialect name.
    #[serde(
        deserialize_with = "super::request::options",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub provider_options: BTreeMap<String, JsonMap>,
    /// Fields we do not know. Nulls are not kept.
    #[serde(flatten, deserialize_with = "super::request::extra")]
    pub extra: JsonMap,
}

impl Serialize for EmbedRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for EmbedRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut request = Self::deserialize(deserializer)?;
        other_name(&mut request.extra, "model", "route", &mut request.route)
            .map_err(serde::de::Error::custom)?;
        Ok(request)
    }
}

impl EmbedRequest {
    /// The names of the fields we know.
    pub const FIELDS: [&str; 7] = [
        "route",
        "timeout",
        "input",
        "dimensions",
        "input_type",
        "user",
        "provider_options",
    ];

    /// A request for the vectors of these texts.
    #[must_use]
    pub fn of<T: Into<String>>(input: impl IntoIterator<Item = T>) -> Self {
        Self {
            input: input.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

/// What vectors are for: some models make others of a query than of the documents it is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InputType {
    /// What is searched for.
    Query,
    /// What is searched in.
    Document,
    /// Texts to be sorted into classes.
    Classification,
    /// Texts to be grouped.
    Clustering,
    /// Texts to be compared with each other.
    Similarity,
}

impl InputType {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Document => "document",
            Self::Classification => "classification",
            Self::Clustering => "clustering",
            Self::Similarity => "similarity",
        }
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text, or a list of texts")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::with_capacity(seq.size_hint().unwrap_or(4).min(4096));
            while let Some(text) = seq.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// The vectors of one exchange, as a dialect reads them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// One vector a text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens, as far as the vendor told.
    pub usage: Usage,
    /// The model that made them, in the vendor's word.
    pub model: Option<String>,
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedReply {
    /// The target that answered, `provider/model`; where parts were answered by several, the last of them. The trail
    /// has them all.
    pub target: String,
    /// One vector a text, in the order of the texts, all of one length. As the vendor gives them: most are of length 1,
    /// but not those that Gemini shortens.
    pub embeddings: Vec<Vec<f32>>,
    /// Tokens of all parts. `reported` only if the vendor counted every part.
    pub usage: Usage,
    /// The model that answered, in the vendor's word.
    pub model: Option<String>,
    /// US dollars of the whole request, from the catalog's prices: the sum over attempts. None when any part is unknown.
    pub cost_usd: Option<f64>,
    /// US dollars of the whole request at least.
    pub cost_min_usd: f64,
    /// US dollars of the whole request at most; None when a price is unknown.
    pub cost_max_usd: Option<f64>,
    /// Seconds from the call to the reply.
    pub elapsed: f64,
    /// When it was answered, Unix seconds.
    pub created: u64,
    /// Every attempt, the last one being the last part's answer.
    pub trail: Trail,
}

impl EmbedReply {
    /// Numbers in each vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.embeddings.first().map_or(0, Vec::len)
    }

    /// The reply as OpenAI's `list` of embeddings, for code that expects one.
    #[must_use]
    pub fn to_openai(&self) -> serde_json::Value {
        use serde_json::json;
        let data: Vec<_> = self
            .embeddings
            .iter()
            .enumerate()
            .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
            .collect();
        let usage = self.usage.reported.then(
            || json!({"prompt_tokens": self.usage.input_tokens, "total_tokens": self.usage.total_tokens()}),
        );
        json!({"object": "list", "data": data, "model": self.model, "usage": usage})
    }
}
