//! Our events → the vendor's, one stream.
//!
//! What the model says and what it calls come one after the other, as the vendor sends them: clients put pieces together
//! by their order as much as by their ids. Only reasoning stays open to the end, since what another vendor wants back of
//! it is not known before.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::errors::error_object;
use super::events::{Data, Events};
use super::items::{Body, Called, Item, Maker, Part, paragraph};
use super::response::{Head, Standing, usage};
use crate::dialect::envelope::pack;
use crate::dialect::{EventWriter, Heard, Opening, Problem};
use crate::types::{Reply, StreamEvent, ToolCallDelta};

pub(super) struct Writer {
    head: Head,
    maker: Maker,
    events: Events,
    /// The items, by their place in the output.
    items: Vec<Open>,
    begun: bool,
    /// Where the reasoning is, and whether a paragraph of it is open.
    thinking: Option<(usize, bool)>,
    /// Where the message is that is open.
    message: Option<usize>,
    /// Where the call is that is open.
    call: Option<usize>,
    /// Each call's place in the output, by its place among the calls.
    calls: Vec<(u32, usize)>,
    /// Calls that came before the open one was whole.
    waiting: Vec<ToolCallDelta>,
}

struct Open {
    item: Item,
    closed: bool,
}

impl EventWriter for Writer {
    fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        self.begin(out);
        match event {
            StreamEvent::Text { text } => self.say(false, text, out),
            StreamEvent::Refusal { refusal } => self.say(true, refusal, out),
            StreamEvent::Reasoning { reasoning } => self.think(reasoning, out),
            StreamEvent::ToolCall(piece) => self.tool_call(piece, out),
            StreamEvent::Finish { reply } => self.finish(reply, out),
            StreamEvent::Continue { .. } | StreamEvent::Restart { .. } => {}
        }
    }

    fn error(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        self.begin(out);
        let error = error_object(problem);
        self.events.put(
            "error",
            &Data {
                error: Some(&error),
                ..Data::default()
            },
            out,
        );
        let told = json!({"code": error.get("code"), "message": problem.message});
        let response = self
            .head
            .response(&Standing::failed(told), Vec::new(), Value::Null);
        self.events.response("response.failed", &response, out);
    }
}

impl Writer {
    pub(super) fn new(opening: Opening, heard: &Heard) -> Self {
        Self {
            maker: Maker::new(&opening.id, heard),
            head: Head::new(opening, heard),
            events: Events::default(),
            items: Vec::new(),
            begun: false,
            thinking: None,
            message: None,
            call: None,
            calls: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let response = self.head.response(&Standing::open(), Vec::new(), Value::Null);
        self.events.response("response.created", &response, out);
        self.events.response("response.in_progress", &response, out);
    }

    /// Adds an item, empty yet, and gives its place.
    fn open(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        let place = self.items.len();
        let told = item.json("in_progress");
        self.events.item("response.output_item.added", place, &told, out);
        self.items.push(Open { item, closed: false });
        place
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let place = match self.thinking {
            Some((place, _)) => place,
            None => {
                let item = self.maker.reasoning("", None);
                self.open(item, out)
            }
        };
        let within = self.thinking.replace((place, true)).is_some_and(|(_, open)| open);
        let Some(Item {
            id,
            body: Body::Reasoning { summary, .. },
        }) = self.items.get_mut(place).map(|open| &mut open.item)
        else {
            return;
        };
        if !within {
            let at = Data::summary(id, place, summary.len());
            let part = paragraph("");
            let added = Data {
                part: Some(&part),
                ..at
            };
            self.events
                .put("response.reasoning_summary_part.added", &added, out);
            summary.push(String::new());
        }
        let at = Data::summary(id, place, summary.len().saturating_sub(1));
        let delta = Data {
            delta: Some(text),
            ..at
        };
        self.events
            .put("response.reasoning_summary_text.delta", &delta, out);
        if let Some(last) = summary.last_mut() {
            last.push_str(text);
        }
    }

    /// Ends the paragraph of reasoning that is open; its item stays.
    fn pause_thinking(&mut self, out: &mut Vec<u8>) {
        let Some((place, open @ true)) = &mut self.thinking else {
            return;
        };
        *open = false;
        let Some(Item {
            id,
            body: Body::Reasoning { summary, .. },
        }) = self.items.get(*place).map(|open| &open.item)
        else {
            return;
        };
        let text = summary.last().map(String::as_str).unwrap_or_default();
        let at = Data::summary(id, *place, summary.len().saturating_sub(1));
        let done = Data {
            text: Some(text),
            ..at
        };
        self.events
            .put("response.reasoning_summary_text.done", &done, out);
        let part = paragraph(text);
        let done = Data {
            part: Some(&part),
            ..at
        };
        self.events
            .put("response.reasoning_summary_part.done", &done, out);
    }

    /// Text, or a refusal's.
    fn say(&mut self, refusal: bool, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let place = match self.message {
            Some(place) => place,
            None => self.open_message(out),
        };
        if self.part_kind(place) != Some(refusal) {
            self.close_part(place, out);
            self.open_part(place, refusal, out);
        }
        let Some(Item {
            id,
            body: Body::Message { parts },
        }) = self.items.get_mut(place).map(|open| &mut open.item)
        else {
            return;
        };
        let at = Data::part(id, place, parts.len().saturating_sub(1));
        let (kind, logprobs) = match refusal {
            true => ("response.refusal.delta", None),
            false => ("response.output_text.delta", Some([])),
        };
        let delta = Data {
            delta: Some(text),
            logprobs,
            ..at
        };
        self.events.put(kind, &delta, out);
        if let Some(part) = parts.last_mut() {
            part.text.push_str(text);
        }
    }

    fn open_message(&mut self, out: &mut Vec<u8>) -> usize {
        self.pause_thinking(out);
        if self.call.is_some_and(|place| self.is_whole(place)) {
            self.close_call("completed", out);
        }
        let item = self.maker.message(Vec::new());
        let place = self.open(item, out);
        self.message = Some(place);
        place
    }

    /// Whether the part of a message that is open is a refusal; None when none is.
    fn part_kind(&self, place: usize) -> Option<bool> {
        match &self.items.get(place)?.item.body {
            Body::Message { parts } => parts.last().map(|part| part.refusal),
            _ => None,
        }
    }

    fn open_part(&mut self, place: usize, refusal: bool, out: &mut Vec<u8>) {
        let Some(Item {
            id,
            body: Body::Message { parts },
        }) = self.items.get_mut(place).map(|open| &mut open.item)
        else {
            return;
        };
        let text = String::new();
        let part = Part { refusal, text };
        let told = part.json();
        let added = Data {
            part: Some(&told),
            ..Data::part(id, place, parts.len())
        };
        self.events.put("response.content_part.added", &added, out);
        parts.push(part);
    }

    fn close_part(&mut self, place: usize, out: &mut Vec<u8>) {
        let Some(Item {
            id,
            body: Body::Message { parts },
        }) = self.items.get(place).map(|open| &open.item)
        else {
            return;
        };
        let Some(part) = parts.last() else { return };
        let at = Data::part(id, place, parts.len().saturating_sub(1));
        let text = Some(part.text.as_str());
        match part.refusal {
            true => {
                let done = Data { refusal: text, ..at };
                self.events.put("response.refusal.done", &done, out);
            }
            false => {
                let logprobs = Some([]);
                let done = Data { text, logprobs, ..at };
                self.events.put("response.output_text.done", &done, out);
            }
        }
        let told = part.json();
        let done = Data {
            part: Some(&told),
            ..at
        };
        self.events.put("response.content_part.done", &done, out);
    }

    /// The call of a number.
    fn called(&self, index: u32) -> Option<&Called> {
        let (_, place) = self.calls.iter().find(|(known, _)| *known == index)?;
        match &self.items.get(*place)?.item.body {
            Body::Call(call) => Some(call),
            _ => None,
        }
    }

    fn tool_call(&mut self, piece: &ToolCallDelta, out: &mut Vec<u8>) {
        let known = self.calls.iter().find(|(index, _)| *index == piece.index);
        match known.map(|(_, place)| *place) {
            Some(place) => self.call_piece(place, &piece.arguments, out),
            None => self.hold(piece),
        }
        while !self.waiting.is_empty() && self.call.is_none_or(|place| self.is_whole(place)) {
            self.open_call(out);
        }
    }

    /// Keeps the piece of a call whose turn has not come.
    fn hold(&mut self, piece: &ToolCallDelta) {
        match self.waiting.iter_mut().find(|held| held.index == piece.index) {
            Some(held) => {
                held.arguments.push_str(&piece.arguments);
                held.id = held.id.take().or_else(|| piece.id.clone());
                held.name = held.name.take().or_else(|| piece.name.clone());
            }
            None => self.waiting.push(piece.clone()),
        }
    }

    /// Opens the call that has waited longest.
    fn open_call(&mut self, out: &mut Vec<u8>) {
        self.pause_thinking(out);
        self.close_message("completed", out);
        self.close_call("completed", out);
        let held = self.waiting.remove(0);
        let (id, name) = (held.id.unwrap_or_default(), held.name.unwrap_or_default());
        let item = self.maker.call(&id, &name, "");
        let place = self.open(item, out);
        self.call = Some(place);
        self.calls.push((held.index, place));
        self.call_piece(place, &held.arguments, out);
    }

    fn call_piece(&mut self, place: usize, arguments: &str, out: &mut Vec<u8>) {
        let Some(open) = self.items.get_mut(place) else {
            return;
        };
        let Body::Call(call) = &mut open.item.body else {
            return;
        };
        // What follows a whole object can only be blanks.
        if arguments.is_empty() || open.closed {
            return;
        }
        call.arguments.push_str(arguments);
        let kind = match call.custom {
            true => "response.custom_tool_call_input.delta",
            false => "response.function_call_arguments.delta",
        };
        let delta = Data {
            delta: Some(arguments),
            ..Data::item(&open.item.id, place)
        };
        self.events.put(kind, &delta, out);
    }

    /// Whether nothing of a call can be missing. Of free text that is not known; its end is when something else begins.
    fn is_whole(&self, place: usize) -> bool {
        match self.items.get(place).map(|open| &open.item.body) {
            Some(Body::Call(call)) => {
                call.custom || serde_json::from_str::<IgnoredAny>(&call.arguments).is_ok()
            }
            _ => true,
        }
    }

    fn close_call(&mut self, status: &str, out: &mut Vec<u8>) {
        let Some(place) = self.call.take() else { return };
        let Some(Item {
            body: Body::Call(call),
            id,
        }) = self.items.get_mut(place).map(|open| &mut open.item)
        else {
            return;
        };
        let at = Data::item(id, place);
        if call.fill() {
            let delta = Data {
                delta: Some(&call.arguments),
                ..at
            };
            self.events
                .put("response.function_call_arguments.delta", &delta, out);
        }
        let all = Some(call.arguments.as_str());
        match call.custom {
            true => {
                let done = Data { input: all, ..at };
                self.events
                    .put("response.custom_tool_call_input.done", &done, out);
            }
            false => {
                let done = Data {
                    arguments: all,
                    name: Some(&call.name),
                    ..at
                };
                self.events
                    .put("response.function_call_arguments.done", &done, out);
            }
        }
        self.close(place, status, out);
    }

    fn close_message(&mut self, status: &str, out: &mut Vec<u8>) {
        if let Some(place) = self.message.take() {
            self.close_part(place, out);
            self.close(place, status, out);
        }
    }

    fn close(&mut self, place: usize, status: &str, out: &mut Vec<u8>) {
        if let Some(open) = self.items.get_mut(place) {
            open.closed = true;
            let told = open.item.json(status);
            self.events.item("response.output_item.done", place, &told, out);
        }
    }

    /// Adds what only now is known, and closes what is open.
    fn finish(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        let standing = Standing::of(reply);
        let last = standing.last();
        self.pause_thinking(out);
        while !self.waiting.is_empty() {
            self.open_call(out);
        }
        let broken = [self.call, self.message];
        self.close_message(last, out);
        self.close_call(last, out);
        let done = &reply.completion;
        let mut sealed: Vec<String> = done.reasoning_blocks.iter().map(pack).collect();
        sealed.extend(
            (0..)
                .zip(&done.tool_calls)
                .filter_map(|(index, call)| self.called(index)?.mark(call)),
        );
        let mut sealed = sealed.into_iter();
        if let Some((place, _)) = self.thinking {
            if let Some(Body::Reasoning { sealed: kept, .. }) =
                self.items.get_mut(place).map(|open| &mut open.item.body)
            {
                *kept = sealed.next();
            }
            self.close(place, last, out);
        }
        for sealed in sealed {
            let mut item = self.maker.reasoning("", None);
            self.events.item(
                "response.output_item.added",
                self.items.len(),
                &item.json(last),
                out,
            );
            if let Body::Reasoning { sealed: place, .. } = &mut item.body {
                *place = Some(sealed);
            }
            self.items.push(Open { item, closed: false });
            self.close(self.items.len().saturating_sub(1), last, out);
        }
        if self.items.is_empty() && standing.status == "completed" {
            let place = self.open_message(out);
            self.open_part(place, false, out);
            self.close_message(last, out);
        }
        let output = self.items.iter().enumerate();
        let output = output.map(|(place, open)| {
            let status = match broken.contains(&Some(place)) {
                true => last,
                false => "completed",
            };
            open.item.json(status)
        });
        let output = output.collect();
        let response = self
            .head
            .response(&standing, output, usage(&reply.completion.usage));
        self.events.response(standing.event(), &response, out);
    }
}
