//! The tool calls of one stream, put in order: OpenAI ends one before it begins the next, and its SDKs count on that.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;

use crate::dialect::openai_chat::wire::is_complete;
use crate::types::{ToolCall, ToolCallDelta};

/// The calls as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Waiting>,
    /// The one that is being written.
    open: usize,
    /// The names of the tools that take free text.
    custom: Vec<String>,
}

#[derive(Debug, Default)]
struct Waiting {
    id: Option<String>,
    name: Option<String>,
    arguments: String,
    /// How many bytes of the arguments are written.
    written: usize,
    begun: bool,
    custom: bool,
}

impl Waiting {
    fn named(&mut self, name: &str, custom: &[String]) {
        if self.name.is_none() {
            self.name = Some(name.to_owned());
            self.custom = custom.iter().any(|tool| tool == name);
        }
    }

    /// Whether nothing more of it is to come, as far as can be told.
    fn is_whole(&self) -> bool {
        let Some(name) = self.name.as_deref() else {
            return false;
        };
        // A call without arguments may only not have got them yet.
        self.custom || (self.arguments.trim_end().ends_with('}') && is_complete(name, &self.arguments))
    }

    /// Writes what has come and is not written.
    fn write(&mut self, index: usize, put: &mut impl FnMut(&Piece<'_>)) {
        let Some(name) = self.name.as_deref() else {
            return;
        };
        let new = self.arguments.get(self.written..).unwrap_or_default();
        if self.begun && new.is_empty() {
            return;
        }
        put(&Piece {
            index,
            begins: (!self.begun).then_some((self.id.as_deref(), name)),
            custom: self.custom,
            arguments: new,
            signature: None,
        });
        self.begun = true;
        self.written = self.arguments.len();
    }
}

impl Calls {
    pub(super) fn new(custom: Vec<String>) -> Self {
        Self {
            custom,
            ..Self::default()
        }
    }

    /// Takes a piece of a call, and writes what can be.
    pub(super) fn piece(&mut self, piece: &ToolCallDelta, put: &mut impl FnMut(&Piece<'_>)) {
        let at = usize::try_from(piece.index).unwrap_or(usize::MAX);
        if let Some(call) = place(&mut self.calls, at) {
            call.id = call.id.take().or_else(|| piece.id.clone());
            call.arguments.push_str(&piece.arguments);
            if let Some(name) = &piece.name {
                call.named(name, &self.custom);
            }
        }
        self.advance(put);
    }

    /// Writes what is left, and the marks of calls, which come with the whole reply only.
    pub(super) fn finish(&mut self, calls: &[ToolCall], put: &mut impl FnMut(&Piece<'_>)) {
        for (index, call) in calls.iter().enumerate() {
            let Some(waiting) = place(&mut self.calls, index) else {
                return;
            };
            waiting.id.get_or_insert_with(|| call.id.clone());
            waiting.named(&call.name, &self.custom);
            if waiting.arguments.trim().is_empty() {
                waiting.arguments.push_str(&call.arguments);
            }
        }
        for (index, waiting) in self.calls.iter_mut().enumerate() {
            waiting.write(index, put);
            let signature = calls.get(index).and_then(|call| call.signature.as_deref());
            if signature.is_some() {
                put(&Piece {
                    index,
                    begins: None,
                    custom: waiting.custom,
                    arguments: "",
                    signature,
                });
            }
        }
        self.open = self.calls.len();
    }

    fn advance(&mut self, put: &mut impl FnMut(&Piece<'_>)) {
        let last = self.calls.len().saturating_sub(1);
        while let Some(call) = self.calls.get_mut(self.open) {
            call.write(self.open, put);
            if last == self.open || !call.is_whole() {
                return;
            }
            self.open += 1;
        }
    }
}

/// The call of a number, or the next one: calls are numbered as they come.
fn place(calls: &mut Vec<Waiting>, at: usize) -> Option<&mut Waiting> {
    let at = at.min(calls.len());
    if at == calls.len() {
        calls.push(Waiting::default());
    }
    calls.get_mut(at)
}

/// A piece of a call as it is written.
pub(super) struct Piece<'a> {
    index: usize,
    /// Id and name, in the first.
    begins: Option<(Option<&'a str>, &'a str)>,
    custom: bool,
    arguments: &'a str,
    signature: Option<&'a str>,
}

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Function<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            arguments: &'a str,
        }
        #[derive(Serialize)]
        struct Custom<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            input: &'a str,
        }
        let name = self.begins.map(|(_, name)| name);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        if let Some((id, _)) = self.begins {
            map.serialize_entry("id", &id)?;
            map.serialize_entry("type", if self.custom { "custom" } else { "function" })?;
        }
        let arguments = self.arguments;
        if self.custom {
            let input = arguments;
            map.serialize_entry("custom", &Custom { name, input })?;
        } else {
            map.serialize_entry("function", &Function { name, arguments })?;
        }
        if let Some(mark) = self.signature {
            map.serialize_entry("extra_content", &json!({"google": {"thought_signature": mark}}))?;
        }
        map.end()
    }
}
