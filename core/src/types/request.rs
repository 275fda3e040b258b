use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{JsonMap, Message, Tool, ToolChoice, only, only_in};

/// A chat request, with OpenAI Chat Completions field names.
///
/// Fields we do not know are kept in `extra` and passed to targets that speak `openai_chat`; at any other target they
/// are an [`Unsupported`](super::FailureClass::Unsupported) failure that names the field, and the plan goes on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct ChatRequest {
    /// A route's name, or one target as `provider/model`. Default: the route named `default`.
    /// `model` is another name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Seconds the whole request may take, over the route's own `timeouts.total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// The conversation. Must not be empty.
    #[serde(deserialize_with = "messages")]
    pub messages: Vec<Message>,
    /// Most output tokens, reasoning included. Default: the vendor's own; the catalog's where the vendor needs one.
    /// `max_completion_tokens` is another name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0–2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0–1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sample among the k most likely tokens. OpenAI has no equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// For repeatable sampling, as far as the vendor can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// −2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// −2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Functions the model may call.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether and what it must call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may make several calls at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Plain text, any JSON, or JSON of a schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// How hard to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// An opaque id of the end user, for the vendor's abuse checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Fields added to the body at one provider only, by provider name or dialect name:
    /// `{"anthropic": {"thinking": {…}}}`. Other targets never see them.
    #[serde(deserialize_with = "options", skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_options: BTreeMap<String, JsonMap>,
    /// Fields we do not know. Nulls are not kept.
    #[serde(flatten, deserialize_with = "extra")]
    pub extra: JsonMap,
}

impl Serialize for ChatRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Other names are read here, and not by serde's `alias`, which takes a null beside a value for a field given twice.
impl<'de> Deserialize<'de> for ChatRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut request = Self::deserialize(deserializer)?;
        let extra = &mut request.extra;
        other_name(extra, "model", "route", &mut request.route).map_err(serde::de::Error::custom)?;
        let tokens = &mut request.max_tokens;
        other_name(extra, "max_completion_tokens", "max_tokens", tokens).map_err(serde::de::Error::custom)?;
        Ok(request)
    }
}

/// Takes what came under the other name of a field.
pub(super) fn other_name<T: DeserializeOwned>(
    extra: &mut JsonMap,
    name: &str,
    field: &str,
    slot: &mut Option<T>,
) -> Result<(), String> {
    let Some(value) = extra.shift_remove(name) else {
        return Ok(());
    };
    if slot.is_some() {
        return Err(format!("`{name}` and `{field}` are the same; give one of them"));
    }
    *slot = Some(serde_json::from_value(value).map_err(|error| format!("`{name}`: {error}"))?);
    Ok(())
}

impl ChatRequest {
    /// The names of the fields we know.
    pub const FIELDS: [&str; 18] = [
        "route",
        "timeout",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "user",
        "provider_options",
    ];

    /// A request of one user message.
    #[must_use]
    pub fn of(prompt: impl Into<String>) -> Self {
        Self {
            messages: vec![Message::user(prompt)],
            ..Self::default()
        }
    }
}

fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Message>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<Message>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a prompt, or a list of messages")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![Message::user(text)])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut messages = Vec::with_capacity(seq.size_hint().unwrap_or(4).min(1024));
            while let Some(message) = seq.next_element()? {
                messages.push(message);
            }
            Ok(messages)
        }
    }
    deserializer.deserialize_any(Visitor)
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tool>, D::Error> {
    Ok(Option::<Vec<Tool>>::deserialize(deserializer)?.unwrap_or_default())
}

pub(super) fn options<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, JsonMap>, D::Error> {
    Ok(Option::<BTreeMap<String, JsonMap>>::deserialize(deserializer)?.unwrap_or_default())
}

pub(super) fn extra<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JsonMap, D::Error> {
    let mut map = JsonMap::deserialize(deserializer)?;
    map.retain(|_, value| !value.is_null());
    Ok(map)
}

/// One stop text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Stop {
    /// The stop texts.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// What the answer must look like.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// The schema.
        json_schema: JsonSchema,
    },
    /// Any other type (`grammar`, `regex`), or one with fields we do not know, passed as it is to targets of the same
    /// dialect.
    #[serde(untagged)]
    Other(JsonMap),
}

impl<'de> Deserialize<'de> for ResponseFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Schema {
            json_schema: JsonSchema,
        }
        let map = JsonMap::deserialize(deserializer)?;
        let kind = map
            .get("type")
            .and_then(Value::as_str)
            .ok_or_else(|| serde::de::Error::missing_field("type"))?;
        let known = &["name", "description", "schema", "strict"];
        match kind {
            "text" if only(&map, &["type"]) => Ok(Self::Text),
            "json_object" if only(&map, &["type"]) => Ok(Self::JsonObject),
            "json_schema" if only(&map, &["type", "json_schema"]) && only_in(&map, "json_schema", known) => {
                let wire: Schema =
                    serde_json::from_value(Value::Object(map)).map_err(serde::de::Error::custom)?;
                Ok(Self::JsonSchema {
                    json_schema: wire.json_schema,
                })
            }
            _ => Ok(Self::Other(map)),
        }
    }
}

/// A named JSON Schema for the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsonSchema {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Whether the answer must match it exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// How hard a reasoning model thinks. Which levels a model takes differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// The least.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much.
    Xhigh,
    /// As much as it can.
    Max,
}

impl ReasoningEffort {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a request says comes out again as it went in, whatever we know of it.
    #[test]
    fn nothing_is_dropped() {
        let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
        let with = |field: &str, value: Value| {
            let mut request = part(json!({"type": "text", "text": "a"}));
            request[field] = value;
            request
        };
        for request in [
            part(json!({"type": "text", "text": "a", "annotations": [1]})),
            part(json!({"type": "image_url", "image_url": {"url": "https://a", "detail": "low", "fps": 2}})),
            part(json!({"type": "image_url", "image_url": {"url": "https://a"}, "min_pixels": 9})),
            part(json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav", "rate": 8}})),
            part(json!({"type": "file", "file": {"file_id": "f", "file_url": "https://a"}})),
            part(json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}})),
            with(
                "tools",
                json!([{"type": "function", "function": {"name": "f", "examples": [1]}}]),
            ),
            with(
                "tools",
                json!([{"type": "function", "function": {"name": "f"}, "defer_loading": true}]),
            ),
            with("tools", json!([{"type": "web_search"}])),
            with(
                "tool_choice",
                json!({"type": "function", "function": {"name": "f"}, "disable": true}),
            ),
            with(
                "tool_choice",
                json!({"type": "function", "function": {"name": "f"}}),
            ),
            with(
                "response_format",
                json!({"type": "json_object", "schema": {"type": "object"}}),
            ),
            with("response_format", json!({"type": "grammar", "grammar": "g"})),
            with(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "a", "x": 1}}),
            ),
            with(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}),
            ),
            with("response_format", json!({"type": "text"})),
            with("service_tier", json!("flex")),
            json!({"messages": [{"role": "assistant", "content": "a",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}]}),
            json!({"messages": [{"role": "assistant", "content": "a",
                "reasoning_details": [{"dialect": "gemini", "text": "", "signature": "s"}]}]}),
        ] {
            let read: ChatRequest = serde_json::from_value(request.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), request);
        }
    }

    #[test]
    fn a_null_beside_the_other_name_of_a_field_says_nothing() {
        for (request, tokens, route) in [
            (
                r#"{"messages": "a", "max_tokens": null, "max_completion_tokens": 5}"#,
                Some(5),
                None,
            ),
            (
                r#"{"messages": "a", "max_completion_tokens": null, "max_tokens": 5}"#,
                Some(5),
                None,
            ),
            (
                r#"{"messages": "a", "route": null, "model": "a/b"}"#,
                None,
                Some("a/b"),
            ),
        ] {
            let read = ChatRequest::from_json(request.as_bytes()).unwrap();
            assert_eq!(
                (read.max_tokens, read.route.as_deref()),
                (tokens, route),
                "{request}"
            );
        }
        for both in [
            r#"{"messages": "a", "max_tokens": 4, "max_completion_tokens": 5}"#,
            r#"{"messages": "a", "route": "a", "model": "b"}"#,
        ] {
            let error = ChatRequest::from_json(both.as_bytes()).unwrap_err();
            assert!(error.message().contains("the same"), "{error}");
        }
    }

    #[test]
    fn wrong_forms_of_what_we_know_are_refused() {
        for (request, why) in [
            (
                r#"{"messages": "a", "response_format": {"type": "json_schema"}}"#,
                "json_schema",
            ),
            (r#"{"messages": "a", "response_format": {}}"#, "type"),
            (
                r#"{"messages": "a", "tools": [{"type": "function"}]}"#,
                "function",
            ),
            (
                r#"{"messages": "a", "tool_choice": {"type": "function"}}"#,
                "function.name",
            ),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "a"}]}]}"#,
                "messages[0]",
            ),
            (
                r#"{"messages": "a", "max_completion_tokens": "5"}"#,
                "max_completion_tokens",
            ),
            (r#"{"messages": "a"} {"messages": "b"}"#, "trailing"),
        ] {
            let error = ChatRequest::from_json(request.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
