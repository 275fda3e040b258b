//! Request → body: the settings. The conversation is [`super::messages`]'s, tools are [`super::tools`]'s.

use bytes::Bytes;
use serde_json::{Value, json};

use super::family::{Effort, Family, family};
use super::messages::conversation;
use super::tools::tool_config;
use crate::catalog::Reasoning;
use crate::config::did_you_mean;
use crate::dialect::fit::Fit;
use crate::dialect::options::apply_provider_options;
use crate::dialect::vendor::{filled, lay_fixed, path, taken};
use crate::dialect::{Call, Encoded};
use crate::types::{
    ChatRequest, DialectId, Failure, JsonMap, ReasoningEffort, ResponseFormat, Stop, ToolChoice,
};

/// Anthropic's lower bound of `thinking.budget_tokens`.
const MIN_BUDGET: u32 = 1024;

/// What is left for the answer beside thinking when nobody bounds it.
const ANSWER: u32 = 4096;

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let taken = taken(call, &mut fit)?;
    let call = &Call {
        request: &taken,
        ..*call
    };
    let request = call.request;
    refuse(request, &mut fit)?;
    let (system, messages) = conversation(&request.messages, &mut fit)?;

    let mut body = JsonMap::new();
    body.insert("messages".to_owned(), Value::Array(messages));
    if !system.is_empty() {
        body.insert("system".to_owned(), Value::Array(system));
    }
    if let Some(tools) = tool_config(request, &mut fit)? {
        body.insert("toolConfig".to_owned(), tools);
    }
    if let Some(format) = text_format(request, &mut fit)? {
        body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
    }
    let mut settings = Settings::new(call, &mut fit);
    settings.effort(call, &mut fit)?;
    settings.sampling(call, &mut fit)?;
    settings.write(request, &mut body);
    if let Some(tier) = service_tier(request) {
        body.insert("serviceTier".to_owned(), json!({"type": tier}));
    }

    lay_fixed(call, &mut body);
    apply_provider_options(call, DialectId::BedrockConverse, &mut body);
    let usual = if call.stream {
        "/model/{model}/converse-stream"
    } else {
        "/model/{model}/converse"
    };
    Ok(Encoded {
        path: path(call, &filled(usual, call.model)),
        headers: Vec::new(),
        body: Bytes::from(Value::Object(body).to_string()),
        adapted: fit.adapted,
    })
}

/// What Converse has no equal for, whatever the model.
fn refuse(request: &ChatRequest, fit: &mut Fit) -> Result<(), Failure> {
    let absent = [
        ("seed", request.seed.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
    ];
    for (field, _) in absent.iter().filter(|(_, given)| *given) {
        fit.lose(field, "Converse has no such parameter")?;
    }
    if request.user.is_some() {
        fit.note("user: left out; Converse has no place for it");
    }
    for (field, value) in &request.extra {
        let taken = match field.as_str() {
            // What every call does anyway: whether it streams is the call's to say, counts always come, and there is
            // one answer.
            "stream" => true,
            "stream_options" => value
                .as_object()
                .is_some_and(|options| options.keys().all(|option| option == "include_usage")),
            "n" => value.as_u64() == Some(1),
            "service_tier" => service_tier(request).is_some() || value == "auto",
            _ => false,
        };
        if !taken {
            let hint = did_you_mean(field, ChatRequest::FIELDS)
                .unwrap_or_else(|| "use provider_options to pass a field of the vendor's own".to_owned());
            fit.lose(field, &format!("Converse is not known to take it; {hint}"))?;
        }
    }
    Ok(())
}

/// OpenAI's `service_tier`, whose words Bedrock took over.
fn service_tier(request: &ChatRequest) -> Option<&str> {
    let tier = request.extra.get("service_tier")?.as_str()?;
    ["default", "flex", "priority"].contains(&tier).then_some(tier)
}

fn text_format(request: &ChatRequest, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    let schema = match &request.response_format {
        None | Some(ResponseFormat::Text) => return Ok(None),
        Some(ResponseFormat::Other(_)) => {
            fit.lose(
                "response_format",
                "its type, or a field of it, is not known, so it cannot be translated",
            )?;
            return Ok(None);
        }
        Some(ResponseFormat::JsonObject) => {
            fit.lose("response_format", "Converse has no JSON mode without a schema")?;
            return Ok(None);
        }
        Some(ResponseFormat::JsonSchema { json_schema }) => json_schema,
    };
    let Some(text) = &schema.schema else {
        fit.lose(
            "response_format.json_schema.schema",
            "Converse has no JSON mode without a schema",
        )?;
        return Ok(None);
    };
    if schema.strict == Some(false) {
        fit.note(
            "response_format.json_schema.strict: left out; the vendor always holds answers to the schema",
        );
    }
    let mut inner = JsonMap::new();
    inner.insert("schema".to_owned(), json!(text.to_string()));
    inner.insert("name".to_owned(), json!(schema.name));
    if let Some(description) = &schema.description {
        inner.insert("description".to_owned(), json!(description));
    }
    Ok(Some(
        json!({"type": "json_schema", "structure": {"jsonSchema": inner}}),
    ))
}

/// `inferenceConfig` and `additionalModelRequestFields` under construction.
struct Settings {
    family: Option<&'static Family>,
    max_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    fields: JsonMap,
    /// Whether the model was told to think, which bounds what else may be asked of it.
    thinks: bool,
}

impl Settings {
    fn new(call: &Call<'_>, fit: &mut Fit) -> Self {
        let request = call.request;
        let most = call.facts.and_then(|facts| facts.max_output);
        let max_tokens = match (request.max_tokens, most) {
            (Some(wanted), Some(most)) if wanted > most => {
                fit.note(format!(
                    "max_tokens: {most} instead of {wanted}, the most the model gives"
                ));
                Some(most)
            }
            (wanted, _) => wanted,
        };
        Self {
            family: family(call.model),
            max_tokens,
            temperature: None,
            top_p: None,
            fields: JsonMap::new(),
            thinks: false,
        }
    }

    fn effort(&mut self, call: &Call<'_>, fit: &mut Fit) -> Result<(), Failure> {
        let Some(effort) = call.request.reasoning_effort else {
            return Ok(());
        };
        let reasoning = call.facts.map(|facts| facts.reasoning).unwrap_or_default();
        if reasoning == Reasoning::None {
            return if effort == ReasoningEffort::None {
                Ok(())
            } else {
                fit.lose("reasoning_effort", "the model does not reason")
            };
        }
        match self.family.and_then(|family| family.effort) {
            Some(Effort::Thinking) => self.thinking(call, effort, reasoning, fit),
            Some(Effort::Field) => self.effort_field(effort, fit),
            None => fit.lose(
                "reasoning_effort",
                "how this model is told is not known; use provider_options",
            ),
        }
    }

    fn effort_field(&mut self, effort: ReasoningEffort, fit: &mut Fit) -> Result<(), Failure> {
        let level = match effort {
            ReasoningEffort::None => {
                return fit.lose("reasoning_effort", "the model always reasons");
            }
            ReasoningEffort::Minimal | ReasoningEffort::Low => ReasoningEffort::Low,
            ReasoningEffort::Medium => ReasoningEffort::Medium,
            ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => ReasoningEffort::High,
        };
        if level != effort {
            fit.note(format!(
                "reasoning_effort: {} is sent as {}, the nearest the model knows",
                effort.as_str(),
                level.as_str()
            ));
        }
        self.fields
            .insert("reasoning_effort".to_owned(), json!(level.as_str()));
        Ok(())
    }

    /// Anthropic's models: a level where they take one, else a number of tokens.
    fn thinking(
        &mut self,
        call: &Call<'_>,
        effort: ReasoningEffort,
        reasoning: Reasoning,
        fit: &mut Fit,
    ) -> Result<(), Failure> {
        let mut set = |key: &str, value: Value| self.fields.insert(key.to_owned(), value);
        if effort == ReasoningEffort::None {
            set("thinking", json!({"type": "disabled"}));
            return Ok(());
        }
        let request = call.request;
        let forced = !request.tools.is_empty()
            && matches!(
                request.tool_choice,
                Some(ToolChoice::Required | ToolChoice::Function(_))
            );
        if reasoning == Reasoning::Budget {
            if forced {
                return fit.lose("reasoning_effort", "a call is forced, which rules out thinking");
            }
            let budget = match self.max_tokens {
                Some(most) if most <= MIN_BUDGET => {
                    return fit.lose(
                        "reasoning_effort",
                        "thinking needs `max_tokens` of more than 1024",
                    );
                }
                Some(most) => {
                    let most = (most - most / 4).max(MIN_BUDGET);
                    if tokens(effort) > most {
                        fit.note(format!(
                            "reasoning_effort: {most} tokens of thinking instead of {}, to leave room for an answer in max_tokens",
                            tokens(effort)
                        ));
                    }
                    tokens(effort).min(most)
                }
                None => {
                    let most = call.facts.and_then(|facts| facts.max_output);
                    let chosen =
                        most.map_or(tokens(effort) + ANSWER, |most| most.min(tokens(effort) + ANSWER));
                    fit.note(format!("max_tokens: thinking needs a bound; {chosen} was chosen"));
                    self.max_tokens = Some(chosen);
                    tokens(effort).min(chosen - chosen / 4).max(MIN_BUDGET)
                }
            };
            self.fields.insert(
                "thinking".to_owned(),
                json!({"type": "enabled", "budget_tokens": budget}),
            );
            self.thinks = true;
            return Ok(());
        }
        let level = if effort == ReasoningEffort::Minimal {
            fit.note("reasoning_effort: minimal is sent as low, the vendor's least");
            ReasoningEffort::Low
        } else {
            effort
        };
        if forced {
            // Effort bounds the whole answer and stands without thinking, which a forced call rules out.
            fit.note("reasoning_effort: without thinking, since a tool call is forced");
        } else {
            set("thinking", json!({"type": "adaptive"}));
        }
        set("output_config", json!({"effort": level.as_str()}));
        self.thinks = !forced;
        Ok(())
    }

    fn sampling(&mut self, call: &Call<'_>, fit: &mut Fit) -> Result<(), Failure> {
        let request = call.request;
        let refused = call.facts.is_some_and(|facts| facts.sampling == Some(false));
        let given = [
            ("temperature", request.temperature.is_some()),
            ("top_p", request.top_p.is_some()),
            ("top_k", request.top_k.is_some()),
        ];
        if refused {
            for (field, _) in given.iter().filter(|(_, given)| *given) {
                fit.note(format!(
                    "{field}: left out, since the model takes no sampling parameters"
                ));
            }
            return Ok(());
        }
        // Anthropic's rules for a thinking model: temperature 1, no top_k, top_p of 0.95 at least.
        let thinks = "it cannot be changed while the model thinks";
        match request.temperature {
            Some(temperature) if self.thinks && temperature < 1.0 => fit.lose("temperature", thinks)?,
            Some(temperature) if temperature > 1.0 => {
                fit.note(format!(
                    "temperature: 1 instead of {temperature}, the most the vendor takes"
                ));
                self.temperature = Some(1.0);
            }
            temperature => self.temperature = temperature,
        }
        match request.top_p {
            Some(top_p) if self.thinks && top_p < 0.95 => fit.lose("top_p", thinks)?,
            top_p => self.top_p = top_p,
        }
        match (request.top_k, self.family) {
            (None, _) => {}
            (Some(_), _) if self.thinks => fit.lose("top_k", thinks)?,
            (Some(top_k), Some(family)) if family.set_top_k(top_k, &mut self.fields) => {}
            (Some(_), _) => fit.lose(
                "top_k",
                "Converse has no such parameter, nor is the model known to take it",
            )?,
        }
        Ok(())
    }

    fn write(self, request: &ChatRequest, body: &mut JsonMap) {
        let mut config = JsonMap::new();
        let stop = request.stop.as_ref().map(Stop::texts);
        for (key, value) in [
            ("maxTokens", json!(self.max_tokens)),
            ("temperature", json!(self.temperature)),
            ("topP", json!(self.top_p)),
            ("stopSequences", json!(stop.filter(|texts| !texts.is_empty()))),
        ] {
            if !value.is_null() {
                config.insert(key.to_owned(), value);
            }
        }
        if !config.is_empty() {
            body.insert("inferenceConfig".to_owned(), Value::Object(config));
        }
        if !self.fields.is_empty() {
            body.insert(
                "additionalModelRequestFields".to_owned(),
                Value::Object(self.fields),
            );
        }
    }
}

/// Tokens of thinking for a level: the same as when Anthropic is called itself.
const fn tokens(effort: ReasoningEffort) -> u32 {
    match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal => MIN_BUDGET,
        ReasoningEffort::Low => 2048,
        ReasoningEffort::Medium => 8192,
        ReasoningEffort::High => 16_384,
        ReasoningEffort::Xhigh => 24_576,
        ReasoningEffort::Max => 32_000,
    }
}
