use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{JsonMap, only, only_in};

/// A function the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionTool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments; none means it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether arguments must match the schema exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// One entry of `tools`.
#[derive(Debug, Clone, PartialEq)]
pub enum Tool {
    /// `{"type": "function", "function": {…}}`, with an optional Anthropic-style `cache_control` mark.
    Function {
        /// The function.
        function: FunctionTool,
        /// A prompt-cache mark for vendors that take one.
        cache_control: Option<Value>,
    },
    /// Any other type, or a function with fields we do not know, passed as it is to targets of the same dialect.
    Other(JsonMap),
}

#[derive(Serialize, Deserialize)]
struct WireFunctionTool {
    r#type: String,
    function: FunctionTool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
}

impl<'de> Deserialize<'de> for Tool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = JsonMap::deserialize(deserializer)?;
        if map.get("type").and_then(Value::as_str) != Some("function") {
            if !map.contains_key("type") {
                return Err(serde::de::Error::missing_field("type"));
            }
            return Ok(Self::Other(map));
        }
        let known = &["name", "description", "parameters", "strict"];
        if !only(&map, &["type", "function", "cache_control"]) || !only_in(&map, "function", known) {
            return Ok(Self::Other(map));
        }
        let wire: WireFunctionTool =
            serde_json::from_value(Value::Object(map)).map_err(serde::de::Error::custom)?;
        Ok(Self::Function {
            function: wire.function,
            cache_control: wire.cache_control,
        })
    }
}

impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Function {
                function,
                cache_control,
            } => WireFunctionTool {
                r#type: "function".to_owned(),
                function: function.clone(),
                cache_control: cache_control.clone(),
            }
            .serialize(serializer),
            Self::Other(map) => map.serialize(serializer),
        }
    }
}

/// Whether and what the model must call.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// It may not call.
    None,
    /// It must call something.
    Required,
    /// It must call this function.
    Function(String),
    /// Any other shape (`allowed_tools`, `custom`, fields we do not know), passed as it is to targets of the same dialect.
    Other(JsonMap),
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) => match word.as_str() {
                "auto" => Ok(Self::Auto),
                "none" => Ok(Self::None),
                "required" => Ok(Self::Required),
                _ => Err(serde::de::Error::unknown_variant(
                    &word,
                    &["auto", "none", "required"],
                )),
            },
            Value::Object(map) => {
                if !only(&map, &["type", "function"]) || !only_in(&map, "function", &["name"]) {
                    return Ok(Self::Other(map));
                }
                let name = map
                    .get("function")
                    .and_then(|function| function.get("name"))
                    .and_then(Value::as_str);
                match (map.get("type").and_then(Value::as_str), name) {
                    (Some("function"), Some(name)) => Ok(Self::Function(name.to_owned())),
                    (Some("function"), None) => Err(serde::de::Error::missing_field("function.name")),
                    _ => Ok(Self::Other(map)),
                }
            }
            _ => Err(serde::de::Error::custom(
                "expected \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}",
            )),
        }
    }
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => "auto".serialize(serializer),
            Self::None => "none".serialize(serializer),
            Self::Required => "required".serialize(serializer),
            Self::Function(name) => {
                serde_json::json!({"type": "function", "function": {"name": name}}).serialize(serializer)
            }
            Self::Other(map) => map.serialize(serializer),
        }
    }
}

/// A call the model made. Serialized in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolCall {
    /// The vendor's id, or one we made where the vendor gives none (Gemini).
    pub id: String,
    /// The function's name.
    pub name: String,
    /// Its arguments, as JSON text. `{}` when it takes none.
    pub arguments: String,
    /// An opaque mark the vendor wants back with the history (Gemini's `thoughtSignature`).
    /// Crosses as `extra_content.google.thought_signature`, the place Google's own OpenAI-compatible API uses.
    pub signature: Option<String>,
    /// Fields we do not know, passed as they are to targets of the same dialect; those inside `function` stand in a
    /// `function` of their own. A call of a custom tool has its `type` here, and its input as `arguments`. Nulls are not
    /// kept.
    pub extra: JsonMap,
}

impl ToolCall {
    /// Whether it calls one of OpenAI's custom tools, whose arguments are free text.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.extra.get("type").and_then(Value::as_str) == Some(CUSTOM)
    }
}

const CUSTOM: &str = "custom";
const EXTRA_CONTENT: &str = "extra_content";

#[derive(Deserialize)]
struct WireCall {
    #[serde(default)]
    id: String,
    r#type: Option<String>,
    function: Option<WireCalled>,
    custom: Option<WireCustom>,
    extra_content: Option<Value>,
    #[serde(flatten)]
    extra: JsonMap,
}

#[derive(Deserialize)]
struct WireCalled {
    name: String,
    #[serde(default)]
    arguments: String,
    #[serde(flatten)]
    extra: JsonMap,
}

#[derive(Deserialize)]
struct WireCustom {
    name: String,
    #[serde(default)]
    input: String,
    #[serde(flatten)]
    extra: JsonMap,
}

impl<'de> Deserialize<'de> for ToolCall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        const SIGNATURE: &str = "/google/thought_signature";
        let wire = WireCall::deserialize(deserializer)?;
        let mut extra = wire.extra;
        let kind = wire.r#type.as_deref().unwrap_or("function");
        let (name, arguments, mut inner) = match kind {
            "function" => {
                let function = wire.function.ok_or_else(|| D::Error::missing_field("function"))?;
                (function.name, function.arguments, function.extra)
            }
            CUSTOM => {
                let custom = wire.custom.ok_or_else(|| D::Error::missing_field(CUSTOM))?;
                extra.insert("type".to_owned(), Value::from(CUSTOM));
                (custom.name, custom.input, custom.extra)
            }
            other => return Err(D::Error::unknown_variant(other, &["function", CUSTOM])),
        };
        let content = wire.extra_content.unwrap_or_default();
        let signature = content.pointer(SIGNATURE).and_then(Value::as_str);
        let signature = signature.map(str::to_owned);
        if signature.is_none() {
            extra.insert(EXTRA_CONTENT.to_owned(), content);
        }
        extra.retain(|_, value| !value.is_null());
        inner.retain(|_, value| !value.is_null());
        if !inner.is_empty() {
            extra.insert(kind.to_owned(), Value::Object(inner));
        }
        Ok(Self {
            id: wire.id,
            name,
            arguments,
            signature,
            extra,
        })
    }
}

impl Serialize for ToolCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WrittenCall {
            id: &self.id,
            call: self,
            custom: self.is_custom(),
            signed: true,
        }
        .serialize(serializer)
    }
}

/// A call in OpenAI's shape.
pub(crate) struct WrittenCall<'a> {
    /// The id it goes by.
    pub(crate) id: &'a str,
    /// The call.
    pub(crate) call: &'a ToolCall,
    /// Whether it is of a custom tool.
    pub(crate) custom: bool,
    /// Whether its signature goes with it.
    pub(crate) signed: bool,
}

impl Serialize for WrittenCall<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let call = self.call;
        let kind = if self.custom { CUSTOM } else { "function" };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry(kind, &Called(call, kind))?;
        if let Some(mark) = call.signature.as_ref().filter(|_| self.signed) {
            let content = serde_json::json!({"google": {"thought_signature": mark}});
            map.serialize_entry(EXTRA_CONTENT, &content)?;
        }
        for (field, value) in &call.extra {
            if field != "type" && field != kind {
                map.serialize_entry(field, value)?;
            }
        }
        map.end()
    }
}

/// What is called, and the name of its kind.
struct Called<'a>(&'a ToolCall, &'a str);

impl Serialize for Called<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(call, kind) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &call.name)?;
        let arguments = if *kind == CUSTOM { "input" } else { "arguments" };
        map.serialize_entry(arguments, &call.arguments)?;
        if let Some(extra) = call.extra.get(*kind).and_then(Value::as_object) {
            for (field, value) in extra {
                map.serialize_entry(field, value)?;
            }
        }
        map.end()
    }
}
