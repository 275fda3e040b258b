//! The items of a reply's output.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::dialect::Heard;
use crate::dialect::common::made_call_id;
use crate::dialect::envelope::{pack, pack_mark};
use crate::dialect::openai_responses::ids::item_id;
use crate::types::{Completion, JsonMap, Tool, ToolCall};

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) body: Body,
}

/// What an item holds.
#[derive(Debug)]
pub(super) enum Body {
    /// Reasoning: its readable paragraphs, and what another vendor wants back of it.
    Reasoning {
        summary: Vec<String>,
        sealed: Option<String>,
    },
    /// What is said.
    Message { parts: Vec<Part> },
    /// A call.
    Call(Called),
}

/// A part of a message: text, or a refusal.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) refusal: bool,
    pub(super) text: String,
}

/// A call.
#[derive(Debug)]
pub(super) struct Called {
    /// Whether the tool takes free text.
    pub(super) custom: bool,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Part {
    pub(super) fn json(&self) -> Value {
        match self.refusal {
            true => json!({"type": "refusal", "refusal": self.text}),
            false => {
                json!({"type": "output_text", "annotations": [], "logprobs": [], "text": self.text})
            }
        }
    }
}

/// A paragraph of a summary.
pub(super) fn paragraph(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

impl Item {
    pub(super) fn json(&self, status: &str) -> Value {
        let id = &self.id;
        match &self.body {
            Body::Reasoning { summary, sealed } => {
                let mut item = JsonMap::new();
                item.insert("id".to_owned(), json!(id));
                item.insert("type".to_owned(), json!("reasoning"));
                if let Some(sealed) = sealed {
                    item.insert("encrypted_content".to_owned(), json!(sealed));
                }
                let summary = summary.iter().map(|text| paragraph(text)).collect();
                item.insert("summary".to_owned(), Value::Array(summary));
                Value::Object(item)
            }
            Body::Message { parts } => {
                let content: Vec<Value> = parts.iter().map(Part::json).collect();
                json!({"id": id, "type": "message", "status": status, "content": content, "role": "assistant"})
            }
            Body::Call(call) => {
                let mut item = json!({
                    "id": id,
                    "type": call.kind(),
                    "status": status,
                    "call_id": call.call_id,
                    "name": call.name,
                });
                if let Some(item) = item.as_object_mut() {
                    item.insert(call.field().to_owned(), json!(call.arguments));
                }
                item
            }
        }
    }
}

impl Called {
    const fn kind(&self) -> &'static str {
        match self.custom {
            true => "custom_tool_call",
            false => "function_call",
        }
    }

    const fn field(&self) -> &'static str {
        match self.custom {
            true => "input",
            false => "arguments",
        }
    }

    /// What the vendor puts before the id of such an item.
    const fn prefix(&self) -> &'static str {
        match self.custom {
            true => "ctc",
            false => "fc",
        }
    }

    /// The mark that its vendor wants back with it, packed; None when there is none.
    pub(super) fn mark(&self, call: &ToolCall) -> Option<String> {
        pack_mark(&ToolCall {
            id: self.call_id.clone(),
            signature: call.signature.clone(),
            ..ToolCall::default()
        })
    }

    /// Gives a call without arguments the none that is JSON, and says whether it did.
    pub(super) fn fill(&mut self) -> bool {
        let none = !self.custom && self.arguments.trim().is_empty();
        if none {
            "{}".clone_into(&mut self.arguments);
        }
        none
    }
}

/// Makes the items of one reply.
#[derive(Debug)]
pub(super) struct Maker {
    reply: String,
    /// The request's tools that take free text.
    custom: HashSet<String>,
    calls: HashSet<String>,
    made: usize,
}

impl Maker {
    pub(super) fn new(reply: &str, heard: &Heard) -> Self {
        let name = |tool: &Tool| match tool {
            Tool::Other(map) if map.get("type")?.as_str()? == "custom" => {
                Some(map.get("name")?.as_str()?.to_owned())
            }
            _ => None,
        };
        Self {
            reply: reply.to_owned(),
            custom: heard.asked.request.tools.iter().filter_map(name).collect(),
            calls: HashSet::new(),
            made: 0,
        }
    }

    fn item(&mut self, prefix: &str, body: Body) -> Item {
        let id = item_id(prefix, &self.reply, self.made);
        self.made = self.made.saturating_add(1);
        Item { id, body }
    }

    pub(super) fn reasoning(&mut self, text: &str, sealed: Option<String>) -> Item {
        let summary = match text {
            "" => Vec::new(),
            text => vec![text.to_owned()],
        };
        self.item("rs", Body::Reasoning { summary, sealed })
    }

    pub(super) fn message(&mut self, parts: Vec<Part>) -> Item {
        self.item("msg", Body::Message { parts })
    }

    /// A call. The SDKs take no two of one id, and none without.
    pub(super) fn call(&mut self, id: &str, name: &str, arguments: &str) -> Item {
        let mut call_id = id.to_owned();
        if call_id.is_empty() || self.calls.contains(&call_id) {
            let place = u32::try_from(self.made).unwrap_or(u32::MAX);
            call_id = made_call_id(Some(&self.reply), place);
        }
        self.calls.insert(call_id.clone());
        let call = Called {
            custom: self.custom.contains(name),
            call_id,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        self.item(call.prefix(), Body::Call(call))
    }

    /// All of a whole reply: what was thought, said and called.
    pub(super) fn all(&mut self, done: &Completion) -> Vec<Item> {
        let mut out = Vec::new();
        let apart: String = done
            .reasoning_blocks
            .iter()
            .map(|block| block.text.as_str())
            .collect();
        let apart = apart == done.reasoning;
        for (i, block) in done.reasoning_blocks.iter().enumerate() {
            let text = match (apart, i) {
                (true, _) => block.text.as_str(),
                (false, 0) => done.reasoning.as_str(),
                (false, _) => "",
            };
            out.push(self.reasoning(text, Some(pack(block))));
        }
        if out.is_empty() && !done.reasoning.is_empty() {
            out.push(self.reasoning(&done.reasoning, None));
        }
        let part = |refusal, text: &String| Part {
            refusal,
            text: text.clone(),
        };
        let mut parts = Vec::new();
        if !done.text.is_empty() {
            parts.push(part(false, &done.text));
        }
        parts.extend(done.refusal.as_ref().map(|text| part(true, text)));
        if !parts.is_empty() {
            out.push(self.message(parts));
        }
        for call in &done.tool_calls {
            let mut item = self.call(&call.id, &call.name, &call.arguments);
            if let Body::Call(called) = &mut item.body {
                called.fill();
                let mark = called.mark(call);
                out.extend(mark.map(|mark| self.reasoning("", Some(mark))));
            }
            out.push(item);
        }
        out
    }

    /// What a reply that says nothing holds.
    pub(super) fn silence(&mut self) -> Item {
        self.message(vec![Part {
            refusal: false,
            text: String::new(),
        }])
    }
}
