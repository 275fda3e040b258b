//! Arguments that come in pieces (`streamFunctionCallArguments`): each a value at a JSON path.

use serde_json::{Value, json};

use crate::types::{Failure, JsonMap};

/// Deepest path taken: a value is dropped and written step by step on the stack.
const MAX_DEPTH: usize = 64;

/// Sets a piece's value at its path, or appends to the text there.
///
/// # Errors
/// `malformed` when the path cannot be read or contradicts an earlier one.
pub(super) fn apply(args: &mut Value, piece: &Value) -> Result<(), Failure> {
    let unreadable = || Failure::malformed("a piece of a function call has an unreadable path");
    let path = piece
        .get("jsonPath")
        .and_then(Value::as_str)
        .ok_or_else(unreadable)?;
    let mut place = args;
    let mut rest = path.strip_prefix('$').ok_or_else(unreadable)?;
    let mut depth = 0;
    while !rest.is_empty() {
        depth += 1;
        if depth > MAX_DEPTH {
            return Err(unreadable());
        }
        let (step, tail) = step(rest).ok_or_else(unreadable)?;
        place = enter(place, step).ok_or_else(unreadable)?;
        rest = tail;
    }
    if let Some(more) = piece.get("stringValue").and_then(Value::as_str) {
        match place {
            Value::String(text) => text.push_str(more),
            place => *place = json!(more),
        }
    } else if let Some(value) = piece.get("numberValue").or_else(|| piece.get("boolValue")) {
        *place = value.clone();
    }
    // `nullValue` needs nothing: a place that was just made holds null.
    Ok(())
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The first step of `.name`, `['name']`, `["name"]` or `[0]`, and what follows it.
fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(path) = path.strip_prefix('.') {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, rest) = path.split_at_checked(end)?;
        return (!name.is_empty()).then_some((Step::Key(name), rest));
    }
    let path = path.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(path) = path.strip_prefix(quote) {
            let (name, rest) = path.split_once(quote)?;
            return Some((Step::Key(name), rest.strip_prefix(']')?));
        }
    }
    let (number, rest) = path.split_once(']')?;
    Some((Step::Index(number.parse().ok()?), rest))
}

/// The place one step further in, made when it is new. None when something else is there already, or an index skips
/// places, which no vendor sends and which would let a few bytes ask for a huge list.
fn enter<'a>(place: &'a mut Value, step: Step<'_>) -> Option<&'a mut Value> {
    match step {
        Step::Key(name) => {
            if place.is_null() {
                *place = Value::Object(JsonMap::new());
            }
            Some(place.as_object_mut()?.entry(name).or_insert(Value::Null))
        }
        Step::Index(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let list = place.as_array_mut()?;
            if index == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(index)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_arguments() {
        let cases = [
            (
                json!([
                    {"jsonPath": "$.id", "stringValue": "A", "willContinue": true},
                    {"jsonPath": "$.id", "stringValue": "B"},
                    {"jsonPath": "$.at.x", "numberValue": 1.5},
                    {"jsonPath": "$.at['y z']", "boolValue": true},
                    {"jsonPath": "$.list[0]", "stringValue": "a"},
                    {"jsonPath": "$.list[1].b", "nullValue": null},
                ]),
                Some(json!({"id": "AB", "at": {"x": 1.5, "y z": true}, "list": ["a", {"b": null}]})),
            ),
            (json!([{"jsonPath": "id", "stringValue": "A"}]), None),
            (json!([{"jsonPath": "$.list[9]", "stringValue": "A"}]), None),
            (json!([{"jsonPath": "$..a", "stringValue": "A"}]), None),
            (
                json!([{"jsonPath": "$.a", "stringValue": "A"}, {"jsonPath": "$.a.b", "stringValue": "A"}]),
                None,
            ),
            (json!([{"stringValue": "A"}]), None),
            (
                json!([{"jsonPath": format!("${}", ".a".repeat(100_000)), "stringValue": "A"}]),
                None,
            ),
        ];
        for (pieces, expected) in cases {
            let mut args = Value::Null;
            let built = pieces
                .as_array()
                .unwrap()
                .iter()
                .try_for_each(|piece| apply(&mut args, piece));
            assert_eq!(built.is_ok().then_some(args), expected, "{pieces}");
        }
    }
}
