//! Vendors known by name, and how their way of speaking a dialect differs from the dialect's own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::EmbedQuirks;
use crate::types::{DialectId, FailureClass, JsonMap};

/// A vendor we know: enough to call it by name.
///
/// `base_url` and what else says so is a *template*: `{region}`, `{resource}` and the like stand for what the user
/// writes in the provider's section, and `{host}` for the host of the chosen region.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in configs and targets.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Template of its base URL, without a trailing slash.
    pub base_url: String,
    /// Where else it can be reached, by the name that `endpoint` chooses in a config. Surfaces are not served there.
    #[serde(default)]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Template of `{host}` where the region has no host of its own, or where none is named.
    pub host: Option<String>,
    /// `{host}` of regions that have their own. Where `host` does not hold `{region}`, these are all there are.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// What variables of the templates stand for when the user says nothing; others must be given.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Environment variables that hold a key, the usual first. Empty: it asks for none.
    #[serde(default)]
    pub key_env: Vec<String>,
    /// How a request shows its key. Default: as is usual in the dialect.
    pub auth: Option<Auth>,
    /// Path and query, after the base URL, of a GET that takes a key, costs nothing and is answered without a model;
    /// None when the vendor has no such request.
    pub free_probe: Option<String>,
    /// Whether it stops working, and billing, when a stream is left. Not said by the vendors; OpenRouter publishes a list.
    #[serde(default)]
    pub stops_on_disconnect: bool,
    /// Templates of what it may fail together with, such as `cloud:aws:{region}`. Its own name always is one.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Models that it serves in another format, the first that fits.
    #[serde(default, rename = "surface")]
    pub surfaces: Vec<Surface>,
    /// How its way of speaking the format differs.
    #[serde(default)]
    pub quirks: Quirks,
}

/// Another place where a vendor can be reached.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Template of its base URL, without a trailing slash.
    pub base_url: String,
    /// How a request shows its key there. Default: as at the vendor's usual place.
    pub auth: Option<Auth>,
    /// Template of the path there, over [`Quirks::path`].
    pub path: Option<String>,
}

/// Models that a vendor serves in another format than its usual one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surface {
    /// The format they are served in.
    pub dialect: DialectId,
    /// Patterns of their ids; `*` stands for any text.
    pub models: Vec<String>,
    /// Template of its base URL, without a trailing slash. Default: the provider's.
    pub base_url: Option<String>,
    /// How a request shows its key there. Default: the provider's way.
    pub auth: Option<Auth>,
    /// How the format is spoken there.
    #[serde(default)]
    pub quirks: Quirks,
}

/// How a request shows that it may be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key as it is, in a header of this name (in lower case).
    Header(String),
    /// A Google access token, by `authorization: Bearer`.
    Gcp,
    /// Azure: a resource's key in `api-key`, or an Entra token by `authorization: Bearer`.
    Azure,
    /// AWS: a Bedrock API key by `authorization: Bearer`, or a signature made with this service name.
    Aws(String),
}

impl Auth {
    /// The header that carries a plain key, in lower case, and what stands before the key in it.
    #[must_use]
    pub fn header(&self) -> (&str, &'static str) {
        match self {
            Self::Bearer | Self::Gcp | Self::Aws(_) => ("authorization", "Bearer "),
            Self::Header(name) => (name, ""),
            Self::Azure => ("api-key", ""),
        }
    }
}

/// How a provider's way of speaking a dialect differs from the dialect's own: data, so that a provider is an entry in a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Template of the path and query after the base URL; `{model}` is the model's id, percent-encoded. Default: the
    /// dialect's.
    pub path: Option<String>,
    /// The same for streams. Default: `path`.
    pub stream_path: Option<String>,
    /// Whether the body names the model. Default: yes.
    pub model_in_body: bool,
    /// Fields that every body takes.
    pub body: JsonMap,
    /// The field that bounds the output. Default: `max_tokens`.
    pub max_tokens: String,
    /// What the vendor calls fields that it has under another name: `seed = "random_seed"`.
    pub rename: BTreeMap<String, String>,
    /// Whether it knows the role `developer`. Default: no, and `system` is sent.
    pub developer_role: bool,
    /// Fields of a request that it refuses, or ignores though they matter: they are lost there.
    pub refuses: Vec<String>,
    /// Fields that it refuses or ignores and without which the answer means the same: left out, and named.
    pub ignores: Vec<String>,
    /// Whether it takes `stream_options`. Default: yes. The counts of those that do not come without asking.
    pub stream_options: bool,
    /// Whether it holds an answer to a JSON schema. Default: yes.
    pub json_schema: bool,
    /// How it is told how hard to think.
    pub reasoning: ReasoningField,
    /// What becomes of the reasoning of earlier turns. Default: what the caller wrote is sent.
    pub reasoning_back: ReasoningBack,
    /// Whether it takes `cache_control` marks. Default: no, they are left out.
    pub cache_marks: bool,
    /// Whether ids of tool calls must be nine letters and digits. Default: no.
    pub short_call_ids: bool,
    /// Whether a last message of the assistant's own is marked `prefix` to be gone on from. Default: no.
    pub prefix: bool,
    /// Whether `[DONE]` ends a stream that names no finish reason. Default: no, since a proxy adds it to a stream that
    /// was cut, too.
    pub done_is_end: bool,
    /// What a code in an error body means here, where another vendor means something else by it.
    pub codes: BTreeMap<String, FailureClass>,
    /// How its embeddings differ.
    pub embed: EmbedQuirks,
}

/// The field by which an `openai_chat` vendor is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// `reasoning_effort`, a level.
    #[default]
    Effort,
    /// `reasoning: {effort}`, a level (OpenRouter).
    Nested,
    /// `thinking: {type}`, on or off (Moonshot).
    Thinking,
    /// `thinking: {type}`, on or off, and `reasoning_effort`, a level (DeepSeek, Z.ai).
    ThinkingEffort,
    /// `enable_thinking`, and `thinking_budget` in tokens (Qwen).
    EnableThinking,
    /// `chat_template_kwargs: {enable_thinking}`, on or off, and `reasoning_effort` of three levels, since it is the
    /// model's template that heeds one or the other (vLLM, SGLang, llama.cpp).
    ChatTemplate,
}

/// What becomes of the reasoning that assistant messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningBack {
    /// What the caller wrote is sent as it is.
    #[default]
    AsWritten,
    /// It is left out: the vendor refuses it.
    Never,
    /// Once tools were called it goes back as `reasoning_content`, whichever field or vendor it came from (DeepSeek,
    /// Moonshot, Z.ai).
    Content,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            path: None,
            stream_path: None,
            model_in_body: true,
            body: JsonMap::new(),
            max_tokens: "max_tokens".to_owned(),
            rename: BTreeMap::new(),
            developer_role: false,
            refuses: Vec::new(),
            ignores: Vec::new(),
            stream_options: true,
            json_schema: true,
            reasoning: ReasoningField::default(),
            reasoning_back: ReasoningBack::default(),
            cache_marks: false,
            short_call_ids: false,
            prefix: false,
            done_is_end: false,
            codes: BTreeMap::new(),
            embed: EmbedQuirks::default(),
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    match rest.rsplit_once('*') {
        // The last piece is bound to the end; those between are taken where they first stand.
        Some((middle, tail)) => {
            let Some(mut text) = text.strip_suffix(tail) else {
                return false;
            };
            middle.split('*').all(|piece| match text.find(piece) {
                Some(at) => {
                    text = text.get(at + piece.len()..).unwrap_or_default();
                    true
                }
                None => false,
            })
        }
        None => text.ends_with(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("gpt-6*", "gpt-6-sol", true),
            ("gpt-6*", "gpt-6", true),
            ("gpt-6*", "gpt-5", false),
            ("gpt-6", "gpt-6-sol", false),
            ("*-codex*", "gpt-5-codex", true),
            ("*-codex*", "gpt-5-codex-mini", true),
            ("*-codex*", "gpt-5", false),
            ("*pro", "o1-pro", true),
            ("*pro", "o1-pro-2", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*b*bc", "abc", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
