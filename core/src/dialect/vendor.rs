//! What the table of providers says of a request, whatever the dialect.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Call;
use crate::types::JsonMap;

/// What stands as it is in a part of a path (RFC 3986, "unreserved").
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
        Some(template) => {
            let model = utf8_percent_encode(call.model, PATH_PART).to_string();
            template.replace("{model}", &model)
        }
        None => usual.to_owned(),
    }
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
