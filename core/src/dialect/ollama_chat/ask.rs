//! A client's request → ours.

use serde_json::{Value, json};

use crate::dialect::Asked;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::common::made_call_id;
use crate::dialect::foreign::marked;
use crate::types::{
    ChatRequest, Content, DialectId, Failure, ImagePart, JsonMap, JsonSchema, Message, Part, PartBody,
    ReasoningBlock, ReasoningEffort, ResponseFormat, Role, Stop, Tool, ToolCall, parse_data_url,
};

/// A schema has no name here, and needs one elsewhere.
const SCHEMA_NAME: &str = "response";

/// How the base64 of an image begins, by its type.
const IMAGES: [(&str, &str); 4] = [
    ("iVBOR", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
];

pub(super) fn ask(body: &[u8]) -> Result<Asked, Failure> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.read("model")?;
    let stream = fields.read("stream")?.unwrap_or(true);
    let mut request = ChatRequest {
        messages: messages(fields.need("messages")?)?,
        tools: tools(fields.read("tools")?.unwrap_or_default())?,
        ..ChatRequest::default()
    };
    let mut own = JsonMap::new();
    if let Some(format) = fields.read::<Value>("format")? {
        request.response_format = response_format(format, &mut own);
    }
    if let Some(think) = fields.read::<Value>("think")? {
        request.reasoning_effort = effort(&think);
        // Which of a level and a plain yes the model takes is not known here, so targets of this format get it as it was.
        if !matches!(request.reasoning_effort, Some(ReasoningEffort::None)) {
            own.insert("think".to_owned(), think);
        }
    }
    let options = fields.read::<Value>("options")?.unwrap_or_else(|| json!({}));
    let left = options_of(&mut Fields::of(options, "options")?, &mut request);
    if !left.is_empty() {
        own.insert("options".to_owned(), Value::Object(left));
    }
    own.extend(fields.rest());
    if !own.is_empty() {
        let name = DialectId::OllamaChat.as_str().to_owned();
        request.provider_options.insert(name, own);
    }
    Ok(Asked {
        request,
        model,
        stream,
    })
}

/// Takes the options others have a word for; the rest is given back. A number out of others' range (`num_predict: -1`,
/// which sets no bound) is the server's own.
fn options_of(options: &mut Fields, request: &mut ChatRequest) -> JsonMap {
    request.max_tokens = options.read_fitting("num_predict");
    request.temperature = options.read_fitting("temperature");
    request.top_p = options.read_fitting("top_p");
    request.top_k = options.read_fitting("top_k");
    request.seed = options.read_fitting("seed");
    request.frequency_penalty = options.read_fitting("frequency_penalty");
    request.presence_penalty = options.read_fitting("presence_penalty");
    let stops: Vec<String> = options.read_fitting("stop").unwrap_or_default();
    request.stop = (!stops.is_empty()).then_some(Stop::Many(stops));
    options.rest()
}

fn response_format(format: Value, own: &mut JsonMap) -> Option<ResponseFormat> {
    match format {
        Value::String(word) if word.is_empty() => None,
        Value::String(word) if word == "json" => Some(ResponseFormat::JsonObject),
        schema @ Value::Object(_) => Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: SCHEMA_NAME.to_owned(),
                description: None,
                schema: Some(schema),
                strict: None,
            },
        }),
        other => {
            own.insert("format".to_owned(), other);
            None
        }
    }
}

fn effort(think: &Value) -> Option<ReasoningEffort> {
    match think {
        Value::Bool(false) => Some(ReasoningEffort::None),
        Value::Bool(true) => Some(ReasoningEffort::Medium),
        level => serde_json::from_value(level.clone()).ok(),
    }
}

/// The type of a tool may be left out: there is only one.
fn tools(tools: Vec<JsonMap>) -> Result<Vec<Tool>, Failure> {
    let read = |(i, mut tool): (usize, JsonMap)| {
        tool.entry("type").or_insert_with(|| json!("function"));
        let read = serde_json::from_value(Value::Object(tool))
            .map_err(|error| wrong(&format!("tools[{i}]"), &error.to_string()))?;
        Ok(match read {
            Tool::Other(map) => Tool::Other(marked(DialectId::OllamaChat, map)),
            function @ Tool::Function { .. } => function,
        })
    };
    tools.into_iter().enumerate().map(read).collect()
}

fn messages(messages: Vec<Value>) -> Result<Vec<Message>, Failure> {
    if messages.is_empty() {
        return Err(wrong("messages", "it is empty"));
    }
    let mut calls = Calls::default();
    let read = |(i, message): (usize, Value)| {
        let mut fields = Fields::of(message, &format!("messages[{i}]"))?;
        let mut message = message_of(&mut fields, &mut calls)?;
        let mut own = fields.rest();
        own.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
        if !own.is_empty() {
            let name = DialectId::OllamaChat.as_str().to_owned();
            message.extra.insert(name, Value::Object(own));
        }
        Ok(message)
    };
    messages.into_iter().enumerate().map(read).collect()
}

/// The calls of the conversation. Here they may have no ids, and results then tell by the tool's name which they answer.
#[derive(Default)]
struct Calls {
    made: u32,
    /// Id and name of the calls that have no result yet.
    open: Vec<(String, String)>,
}

impl Calls {
    fn id(&mut self) -> String {
        let id = made_call_id(None, self.made);
        self.made = self.made.saturating_add(1);
        id
    }

    /// The id of the call that a result answers, and whether that call is known.
    fn answered(&mut self, id: Option<String>, name: Option<&str>) -> (String, bool) {
        let at = self.open.iter().position(|(known, called)| match (&id, name) {
            (Some(id), _) => id == known,
            (None, Some(name)) => name == called,
            (None, None) => true,
        });
        match at {
            Some(at) => (self.open.remove(at).0, true),
            None => (id.unwrap_or_else(|| self.id()), false),
        }
    }
}

fn message_of(fields: &mut Fields, calls: &mut Calls) -> Result<Message, Failure> {
    let role = fields.need("role")?;
    let mut message = Message::new(role, "");
    let text: String = fields.read("content")?.unwrap_or_default();
    let images: Vec<String> = fields.read("images")?.unwrap_or_default();
    message.content = content(text, images);
    match role {
        Role::Assistant => {
            let thought: String = fields.read("thinking")?.unwrap_or_default();
            if !thought.is_empty() {
                message.reasoning.push(ReasoningBlock {
                    dialect: DialectId::OllamaChat,
                    id: None,
                    text: thought,
                    signature: None,
                    redacted: None,
                });
            }
            let place = fields.at("tool_calls");
            let made: Vec<Value> = fields.read("tool_calls")?.unwrap_or_default();
            for (j, call) in made.into_iter().enumerate() {
                let call = tool_call(call, format!("{place}[{j}]"), calls)?;
                calls.open.push((call.id.clone(), call.name.clone()));
                message.tool_calls.push(call);
            }
        }
        Role::Tool => {
            let name: Option<String> = fields.read("tool_name")?;
            let id: Option<String> = fields.read("tool_call_id")?;
            let (id, known) = calls.answered(id.filter(|id| !id.is_empty()), name.as_deref());
            message.tool_call_id = Some(id);
            message.name = name.filter(|_| !known);
        }
        Role::System | Role::Developer | Role::User => {}
    }
    Ok(message)
}

fn content(text: String, images: Vec<String>) -> Content {
    if images.is_empty() {
        return Content::Text(text);
    }
    let text = (!text.is_empty()).then(|| Part::text(text));
    let images = images.into_iter().map(|image| Part {
        body: PartBody::ImageUrl {
            image_url: ImagePart {
                url: image_url(image),
                detail: None,
            },
        },
        cache_control: None,
    });
    Content::Parts(text.into_iter().chain(images).collect())
}

/// A `data:` URL for bare base64, which does not name its type.
fn image_url(data: String) -> String {
    if data.starts_with("data:") && parse_data_url(&data).is_some() {
        return data;
    }
    let kind = IMAGES
        .iter()
        .find(|(start, _)| data.starts_with(start))
        .map_or("application/octet-stream", |(_, kind)| kind);
    format!("data:{kind};base64,{data}")
}

fn tool_call(call: Value, at: String, calls: &mut Calls) -> Result<ToolCall, Failure> {
    let mut call = Fields::of(call, &at)?;
    let place = call.at("function");
    let mut function = Fields::of(call.need("function")?, &place)?;
    let id: Option<String> = call.read("id")?;
    Ok(ToolCall {
        id: id.filter(|id| !id.is_empty()).unwrap_or_else(|| calls.id()),
        name: function.need("name")?,
        arguments: match function.read("arguments")? {
            None => "{}".to_owned(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        },
        signature: None,
        ..ToolCall::default()
    })
}
