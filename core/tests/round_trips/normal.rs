//! The meaning of a request, free of the ways to write it down.

use std::collections::{BTreeMap, HashMap};

use hotspare::types::{
    ChatRequest, Content, DialectId, Message, PartBody, ResponseFormat, Role, Stop, Tool, ToolCall,
    ToolChoice,
};
use serde_json::{Map, Value, json};

/// A request's fields by name. Alike are: instructions in one message or in several; neighbouring messages of one role, and
/// one message of all their parts; ids of calls, whatever their letters; the vendor's defaults, said or not; the name of a
/// schema, and whether it is strict; a text without words, and nothing.
pub(crate) fn normal(request: &ChatRequest) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    let mut put = |name: &str, value: Value| {
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !nothing {
            fields.insert(name.to_owned(), value);
        }
    };
    let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let system = request.messages.iter().filter(is_system);
    put(
        "system",
        system.flat_map(|message| parts(&message.content)).collect(),
    );
    put("messages", messages(request));
    put("max_tokens", json!(request.max_tokens));
    put("temperature", json!(request.temperature));
    put("top_p", json!(request.top_p));
    put("top_k", json!(request.top_k));
    put("stop", json!(request.stop.as_ref().map(Stop::texts)));
    put("seed", json!(request.seed));
    put("frequency_penalty", json!(request.frequency_penalty));
    put("presence_penalty", json!(request.presence_penalty));
    put("reasoning_effort", json!(request.reasoning_effort));
    put("user", json!(request.user));
    put("tools", request.tools.iter().map(tool).collect());
    if !request.tools.is_empty() {
        put(
            "tool_choice",
            match &request.tool_choice {
                None | Some(ToolChoice::Auto) => Value::Null,
                // Any call, where there is one tool to call.
                Some(ToolChoice::Function(name)) if is_only_tool(request, name) => {
                    json!(ToolChoice::Required)
                }
                Some(ToolChoice::Other(map)) => bare(map),
                Some(choice) => json!(choice),
            },
        );
        if request.tool_choice != Some(ToolChoice::None) && request.parallel_tool_calls == Some(false) {
            put("parallel_tool_calls", json!(false));
        }
    }
    put(
        "response_format",
        match &request.response_format {
            None | Some(ResponseFormat::Text) => Value::Null,
            Some(ResponseFormat::JsonSchema { json_schema }) => json!({"schema": json_schema.schema}),
            Some(ResponseFormat::Other(map)) => bare(map),
            Some(format) => json!(format),
        },
    );
    let content = request.messages.iter().map(|message| &message.content);
    let all = content.flat_map(|content| match content {
        Content::Parts(parts) => parts.as_slice(),
        Content::Text(_) => &[],
    });
    let mut details = Vec::new();
    let mut names = Vec::new();
    let mut marks = Vec::new();
    for part in all {
        if matches!(&part.body, PartBody::Text { text } if text.is_empty()) {
            continue;
        }
        marks.extend(part.cache_control.clone());
        match &part.body {
            PartBody::ImageUrl { image_url } => {
                details.extend(image_url.detail.clone().filter(|detail| detail != "auto"));
            }
            PartBody::File { file } => names.extend(file.filename.clone()),
            _ => {}
        }
    }
    marks.extend(request.tools.iter().filter_map(|tool| match tool {
        Tool::Function { cache_control, .. } => cache_control.clone(),
        Tool::Other(_) => None,
    }));
    put("image_url.detail", json!(details));
    put("file.filename", json!(names));
    put("cache_control", json!(marks));
    let reasoning = request.messages.iter().flat_map(|message| &message.reasoning);
    put("reasoning", reasoning.map(|block| json!(block)).collect());
    let calls = request.messages.iter().flat_map(|message| &message.tool_calls);
    put(
        "signature",
        calls
            .filter_map(|call| call.signature.clone().map(Value::from))
            .collect(),
    );
    for (name, options) in &request.provider_options {
        for (field, value) in options {
            put(&format!("provider_options.{name}.{field}"), said(value));
        }
    }
    for (field, value) in &request.extra {
        let ours = matches!(field.as_str(), "stream" | "stream_options") || (field == "n" && *value == 1);
        if !ours {
            put(&format!("extra.{field}"), value.clone());
        }
    }
    fields
}

fn is_only_tool(request: &ChatRequest, name: &str) -> bool {
    matches!(request.tools.as_slice(), [Tool::Function { function, .. }] if function.name == name)
}

/// Takes out of both what one says under another name of the same setting.
pub(crate) fn match_names(before: &mut BTreeMap<String, Value>, after: &mut BTreeMap<String, Value>) {
    // OpenAI's two formats share settings that others lack.
    let shared: Vec<String> = before
        .iter()
        .filter_map(|(field, value)| {
            let name = field.strip_prefix("extra.")?;
            let there = after.get(&format!("provider_options.openai_responses.{name}"))?;
            (there == value).then(|| name.to_owned())
        })
        .collect();
    for name in shared {
        before.remove(&format!("extra.{name}"));
        after.remove(&format!("provider_options.openai_responses.{name}"));
    }
    // The object that the level stands in at OpenAI's newer format, and at some vendors of the older.
    if let Some(Value::Object(told)) = before.get("extra.reasoning").map(said) {
        let mut found = match after.get("provider_options.openai_responses.reasoning") {
            Some(Value::Object(rest)) => rest.clone(),
            _ => Map::new(),
        };
        let level = after
            .get("reasoning_effort")
            .filter(|_| !before.contains_key("reasoning_effort"));
        found.extend(level.map(|level| ("effort".to_owned(), level.clone())));
        if found == told {
            before.remove("extra.reasoning");
            after.remove("provider_options.openai_responses.reasoning");
            after.remove("reasoning_effort");
        }
    }
    for side in [&mut *before, &mut *after] {
        if side
            .get("extra.reasoning")
            .is_some_and(|told| said(told).is_null())
        {
            side.remove("extra.reasoning");
        }
    }
    // Asked for so that reasoning can go back: it changes nothing of the answer.
    let include = "provider_options.openai_responses.include";
    if !before.contains_key(include) && after.get(include) == Some(&json!(["reasoning.encrypted_content"])) {
        after.remove(include);
    }
    // A reader keeps beside the effort that there was no level, which the line on the effort says.
    if after.contains_key("reasoning_effort")
        && after.get("provider_options.ollama_chat.think") == Some(&json!(true))
    {
        after.remove("provider_options.ollama_chat.think");
    }
}

/// Whether a line of `adapted` names the field. Lines of `openai_chat` that tell of all messages at once name no place.
pub(crate) fn names(line: &str, field: &str) -> bool {
    let at = line.split(": ").next().unwrap_or_default();
    match field {
        "messages" | "system" => at.starts_with("messages["),
        "reasoning" => line.contains("reasoning"),
        "signature" => line.contains("extra_content") || line.contains("signature"),
        "cache_control" => line.contains("cache_control") || at.contains(".content"),
        "file.filename" | "image_url.detail" => {
            let part_is_gone = at.contains(".content[")
                && (line.contains(": left out") || line.ends_with("the document is sent as text"));
            at.starts_with(field) || at.ends_with(field) || part_is_gone
        }
        // One tool alone is left where a vendor cannot be told which to call.
        "tools" => at.starts_with(field) || line.starts_with("tool_choice: only "),
        "response_format" => at.starts_with(field),
        _ => at == field.strip_prefix("extra.").unwrap_or(field),
    }
}

/// Without nulls, which take a field out, and what holds nothing else.
fn said(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let kept: Map<String, Value> = map
        .iter()
        .map(|(field, value)| (field.clone(), said(value)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    if kept.is_empty() && !map.is_empty() {
        return Value::Null;
    }
    Value::Object(kept)
}

/// Without the mark that says whose it is. OpenAI writes custom tools flat in one of its formats, nested in the other.
fn bare(map: &Map<String, Value>) -> Value {
    let mut map = map.clone();
    map.remove("dialect");
    if map.get("type").is_some_and(|kind| kind == "custom")
        && let Some(Value::Object(inner)) = map.get("custom").cloned()
    {
        map.remove("custom");
        map.extend(inner);
    }
    if let Some(Value::Object(format)) = map.get_mut("format")
        && let Some(Value::Object(grammar)) = format.get("grammar").cloned()
    {
        format.remove("grammar");
        format.extend(grammar);
    }
    Value::Object(map)
}

fn tool(tool: &Tool) -> Value {
    match tool {
        Tool::Function { function, .. } => json!({
            "name": function.name,
            "description": function.description.as_ref().filter(|text| !text.is_empty()),
            "parameters": function.parameters.clone().unwrap_or_else(|| json!({"type": "object"})),
            "strict": function.strict == Some(true),
        }),
        Tool::Other(map) => bare(map),
    }
}

fn messages(request: &ChatRequest) -> Value {
    let mut ids: HashMap<&str, usize> = HashMap::new();
    let mut turns: Vec<(Role, Value)> = Vec::new();
    for message in &request.messages {
        if matches!(message.role, Role::System | Role::Developer) {
            continue;
        }
        let mut said = parts(&message.content);
        if let Some(refusal) = message.refusal.as_ref().filter(|refusal| !refusal.is_empty()) {
            said.push(json!({"text": refusal}));
        }
        let mut number = |id| {
            let next = ids.len();
            *ids.entry(id).or_insert(next)
        };
        let call = |call: &'_ ToolCall, id: usize| {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
            json!({"id": id, "name": call.name, "arguments": arguments})
        };
        let calls: Vec<Value> = message
            .tool_calls
            .iter()
            .map(|made| call(made, number(made.id.as_str())))
            .collect();
        let answers = message.tool_call_id.as_deref().map(number);
        if message.role == Role::Tool {
            let turn = json!({"answers": answers, "said": result(said), "extra": extra(message)});
            turns.push((Role::Tool, turn));
            continue;
        }
        if said.is_empty() && calls.is_empty() {
            continue;
        }
        let turn = json!({"said": said, "calls": calls, "name": message.name, "extra": extra(message)});
        match turns.last_mut() {
            Some((role, last)) if *role == message.role && last["name"] == turn["name"] => {
                for list in ["said", "calls", "extra"] {
                    let more = turn[list].as_array().unwrap().clone();
                    last[list].as_array_mut().unwrap().extend(more);
                }
            }
            _ => turns.push((message.role, turn)),
        }
    }
    turns
        .into_iter()
        .map(|(role, turn)| json!({"role": role, "turn": turn}))
        .collect()
}

fn extra(message: &Message) -> Vec<Value> {
    message
        .extra
        .iter()
        .map(|(field, value)| json!([field, value]))
        .collect()
}

/// A tool's result: its texts are one, and an object is one however it is spaced.
fn result(said: Vec<Value>) -> Vec<Value> {
    let (texts, mut others): (Vec<_>, Vec<_>) = said.into_iter().partition(|part| part.get("text").is_some());
    let text: String = texts.iter().filter_map(|part| part["text"].as_str()).collect();
    let text = match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(object) => Value::Object(object),
        Err(_) => Value::String(text),
    };
    others.insert(0, text);
    others
}

fn parts(content: &Content) -> Vec<Value> {
    let parts = match content {
        Content::Text(text) if text.is_empty() => return Vec::new(),
        Content::Text(text) => return vec![json!({"text": text})],
        Content::Parts(parts) => parts,
    };
    let one = |body: &PartBody| match body {
        PartBody::Text { text } | PartBody::Refusal { refusal: text } => {
            (!text.is_empty()).then(|| json!({"text": text}))
        }
        PartBody::ImageUrl { image_url } => Some(json!({"image": image_url.url})),
        PartBody::InputAudio { input_audio } => Some(json!({"audio": input_audio})),
        PartBody::File { file } => Some(json!({"file": file.file_data, "id": file.file_id})),
        PartBody::Other(map) => Some(json!({"other": bare(map)})),
    };
    parts.iter().filter_map(|part| one(&part.body)).collect()
}

/// Values of a body that another, of the same format, does not have under the same name, by count. Names are alike in
/// camel case and snake case, words in capitals and small letters.
pub(crate) fn missing(dialect: DialectId, before: &Value, after: &Value) -> Vec<String> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    leaves("", before, &mut |leaf| *counts.entry(leaf).or_default() += 1);
    leaves("", after, &mut |leaf| *counts.entry(leaf).or_default() -= 1);
    counts
        .into_iter()
        .filter(|(leaf, count)| *count > 0 && !alike(dialect, leaf))
        .map(|(leaf, _)| leaf)
        .collect()
}

fn leaves(name: &str, value: &Value, visit: &mut dyn FnMut(String)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| leaves(name, value, visit)),
        Value::Array(list) => list.iter().for_each(|value| leaves(name, value, visit)),
        Value::Null => {}
        leaf => {
            let name = match name {
                // A text, or one block of it; a URL, or an object of it.
                "content" | "system" | "input" | "instructions" => "text".to_owned(),
                "image_url" => "url".to_owned(),
                _ => name.chars().filter(|c| *c != '_').collect(),
            };
            // Converse has schemas as text, however it is spaced.
            let object = leaf
                .as_str()
                .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
            let shown = match (object, leaf.as_f64()) {
                (Some(object), _) => sorted(&Value::Object(object)),
                (_, Some(number)) => number.to_string(),
                _ => leaf.to_string(),
            };
            // Google takes both alphabets of base64.
            let shown = match name.as_str() {
                "data" => shown.replace('-', "+").replace('_', "/"),
                _ => shown,
            };
            visit(format!("{name}={shown}").to_lowercase());
        }
    }
}

/// An object as text, its fields in the order of their names.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<_, _> = map.iter().map(|(name, value)| (name, sorted(value))).collect();
            format!("{fields:?}")
        }
        other => other.to_string(),
    }
}

/// What the same format says in another way, or what our caller decides and not the request.
fn alike(dialect: DialectId, leaf: &str) -> bool {
    let name = leaf.split('=').next().unwrap_or_default();
    match dialect {
        // The caller's own.
        _ if matches!(name, "model" | "stream" | "includeusage") => true,
        DialectId::OpenaiChat => {
            // The other name of the limit; an earlier call's place, which is its place; `developer`, and marks of vendors
            // that do not cache by themselves, which are named as changed and left out.
            matches!(name, "maxcompletiontokens" | "index" | "role" | "ttl") || leaf == "type=\"ephemeral\""
        }
        DialectId::AnthropicMessages => {
            // Turns that are joined, one block where a text would do, and a default.
            name == "role" || leaf == "type=\"text\"" || leaf == "iserror=false"
        }
        DialectId::Gemini => matches!(name, "role"),
        DialectId::OpenaiResponses => {
            // The first instructions, which have a place of their own; a text where one block of it stood; and what the
            // vendor calls a message or a call it has stored.
            matches!(name, "role" | "status")
                || ["type=\"message\"", "type=\"output_text\"", "text=\"\""].contains(&leaf)
                || leaf.starts_with("id=\"fc_")
                || leaf.starts_with("id=\"msg_")
        }
        // Turns of one role are joined, as the vendor wants, and a tool that did not fail need not say so.
        DialectId::BedrockConverse => name == "role" || leaf == "status=\"success\"",
        // No format.
        DialectId::OllamaChat => leaf == "format=\"\"",
        _ => false,
    }
}
