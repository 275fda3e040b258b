//! What a chat request holds, read from the vendor's own form of it. A tool or a schema in another vendor's form is
//! not counted: the real vendor would not see it either.

use serde::Serialize;
use serde_json::Value;

use crate::script::Dialect;

/// What a chat request held, as its vendor reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Functions the model was offered.
    pub tools: u32,
    /// Whether the reply was to follow a JSON schema.
    pub schema: bool,
    /// Images in all of its messages, in results of tools too.
    pub images: u32,
    /// Whether there were instructions of the system.
    pub system: bool,
}

impl Asked {
    pub(crate) fn read(dialect: Dialect, body: &Value) -> Self {
        match dialect {
            Dialect::OpenaiChat => openai_chat(body),
            Dialect::OpenaiResponses => openai_responses(body),
            Dialect::AnthropicMessages => anthropic(body),
            Dialect::Gemini => gemini(body),
            Dialect::BedrockConverse => bedrock(body),
            Dialect::CohereChat => cohere(body),
            Dialect::OllamaChat => ollama(body),
        }
    }
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn word<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn object(value: &Value, path: &str) -> bool {
    value.pointer(path).is_some_and(Value::is_object)
}

/// Whether something is said: a text that is not empty, or a list that holds something.
fn said(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// A function in OpenAI's Chat form, which Cohere and Ollama share.
fn function(tool: &&Value) -> bool {
    word(tool, "/type") == "function" && !word(tool, "/function/name").is_empty()
}

fn speaks(message: &Value, roles: &[&str]) -> bool {
    roles.contains(&word(message, "/role")) && said(message.get("content"))
}

/// An image by its URL, in OpenAI's Chat form.
fn image_url(part: &&Value) -> bool {
    word(part, "/type") == "image_url" && !word(part, "/image_url/url").is_empty()
}

fn openai_chat(body: &Value) -> Asked {
    let parts = list(body, "/messages").flat_map(|message| list(message, "/content"));
    Asked {
        tools: count(list(body, "/tools").filter(function)),
        schema: word(body, "/response_format/type") == "json_schema"
            && object(body, "/response_format/json_schema/schema"),
        images: count(parts.filter(image_url)),
        system: list(body, "/messages").any(|message| speaks(message, &["system", "developer"])),
    }
}

fn openai_responses(body: &Value) -> Asked {
    let parts = list(body, "/input").flat_map(|item| list(item, "/content").chain(list(item, "/output")));
    let image = |part: &&Value| {
        word(part, "/type") == "input_image"
            && !(word(part, "/image_url").is_empty() && word(part, "/file_id").is_empty())
    };
    let function = |tool: &&Value| word(tool, "/type") == "function" && !word(tool, "/name").is_empty();
    Asked {
        tools: count(list(body, "/tools").filter(function)),
        schema: word(body, "/text/format/type") == "json_schema" && object(body, "/text/format/schema"),
        images: count(parts.filter(image)),
        system: said(body.get("instructions"))
            || list(body, "/input").any(|item| speaks(item, &["system", "developer"])),
    }
}

fn anthropic(body: &Value) -> Asked {
    let blocks = list(body, "/messages")
        .flat_map(|message| list(message, "/content"))
        .flat_map(|block| std::iter::once(block).chain(list(block, "/content")));
    let image = |block: &&Value| word(block, "/type") == "image" && object(block, "/source");
    let tool = |tool: &&Value| !word(tool, "/name").is_empty() && object(tool, "/input_schema");
    let format = |at: &str| {
        word(body, &format!("{at}/type")) == "json_schema" && object(body, &format!("{at}/schema"))
    };
    Asked {
        tools: count(list(body, "/tools").filter(tool)),
        schema: format("/output_config/format") || format("/output_format"),
        images: count(blocks.filter(image)),
        system: said(body.get("system")),
    }
}

/// What lies at the names. Google's servers read each in camelCase and in snake_case, and its SDKs write both.
fn google<'a>(value: &'a Value, names: &[(&str, &str)]) -> Option<&'a Value> {
    names.iter().try_fold(value, |value, (camel, snake)| {
        value.get(camel).or_else(|| value.get(snake))
    })
}

fn gemini(body: &Value) -> Asked {
    const CONFIG: (&str, &str) = ("generationConfig", "generation_config");
    const PARTS: (&str, &str) = ("parts", "parts");
    let nested = ("functionResponse", "function_response");
    let parts = google_list(body, &[("contents", "contents")])
        .flat_map(|content| google_list(content, &[PARTS]))
        .flat_map(|part| std::iter::once(part).chain(google_list(part, &[nested, PARTS])));
    let image = |part: &&Value| {
        [("inlineData", "inline_data"), ("fileData", "file_data")]
            .iter()
            .any(|data| {
                let kind = google(part, &[*data, ("mimeType", "mime_type")]);
                kind.and_then(Value::as_str)
                    .is_some_and(|kind| kind.starts_with("image/"))
            })
    };
    let functions = google_list(body, &[("tools", "tools")])
        .flat_map(|tool| google_list(tool, &[("functionDeclarations", "function_declarations")]));
    let schemas = [
        ("responseSchema", "response_schema"),
        ("responseJsonSchema", "response_json_schema"),
    ];
    let kind = google(body, &[CONFIG, ("responseMimeType", "response_mime_type")]);
    Asked {
        tools: count(functions.filter(|function| !word(function, "/name").is_empty())),
        schema: kind.is_some_and(|kind| kind == "application/json")
            && schemas
                .iter()
                .any(|schema| google(body, &[CONFIG, *schema]).is_some_and(Value::is_object)),
        images: count(parts.filter(image)),
        system: google_list(body, &[("systemInstruction", "system_instruction"), PARTS])
            .any(|part| said(part.get("text"))),
    }
}

fn google_list<'a>(value: &'a Value, names: &[(&str, &str)]) -> impl Iterator<Item = &'a Value> + use<'a> {
    google(value, names)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn bedrock(body: &Value) -> Asked {
    let blocks = list(body, "/messages")
        .flat_map(|message| list(message, "/content"))
        .flat_map(|block| std::iter::once(block).chain(list(block, "/toolResult/content")));
    let image = |block: &&Value| {
        let source = |at: &str| block.pointer(at).is_some();
        !word(block, "/image/format").is_empty()
            && (source("/image/source/bytes") || source("/image/source/s3Location"))
    };
    let tool = |tool: &&Value| {
        !word(tool, "/toolSpec/name").is_empty() && object(tool, "/toolSpec/inputSchema/json")
    };
    Asked {
        tools: count(list(body, "/toolConfig/tools").filter(tool)),
        schema: word(body, "/outputConfig/textFormat/type") == "json_schema"
            && !word(body, "/outputConfig/textFormat/structure/jsonSchema/schema").is_empty(),
        images: count(blocks.filter(image)),
        system: list(body, "/system").any(|block| said(block.get("text"))),
    }
}

fn cohere(body: &Value) -> Asked {
    let parts = list(body, "/messages").flat_map(|message| list(message, "/content"));
    Asked {
        tools: count(list(body, "/tools").filter(function)),
        schema: word(body, "/response_format/type") == "json_object"
            && (object(body, "/response_format/json_schema") || object(body, "/response_format/schema")),
        images: count(parts.filter(image_url)),
        system: list(body, "/messages").any(|message| speaks(message, &["system"])),
    }
}

fn ollama(body: &Value) -> Asked {
    Asked {
        tools: count(list(body, "/tools").filter(function)),
        schema: object(body, "/format"),
        images: count(list(body, "/messages").flat_map(|message| list(message, "/images"))),
        system: list(body, "/messages").any(|message| speaks(message, &["system"])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all() -> Vec<(Dialect, Value)> {
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
        let system = json!({"role": "system", "content": "Be brief."});
        let user = json!({"role": "user", "content": [{"type": "text", "text": "?"}, image]});
        vec![
            (
                Dialect::OpenaiChat,
                json!({"messages": [system, user], "tools": [tool],
                    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}}),
            ),
            (
                Dialect::OpenaiResponses,
                json!({"instructions": "Be brief.", "tools": [{"type": "function", "name": "f", "parameters": {}}],
                    "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}},
                    "input": [{"role": "user", "content": [
                        {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}]}),
            ),
            (
                Dialect::AnthropicMessages,
                json!({"system": "Be brief.", "tools": [{"name": "f", "input_schema": {}}],
                    "output_config": {"format": {"type": "json_schema", "schema": {}}},
                    "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}]}]}]}),
            ),
            (
                Dialect::Gemini,
                json!({"systemInstruction": {"parts": [{"text": "Be brief."}]},
                    "tools": [{"functionDeclarations": [{"name": "f"}]}],
                    "generationConfig": {"responseMimeType": "application/json", "responseSchema": {}},
                    "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}]}),
            ),
            (
                Dialect::BedrockConverse,
                json!({"system": [{"text": "Be brief."}],
                    "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]},
                    "outputConfig": {"textFormat": {"type": "json_schema",
                        "structure": {"jsonSchema": {"schema": "{}"}}}},
                    "messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [
                        {"image": {"format": "png", "source": {"bytes": ""}}}]}}]}]}),
            ),
            (
                Dialect::CohereChat,
                json!({"messages": [system, user], "tools": [tool],
                    "response_format": {"type": "json_object", "json_schema": {}}}),
            ),
            (
                Dialect::OllamaChat,
                json!({"messages": [system, {"role": "user", "content": "?", "images": ["AA=="]}],
                    "tools": [tool], "format": {"type": "object"}}),
            ),
        ]
    }

    #[test]
    fn each_vendor_reads_its_own_form() {
        let everything = Asked {
            tools: 1,
            schema: true,
            images: 1,
            system: true,
        };
        for (dialect, body) in all() {
            assert_eq!(Asked::read(dialect, &body), everything, "{dialect:?}");
            assert_eq!(
                Asked::read(dialect, &json!({"messages": "hi"})),
                Asked::default(),
                "{dialect:?}"
            );
        }
    }

    #[test]
    fn another_vendors_form_is_not_read() {
        for (reader, other) in [
            (Dialect::OpenaiChat, Dialect::OpenaiResponses),
            (Dialect::OpenaiResponses, Dialect::OpenaiChat),
            (Dialect::AnthropicMessages, Dialect::BedrockConverse),
            (Dialect::BedrockConverse, Dialect::Gemini),
            (Dialect::Gemini, Dialect::OllamaChat),
        ] {
            let bodies = all();
            let (_, body) = bodies.iter().find(|(dialect, _)| *dialect == other).unwrap();
            let asked = Asked::read(reader, body);
            assert_eq!(
                (asked.tools, asked.schema, asked.images),
                (0, false, 0),
                "{reader:?} {other:?}"
            );
        }
    }
}
