//! The conversation: OpenAI-shaped messages → `system` and `messages` of content blocks.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use super::kept;
use super::media::{Names, audio, document, image};
use crate::dialect::fit::Fit;
use crate::types::{
    Content, DialectId, Failure, JsonMap, Message, Part, PartBody, ReasoningBlock, Role, ToolCall,
};

/// The field, under the dialect's name, of a tool message that says whether the tool failed. Anthropic's name for it.
pub(super) const IS_ERROR: &str = "is_error";

/// The longest id of a call, in characters.
const MAX_ID: usize = 64;

/// The `system` blocks and the `messages`.
pub(super) fn conversation(messages: &[Message], fit: &mut Fit) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut system = Vec::new();
    let mut turns = Turns::default();
    let mut names = Names::default();
    for (i, message) in messages.iter().enumerate() {
        let at = format!("messages[{i}]");
        check(message, &at, fit)?;
        let mut blocks = Blocks {
            names: &mut names,
            fit,
            out: Vec::new(),
        };
        match message.role {
            Role::System | Role::Developer => {
                if !turns.is_empty() {
                    blocks.fit.note(format!(
                        "{at}: instructions moved to the top, where the vendor has them"
                    ));
                }
                blocks.content(&message.content, &at, Place::System)?;
                system.append(&mut blocks.out);
                continue;
            }
            Role::Tool => {
                let result = blocks.tool_result(message, &at)?;
                turns.push_result(result);
                continue;
            }
            Role::User => blocks.content(&message.content, &at, Place::User)?,
            Role::Assistant => blocks.assistant(message, &at)?,
        }
        if blocks.out.is_empty() {
            blocks
                .fit
                .note(format!("{at}: left out, since the vendor refuses empty messages"));
        } else if message.role == Role::User {
            turns.push("user", blocks.out);
        } else {
            turns.push("assistant", blocks.out);
        }
    }
    turns.flush();
    let mut turns = turns.done;
    if turns.first().is_none_or(|turn| turn.role != "user") {
        return Err(Failure::unsupported(
            "messages",
            "Converse takes conversations that begin with a user message that is not empty",
        ));
    }
    for turn in &mut turns {
        let has = |kind: &str| turn.content.iter().any(|block| block.get(kind).is_some());
        if has("document") && !has("text") {
            fit.note("messages: a text was added to a message of documents only, which the vendor refuses");
            turn.content.push(json!({"text": "See the document."}));
        }
    }
    let turns = turns
        .into_iter()
        .map(|turn| json!({"role": turn.role, "content": turn.content}));
    Ok((system, turns.collect()))
}

/// Fields of a message that have no place in a turn.
fn check(message: &Message, at: &str, fit: &mut Fit) -> Result<(), Failure> {
    if message.name.is_some() {
        // A tool's name is known from its call; a system message has no speaker to tell apart.
        if matches!(message.role, Role::User | Role::Assistant) {
            fit.lose(&format!("{at}.name"), "Converse cannot name a speaker")?;
        } else {
            fit.note(format!("{at}.name: left out"));
        }
    }
    for field in message.extra.keys() {
        match field.as_str() {
            own if message.role == Role::Tool && own == DialectId::BedrockConverse.as_str() => {}
            // What replies carry for people to read, or for the vendor that made them.
            "reasoning_content" | "reasoning" | "reasoning_details" | "annotations" => {
                fit.note(format!("{at}.{field}: left out"));
            }
            _ => fit.lose(&format!("{at}.{field}"), "Converse has no such field")?,
        }
    }
    Ok(())
}

/// Turns under construction. Neighbours of one role become one turn, since Converse wants them to take turns.
#[derive(Default)]
struct Turns {
    done: Vec<Turn>,
    turn: Turn,
}

#[derive(Default)]
struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.done.is_empty() && self.turn.content.is_empty()
    }

    fn begin(&mut self, role: &'static str) {
        if self.turn.role != role {
            self.flush();
            self.turn.role = role;
        }
    }

    fn flush(&mut self) {
        if !self.turn.content.is_empty() {
            self.done.push(std::mem::take(&mut self.turn));
        }
    }

    fn push(&mut self, role: &'static str, blocks: Vec<Value>) {
        self.begin(role);
        self.turn.content.extend(blocks);
    }

    /// The results of one turn's calls must all be in one user message; the vendors behind Converse want them before
    /// anything else in it.
    fn push_result(&mut self, blocks: Vec<Value>) {
        self.begin("user");
        let is_result =
            |block: &&Value| block.get("toolResult").is_some() || block.get("cachePoint").is_some();
        let results = self.turn.content.iter().take_while(is_result).count();
        self.turn.content.splice(results..results, blocks);
    }
}

/// Where content stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    User,
    Assistant,
    Tool,
}

/// The blocks of one message.
struct Blocks<'a> {
    names: &'a mut Names,
    fit: &'a mut Fit,
    out: Vec<Value>,
}

impl Blocks<'_> {
    /// Content as blocks. Empty texts are left out: the vendor refuses them, and they say nothing.
    fn content(&mut self, content: &Content, at: &str, place: Place) -> Result<(), Failure> {
        match content {
            Content::Text(text) => self.text(text),
            Content::Parts(parts) => {
                for (j, part) in parts.iter().enumerate() {
                    let at = format!("{at}.content[{j}]");
                    let before = self.out.len();
                    self.part(part, &at, place)?;
                    let Some(mark) = &part.cache_control else {
                        continue;
                    };
                    let field = format!("{at}.cache_control");
                    if self.out.len() == before {
                        self.fit.note(format!("{field}: left out with what it marked"));
                    } else {
                        let point = cache_point(mark, &field, self.fit);
                        self.out.push(point);
                    }
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push(json!({"text": text}));
        }
    }

    fn part(&mut self, part: &Part, at: &str, place: Place) -> Result<(), Failure> {
        let misplaced = match &part.body {
            PartBody::ImageUrl { .. } | PartBody::File { .. } => {
                matches!(place, Place::System | Place::Assistant)
            }
            PartBody::InputAudio { .. } => place != Place::User,
            _ => false,
        };
        if misplaced {
            return self.fit.lose(
                at,
                "Converse takes images and documents in user and tool messages only, audio in user messages only",
            );
        }
        match &part.body {
            PartBody::Text { text } => self.text(text),
            PartBody::Refusal { refusal } => {
                self.fit.note(format!("{at}: sent as text"));
                self.text(refusal);
            }
            PartBody::ImageUrl { image_url } => {
                if image_url.detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.fit.note(format!(
                        "{at}.image_url.detail: left out; the vendor chooses the resolution"
                    ));
                }
                self.out.extend(image(image_url, at, self.fit)?);
            }
            PartBody::File { file } => self.out.extend(document(file, at, self.names, self.fit)?),
            PartBody::InputAudio { input_audio } => self.out.extend(audio(input_audio, at, self.fit)?),
            PartBody::Other(other) => match kept(other) {
                Some(block) => self.out.push(Value::Object(block)),
                None => self.fit.lose(
                    at,
                    "the part's type, or a field of it, is not known, so it cannot be translated",
                )?,
            },
        }
        Ok(())
    }

    fn assistant(&mut self, message: &Message, at: &str) -> Result<(), Failure> {
        for (j, block) in message.reasoning.iter().enumerate() {
            if block.dialect == DialectId::BedrockConverse {
                self.out.push(reasoning(block));
            } else {
                self.fit.note(format!(
                    "{at}.reasoning_details[{j}]: left out, since only {} can read it",
                    block.dialect
                ));
            }
        }
        self.content(&message.content, at, Place::Assistant)?;
        if let Some(refusal) = message.refusal.as_ref().filter(|text| !text.is_empty()) {
            self.fit.note(format!("{at}.refusal: sent as text"));
            self.text(refusal);
        }
        for (j, call) in message.tool_calls.iter().enumerate() {
            let at = format!("{at}.tool_calls[{j}]");
            if call.signature.is_some() {
                self.fit.note(format!(
                    "{at}.extra_content: left out, since only gemini can read it"
                ));
            }
            let input = arguments(call, &at, self.fit)?;
            let id = id(&call.id);
            self.out
                .push(json!({"toolUse": {"toolUseId": id, "name": call.name, "input": input}}));
        }
        Ok(())
    }

    /// A result, and the cache point after it: inside a result there is no place for one.
    fn tool_result(&mut self, message: &Message, at: &str) -> Result<Vec<Value>, Failure> {
        let mut point = None;
        match &message.content {
            Content::Text(text) => self.text(text),
            Content::Parts(parts) => {
                for (j, part) in parts.iter().enumerate() {
                    let at = format!("{at}.content[{j}]");
                    self.part(part, &at, Place::Tool)?;
                    if let Some(mark) = &part.cache_control {
                        let field = format!("{at}.cache_control");
                        if j + 1 < parts.len() {
                            self.fit.note(format!(
                                "{field}: set after the whole result, the only place for it"
                            ));
                        }
                        point = Some(cache_point(mark, &field, self.fit));
                    }
                }
            }
        }
        let mut result = JsonMap::new();
        let call = message.tool_call_id.as_deref().unwrap_or_default();
        result.insert("toolUseId".to_owned(), json!(id(call)));
        result.insert("content".to_owned(), Value::Array(std::mem::take(&mut self.out)));
        if let Some(failed) = own(message, IS_ERROR).and_then(Value::as_bool) {
            let status = if failed { "error" } else { "success" };
            result.insert("status".to_owned(), json!(status));
        }
        let mut blocks = vec![json!({"toolResult": result})];
        blocks.extend(point);
        Ok(blocks)
    }
}

/// What a message of this format carries that our words do not cover, under one name.
fn own<'a>(message: &'a Message, field: &str) -> Option<&'a Value> {
    message.extra.get(DialectId::BedrockConverse.as_str())?.get(field)
}

fn reasoning(block: &ReasoningBlock) -> Value {
    if let Some(data) = &block.redacted {
        return json!({"reasoningContent": {"redactedContent": data}});
    }
    let mut said = JsonMap::new();
    said.insert("text".to_owned(), json!(block.text));
    if let Some(signature) = &block.signature {
        said.insert("signature".to_owned(), json!(signature));
    }
    json!({"reasoningContent": {"reasoningText": said}})
}

/// The arguments of an earlier call as the object Converse wants.
fn arguments(call: &ToolCall, at: &str, fit: &mut Fit) -> Result<JsonMap, Failure> {
    if call.arguments.trim().is_empty() {
        return Ok(JsonMap::new());
    }
    match serde_json::from_str(&call.arguments) {
        Ok(input) => Ok(input),
        Err(_) => {
            fit.lose(
                &format!("{at}.function.arguments"),
                "Converse takes a JSON object only",
            )?;
            Ok(JsonMap::new())
        }
    }
}

/// A call's id in the letters the vendor takes and of a length it takes. The call and its result come to the same.
fn id(id: &str) -> String {
    let mut out: String = id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if out.is_empty() {
        out.push('_');
    }
    if out.len() > MAX_ID {
        let mut hash = DefaultHasher::new();
        id.hash(&mut hash);
        let tail = format!("-{:016x}", hash.finish());
        out.truncate(MAX_ID.saturating_sub(tail.len()));
        out.push_str(&tail);
    }
    out
}

/// A cache mark, which Converse sets between blocks.
pub(super) fn cache_point(mark: &Value, at: &str, fit: &mut Fit) -> Value {
    let mut point = JsonMap::new();
    point.insert("type".to_owned(), json!("default"));
    if !mark.is_object() {
        fit.note(format!("{at}: sent as a plain mark"));
    }
    for (field, value) in mark.as_object().into_iter().flatten() {
        match (field.as_str(), value.as_str()) {
            ("type", Some("ephemeral")) => {}
            ("ttl", Some("5m" | "1h")) => {
                point.insert("ttl".to_owned(), value.clone());
            }
            _ => fit.note(format!("{at}.{field}: left out")),
        }
    }
    json!({"cachePoint": point})
}
