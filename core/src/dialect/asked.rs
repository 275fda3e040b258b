//! What the readers of clients' requests share.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::common::parse_json;
use crate::types::{Failure, FailureClass, JsonMap, Phase};

/// A client's request that is wrong at `at`.
pub(crate) fn wrong(at: &str, what: &str) -> Failure {
    let mut failure = Failure::new(
        FailureClass::InvalidRequest,
        Phase::Encode,
        Failure::clean(&format!("`{at}`: {what}")),
    );
    failure.code = Some(at.to_owned());
    failure
}

/// A client's request that cannot be read at `path`.
pub(crate) fn wrong_at(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Failure {
    let at = path.to_string();
    wrong(if at == "." { "body" } else { &at }, &error.to_string())
}

/// An object whose fields are taken out one by one, so that what is left is what was not understood. A name in camel case
/// stands for its form in snake case too, since Google takes both. Nulls say nothing.
#[derive(Debug)]
pub(crate) struct Fields {
    map: JsonMap,
    at: String,
}

impl Fields {
    /// Of a whole body.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Failure> {
        match parse_json(body) {
            Some(value) => Self::of(value, "body"),
            None => Err(wrong("body", "it is not JSON")),
        }
    }

    /// Of the value at `at`.
    pub(crate) fn of(value: Value, at: &str) -> Result<Self, Failure> {
        match value {
            Value::Object(mut map) => {
                map.retain(|_, value| !value.is_null());
                Ok(Self {
                    map,
                    at: if at == "body" {
                        String::new()
                    } else {
                        at.to_owned()
                    },
                })
            }
            _ => Err(wrong(at, "expected an object")),
        }
    }

    /// Where a field stands.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }

    /// Takes a field.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map
            .shift_remove(name)
            .or_else(|| self.map.shift_remove(&snake(name)))
    }

    /// Takes a field of a type.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| wrong(&self.at(name), &error.to_string()))
    }

    /// As [`Self::read`], of a field that must be there.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Failure> {
        self.read(name)?
            .ok_or_else(|| wrong(&self.at(name), "it is missing"))
    }

    /// Takes a field if it is of this type; else it stays.
    pub(crate) fn read_fitting<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = serde_json::from_value(self.map.get(name)?.clone()).ok()?;
        self.map.shift_remove(name);
        Some(value)
    }

    /// Takes a list of objects or of other values; empty when there is none.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, Failure> {
        Ok(self.read(name)?.unwrap_or_default())
    }

    /// Takes an object; empty when there is none.
    pub(crate) fn object(&mut self, name: &str) -> Result<Self, Failure> {
        let at = self.at(name);
        let value = self.take(name).unwrap_or_else(|| Value::Object(JsonMap::new()));
        Self::of(value, &at)
    }

    /// The field, as a text, left where it is.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.map
            .get(name)
            .or_else(|| self.map.get(&snake(name)))?
            .as_str()
    }

    /// Whether it has a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name) || self.map.contains_key(&snake(name))
    }

    /// Whether all was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// What was not taken.
    pub(crate) fn rest(&mut self) -> JsonMap {
        std::mem::take(&mut self.map)
    }
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_taken_is_left() {
        let mut fields = Fields::of(
            json!({"topK": 3, "top_p": 0.5, "seed": "x", "labels": {}, "n": null}),
            "config",
        )
        .unwrap();
        assert_eq!(fields.read::<u32>("topK").unwrap(), Some(3));
        assert_eq!(fields.read::<f64>("topP").unwrap(), Some(0.5));
        let failure = fields.read::<i64>("seed").unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert_eq!(failure.code.as_deref(), Some("config.seed"));
        assert_eq!(Value::Object(fields.rest()), json!({"labels": {}}));
        let mut fields = Fields::of(json!({"a": -1, "b": "x"}), "c[0]").unwrap();
        assert_eq!(fields.read_fitting::<u32>("a"), None);
        assert_eq!(fields.read_fitting::<String>("b").as_deref(), Some("x"));
        let failure = fields.need::<u32>("d").unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("c[0].d"));
        assert_eq!(Value::Object(fields.rest()), json!({"a": -1}));
        for body in [&b"[1]"[..], b"x", b""] {
            assert_eq!(Fields::of_body(body).unwrap_err().code.as_deref(), Some("body"));
        }
    }
}
