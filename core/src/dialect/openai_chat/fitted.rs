//! What becomes of a request at one provider of the family, worked out before anything is written.

use std::borrow::Cow;
use std::hash::Hasher;

use serde::ser::SerializeMap;
use serde_json::{Value, json};

use crate::catalog::{Quirks, Reasoning, ReasoningBack, ReasoningField};
use crate::dialect::Call;
use crate::dialect::fit::Fit;
use crate::dialect::foreign::has_cache_marks;
use crate::types::{ChatRequest, Failure, Message, ReasoningEffort, ResponseFormat, Role};

/// Fields of a message that hold reasoning for people to read, by the vendors' names for it.
pub(super) const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

/// A request as it is to be written.
pub(super) struct Fitted<'a> {
    pub(super) call: &'a Call<'a>,
    /// Fields that are left out.
    left: Vec<&'a str>,
    /// A schema is asked for, and any JSON object is all that can be.
    pub(super) any_json: bool,
    /// Whether assistant messages take their reasoning back.
    pub(super) reasoning_back: ReasoningBack,
}

impl<'a> Fitted<'a> {
    /// # Errors
    /// `unsupported`, naming the field, for what is lost where the route takes no loss.
    pub(super) fn new(call: &'a Call<'a>, fit: &mut Fit) -> Result<Self, Failure> {
        let (request, quirks) = (call.request, call.quirks);
        let mut fitted = Self {
            call,
            left: Vec::new(),
            any_json: false,
            reasoning_back: quirks.reasoning_back,
        };
        for field in &quirks.refuses {
            if !given(request, field) {
                continue;
            }
            if goes_without_saying(request, field) {
                fit.note(format!("{field}: left out: it is what the vendor does anyway"));
            } else {
                fit.lose(field, "the vendor does not take it")?;
            }
            fitted.left.push(field);
        }
        for field in quirks.ignores.iter().filter(|field| given(request, field)) {
            fit.note(format!("{field}: left out: the vendor does not heed it"));
            fitted.left.push(field);
        }
        fitted.sampling(fit)?;
        fitted.format(fit)?;
        fitted.effort(fit)?;
        fitted.stream_options(fit)?;
        fitted.messages(fit);
        Ok(fitted)
    }

    pub(super) fn leaves_out(&self, field: &str) -> bool {
        self.left.contains(&field)
    }

    /// Models that reason take no sampling parameters unless told not to reason: OpenAI's and Azure's guides to reasoning
    /// models name these.
    fn sampling(&mut self, fit: &mut Fit) -> Result<(), Failure> {
        const WHY: &str = "the model takes no sampling parameters";
        let request = self.call.request;
        let takes = self.call.facts.is_none_or(|facts| facts.sampling != Some(false));
        if takes || request.reasoning_effort == Some(ReasoningEffort::None) {
            return Ok(());
        }
        for field in [
            "temperature",
            "top_p",
            "top_k",
            "frequency_penalty",
            "presence_penalty",
        ] {
            if given(request, field) && !self.leaves_out(field) {
                fit.note(format!("{field}: left out: {WHY}"));
                self.left.push(field);
            }
        }
        for field in ["logprobs", "top_logprobs", "logit_bias"] {
            if given(request, field) && !self.leaves_out(field) {
                if !goes_without_saying(request, field) {
                    fit.lose(field, WHY)?;
                }
                self.left.push(field);
            }
        }
        Ok(())
    }

    fn format(&mut self, fit: &mut Fit) -> Result<(), Failure> {
        let schema = matches!(
            self.call.request.response_format,
            Some(ResponseFormat::JsonSchema { .. })
        );
        if schema && !self.call.quirks.json_schema && !self.leaves_out("response_format") {
            fit.lose(
                "response_format.json_schema",
                "the vendor holds no answer to a schema; any JSON object is asked for",
            )?;
            self.any_json = true;
        }
        Ok(())
    }

    fn effort(&mut self, fit: &mut Fit) -> Result<(), Failure> {
        const FIELD: &str = "reasoning_effort";
        let Some(effort) = self.call.request.reasoning_effort else {
            return Ok(());
        };
        if self.leaves_out(FIELD) {
            return Ok(());
        }
        if self
            .call
            .facts
            .is_some_and(|facts| facts.reasoning == Reasoning::None)
        {
            match effort {
                ReasoningEffort::None => fit.note(format!("{FIELD}: left out: the model never reasons")),
                _ => fit.lose(FIELD, "the model does not reason")?,
            }
            self.left.push(FIELD);
            return Ok(());
        }
        let asked = effort.as_str();
        match self.call.quirks.reasoning {
            ReasoningField::Thinking if effort != ReasoningEffort::None => fit.note(format!(
                "{FIELD}: {asked} is sent as thinking turned on; the vendor knows no levels"
            )),
            ReasoningField::EnableThinking if effort != ReasoningEffort::None => {
                fit.note(match budget(effort) {
                    Some(tokens) => format!("{FIELD}: {asked} is sent as a budget of {tokens} tokens"),
                    None => format!("{FIELD}: {asked} is sent as thinking without a budget"),
                })
            }
            ReasoningField::ChatTemplate if effort != ReasoningEffort::None && middling(effort) != asked => {
                fit.note(format!("{FIELD}: {asked} is sent as {}", middling(effort)));
            }
            _ => {}
        }
        Ok(())
    }

    fn stream_options(&self, fit: &mut Fit) -> Result<(), Failure> {
        if self.call.quirks.stream_options || !self.call.stream {
            return Ok(());
        }
        let asked = self
            .call
            .request
            .extra
            .get("stream_options")
            .and_then(Value::as_object);
        // Counts come without asking.
        match asked.and_then(|asked| asked.keys().find(|option| *option != "include_usage")) {
            Some(option) => fit.lose(&format!("stream_options.{option}"), "the vendor does not take it"),
            None => Ok(()),
        }
    }

    fn messages(&mut self, fit: &mut Fit) {
        let (request, quirks) = (self.call.request, self.call.quirks);
        let looped = request
            .messages
            .iter()
            .any(|message| !message.tool_calls.is_empty());
        // Without tools in play the vendors ignore it, or refuse it.
        if quirks.reasoning_back == ReasoningBack::Content && !looped {
            self.reasoning_back = ReasoningBack::Never;
        }
        for (i, message) in request.messages.iter().enumerate() {
            self.message(i, message, fit);
        }
        if has_cache_marks(request) && !quirks.cache_marks {
            fit.note("cache_control: left out: the vendor caches by itself");
        }
        if quirks.short_call_ids
            && let Some((i, _)) = request
                .messages
                .iter()
                .enumerate()
                .find(|(_, message)| ids(message).any(|id| !is_short(id)))
        {
            fit.note(format!(
                "messages[{i}].tool_calls: ids made anew of nine letters and digits, as the vendor asks"
            ));
        }
    }

    fn message(&self, i: usize, message: &Message, fit: &mut Fit) {
        if message.role == Role::Developer && !self.call.quirks.developer_role {
            fit.note(format!("messages[{i}].role: `developer` is sent as `system`"));
        }
        let handed_back = self.reasoning_back == ReasoningBack::Content && reasoning_of(message).is_some();
        if !message.reasoning.is_empty() && !handed_back {
            fit.note(format!(
                "messages[{i}].reasoning_details: left out: the vendor has no place for them"
            ));
        }
        if self.reasoning_back == ReasoningBack::Never {
            for field in REASONING {
                if message.extra.contains_key(field) {
                    fit.note(format!(
                        "messages[{i}].{field}: left out: the vendor does not want it back"
                    ));
                }
            }
        }
        for (j, call) in message.tool_calls.iter().enumerate() {
            if call.signature.is_some() {
                fit.note(format!(
                    "messages[{i}].tool_calls[{j}].extra_content: left out: the vendor has no place for it"
                ));
            }
        }
    }

    /// Writes how hard to think, in the vendor's words.
    pub(super) fn write_effort<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        const FIELD: &str = "reasoning_effort";
        let Some(effort) = self
            .call
            .request
            .reasoning_effort
            .filter(|_| !self.leaves_out(FIELD))
        else {
            return Ok(());
        };
        let (word, thinks) = (effort.as_str(), effort != ReasoningEffort::None);
        let on = json!({"type": if thinks { "enabled" } else { "disabled" }});
        match self.call.quirks.reasoning {
            ReasoningField::Effort => map.serialize_entry(FIELD, word),
            ReasoningField::Nested => map.serialize_entry("reasoning", &json!({"effort": word})),
            ReasoningField::Thinking => map.serialize_entry("thinking", &on),
            ReasoningField::ThinkingEffort => {
                map.serialize_entry("thinking", &on)?;
                match thinks {
                    true => map.serialize_entry(FIELD, word),
                    false => Ok(()),
                }
            }
            ReasoningField::EnableThinking => {
                map.serialize_entry("enable_thinking", &thinks)?;
                match budget(effort) {
                    Some(tokens) => map.serialize_entry("thinking_budget", &tokens),
                    None => Ok(()),
                }
            }
            ReasoningField::ChatTemplate => {
                map.serialize_entry("chat_template_kwargs", &json!({"enable_thinking": thinks}))?;
                match thinks {
                    true => map.serialize_entry(FIELD, middling(effort)),
                    false => Ok(()),
                }
            }
        }
    }
}

/// Whether the request says anything of a field.
fn given(request: &ChatRequest, field: &str) -> bool {
    match field {
        "max_tokens" => request.max_tokens.is_some(),
        "temperature" => request.temperature.is_some(),
        "top_p" => request.top_p.is_some(),
        "top_k" => request.top_k.is_some(),
        "stop" => request.stop.is_some(),
        "seed" => request.seed.is_some(),
        "frequency_penalty" => request.frequency_penalty.is_some(),
        "presence_penalty" => request.presence_penalty.is_some(),
        "tools" => !request.tools.is_empty(),
        "tool_choice" => request.tool_choice.is_some(),
        "parallel_tool_calls" => request.parallel_tool_calls.is_some(),
        "response_format" => request.response_format.is_some(),
        "reasoning_effort" => request.reasoning_effort.is_some(),
        "user" => request.user.is_some(),
        field => request.extra.contains_key(field),
    }
}

/// Whether a field asks for what happens without it.
fn goes_without_saying(request: &ChatRequest, field: &str) -> bool {
    match field {
        "parallel_tool_calls" => request.parallel_tool_calls == Some(true),
        "frequency_penalty" => request.frequency_penalty == Some(0.0),
        "presence_penalty" => request.presence_penalty == Some(0.0),
        "response_format" => request.response_format == Some(ResponseFormat::Text),
        "n" => request.extra.get(field).and_then(Value::as_u64) == Some(1),
        "logprobs" => request.extra.get(field) == Some(&Value::Bool(false)),
        _ => false,
    }
}

/// The level of the three that local servers know.
const fn middling(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal | ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => "high",
    }
}

/// Tokens of thinking for a level: the budgets of Google's own OpenAI-compatible API, for want of any of the vendor's
/// own. None: no thinking, or as much as the model can.
const fn budget(effort: ReasoningEffort) -> Option<u32> {
    match effort {
        ReasoningEffort::Minimal | ReasoningEffort::Low => Some(1024),
        ReasoningEffort::Medium => Some(8192),
        ReasoningEffort::High | ReasoningEffort::Xhigh => Some(24_576),
        ReasoningEffort::None | ReasoningEffort::Max => None,
    }
}

/// The reasoning that a message holds, as text; None when it holds none that can be read.
pub(super) fn reasoning_of(message: &Message) -> Option<Cow<'_, str>> {
    let written = ["reasoning_content", "reasoning"]
        .iter()
        .find_map(|field| message.extra.get(*field)?.as_str());
    if let Some(text) = written {
        return Some(Cow::Borrowed(text));
    }
    let blocks = message.reasoning.iter().map(|block| block.text.as_str());
    let text: String = blocks.collect();
    (!text.is_empty()).then_some(Cow::Owned(text))
}

fn ids(message: &Message) -> impl Iterator<Item = &str> {
    let made = message.tool_calls.iter().map(|call| call.id.as_str());
    made.chain(message.tool_call_id.as_deref())
}

fn is_short(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The id as the vendor takes it: the same for the call and for its result.
pub(super) fn call_id<'a>(id: &'a str, quirks: &Quirks) -> Cow<'a, str> {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if !quirks.short_call_ids || is_short(id) {
        return Cow::Borrowed(id);
    }
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(id.as_bytes());
    let mut rest = hasher.finish();
    let letters = (0..9).map(|_| {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        rest /= 62;
        LETTERS.get(digit).copied().map_or('0', char::from)
    });
    Cow::Owned(letters.collect())
}
