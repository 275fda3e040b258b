//! Reading a client's request field by field, so that what was not asked for is left over and can be kept.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::types::{Failure, FailureClass, JsonMap, Phase};

/// A JSON object that is being read, and where it stands. A null says nothing.
#[derive(Debug)]
pub(crate) struct Fields {
    map: JsonMap,
    at: String,
}

impl Fields {
    /// The object that is a whole body.
    ///
    /// # Errors
    /// `invalid_request` when the body is something else.
    pub(crate) fn of_body(body: &[u8]) -> Result<Self, Failure> {
        let map = serde_json::from_slice(body)
            .map_err(|error| invalid("body", &format!("expected a JSON object: {error}")))?;
        Ok(Self {
            map,
            at: String::new(),
        })
    }

    /// The object that stands at `at`.
    ///
    /// # Errors
    /// `invalid_request` when it is something else.
    pub(crate) fn of(value: Value, at: String) -> Result<Self, Failure> {
        match value {
            Value::Object(map) => Ok(Self { map, at }),
            _ => Err(invalid(&at, "expected an object")),
        }
    }

    /// Where a field of it stands.
    pub(crate) fn place(&self, field: &str) -> String {
        if self.at.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.at)
        }
    }

    /// Takes a field out.
    ///
    /// # Errors
    /// `invalid_request`, naming the field, when it is of another type.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>, Failure> {
        match self.map.shift_remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| invalid(&self.place(field), &error.to_string())),
        }
    }

    /// As [`Self::take`], of a field that must be there.
    ///
    /// # Errors
    /// `invalid_request`, naming the field, when it is missing or of another type.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, Failure> {
        self.take(field)?
            .ok_or_else(|| invalid(&self.place(field), "it is missing"))
    }

    /// Takes a field out if it is of this type; else it stays.
    pub(crate) fn take_fitting<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let value = serde_json::from_value(self.map.get(field)?.clone()).ok()?;
        self.map.shift_remove(field);
        Some(value)
    }

    /// What was not taken.
    pub(crate) fn rest(&mut self) -> JsonMap {
        let mut rest = std::mem::take(&mut self.map);
        rest.retain(|_, value| !value.is_null());
        rest
    }
}

/// A client's request that cannot be read, by the place of what is wrong in it.
pub(crate) fn invalid(at: &str, why: &str) -> Failure {
    let mut failure = Failure::new(
        FailureClass::InvalidRequest,
        Phase::Encode,
        Failure::clean(&format!("`{at}`: {why}")),
    );
    failure.code = Some(at.to_owned());
    failure
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_taken_is_left_over() {
        let mut fields = Fields::of_body(br#"{"a": 1, "b": null, "c": -1, "d": null, "e": [2]}"#).unwrap();
        assert_eq!(fields.take::<u32>("a"), Ok(Some(1)));
        assert_eq!(fields.take::<u32>("b"), Ok(None));
        assert_eq!(fields.take_fitting::<u32>("c"), None);
        assert_eq!(fields.take_fitting::<u32>("x"), None);
        assert_eq!(Value::Object(fields.rest()), json!({"c": -1, "e": [2]}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let failure = Fields::of_body(b"[]").unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidRequest);
        assert!(Fields::of(json!(1), "a".to_owned()).is_err());
        let mut inner = Fields::of(json!({"b": "x"}), "a[0]".to_owned()).unwrap();
        assert_eq!(inner.need::<String>("c").unwrap_err().code.unwrap(), "a[0].c");
        assert_eq!(inner.take::<bool>("b").unwrap_err().code.unwrap(), "a[0].b");
    }
}
