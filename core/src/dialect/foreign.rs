//! What the formats other than OpenAI's own refuse alike, or leave out and say so.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use serde_json::Value;

use super::Call;
use super::fit::Fit;
use crate::config::did_you_mean;
use crate::types::{
    ChatRequest, Content, DialectId, Failure, FilePart, FunctionTool, JsonMap, Media, Message, Part,
    PartBody, ResponseFormat, Role, Tool, ToolCall, ToolChoice, parse_data_url,
};

/// The field of a part, a tool, a choice or a format that our words do not cover, which names the format it is of.
/// Without it, it is OpenAI's, since those are the shapes our requests have.
const MARK: &str = "dialect";

/// What of a message's own format no other misses: citations and cache marks, whether a turn is the last of an answer, and
/// that a result is an error, which its text says too.
const ASIDES: [&str; 4] = ["content", "tool_use", "is_error", "phase"];

/// Fields of a format that hold a part of the conversation, or of what the model may do, where the others are settings.
const HELD: [(DialectId, &str); 6] = [
    (DialectId::Gemini, "cachedContent"),
    (DialectId::AnthropicMessages, "container"),
    (DialectId::AnthropicMessages, "mcp_servers"),
    (DialectId::OpenaiResponses, "previous_response_id"),
    (DialectId::OpenaiResponses, "conversation"),
    (DialectId::OpenaiResponses, "prompt"),
];

/// What our words do not cover, kept for targets of its format.
pub(crate) fn marked(dialect: DialectId, map: JsonMap) -> JsonMap {
    let mut out = JsonMap::with_capacity(map.len() + 1);
    out.insert(MARK.to_owned(), Value::from(dialect.as_str()));
    out.extend(map.into_iter().filter(|(field, _)| field != MARK));
    out
}

/// The format of what our words do not cover.
fn origin(map: &JsonMap) -> DialectId {
    map.get(MARK)
        .and_then(Value::as_str)
        .and_then(by_name)
        .unwrap_or(DialectId::OpenaiChat)
}

fn by_name(name: &str) -> Option<DialectId> {
    DialectId::ALL.into_iter().find(|id| id.as_str() == name)
}

/// The request with what our words do not cover as `dialect` writes it, and without what is of another format. Borrowed
/// where there is neither.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the first thing of another format, unless a loss is taken.
pub(crate) fn own<'a>(
    request: &'a ChatRequest,
    (dialect, provider): (DialectId, &str),
    fit: &mut Fit,
) -> Result<Cow<'a, ChatRequest>, Failure> {
    name_options(request, (dialect, provider), fit)?;
    if !has_other(request) {
        return Ok(Cow::Borrowed(request));
    }
    let mut request = request.clone();
    let unknown = "its type, or a field of it, is not known, so it cannot be translated";
    for (i, message) in request.messages.iter_mut().enumerate() {
        let at = format!("messages[{i}]");
        if let Content::Parts(parts) = &mut message.content {
            let mut kept = Vec::with_capacity(parts.len());
            for (j, mut part) in std::mem::take(parts).into_iter().enumerate() {
                match &mut part.body {
                    PartBody::Other(map) if origin(map) == dialect => {
                        map.shift_remove(MARK);
                    }
                    PartBody::Other(_) => {
                        fit.lose(&format!("{at}.content[{j}]"), unknown)?;
                        continue;
                    }
                    _ => {}
                }
                kept.push(part);
            }
            message.content = match kept.is_empty() {
                true => Content::default(),
                false => Content::Parts(kept),
            };
        }
        drop_foreign_extra(message, &at, dialect, fit)?;
        for (j, call) in message.tool_calls.iter_mut().enumerate() {
            keep_own_extra(call, &format!("{at}.tool_calls[{j}]"), dialect, fit);
        }
    }
    let had_tools = !request.tools.is_empty();
    let mut tools = Vec::with_capacity(request.tools.len());
    for (i, mut tool) in std::mem::take(&mut request.tools).into_iter().enumerate() {
        match &mut tool {
            Tool::Other(map) if origin(map) == dialect || is_shared(map, dialect) => {
                *map = openai_form(map, dialect);
            }
            Tool::Other(map) => {
                let (field, why) = what_is_foreign(i, map);
                fit.lose(&field, why)?;
                continue;
            }
            Tool::Function { .. } => {}
        }
        tools.push(tool);
    }
    request.tools = tools;
    match &mut request.tool_choice {
        Some(ToolChoice::Other(map)) if origin(map) == dialect || is_shared(map, dialect) => {
            *map = openai_form(map, dialect);
        }
        Some(ToolChoice::Other(_)) => {
            fit.lose("tool_choice", unknown)?;
            request.tool_choice = None;
        }
        Some(_) if had_tools && request.tools.is_empty() => {
            fit.lose("tool_choice", "none of the tools is left")?;
            request.tool_choice = None;
        }
        _ => {}
    }
    match &mut request.response_format {
        Some(ResponseFormat::Other(map)) if origin(map) == dialect => {
            map.shift_remove(MARK);
        }
        Some(ResponseFormat::Other(_)) => {
            fit.lose("response_format", unknown)?;
            request.response_format = None;
        }
        _ => {}
    }
    Ok(Cow::Owned(request))
}

/// Whether it is a custom tool, or the choice of one, of one of OpenAI's formats, and `dialect` is the other: both have them.
fn is_shared(map: &JsonMap, dialect: DialectId) -> bool {
    const BOTH: [DialectId; 2] = [DialectId::OpenaiChat, DialectId::OpenaiResponses];
    BOTH.contains(&dialect)
        && BOTH.contains(&origin(map))
        && map.get("type").and_then(Value::as_str) == Some("custom")
}

/// The tool or choice without its mark. What is flat in OpenAI's newer format is nested in the older.
fn openai_form(map: &JsonMap, dialect: DialectId) -> JsonMap {
    let from = origin(map);
    let mut map = map.clone();
    map.shift_remove(MARK);
    if dialect != DialectId::OpenaiChat || from == dialect {
        return map;
    }
    let mut inner: JsonMap = map.into_iter().filter(|(field, _)| field != "type").collect();
    if let Some(format) = inner.get_mut("format").and_then(Value::as_object_mut)
        && format.get("type").and_then(Value::as_str) == Some("grammar")
    {
        let grammar: JsonMap = std::mem::take(format)
            .into_iter()
            .filter(|(field, _)| field != "type")
            .collect();
        format.insert("type".to_owned(), Value::from("grammar"));
        format.insert("grammar".to_owned(), Value::Object(grammar));
    }
    let mut out = JsonMap::new();
    out.insert("type".to_owned(), Value::from("custom"));
    out.insert("custom".to_owned(), Value::Object(inner));
    out
}

/// Options for another format stay with it, and are named; what holds a part of the request is a loss.
fn name_options(
    request: &ChatRequest,
    (dialect, provider): (DialectId, &str),
    fit: &mut Fit,
) -> Result<(), Failure> {
    for (name, options) in &request.provider_options {
        let Some(of) = by_name(name).filter(|of| *of != dialect && name != provider) else {
            continue;
        };
        for field in options.keys() {
            let at = format!("provider_options.{name}.{field}");
            if HELD.contains(&(of, field.as_str())) {
                fit.lose(&at, "only that format has such a place")?;
            } else {
                fit.note(format!("{at}: left out; it is for that format only"));
            }
        }
    }
    Ok(())
}

fn has_other(request: &ChatRequest) -> bool {
    request.tools.iter().any(|tool| matches!(tool, Tool::Other(_)))
        || matches!(request.tool_choice, Some(ToolChoice::Other(_)))
        || matches!(request.response_format, Some(ResponseFormat::Other(_)))
        || parts(request).any(|part| matches!(part.body, PartBody::Other(_)))
        || request
            .messages
            .iter()
            .any(|message| message.extra.keys().any(|field| by_name(field).is_some()))
        || request
            .messages
            .iter()
            .flat_map(|message| &message.tool_calls)
            .any(|call| !call.extra.is_empty())
}

/// Without a name of another format, a field of a call is of OpenAI's.
fn keep_own_extra(call: &mut ToolCall, at: &str, dialect: DialectId, fit: &mut Fit) {
    call.extra.retain(|field, _| {
        let keeps = by_name(field).unwrap_or(DialectId::OpenaiChat) == dialect;
        if !keeps && field == "type" {
            // A custom tool's: where there are none, it is the free text that is lost.
            return dialect == DialectId::OpenaiResponses;
        }
        if !keeps {
            fit.note(format!("{at}.{field}: left out; it is for another format only"));
        }
        keeps
    });
}

fn drop_foreign_extra(
    message: &mut Message,
    at: &str,
    dialect: DialectId,
    fit: &mut Fit,
) -> Result<(), Failure> {
    let of_others: Vec<String> = message
        .extra
        .keys()
        .filter(|name| by_name(name).is_some_and(|of| of != dialect))
        .cloned()
        .collect();
    for name in of_others {
        let Some(Value::Object(fields)) = message.extra.shift_remove(&name) else {
            continue;
        };
        for field in fields.keys() {
            let at = format!("{at}.{name}.{field}");
            if ASIDES.contains(&field.as_str()) {
                fit.note(format!("{at}: left out; it is for that format only"));
            } else {
                fit.lose(&at, "only that format has such a field")?;
            }
        }
    }
    Ok(())
}

/// Request fields that no format but OpenAI's is known to take. `api` is what the format is called.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, unless a loss is taken.
pub(crate) fn lose_settings(request: &ChatRequest, api: &str, fit: &mut Fit) -> Result<(), Failure> {
    for (field, _) in request
        .extra
        .iter()
        .filter(|(field, value)| !is_ours(field, value))
    {
        let hint = did_you_mean(field, ChatRequest::FIELDS)
            .unwrap_or_else(|| "use provider_options to pass a field of the vendor's own".to_owned());
        fit.lose(field, &format!("{api} is not known to take it; {hint}"))?;
    }
    Ok(())
}

/// Fields that ask for what every call does anyway: whether it streams is the call's to say, counts always come, and
/// there is one answer.
fn is_ours(field: &str, value: &Value) -> bool {
    match field {
        "stream" => true,
        "stream_options" => value
            .as_object()
            .is_some_and(|options| options.keys().all(|option| option == "include_usage")),
        "n" => value.as_u64() == Some(1),
        _ => false,
    }
}

/// Fields of a message that have no place in a turn.
pub(crate) fn check_message(
    message: &Message,
    at: &str,
    (dialect, api): (DialectId, &str),
    fit: &mut Fit,
) -> Result<(), Failure> {
    if message.name.is_some() {
        // A tool's name is known from its call; a system message has no speaker to tell apart.
        if matches!(message.role, Role::User | Role::Assistant) {
            fit.lose(&format!("{at}.name"), &format!("{api} cannot name a speaker"))?;
        } else {
            fit.note(format!("{at}.name: left out"));
        }
    }
    for field in message.extra.keys().filter(|field| *field != dialect.as_str()) {
        // What replies carry for people to read, or for the vendor that made them.
        if matches!(
            field.as_str(),
            "reasoning_content" | "reasoning" | "reasoning_details" | "annotations"
        ) {
            fit.note(format!("{at}.{field}: left out"));
        } else {
            fit.lose(&format!("{at}.{field}"), &format!("{api} has no such field"))?;
        }
    }
    Ok(())
}

/// The arguments of an earlier call as the object these formats want; none, where what is no object is lost.
pub(crate) fn arguments(call: &ToolCall, at: &str, api: &str, fit: &mut Fit) -> Result<JsonMap, Failure> {
    if call.arguments.trim().is_empty() {
        return Ok(JsonMap::new());
    }
    if let Ok(object) = serde_json::from_str(&call.arguments) {
        return Ok(object);
    }
    fit.lose(
        &format!("{at}.function.arguments"),
        &format!("{api} takes a JSON object only"),
    )?;
    Ok(JsonMap::new())
}

/// Says of hints that have no word in these formats that they are left out.
pub(crate) fn note_hints(request: &ChatRequest, fit: &mut Fit) {
    let detailed = parts(request).any(|part| {
        matches!(&part.body, PartBody::ImageUrl { image_url }
            if image_url.detail.as_deref().is_some_and(|detail| detail != "auto"))
    });
    if detailed {
        fit.note("image_url.detail: left out; the vendor chooses the resolution");
    }
}

/// Every content part of the request.
pub(crate) fn parts(request: &ChatRequest) -> impl Iterator<Item = &Part> {
    request
        .messages
        .iter()
        .flat_map(|message| match &message.content {
            Content::Parts(parts) => parts.as_slice(),
            Content::Text(_) => &[],
        })
}

/// Whether any part or tool has a prompt-cache mark.
pub(crate) fn has_cache_marks(request: &ChatRequest) -> bool {
    let on_tool = |tool: &Tool| {
        matches!(
            tool,
            Tool::Function {
                cache_control: Some(_),
                ..
            }
        )
    };
    parts(request).any(|part| part.cache_control.is_some()) || request.tools.iter().any(on_tool)
}

/// The name of what is foreign in a tool of another type, or in one with a field we do not know, and why it cannot be sent.
fn what_is_foreign(i: usize, tool: &JsonMap) -> (String, &'static str) {
    const FUNCTION: [&str; 4] = ["name", "description", "parameters", "strict"];
    const TOOL: [&str; 3] = ["type", "function", "cache_control"];
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        let why = "only function tools can be sent to another vendor";
        return (format!("tools[{i}].type"), why);
    }
    let unknown = |map: &JsonMap, known: &[&str], at: &str| {
        map.keys()
            .find(|field| !known.contains(&field.as_str()))
            .map(|field| format!("tools[{i}]{at}.{field}"))
    };
    let function = tool.get("function").and_then(Value::as_object);
    let field = unknown(tool, &TOOL, "")
        .or_else(|| unknown(function?, &FUNCTION, ".function"))
        .unwrap_or_else(|| format!("tools[{i}]"));
    (field, "another vendor's tools have no such field")
}

/// The value of a setting as it goes: null when it is not given, or when the provider refuses it.
pub(crate) fn fit_setting(
    call: &Call<'_>,
    field: &str,
    value: Value,
    fit: &mut Fit,
) -> Result<Value, Failure> {
    if value.is_null() {
        Ok(value)
    } else if call.quirks.refuses.iter().any(|refused| refused == field) {
        fit.lose(field, "the vendor has no equal for it")?;
        Ok(Value::Null)
    } else {
        Ok(value)
    }
}

/// Loses, or says of, fields of a message that have no place in a turn. `taken` are those that have one.
pub(crate) fn fit_message(
    message: &Message,
    at: &str,
    api: &str,
    taken: &[&str],
    fit: &mut Fit,
) -> Result<(), Failure> {
    if message.name.is_some() && !taken.contains(&"name") {
        if matches!(message.role, Role::User | Role::Assistant) {
            fit.lose(&format!("{at}.name"), &format!("{api} cannot name a speaker"))?;
        } else {
            fit.note(format!("{at}.name: left out"));
        }
    }
    if message.role == Role::Developer {
        fit.note(format!("{at}.role: developer is sent as system"));
    }
    for field in message.extra.keys() {
        match field.as_str() {
            taken_field if taken.contains(&taken_field) => {}
            "reasoning_content" | "reasoning" | "reasoning_details" | "annotations" => {
                fit.note(format!("{at}.{field}: left out"));
            }
            _ => fit.lose(&format!("{at}.{field}"), &format!("{api} has no such field"))?,
        }
    }
    Ok(())
}

/// The function of a tool; None when it is of another type, or has a field we do not know, and was lost.
pub(crate) fn fit_tool<'a>(
    i: usize,
    tool: &'a Tool,
    fit: &mut Fit,
) -> Result<Option<&'a FunctionTool>, Failure> {
    match tool {
        Tool::Function { function, .. } => Ok(Some(function)),
        Tool::Other(other) => {
            let (field, why) = what_is_foreign(i, other);
            fit.lose(&field, why)?;
            Ok(None)
        }
    }
}

/// A document that is plain text, as text under its name, for formats that take no documents.
pub(crate) fn text_of_document(file: &FilePart) -> Option<String> {
    let Some(Media::Base64 { media_type, data }) = parse_data_url(file.file_data.as_deref()?) else {
        return None;
    };
    if !media_type.starts_with("text/") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    Some(match &file.filename {
        Some(name) => format!("{name}:\n{text}"),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Quirks;
    use crate::dialect::dialect;

    const FOREIGN: [DialectId; 2] = [DialectId::AnthropicMessages, DialectId::Gemini];

    /// What a dialect changed, or the field it refused.
    fn encode(id: DialectId, request: Value) -> Result<Vec<String>, String> {
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let encoded = crate::dialect::encode(
            dialect(id),
            &Call {
                request: &request,
                provider: "p",
                model: "m",
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream: false,
            },
        );
        encoded
            .map(|encoded| encoded.adapted)
            .map_err(|failure| failure.code.unwrap_or_default())
    }

    #[test]
    fn what_cannot_be_said_is_refused_by_name() {
        for (field, value, refused) in [
            ("store", json!(true), "store"),
            ("n", json!(2), "n"),
            (
                "stream_options",
                json!({"include_obfuscation": false}),
                "stream_options",
            ),
            (
                "response_format",
                json!({"type": "json_object", "schema": {}}),
                "response_format",
            ),
            (
                "tools",
                json!([{"type": "function", "function": {"name": "f", "x": 1}}]),
                "tools[0].function.x",
            ),
            (
                "tool_choice",
                json!({"type": "function", "function": {"name": "f"}, "x": 1}),
                "tool_choice",
            ),
        ] {
            let mut request = json!({"messages": "hi", "max_tokens": 9});
            request[field] = value;
            for id in FOREIGN {
                assert_eq!(encode(id, request.clone()), Err(refused.to_owned()), "{id}");
            }
        }
    }

    #[test]
    fn openai_has_custom_tools_in_both_its_formats() {
        let grammar = json!({"syntax": "lark", "definition": "start: x"});
        let nested = json!({"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": grammar}}});
        let flat = json!({"type": "custom", "name": "c", "format":
            {"type": "grammar", "syntax": "lark", "definition": "start: x"}});
        let choice = json!({"type": "custom", "name": "c"});
        let (chat, responses) = (DialectId::OpenaiChat, DialectId::OpenaiResponses);
        let body = json!({"model": "m", "input": "hi", "tools": [flat], "tool_choice": choice});
        let asked = dialect(responses)
            .decode_request("/responses", body.to_string().as_bytes())
            .unwrap();
        let write = |id: DialectId, request: &ChatRequest| {
            let call = Call {
                request,
                provider: "p",
                model: "m",
                facts: None,
                quirks: &Quirks::default(),
                lossy: false,
                stream: false,
            };
            let encoded = crate::dialect::encode(dialect(id), &call).unwrap();
            serde_json::from_slice::<Value>(&encoded.body).unwrap()
        };
        let sent = write(chat, &asked.request);
        assert_eq!(sent["tools"], json!([nested]));
        assert_eq!(
            sent["tool_choice"],
            json!({"type": "custom", "custom": {"name": "c"}})
        );
        let again = dialect(chat)
            .decode_request("/chat/completions", sent.to_string().as_bytes())
            .unwrap();
        let sent = write(responses, &again.request);
        assert_eq!((&sent["tools"], &sent["tool_choice"]), (&json!([flat]), &choice));
        let elsewhere = encode(DialectId::Gemini, serde_json::to_value(&asked.request).unwrap());
        assert_eq!(elsewhere, Err("tools[0].type".to_owned()));
    }

    #[test]
    fn what_every_call_does_anyway_is_taken() {
        let request = json!({"messages": "hi", "max_tokens": 9, "stream": true, "n": 1,
            "stream_options": {"include_usage": true}});
        for id in FOREIGN {
            assert_eq!(encode(id, request.clone()), Ok(Vec::new()), "{id}");
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let request = json!({"max_tokens": 9, "messages": [
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f", "filename": "a.pdf"}},
            ]},
            {"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
             "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                             "extra_content": {"google": {"thought_signature": "s"}}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
        ]});
        let expected = [
            (
                FOREIGN[0],
                [
                    "image_url.detail",
                    "messages[1].reasoning_details",
                    "messages[1].tool_calls[0].extra_content",
                ],
            ),
            (
                FOREIGN[1],
                [
                    "image_url.detail",
                    "file.filename",
                    "messages[1].reasoning_details",
                ],
            ),
        ];
        for (id, fields) in expected {
            let adapted = encode(id, request.clone()).unwrap();
            let said: Vec<_> = adapted
                .iter()
                .map(|line| line.split(':').next().unwrap())
                .collect();
            assert_eq!(said, fields, "{id}");
        }
    }
}
