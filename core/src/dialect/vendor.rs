//! What the table of providers says of a request, whatever the dialect.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Call;
use super::fit::Fit;
use crate::types::{ChatRequest, Failure, JsonMap};

/// What stands as it is in a part of a path (RFC 3986, "unreserved"). Signatures of AWS depend on it: `:` and the `/` of
/// ARNs are escaped.
const PATH_PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path and query: the provider's own, or else the dialect's.
pub(crate) fn path(call: &Call<'_>, usual: &str) -> String {
    let quirks = call.quirks;
    let streamed = quirks.stream_path.as_ref().filter(|_| call.stream);
    match streamed.or(quirks.path.as_ref()) {
        Some(template) => filled(template, call.model),
        None => usual.to_owned(),
    }
}

/// A template of a path with the model in its place.
pub(crate) fn filled(template: &str, model: &str) -> String {
    template.replace("{model}", &utf8_percent_encode(model, PATH_PART).to_string())
}

/// The fields that every body takes there, and none where the path names the model.
pub(crate) fn lay_fixed(call: &Call<'_>, body: &mut JsonMap) {
    if !call.quirks.model_in_body {
        body.shift_remove("model");
    }
    for (field, value) in &call.quirks.body {
        body.insert(field.clone(), value.clone());
    }
}

/// The request without what the provider refuses.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, unless a loss is taken.
pub(crate) fn taken<'a>(call: &Call<'a>, fit: &mut Fit) -> Result<Cow<'a, ChatRequest>, Failure> {
    let refused = &call.quirks.refuses;
    if refused.is_empty() {
        return Ok(Cow::Borrowed(call.request));
    }
    let mut request = serde_json::to_value(call.request).unwrap_or_default();
    if let Some(fields) = request.as_object_mut() {
        for field in refused {
            if fields.shift_remove(field).is_some() {
                fit.lose(field, "the provider refuses it")?;
            }
        }
    }
    serde_json::from_value(request)
        .map(Cow::Owned)
        .map_err(|error| Failure::unsupported("request", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::Quirks;
    use crate::dialect::{Encoded, dialect, encode};
    use crate::types::DialectId;

    fn encoded(id: DialectId, quirks: &Quirks, lossy: bool, stream: bool) -> Result<Encoded, Failure> {
        let request = json!({"messages": "hi", "max_tokens": 9, "temperature": 0.5});
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let call = Call {
            request: &request,
            provider: "p",
            model: "a/b",
            facts: None,
            quirks,
            lossy,
            stream,
        };
        encode(dialect(id), &call)
    }

    #[test]
    fn every_format_heeds_where_and_what_the_provider_wants() {
        let quirks = Quirks {
            path: Some("/x/{model}".to_owned()),
            stream_path: Some("/y/{model}".to_owned()),
            model_in_body: false,
            body: json!({"fixed": 1}).as_object().unwrap().clone(),
            ..Quirks::default()
        };
        for id in DialectId::ALL {
            for (stream, path) in [(false, "/x/a%2Fb"), (true, "/y/a%2Fb")] {
                let encoded = encoded(id, &quirks, false, stream).unwrap();
                assert_eq!(encoded.path, path, "{id}");
                let body: Value = serde_json::from_slice(&encoded.body).unwrap();
                assert_eq!((&body["fixed"], body.get("model")), (&json!(1), None), "{id}");
            }
        }
    }

    #[test]
    fn no_format_sends_what_the_provider_refuses() {
        let quirks = Quirks {
            refuses: vec!["temperature".to_owned()],
            ..Quirks::default()
        };
        for id in DialectId::ALL {
            let failure = encoded(id, &quirks, false, false).unwrap_err();
            assert_eq!(failure.code.as_deref(), Some("temperature"), "{id}");
            let encoded = encoded(id, &quirks, true, false).unwrap();
            let body = String::from_utf8(encoded.body.to_vec()).unwrap();
            assert!(!body.contains("temperature"), "{id} {body}");
            let said = |line: &String| line.starts_with("temperature: left out");
            assert!(encoded.adapted.iter().any(said), "{id}");
        }
    }
}
