//! JSON Schemas, fitted to the part of JSON Schema that a vendor takes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fit::Fit;
use crate::types::{Failure, JsonMap};

/// Bounds that a vendor which compiles a schema to a grammar refuses. Published by Anthropic for structured outputs.
const BOUNDS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Rules that Gemini's JSON Schema fields take and do not read.
const UNREAD: [&str; 22] = [
    "allOf",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxContains",
    "maxLength",
    "maxProperties",
    "minContains",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "propertyNames",
    "then",
    "uniqueItems",
];

/// Where schemas stand in a schema: one each, by name, in a list.
const ONE: [&str; 2] = ["items", "additionalProperties"];
const NAMED: [&str; 3] = ["properties", "$defs", "definitions"];
const LISTED: [&str; 4] = ["prefixItems", "anyOf", "oneOf", "allOf"];

/// A schema that the vendor promises to keep, for one that closes every object and bounds nothing: objects are closed,
/// `oneOf` becomes `anyOf`, and bounds go into descriptions, where the model reads them.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported) for an object of fields that are not named, unless a loss is taken.
pub(crate) fn closed(schema: &Value, at: &str, fit: &mut Fit) -> Result<Value, Failure> {
    let mut schema = schema.clone();
    let mut found = Found::default();
    close(&mut schema, &mut found);
    if found.open {
        fit.lose(
            &format!("{at}.additionalProperties"),
            "the vendor keeps to objects of named fields only",
        )?;
    }
    if found.closed {
        fit.note(format!(
            "{at}: `additionalProperties: false` set, which the vendor needs"
        ));
    }
    if found.one_of {
        fit.note(format!("{at}: oneOf is sent as anyOf"));
    }
    if !found.words.is_empty() {
        fit.note(format!(
            "{at}: {} told in descriptions; the vendor keeps no bounds",
            list(&found.words)
        ));
    }
    Ok(schema)
}

#[derive(Default)]
struct Found {
    open: bool,
    closed: bool,
    one_of: bool,
    words: BTreeSet<String>,
}

fn list(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn close(schema: &mut Value, found: &mut Found) {
    let Value::Object(map) = schema else { return };
    let is_object = map.contains_key("properties") || says_type(map, "object");
    if is_object {
        match map.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            None => {
                found.closed = true;
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            Some(_) => {
                found.open = true;
                map.insert("additionalProperties".to_owned(), json!(false));
            }
        }
    }
    if let Some(branches) = map.shift_remove("oneOf") {
        found.one_of = true;
        map.insert("anyOf".to_owned(), branches);
    }
    let mut told = Vec::new();
    for bound in BOUNDS {
        if let Some(value) = map.shift_remove(bound) {
            told.push(format!("{bound}: {value}"));
            found.words.insert(bound.to_owned());
        }
    }
    if map
        .get("minItems")
        .and_then(Value::as_u64)
        .is_some_and(|least| least > 1)
        && let Some(value) = map.shift_remove("minItems")
    {
        told.push(format!("minItems: {value}"));
        found.words.insert("minItems".to_owned());
    }
    if !told.is_empty() {
        let told = told.join(", ");
        let description = match map.get("description").and_then(Value::as_str) {
            Some(said) => format!("{said} ({told})"),
            None => told,
        };
        map.insert("description".to_owned(), Value::from(description));
    }
    each(map, &mut |schema| close(schema, found));
}

fn says_type(map: &JsonMap, kind: &str) -> bool {
    match map.get("type") {
        Some(Value::String(word)) => word == kind,
        Some(Value::Array(words)) => words.iter().any(|word| word == kind),
        _ => false,
    }
}

/// Every schema directly inside one.
fn each(map: &mut JsonMap, visit: &mut dyn FnMut(&mut Value)) {
    for (key, value) in map.iter_mut() {
        let key = key.as_str();
        match value {
            Value::Object(named) if NAMED.contains(&key) => named.values_mut().for_each(&mut *visit),
            Value::Array(listed) if LISTED.contains(&key) || key == "items" => {
                listed.iter_mut().for_each(&mut *visit);
            }
            Value::Object(_) if ONE.contains(&key) => visit(value),
            _ => {}
        }
    }
}

/// A schema for Gemini's JSON Schema fields: `definitions` becomes `$defs`, `const` an `enum` of one, a `$ref` with
/// fields beside it an `anyOf` of one; rules that are not read are named.
pub(crate) fn read_by_gemini(schema: &Value, at: &str, fit: &mut Fit) -> Value {
    let mut schema = schema.clone();
    let mut unread = BTreeSet::new();
    let mut rewritten = BTreeSet::new();
    rewrite(&mut schema, &mut unread, &mut rewritten);
    if !rewritten.is_empty() {
        fit.note(format!("{at}: {} said in the vendor's words", list(&rewritten)));
    }
    if !unread.is_empty() {
        fit.note(format!("{at}: {} not kept by the vendor", list(&unread)));
    }
    schema
}

fn rewrite(schema: &mut Value, unread: &mut BTreeSet<String>, rewritten: &mut BTreeSet<String>) {
    let Value::Object(map) = schema else { return };
    for word in UNREAD.into_iter().filter(|word| map.contains_key(*word)) {
        unread.insert(word.to_owned());
    }
    if let Some(value) = map.shift_remove("const") {
        rewritten.insert("const".to_owned());
        map.insert("enum".to_owned(), json!([value]));
    }
    if !map.contains_key("$defs")
        && let Some(definitions) = map.shift_remove("definitions")
    {
        rewritten.insert("definitions".to_owned());
        map.insert("$defs".to_owned(), definitions);
    }
    if let Some(Value::String(pointer)) = map.get_mut("$ref")
        && let Some(name) = pointer.strip_prefix("#/definitions/")
    {
        *pointer = format!("#/$defs/{name}");
    }
    let beside = map.keys().any(|key| !key.starts_with('$'));
    if beside
        && !map.contains_key("anyOf")
        && let Some(pointer) = map.shift_remove("$ref")
    {
        rewritten.insert("$ref".to_owned());
        map.insert("anyOf".to_owned(), json!([{"$ref": pointer}]));
    }
    each(map, &mut |schema| rewrite(schema, unread, rewritten));
}

/// Whether OpenAI's strict mode takes the schema: every object closed, and every field of it required.
pub(crate) fn is_strict(schema: &Value) -> bool {
    let Value::Object(map) = schema else { return false };
    let closed = |map: &JsonMap| {
        let Some(Value::Object(fields)) = map.get("properties") else {
            return !says_type(map, "object");
        };
        let required = map.get("required").and_then(Value::as_array);
        map.get("additionalProperties") == Some(&Value::Bool(false))
            && fields
                .keys()
                .all(|field| required.is_some_and(|list| list.iter().any(|name| name == field)))
    };
    let mut strict = closed(map);
    each(&mut map.clone(), &mut |schema| {
        strict = strict && (is_strict(schema) || !schema.is_object());
    });
    strict
}

/// A schema of Gemini's older fields, a subset of OpenAPI 3.0, as JSON Schema: types in small letters, and `nullable` as a
/// type of its own.
pub(crate) fn from_open_api(schema: &Value) -> Value {
    let mut schema = schema.clone();
    lower(&mut schema);
    schema
}

fn lower(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for (snake, camel) in [
        ("any_of", "anyOf"),
        ("min_items", "minItems"),
        ("max_items", "maxItems"),
        ("property_ordering", "propertyOrdering"),
        ("min_length", "minLength"),
        ("max_length", "maxLength"),
    ] {
        if let Some(value) = map.shift_remove(snake) {
            map.insert(camel.to_owned(), value);
        }
    }
    if let Some(Value::String(kind)) = map.get_mut("type") {
        kind.make_ascii_lowercase();
    }
    if map.shift_remove("nullable") == Some(Value::Bool(true))
        && let Some(kind @ Value::String(_)) = map.get_mut("type")
    {
        *kind = json!([kind.take(), "null"]);
    }
    each(map, &mut lower);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_for_a_grammar() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "integer", "minimum": 0, "description": "Age"},
            "b": {"oneOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
            "minimum": {"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": false},
                        "minItems": 1},
        }});
        let mut fit = Fit::new(false);
        let out = closed(&schema, "s", &mut fit).unwrap();
        let expected = json!({"type": "object", "additionalProperties": false, "properties": {
            "a": {"type": "integer", "description": "Age (minimum: 0)"},
            "b": {"anyOf": [{"type": "string", "description": "minLength: 2"}, {"type": "null"}]},
            "minimum": {"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": false},
                        "minItems": 1},
        }});
        assert_eq!(out, expected);
        assert_eq!(
            fit.adapted,
            [
                "s: `additionalProperties: false` set, which the vendor needs",
                "s: oneOf is sent as anyOf",
                "s: minLength, minimum told in descriptions; the vendor keeps no bounds",
            ]
        );
        let mut again = Fit::new(false);
        assert_eq!(closed(&out, "s", &mut again).unwrap(), out);
        assert!(again.adapted.is_empty());
    }

    #[test]
    fn an_open_object_is_a_loss() {
        let schema = json!({"type": "object", "additionalProperties": {"type": "string"}});
        let failure = closed(&schema, "s", &mut Fit::new(false)).unwrap_err();
        assert_eq!(failure.code.as_deref(), Some("s.additionalProperties"));
        let mut fit = Fit::new(true);
        let out = closed(&schema, "s", &mut fit).unwrap();
        assert_eq!(out, json!({"type": "object", "additionalProperties": false}));
        assert_eq!(fit.adapted.len(), 1);
    }

    #[test]
    fn is_said_in_geminis_words() {
        let schema = json!({"properties": {
                "a": {"const": "x"},
                "b": {"$ref": "#/definitions/B", "description": "d"},
                "c": {"$ref": "#/definitions/B"},
                "d": {"type": "string", "pattern": "^a"},
            }, "definitions": {"B": {"type": "object", "properties": {"b": {"$ref": "#/definitions/B"}}}}});
        let mut fit = Fit::new(false);
        let out = read_by_gemini(&schema, "s", &mut fit);
        let expected = json!({"properties": {
                "a": {"enum": ["x"]},
                "b": {"description": "d", "anyOf": [{"$ref": "#/$defs/B"}]},
                "c": {"$ref": "#/$defs/B"},
                "d": {"type": "string", "pattern": "^a"},
            }, "$defs": {"B": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}}});
        assert_eq!(out, expected);
        assert_eq!(
            fit.adapted,
            [
                "s: $ref, const, definitions said in the vendor's words",
                "s: pattern not kept by the vendor"
            ]
        );
    }

    #[test]
    fn strict_schemas() {
        let inner = json!({"type": "object", "properties": {"b": {"type": "string"}}});
        for (schema, strict) in [
            (
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
                    "additionalProperties": false}),
                true,
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}),
                false,
            ),
            (
                json!({"type": "object", "properties": {"a": inner}, "required": ["a"],
                    "additionalProperties": false}),
                false,
            ),
            (json!({"type": "string"}), true),
        ] {
            assert_eq!(is_strict(&schema), strict, "{schema}");
        }
    }

    #[test]
    fn reads_open_api() {
        let schema = json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true}}});
        let expected = json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}});
        assert_eq!(from_open_api(&schema), expected);
    }
}
