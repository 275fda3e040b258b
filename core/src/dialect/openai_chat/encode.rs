//! A request → its body, written straight from the request without a JSON tree between.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::fitted::Fitted;
use super::messages::{Messages, Tools};
use super::suited::suited;
use crate::dialect::fit::Fit;
use crate::dialect::options::apply_provider_options;
use crate::dialect::strict::loosen;
use crate::dialect::vendor::{lay_fixed, path};
use crate::dialect::{Call, Encoded};
use crate::types::{DialectId, Failure, FailureClass, Phase};

const STREAM_OPTIONS: &str = "stream_options";

pub(super) fn encode(call: &Call<'_>) -> Result<Encoded, Failure> {
    let mut fit = Fit::new(call.lossy);
    let request = suited(call.request, &mut fit);
    let request = loosen(&request, &mut fit);
    let call = &Call {
        request: &request,
        ..*call
    };
    let fitted = Fitted::new(call, &mut fit)?;
    let body = write(&fitted).map_err(|error| {
        Failure::new(
            FailureClass::InvalidRequest,
            Phase::Encode,
            format!("the request cannot be written as JSON: {error}"),
        )
    })?;
    Ok(Encoded {
        path: path(call, "/chat/completions"),
        headers: Vec::new(),
        body: body.into(),
        adapted: fit.adapted,
    })
}

fn write(fitted: &Fitted<'_>) -> serde_json::Result<Vec<u8>> {
    let call = fitted.call;
    let options = &call.request.provider_options;
    let dialect = DialectId::OpenaiChat;
    let plain = call.quirks.body.is_empty() && call.quirks.model_in_body;
    if plain && !options.contains_key(call.provider) && !options.contains_key(dialect.as_str()) {
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, fitted)?;
        return Ok(bytes);
    }
    let mut value = serde_json::to_value(fitted)?;
    if let Value::Object(map) = &mut value {
        lay_fixed(call, map);
        apply_provider_options(call, dialect, map);
        // Whether a stream comes back decides how it is read, so it is not the caller's to set.
        map.shift_remove("stream");
        if call.stream {
            map.insert("stream".to_owned(), Value::Bool(true));
        }
    }
    serde_json::to_vec(&value)
}

impl Fitted<'_> {
    /// Writes a field under the vendor's name for it, if it is given and not left out.
    fn put<M: SerializeMap, T: Serialize>(
        &self,
        map: &mut M,
        field: &str,
        value: Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) if !self.leaves_out(field) => {
                let renamed = self.call.quirks.rename.get(field);
                map.serialize_entry(renamed.map_or(field, String::as_str), &value)
            }
            _ => Ok(()),
        }
    }
}

impl Serialize for Fitted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (request, quirks) = (self.call.request, self.call.quirks);
        let mut serialized = serializer.serialize_map(None)?;
        let map = &mut serialized;
        map.serialize_entry("model", self.call.model)?;
        map.serialize_entry("messages", &Messages(self))?;
        if let Some(tokens) = request.max_tokens.filter(|_| !self.leaves_out("max_tokens")) {
            map.serialize_entry(&quirks.max_tokens, &tokens)?;
        }
        self.put(map, "temperature", request.temperature.as_ref())?;
        self.put(map, "top_p", request.top_p.as_ref())?;
        self.put(map, "top_k", request.top_k.as_ref())?;
        self.put(map, "stop", request.stop.as_ref())?;
        self.put(map, "seed", request.seed.as_ref())?;
        self.put(map, "frequency_penalty", request.frequency_penalty.as_ref())?;
        self.put(map, "presence_penalty", request.presence_penalty.as_ref())?;
        let tools = (!request.tools.is_empty()).then_some(Tools {
            tools: &request.tools,
            cache_marks: quirks.cache_marks,
        });
        self.put(map, "tools", tools.as_ref())?;
        self.put(map, "tool_choice", request.tool_choice.as_ref())?;
        self.put(map, "parallel_tool_calls", request.parallel_tool_calls.as_ref())?;
        if self.any_json {
            map.serialize_entry("response_format", &json!({"type": "json_object"}))?;
        } else {
            self.put(map, "response_format", request.response_format.as_ref())?;
        }
        self.write_effort(map)?;
        self.put(map, "user", request.user.as_ref())?;
        for (field, value) in &request.extra {
            if field != "stream" && field != STREAM_OPTIONS {
                self.put(map, field, Some(value))?;
            }
        }
        if self.call.stream {
            map.serialize_entry("stream", &true)?;
            if quirks.stream_options {
                // Counts at the end of the stream, beside what the caller asks for.
                let asked = request.extra.get(STREAM_OPTIONS).and_then(Value::as_object);
                let mut options = asked.cloned().unwrap_or_default();
                options.insert("include_usage".to_owned(), Value::Bool(true));
                map.serialize_entry(STREAM_OPTIONS, &options)?;
            }
        }
        serialized.end()
    }
}
