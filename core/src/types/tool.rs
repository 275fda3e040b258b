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
}

#[derive(Serialize, Deserialize)]
struct WireCall {
    #[serde(default)]
    id: String,
    #[serde(default = "function_type")]
    r#type: String,
    function: WireCalled,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra_content: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct WireCalled {
    name: String,
    #[serde(default)]
    arguments: String,
}

fn function_type() -> String {
    "function".to_owned()
}

impl<'de> Deserialize<'de> for ToolCall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireCall::deserialize(deserializer)?;
        if wire.r#type != "function" {
            return Err(serde::de::Error::unknown_variant(&wire.r#type, &["function"]));
        }
        let signature = wire
            .extra_content
            .as_ref()
            .and_then(|extra| extra.pointer("/google/thought_signature"))
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(Self {
            id: wire.id,
            name: wire.function.name,
            arguments: wire.function.arguments,
            signature,
        })
    }
}

impl Serialize for ToolCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WireCall {
            id: self.id.clone(),
            r#type: function_type(),
            function: WireCalled {
                name: self.name.clone(),
                arguments: self.arguments.clone(),
            },
            extra_content: self
                .signature
                .as_ref()
                .map(|mark| serde_json::json!({"google": {"thought_signature": mark}})),
        }
        .serialize(serializer)
    }
}
