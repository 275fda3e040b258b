//! OpenAI's strict mode, which takes fewer schemas than it is asked for.

use std::borrow::Cow;

use serde_json::Value;

use super::fit::Fit;
use super::schema::is_strict;
use crate::types::{ChatRequest, ResponseFormat, Tool};

/// The request without `strict` where the strict mode of OpenAI's formats refuses the schema, so that the vendor still
/// gets the schema, as one to follow. Borrowed where there is no such schema.
pub(crate) fn loosen<'a>(request: &'a ChatRequest, fit: &mut Fit) -> Cow<'a, ChatRequest> {
    let why = "sent as false, since the vendor's strict mode does not take the schema";
    let mut request = Cow::Borrowed(request);
    let tools: Vec<usize> = request
        .tools
        .iter()
        .enumerate()
        .filter(|(_, tool)| match tool {
            Tool::Function { function, .. } => refused(function.strict, function.parameters.as_ref()),
            Tool::Other(_) => false,
        })
        .map(|(i, _)| i)
        .collect();
    for i in tools {
        if let Some(Tool::Function { function, .. }) = request.to_mut().tools.get_mut(i) {
            fit.note(format!("tools[{i}].function.strict: {why}"));
            function.strict = Some(false);
        }
    }
    let format = matches!(&request.response_format, Some(ResponseFormat::JsonSchema { json_schema })
        if refused(json_schema.strict, json_schema.schema.as_ref()));
    if format && let Some(ResponseFormat::JsonSchema { json_schema }) = &mut request.to_mut().response_format
    {
        fit.note(format!("response_format.json_schema.strict: {why}"));
        json_schema.strict = Some(false);
    }
    request
}

/// Whether the mode is asked for with a schema that it refuses.
fn refused(strict: Option<bool>, schema: Option<&Value>) -> bool {
    strict == Some(true) && schema.is_some_and(|schema| !is_strict(schema))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Quirks;
    use crate::dialect::{Call, dialect};
    use crate::types::DialectId;

    #[test]
    fn the_strict_mode_is_asked_for_where_it_takes_the_schema() {
        let schema = |closed: bool| {
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "additionalProperties": !closed})
        };
        for (closed, strict, sent, lines) in [
            (true, true, true, 0),
            (false, true, false, 2),
            (false, false, false, 0),
        ] {
            let request = json!({"messages": "hi",
                "tools": [{"type": "function", "function": {"name": "f", "parameters": schema(closed), "strict": strict}}],
                "response_format": {"type": "json_schema", "json_schema":
                    {"name": "n", "schema": schema(closed), "strict": strict}}});
            let request: ChatRequest = serde_json::from_value(request).unwrap();
            for (id, tool, format) in [
                (
                    DialectId::OpenaiChat,
                    "/tools/0/function/strict",
                    "/response_format/json_schema/strict",
                ),
                (
                    DialectId::OpenaiResponses,
                    "/tools/0/strict",
                    "/text/format/strict",
                ),
            ] {
                let call = Call {
                    request: &request,
                    provider: "p",
                    model: "m",
                    facts: None,
                    quirks: &Quirks::default(),
                    lossy: false,
                    stream: false,
                };
                let encoded = dialect(id).encode(&call).unwrap();
                let body: Value = serde_json::from_slice(&encoded.body).unwrap();
                assert_eq!(body.pointer(tool), Some(&json!(sent)), "{id}");
                assert_eq!(body.pointer(format), Some(&json!(sent)), "{id}");
                assert_eq!(encoded.adapted.len(), lines, "{id}: {:?}", encoded.adapted);
            }
        }
    }
}
