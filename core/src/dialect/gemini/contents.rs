//! A client's `contents` → messages.

use serde_json::{Value, json};

use super::messages::file_data;
use crate::dialect::asked::{Fields, wrong};
use crate::dialect::foreign::marked;
use crate::types::{
    Audio, Content, DialectId, Failure, FilePart, ImagePart, JsonMap, Message, Part, PartBody,
    ReasoningBlock, Role, ToolCall,
};

const OWN: DialectId = DialectId::Gemini;

/// The conversation so far.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) messages: Vec<Message>,
    /// Calls that no result has answered yet: id and function.
    open: Vec<(String, String)>,
    /// Calls so far, for ids of those that have none.
    calls: usize,
}

impl Contents {
    /// One turn. A user's results become tool messages before the user's own words.
    pub(super) fn read(&mut self, content: Value, at: &str) -> Result<(), Failure> {
        let mut fields = Fields::of(content, at)?;
        let role: String = fields.read("role")?.unwrap_or_default();
        let role = match role.as_str() {
            "model" => Role::Assistant,
            "user" | "function" | "" => Role::User,
            _ => {
                return Err(wrong(
                    &format!("{at}.role"),
                    &format!("expected `user` or `model`, not `{role}`"),
                ));
            }
        };
        let mut message = Message::new(role, "");
        let mut parts = Vec::new();
        let list = fields.list("parts")?;
        message.extra = fields.rest();
        for (j, part) in list.into_iter().enumerate() {
            let at = format!("{at}.parts[{j}]");
            let mut fields = Fields::of(part.clone(), &at)?;
            if role == Role::User && fields.has("functionResponse") {
                let result = self.result(fields.object("functionResponse")?)?;
                self.messages.push(result);
            } else if role == Role::Assistant && fields.has("functionCall") {
                self.call(fields, &mut message)?;
            } else if role == Role::Assistant && fields.has("text") {
                parts.extend(said(fields, part, &mut message)?);
            } else {
                parts.push(part_of(part, &at)?);
            }
        }
        message.content = plain(parts);
        if !message.content.is_empty() || !message.tool_calls.is_empty() || !message.reasoning.is_empty() {
            self.messages.push(message);
        }
        Ok(())
    }

    fn call(&mut self, mut fields: Fields, message: &mut Message) -> Result<(), Failure> {
        let mut call = fields.object("functionCall")?;
        let at = call.at("name");
        let name: String = call
            .read("name")?
            .ok_or_else(|| wrong(&at, "a call needs the function's name"))?;
        let id = call
            .read::<String>("id")?
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        self.open.push((id.clone(), name.clone()));
        message.tool_calls.push(ToolCall {
            id,
            name,
            arguments: Value::Object(call.object("args")?.rest()).to_string(),
            signature: fields.read("thoughtSignature")?,
            ..ToolCall::default()
        });
        Ok(())
    }

    fn result(&mut self, mut answer: Fields) -> Result<Message, Failure> {
        let name: String = answer.read("name")?.unwrap_or_default();
        let id: Option<String> = answer.read("id")?.filter(|id: &String| !id.is_empty());
        let place = self.open.iter().position(|(call, function)| match &id {
            Some(id) => call == id,
            None => *function == name,
        });
        let mut message = Message::new(Role::Tool, "");
        let answered = place.map(|place| self.open.remove(place).0);
        if answered.is_none() {
            message.name = Some(name);
        }
        message.tool_call_id = Some(id.or(answered).unwrap_or_else(|| format!("call_{}", self.calls)));
        let text = match answer.take("response") {
            Some(Value::Object(response)) => result_text(response),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mut parts = Vec::new();
        let at = answer.at("parts");
        for (k, part) in answer.list("parts")?.into_iter().enumerate() {
            parts.push(part_of(part, &format!("{at}[{k}]"))?);
        }
        if !text.is_empty() {
            parts.insert(0, Part::text(text));
        }
        message.content = plain(parts);
        let own = answer.rest();
        if !own.is_empty() {
            message.extra.insert(OWN.as_str().to_owned(), Value::Object(own));
        }
        Ok(message)
    }
}

/// A result's text: the one under `result`, where it is all there is and would be put there again; else the JSON.
fn result_text(response: JsonMap) -> String {
    if let (1, Some(Value::String(text))) = (response.len(), response.get("result"))
        && serde_json::from_str::<JsonMap>(text).is_err()
    {
        return text.clone();
    }
    Value::Object(response).to_string()
}

/// A text of the model's: a thought becomes reasoning, and a signature goes with it.
fn said(mut fields: Fields, part: Value, message: &mut Message) -> Result<Option<Part>, Failure> {
    let text: String = fields.read("text")?.unwrap_or_default();
    let thought = fields.read("thought")?.unwrap_or(false);
    let signature: Option<String> = fields.read("thoughtSignature")?;
    if !fields.is_empty() {
        return Ok(Some(other(part)));
    }
    let block = |text: String, signature| ReasoningBlock {
        dialect: OWN,
        id: None,
        text,
        signature,
        redacted: None,
    };
    if thought {
        message.reasoning.push(block(text, signature));
        return Ok(None);
    }
    if signature.is_some() {
        message.reasoning.push(block(String::new(), signature));
    }
    Ok((!text.is_empty()).then(|| Part::text(text)))
}

/// One text with nothing beside it is plain text.
fn plain(mut parts: Vec<Part>) -> Content {
    match parts.as_mut_slice() {
        [] => Content::default(),
        [
            Part {
                body: PartBody::Text { text },
                ..
            },
        ] => Content::Text(std::mem::take(text)),
        _ => Content::Parts(parts),
    }
}

/// The parts of a system instruction, which may be a bare text or one part.
pub(super) fn read_parts(said: Value, at: &str) -> Result<Content, Failure> {
    if let Value::String(text) = said {
        return Ok(Content::Text(text));
    }
    let mut fields = Fields::of(said, at)?;
    let parts = match fields.take("parts") {
        Some(Value::Array(parts)) => parts,
        Some(part) => vec![part],
        None => return Err(wrong(&format!("{at}.parts"), "expected a list of parts")),
    };
    let parts = parts
        .into_iter()
        .enumerate()
        .map(|(j, part)| part_of(part, &format!("{at}.parts[{j}]")));
    Ok(plain(parts.collect::<Result<_, _>>()?))
}

fn other(part: Value) -> Part {
    let map = match part {
        Value::Object(map) => map,
        _ => JsonMap::new(),
    };
    Part {
        body: PartBody::Other(marked(OWN, map)),
        cache_control: None,
    }
}

fn part_of(part: Value, at: &str) -> Result<Part, Failure> {
    let mut fields = Fields::of(part.clone(), at)?;
    let body = if fields.has("text") {
        fields.read("text")?.map(|text| PartBody::Text { text })
    } else if fields.has("inlineData") {
        inline(fields.object("inlineData")?)?
    } else if fields.has("fileData") {
        linked(fields.object("fileData")?)?
    } else {
        None
    };
    Ok(match body {
        Some(body) if fields.is_empty() => Part {
            body,
            cache_control: None,
        },
        _ => other(part),
    })
}

fn inline(mut data: Fields) -> Result<Option<PartBody>, Failure> {
    let media_type: String = data.read("mimeType")?.unwrap_or_default();
    // Google takes base64 of either alphabet, others the first only.
    let content: String = data.read("data")?.unwrap_or_default();
    let content = content.replace('-', "+").replace('_', "/");
    if !data.is_empty() || media_type.is_empty() || media_type.contains([';', ',']) {
        return Ok(None);
    }
    if let Some(format) = media_type.strip_prefix("audio/") {
        return Ok(Some(PartBody::InputAudio {
            input_audio: Audio {
                data: content,
                format: format.to_owned(),
            },
        }));
    }
    Ok(Some(at_url(
        &media_type,
        format!("data:{media_type};base64,{content}"),
    )))
}

/// A file by URI, where its media type is the one its ending tells, so that it is told again; any other stays as it is.
fn linked(data: Fields) -> Result<Option<PartBody>, Failure> {
    let mut fields = data;
    let uri: String = fields.read("fileUri")?.unwrap_or_default();
    let media_type: Option<String> = fields.read("mimeType")?;
    let mut said = json!({"fileUri": uri});
    if let (Some(said), Some(media_type)) = (said.as_object_mut(), &media_type) {
        said.insert("mimeType".to_owned(), json!(media_type));
    }
    let web = ["https://", "http://", "gs://"]
        .iter()
        .any(|scheme| uri.starts_with(scheme));
    if !fields.is_empty() || file_data(&uri) != json!({"fileData": said}) {
        return Ok(None);
    }
    if !web {
        return Ok(Some(PartBody::File {
            file: FilePart {
                file_id: Some(uri),
                ..FilePart::default()
            },
        }));
    }
    Ok(Some(at_url(media_type.as_deref().unwrap_or_default(), uri)))
}

fn at_url(media_type: &str, url: String) -> PartBody {
    if media_type.starts_with("image/") {
        PartBody::ImageUrl {
            image_url: ImagePart { url, detail: None },
        }
    } else {
        PartBody::File {
            file: FilePart {
                file_data: Some(url),
                ..FilePart::default()
            },
        }
    }
}
