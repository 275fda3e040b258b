//! A client's request in this format → ours: the other direction of [`super::encode`].
//!
//! The vendor's ids of messages and calls, and their `status`, are not kept: they name what the vendor has stored, and
//! what is sent holds it all.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::decode::{block, str_of, texts};
use super::encode::ENCRYPTED;
use super::ids;
use super::messages::ITEM;
use super::tools::{read_choice, read_tool};
use crate::dialect::Asked;
use crate::dialect::common::parse_json;
use crate::dialect::envelope::{CallMark, unpack, unpack_mark};
use crate::dialect::foreign::marked;
use crate::types::{
    Audio, ChatRequest, Content, DialectId, Failure, FailureClass, FilePart, ImagePart, JsonMap, Message,
    Part, PartBody, Phase, ReasoningBlock, ReasoningEffort, ResponseFormat, Role, Tool, ToolCall,
};

pub(super) fn decode_request(body: &[u8]) -> Result<Asked, Failure> {
    let Some(Value::Object(body)) = parse_json(body) else {
        return Err(wrong("body", "a JSON object is wanted"));
    };
    let mut asked = Asked {
        request: ChatRequest::default(),
        model: None,
        stream: false,
    };
    let request = &mut asked.request;
    let mut messages = Vec::new();
    let mut own = JsonMap::new();
    for (field, value) in body {
        if value.is_null() {
            continue;
        }
        match field.as_str() {
            "model" => asked.model = Some(read(&field, value)?),
            "stream" => asked.stream = read(&field, value)?,
            "input" => messages = input(value)?,
            "instructions" if value.is_string() => {
                request
                    .messages
                    .push(Message::system(read::<String>(&field, value)?));
            }
            "max_output_tokens" => request.max_tokens = Some(read(&field, value)?),
            "temperature" => request.temperature = Some(read(&field, value)?),
            "top_p" => request.top_p = Some(read(&field, value)?),
            "user" => request.user = Some(read(&field, value)?),
            "parallel_tool_calls" => request.parallel_tool_calls = Some(read(&field, value)?),
            "tools" => request.tools = tools(value)?,
            "tool_choice" => match read_choice(&value) {
                Some(choice) => request.tool_choice = Some(choice),
                None => keep(&mut own, &field, value),
            },
            "text" => {
                let mut text: JsonMap = read(&field, value)?;
                if let Some(Value::Object(format)) = text.shift_remove("format") {
                    request.response_format = Some(response_format(format));
                }
                keep_rest(&mut own, &field, text);
            }
            "reasoning" => {
                let mut reasoning: JsonMap = read(&field, value)?;
                let effort = reasoning.get("effort").cloned().unwrap_or_default();
                request.reasoning_effort = serde_json::from_value(effort).ok();
                if request.reasoning_effort.is_some() {
                    reasoning.shift_remove("effort");
                }
                keep_rest(&mut own, &field, reasoning);
            }
            "previous_response_id" if value.as_str().is_some_and(ids::is_ours) => {
                let why = "another vendor gave that reply, and it is kept nowhere: send the conversation in `input`";
                return Err(wrong("previous_response_id", why));
            }
            "background" if value != json!(false) => {
                return Err(wrong("background", "a reply is always waited for"));
            }
            _ => keep(&mut own, &field, value),
        }
    }
    request.messages.append(&mut messages);
    if request.messages.is_empty() {
        return Err(wrong("input", "there is none"));
    }
    // The vendor's own default, which the next turn of a conversation may rely on.
    own.entry("store").or_insert(json!(true));
    drop_ours(&mut own, request.reasoning_effort);
    if !own.is_empty() {
        let name = DialectId::OpenaiResponses.as_str().to_owned();
        request.provider_options.insert(name, own);
    }
    Ok(asked)
}

/// What every request of ours says anyway needs no keeping.
fn drop_ours(own: &mut JsonMap, effort: Option<ReasoningEffort>) {
    if own.get("store") == Some(&json!(false)) {
        own.shift_remove("store");
    }
    let reasons = effort.is_some_and(|effort| effort != ReasoningEffort::None);
    if reasons && own.get("include") == Some(&json!([ENCRYPTED])) {
        own.shift_remove("include");
    }
}

fn wrong(place: &str, why: &str) -> Failure {
    let mut failure = Failure::new(
        FailureClass::InvalidRequest,
        Phase::Encode,
        format!("`{place}`: {}", Failure::clean(why)),
    );
    failure.code = Some(place.to_owned());
    failure
}

fn read<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| wrong(place, &error.to_string()))
}

fn keep(own: &mut JsonMap, field: &str, value: Value) {
    own.insert(field.to_owned(), value);
}

fn keep_rest(own: &mut JsonMap, field: &str, mut rest: JsonMap) {
    rest.retain(|_, value| !value.is_null());
    if !rest.is_empty() {
        keep(own, field, Value::Object(rest));
    }
}

fn tools(value: Value) -> Result<Vec<Tool>, Failure> {
    let tools: Vec<JsonMap> = read("tools", value)?;
    Ok(tools.into_iter().map(read_tool).collect())
}

fn response_format(format: JsonMap) -> ResponseFormat {
    let kind = format.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text" if says_only(&format, &["type"]) => ResponseFormat::Text,
        "json_object" if says_only(&format, &["type"]) => ResponseFormat::JsonObject,
        "json_schema" if says_only(&format, &["type", "name", "schema", "strict", "description"]) => {
            match serde_json::from_value(Value::Object(format.clone())) {
                Ok(json_schema) => ResponseFormat::JsonSchema { json_schema },
                Err(_) => ResponseFormat::Other(marked(DialectId::OpenaiResponses, format)),
            }
        }
        _ => ResponseFormat::Other(marked(DialectId::OpenaiResponses, format)),
    }
}

/// Whether an object says nothing beyond these fields.
fn says_only(map: &JsonMap, known: &[&str]) -> bool {
    map.iter()
        .all(|(field, value)| value.is_null() || known.contains(&field.as_str()))
}

fn input(input: Value) -> Result<Vec<Message>, Failure> {
    let items = match input {
        Value::String(text) => return Ok(vec![Message::user(text)]),
        Value::Array(items) => items,
        _ => return Err(wrong("input", "a text or a list of items is wanted")),
    };
    let mut out = Vec::with_capacity(items.len());
    let mut marks = Vec::new();
    let mut last = None;
    for (i, item) in items.into_iter().enumerate() {
        let at = format!("input[{i}]");
        let Value::Object(map) = &item else {
            return Err(wrong(&at, "an object is wanted"));
        };
        let kind = match str_of(&item, "type") {
            "" if map.contains_key("role") => "message",
            "" => return Err(wrong(&at, "it has neither a `type` nor a `role`")),
            kind => kind,
        };
        let reply = ids::reply_of(str_of(&item, "id")).map(str::to_owned);
        // What one reply of ours said is one turn, in whatever order it came.
        let goes_on = reply.is_some() && reply == last;
        last = reply;
        let takes = |turn: &Message| goes_on || is_thinking(turn);
        match kind {
            "message" => message(&item, map, &at, takes, &mut out)?,
            "reasoning"
                if says_only(
                    map,
                    &["type", "id", "summary", "content", "encrypted_content", "status"],
                ) =>
            {
                match thought(&item) {
                    Thought::Own(block) => turn(&mut out, takes, |turn| turn.reasoning.push(block)),
                    // A client may have left out the id that says whose turn it is.
                    Thought::Carried(block) => {
                        let takes = |turn: &Message| goes_on || map.get("id").is_none() || is_thinking(turn);
                        turn(&mut out, takes, |turn| turn.reasoning.push(block));
                    }
                    Thought::Mark(mark) => marks.push(mark),
                    Thought::Text(text) if text.is_empty() => {}
                    Thought::Text(text) => turn(&mut out, takes, |turn| add_thought(turn, &text)),
                }
            }
            "function_call" if says_only(map, &["type", "id", "call_id", "name", "arguments", "status"]) => {
                let call = ToolCall {
                    id: field(map, "call_id", &at)?,
                    name: field(map, "name", &at)?,
                    arguments: field(map, "arguments", &at)?,
                    signature: None,
                    ..ToolCall::default()
                };
                turn(&mut out, |_| true, |turn| turn.tool_calls.push(call));
            }
            "function_call_output" if says_only(map, &["type", "id", "call_id", "output", "status"]) => {
                let (content, _) = content(map.get("output"), &format!("{at}.output"))?;
                let mut result = Message::new(Role::Tool, "");
                result.tool_call_id = Some(field(map, "call_id", &at)?);
                result.content = content;
                out.push(result);
            }
            _ => out.push(as_it_is(item)),
        }
    }
    let calls = out.iter_mut().flat_map(|message| &mut message.tool_calls);
    for call in calls {
        if let Some(mark) = marks.iter().find(|mark| mark.call == call.id) {
            call.signature = Some(mark.signature.clone());
        }
    }
    Ok(out)
}

/// What a reasoning item is.
enum Thought {
    /// The vendor's own.
    Own(ReasoningBlock),
    /// Another vendor's, which we wrote.
    Carried(ReasoningBlock),
    /// The mark of another vendor's call.
    Mark(CallMark),
    /// No more than text, which the vendor would not know again.
    Text(String),
}

fn thought(item: &Value) -> Thought {
    let sealed = str_of(item, "encrypted_content");
    if let Some(mark) = unpack_mark(sealed) {
        return Thought::Mark(mark);
    }
    if let Some(block) = unpack(sealed) {
        return Thought::Carried(block);
    }
    let id = str_of(item, "id");
    match block(item) {
        Some(block) => Thought::Own(block),
        None if id.is_empty() || ids::is_ours(id) => Thought::Text(summary(item)),
        None => Thought::Own(named(item)),
    }
}

/// Adds reasoning that nobody signed, under the name by which those vendors know it that want it back.
fn add_thought(turn: &mut Message, text: &str) {
    let field = turn.extra.entry("reasoning_content").or_insert_with(|| json!(""));
    if let Value::String(so_far) = field {
        if !so_far.is_empty() {
            so_far.push_str("\n\n");
        }
        so_far.push_str(text);
    }
}

/// A text field of an item that must be there.
fn field(map: &JsonMap, name: &str, at: &str) -> Result<String, Failure> {
    match map.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(wrong(&format!("{at}.{name}"), "a text is wanted")),
    }
}

/// An item that we have no word for, kept for targets of this format.
fn as_it_is(item: Value) -> Message {
    let mut part = JsonMap::new();
    part.insert("type".to_owned(), json!(ITEM));
    part.insert("item".to_owned(), item);
    let mut message = Message::new(Role::User, "");
    message.content = Content::Parts(vec![plain(PartBody::Other(marked(
        DialectId::OpenaiResponses,
        part,
    )))]);
    message
}

const fn plain(body: PartBody) -> Part {
    Part {
        body,
        cache_control: None,
    }
}

/// Reasoning of which only the id, and perhaps a summary, was kept: the vendor has the rest.
fn named(item: &Value) -> ReasoningBlock {
    ReasoningBlock {
        dialect: DialectId::OpenaiResponses,
        id: item.get("id").and_then(Value::as_str).map(str::to_owned),
        text: summary(item),
        signature: None,
        redacted: None,
    }
}

fn summary(item: &Value) -> String {
    texts(item, "summary", "text").collect::<Vec<_>>().join("\n\n")
}

/// Whether a turn holds nothing but reasoning yet.
fn is_thinking(turn: &Message) -> bool {
    turn.content.is_empty() && turn.refusal.is_none() && turn.tool_calls.is_empty()
}

/// The model's turn that is going on, if it can take what comes; else a new one. Items stay in order: reasoning comes
/// before what is said, and that before the calls.
fn turn(out: &mut Vec<Message>, takes: impl Fn(&Message) -> bool, add: impl FnOnce(&mut Message)) {
    match out.last_mut() {
        Some(last) if last.role == Role::Assistant && takes(last) => add(last),
        _ => {
            let mut begun = Message::new(Role::Assistant, "");
            add(&mut begun);
            out.push(begun);
        }
    }
}

/// Reads a message. `takes`: whether the model's turn that is going on can take what it says.
fn message(
    item: &Value,
    map: &JsonMap,
    at: &str,
    takes: impl Fn(&Message) -> bool,
    out: &mut Vec<Message>,
) -> Result<(), Failure> {
    const KNOWN: [&str; 6] = ["type", "id", "status", "role", "content", "phase"];
    let role = match str_of(item, "role") {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => {
            out.push(as_it_is(item.clone()));
            return Ok(());
        }
    };
    if !says_only(map, &KNOWN) {
        out.push(as_it_is(item.clone()));
        return Ok(());
    }
    let (mut content, notes) = content(map.get("content"), &format!("{at}.content"))?;
    if role != Role::Assistant {
        let mut said = Message::new(role, "");
        said.content = content;
        out.push(said);
        return Ok(());
    }
    let mut refusal = None;
    if let Content::Parts(parts) = &mut content {
        parts.retain(|part| match &part.body {
            PartBody::Refusal { refusal: text } => {
                refusal.get_or_insert_with(String::new).push_str(text);
                false
            }
            _ => true,
        });
        match parts.as_mut_slice() {
            [] => content = Content::default(),
            // What every vendor takes.
            [
                Part {
                    body: PartBody::Text { text },
                    ..
                },
            ] => {
                content = Content::Text(std::mem::take(text));
            }
            _ => {}
        }
    }
    turn(out, takes, |turn| {
        add_content(turn, content);
        turn.refusal = refusal.or_else(|| turn.refusal.take());
        if !notes.is_empty() {
            turn.extra.insert("annotations".to_owned(), Value::Array(notes));
        }
        if let Some(phase) = map.get("phase").filter(|phase| !phase.is_null()) {
            let own = json!({"phase": phase});
            turn.extra
                .insert(DialectId::OpenaiResponses.as_str().to_owned(), own);
        }
    });
    Ok(())
}

/// Adds what is said to what a turn has said.
fn add_content(turn: &mut Message, more: Content) {
    let parts = |content: Content| match content {
        Content::Text(text) => vec![plain(PartBody::Text { text })],
        Content::Parts(parts) => parts,
    };
    turn.content = match (std::mem::take(&mut turn.content), more) {
        (said, more) if said.is_empty() => more,
        (said, more) if more.is_empty() => said,
        (Content::Text(said), Content::Text(more)) => Content::Text(said + &more),
        (said, more) => Content::Parts(parts(said).into_iter().chain(parts(more)).collect()),
    };
}

/// What is said, and the annotations of it.
fn content(value: Option<&Value>, at: &str) -> Result<(Content, Vec<Value>), Failure> {
    let mut notes = Vec::new();
    let parts = match value {
        None | Some(Value::Null) => return Ok((Content::default(), notes)),
        Some(Value::String(text)) => return Ok((Content::Text(text.clone()), notes)),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(wrong(at, "a text or a list of parts is wanted")),
    };
    let mut out = Vec::with_capacity(parts.len());
    for (j, value) in parts.iter().enumerate() {
        let Value::Object(map) = value else {
            return Err(wrong(&format!("{at}[{j}]"), "an object is wanted"));
        };
        if let Some(Value::Array(more)) = map.get("annotations") {
            notes.extend(more.iter().cloned());
        }
        out.push(plain(part(value, map).unwrap_or_else(|| {
            PartBody::Other(marked(DialectId::OpenaiResponses, map.clone()))
        })));
    }
    Ok((Content::Parts(out), notes))
}

/// A part that we have a word for, with nothing in it beyond that.
fn part(value: &Value, map: &JsonMap) -> Option<PartBody> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    match str_of(value, "type") {
        "input_text" if says_only(map, &["type", "text"]) => Some(PartBody::Text { text: text("text")? }),
        "output_text" if says_only(map, &["type", "text", "annotations", "logprobs"]) => {
            Some(PartBody::Text { text: text("text")? })
        }
        "refusal" if says_only(map, &["type", "refusal"]) => Some(PartBody::Refusal {
            refusal: text("refusal")?,
        }),
        "input_image" if says_only(map, &["type", "image_url", "detail"]) => Some(PartBody::ImageUrl {
            image_url: ImagePart {
                url: text("image_url")?,
                detail: text("detail"),
            },
        }),
        "input_audio" if says_only(map, &["type", "input_audio"]) => {
            let audio: &JsonMap = map.get("input_audio")?.as_object()?;
            if !says_only(audio, &["data", "format"]) {
                return None;
            }
            let input_audio: Audio = serde_json::from_value(Value::Object(audio.clone())).ok()?;
            Some(PartBody::InputAudio { input_audio })
        }
        "input_file" if says_only(map, &["type", "file_data", "file_url", "file_id", "filename"]) => {
            // One of the three says where it is.
            let (data, url, id) = (text("file_data"), text("file_url"), text("file_id"));
            let file_data = match (data, url, id.is_some()) {
                (data, None, false) => Some(data?),
                (None, url, false) => Some(url?),
                (None, None, true) => None,
                _ => return None,
            };
            Some(PartBody::File {
                file: FilePart {
                    file_data,
                    file_id: id,
                    filename: text("filename"),
                },
            })
        }
        _ => None,
    }
}
