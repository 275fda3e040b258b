//! A client's turns: content blocks → messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ask::plain;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::envelope::{CallMark, unpack, unpack_mark};
use crate::dialect::foreign::marked;
use crate::types::{
    Content, DialectId, Failure, FilePart, ImagePart, JsonMap, Message, Part, PartBody, ReasoningBlock, Role,
    ToolCall,
};

const OWN: DialectId = DialectId::AnthropicMessages;

/// One turn. A user's results become tool messages before the user's own words. A turn of the model's that thinks again
/// after it spoke becomes several messages, which the encoder joins again.
pub(super) fn turn(message: Value, at: &str, out: &mut Vec<Message>) -> Result<(), Failure> {
    let mut fields = Fields::of(message, at)?;
    let role: String = fields.read("role")?.unwrap_or_default();
    let content = fields.take("content").unwrap_or_else(|| json!(""));
    let mut turn = Turn::new(match role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => {
            return Err(wrong(
                &format!("{at}.role"),
                &format!("expected `user`, `assistant` or `system`, not `{role}`"),
            ));
        }
    });
    turn.message.extra = fields.rest();
    let blocks = match content {
        Value::String(text) => {
            turn.message.content = Content::Text(text);
            out.push(turn.message);
            return Ok(());
        }
        Value::Array(blocks) => blocks,
        _ => {
            return Err(wrong(
                &format!("{at}.content"),
                "expected a text or a list of blocks",
            ));
        }
    };
    for (j, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}.content[{j}]");
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        match (turn.message.role, kind) {
            (Role::User, "tool_result") => out.push(result(block, &at)?),
            (Role::Assistant, "thinking" | "redacted_thinking") => {
                if let Some(mark) = block.get("data").and_then(Value::as_str).and_then(unpack_mark) {
                    turn.marks.push(mark);
                    continue;
                }
                let thought = Thought::of(&block);
                if thought.begins && !turn.parts.is_empty() && turn.message.tool_calls.is_empty() {
                    out.push(turn.finish());
                    turn = Turn::new(Role::Assistant);
                }
                turn.think(thought);
            }
            (Role::Assistant, "tool_use") => turn.call(block, &at)?,
            _ => turn.part(block, &at)?,
        }
    }
    if !turn.is_empty() {
        out.push(turn.finish());
    }
    Ok(())
}

/// A message under construction.
struct Turn {
    message: Message,
    parts: Vec<Part>,
    /// Fields of blocks that our words do not cover, by the block's number or the call's id.
    content: JsonMap,
    calls: JsonMap,
    /// Marks of calls, which may stand before their calls.
    marks: Vec<CallMark>,
    /// Whether a block of another vendor brought its text with it. Then what is not signed says the same once more, since
    /// a stream tells reasoning before anyone knows the block it is of.
    repeated: bool,
}

impl Turn {
    fn new(role: Role) -> Self {
        Self {
            message: Message::new(role, ""),
            parts: Vec::new(),
            content: JsonMap::new(),
            calls: JsonMap::new(),
            marks: Vec::new(),
            repeated: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.message.tool_calls.is_empty() && self.message.reasoning.is_empty()
    }

    fn think(&mut self, thought: Thought) {
        self.repeated |= thought.repeats;
        self.message.reasoning.push(thought.block);
    }

    fn part(&mut self, block: Value, at: &str) -> Result<(), Failure> {
        let (part, aside) = part_of(block, at)?;
        if !aside.is_empty() {
            self.content
                .insert(self.parts.len().to_string(), Value::Object(aside));
        }
        self.parts.push(part);
        Ok(())
    }

    fn call(&mut self, block: Value, at: &str) -> Result<(), Failure> {
        let mut fields = Fields::of(block, at)?;
        fields.take("type");
        let id: String = fields.read("id")?.unwrap_or_default();
        let name: String = fields
            .read("name")?
            .ok_or_else(|| wrong(&format!("{at}.name"), "a call needs the tool's name"))?;
        let input = fields.object("input")?.rest();
        if !fields.is_empty() {
            self.calls.insert(id.clone(), Value::Object(fields.rest()));
        }
        self.message.tool_calls.push(ToolCall {
            id,
            name,
            arguments: Value::Object(input).to_string(),
            signature: None,
            ..ToolCall::default()
        });
        Ok(())
    }

    fn finish(mut self) -> Message {
        if self.repeated {
            self.message.reasoning.retain(|block| {
                block.dialect != OWN || block.signature.is_some() || block.redacted.is_some()
            });
        }
        for mark in self.marks {
            mark.sign(&mut self.message.tool_calls);
        }
        self.message.content = plain(self.parts);
        let mut own = JsonMap::new();
        for (name, fields) in [("content", self.content), ("tool_use", self.calls)] {
            if !fields.is_empty() {
                own.insert(name.to_owned(), Value::Object(fields));
            }
        }
        if !own.is_empty() {
            self.message
                .extra
                .insert(OWN.as_str().to_owned(), Value::Object(own));
        }
        self.message
    }
}

/// One block of reasoning.
struct Thought {
    block: ReasoningBlock,
    /// The model thinks again. What was not shown, or is of another vendor, belongs to the turn as a whole.
    begins: bool,
    /// Its text stands in the turn without a signature too.
    repeats: bool,
}

impl Thought {
    fn of(block: &Value) -> Self {
        let text = |name: &str| block.get(name).and_then(Value::as_str).map(str::to_owned);
        let thinking = text("thinking").unwrap_or_default();
        let signature = text("signature").filter(|signature| !signature.is_empty());
        let data = text("data");
        let carried = signature.as_deref().or(data.as_deref()).and_then(unpack);
        let Some(carried) = carried else {
            let begins = signature.is_some() || data.is_some();
            let block = ReasoningBlock {
                dialect: OWN,
                id: None,
                text: thinking,
                signature,
                redacted: data,
            };
            return Self {
                block,
                begins,
                repeats: false,
            };
        };
        let repeats = data.is_some() && !carried.text.is_empty();
        let text = if repeats { carried.text } else { thinking };
        Self {
            block: ReasoningBlock { text, ..carried },
            begins: false,
            repeats,
        }
    }
}

fn result(block: Value, at: &str) -> Result<Message, Failure> {
    let mut fields = Fields::of(block, at)?;
    fields.take("type");
    let mut message = Message::new(Role::Tool, "");
    message.tool_call_id = Some(
        fields
            .read("tool_use_id")?
            .ok_or_else(|| wrong(&format!("{at}.tool_use_id"), "a result names its call"))?,
    );
    let (parts, asides) = match fields.take("content") {
        Some(content) => parts_of(content, &format!("{at}.content"))?,
        None => (Vec::new(), JsonMap::new()),
    };
    message.content = plain(parts);
    let mut own = fields.rest();
    // Its default.
    if own.get("is_error") == Some(&json!(false)) {
        own.shift_remove("is_error");
    }
    if !asides.is_empty() {
        own.insert("content".to_owned(), Value::Object(asides));
    }
    if !own.is_empty() {
        message.extra.insert(OWN.as_str().to_owned(), Value::Object(own));
    }
    Ok(message)
}

/// A text, or a list of blocks: its parts, and fields of theirs that our words do not cover.
pub(super) fn parts_of(content: Value, at: &str) -> Result<(Vec<Part>, JsonMap), Failure> {
    let mut asides = JsonMap::new();
    let blocks = match content {
        Value::String(text) => return Ok((vec![Part::text(text)], asides)),
        Value::Array(blocks) => blocks,
        _ => return Err(wrong(at, "expected a text or a list of blocks")),
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (j, block) in blocks.into_iter().enumerate() {
        let (part, aside) = part_of(block, &format!("{at}[{j}]"))?;
        if !aside.is_empty() {
            asides.insert(j.to_string(), Value::Object(aside));
        }
        parts.push(part);
    }
    Ok((parts, asides))
}

/// One block, and what a text carries beside its words (citations).
fn part_of(block: Value, at: &str) -> Result<(Part, JsonMap), Failure> {
    let mut fields = Fields::of(block.clone(), at)?;
    let kind: String = fields.read("type")?.unwrap_or_default();
    let mark = fields.take("cache_control");
    let mut aside = JsonMap::new();
    let body = match kind.as_str() {
        "text" => {
            let text = fields.read("text")?.unwrap_or_default();
            aside = fields.rest();
            aside.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
            Some(PartBody::Text { text })
        }
        "image" => image(fields)?,
        "document" => document(fields)?,
        _ => None,
    };
    if let Some(body) = body {
        let part = Part {
            body,
            cache_control: mark,
        };
        return Ok((part, aside));
    }
    let mut map = Fields::of(block, at)?.rest();
    map.shift_remove("cache_control");
    let part = Part {
        body: PartBody::Other(marked(OWN, map)),
        cache_control: mark,
    };
    Ok((part, JsonMap::new()))
}

/// Where an image or a document is: its type, and the value for a URL's place. None for what only this vendor can find,
/// and for fields we do not know.
fn source(fields: &mut Fields) -> Result<Option<(String, String)>, Failure> {
    let mut source = fields.object("source")?;
    let kind: String = source.read("type")?.unwrap_or_default();
    let media_type: Option<String> = source.read("media_type")?;
    let place = match (kind.as_str(), media_type) {
        ("url", None) => source.read("url")?,
        ("base64", Some(media_type)) => source
            .read::<String>("data")?
            .map(|data| format!("data:{media_type};base64,{data}")),
        ("text", Some(media_type)) => source
            .read::<String>("data")?
            .map(|data| format!("data:{media_type};base64,{}", STANDARD.encode(data))),
        ("file", None) => source.read("file_id")?,
        _ => None,
    };
    Ok(place.filter(|_| source.is_empty()).map(|place| (kind, place)))
}

fn image(mut fields: Fields) -> Result<Option<PartBody>, Failure> {
    Ok(match source(&mut fields)? {
        Some((kind, url)) if fields.is_empty() && (kind == "url" || url.starts_with("data:image/")) => {
            Some(PartBody::ImageUrl {
                image_url: ImagePart { url, detail: None },
            })
        }
        _ => None,
    })
}

fn document(mut fields: Fields) -> Result<Option<PartBody>, Failure> {
    let filename = fields.read("title")?;
    let Some((kind, place)) = source(&mut fields)? else {
        return Ok(None);
    };
    if !fields.is_empty() {
        return Ok(None);
    }
    let (file_data, file_id) = match kind.as_str() {
        "file" => (None, Some(place)),
        _ => (Some(place), None),
    };
    Ok(Some(PartBody::File {
        file: FilePart {
            file_data,
            file_id,
            filename,
        },
    }))
}
