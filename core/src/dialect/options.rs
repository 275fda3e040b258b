//! `provider_options`: fields of a vendor's own, laid over what a dialect wrote.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Call;
use crate::types::{DialectId, JsonMap};

/// Lays the request's options for the dialect, then those for the provider, over `body`. Objects merge key by key, so
/// that one field of a group can be set without repeating the group; a null takes a field out, and a group that is left empty goes with it; anything else replaces.
pub(crate) fn apply_provider_options(call: &Call<'_>, dialect: DialectId, body: &mut JsonMap) {
    lay_options(&call.request.provider_options, dialect, call.provider, body);
}

/// As [`apply_provider_options`], for a request of any kind.
pub(crate) fn lay_options(
    options: &BTreeMap<String, JsonMap>,
    dialect: DialectId,
    provider: &str,
    body: &mut JsonMap,
) {
    for name in [dialect.as_str(), provider] {
        if let Some(options) = options.get(name) {
            merge(body, options);
        }
    }
}

fn merge(into: &mut JsonMap, from: &JsonMap) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(group)), Value::Object(from)) => {
                merge(group, from);
                if group.is_empty() {
                    into.shift_remove(key);
                }
            }
            (_, Value::Object(from)) if !from.is_empty() => {
                let mut group = JsonMap::new();
                merge(&mut group, from);
                if !group.is_empty() {
                    into.insert(key.clone(), Value::Object(group));
                }
            }
            (_, Value::Null) => {
                into.shift_remove(key);
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Quirks;
    use crate::types::ChatRequest;
    use serde_json::json;

    #[test]
    fn lays_options_over_the_body() {
        let request: ChatRequest = serde_json::from_value(json!({
            "messages": "hi",
            "provider_options": {
                "google": {"generationConfig": {"topK": 3, "seed": null}, "labels": {"a": "b"},
                    "toolConfig": {"mode": null}, "other": {"a": null}, "empty": {}},
                "gemini": {"labels": {"a": "c", "d": "e"}},
                "openai": {"store": true},
            },
        }))
        .unwrap();
        let call = Call {
            request: &request,
            provider: "google",
            model: "m",
            facts: None,
            quirks: &Quirks::default(),
            lossy: false,
            stream: false,
        };
        let mut body =
            json!({"generationConfig": {"topK": 1, "seed": 2, "topP": 1}, "toolConfig": {"mode": "ANY"}})
                .as_object()
                .unwrap()
                .clone();
        apply_provider_options(&call, DialectId::Gemini, &mut body);
        assert_eq!(
            Value::Object(body),
            json!({"generationConfig": {"topK": 3, "topP": 1}, "labels": {"a": "b", "d": "e"}, "empty": {}})
        );
    }
}
