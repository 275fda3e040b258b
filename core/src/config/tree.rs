//! TOML and JSON as one tree that knows its lines, so that one reader serves both.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) line: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A TOML date or time, which no key of a config takes.
    Date,
    List(Vec<Node>),
    /// In the order of the text.
    Table(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: Option<u32>,
    pub(super) node: Node,
}

impl Node {
    /// What it is, for "expected …, found …". Says nothing of the content.
    pub(super) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Where lines begin, to turn byte offsets into line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// JSON on one line was written by a program: a number would only mislead.
    fn of_json(text: &str) -> Option<Self> {
        text.trim().contains('\n').then(|| Self::of(text))
    }

    fn at(&self, offset: usize) -> Option<u32> {
        let before = self.0.partition_point(|newline| *newline < offset);
        u32::try_from(before.saturating_add(1)).ok()
    }
}

fn syntax(line: Option<u32>, message: String) -> Problem {
    Problem {
        line,
        ..Problem::of_text(message)
    }
}

/// The tree of a TOML text, or why it is not TOML. One reason: what a parser says after its first error is mostly its
/// echo.
pub(super) fn from_toml(text: &str) -> Result<Node, Vec<Problem>> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => Ok(Node {
            value: toml_table(table.get_ref(), &lines),
            line: None,
        }),
        Err(error) => {
            let at = error.span().and_then(|span| lines.at(span.start));
            Err(vec![syntax(at, format!("not valid TOML: {}", error.message()))])
        }
    }
}

fn toml_table(table: &DeTable<'_>, lines: &Lines) -> Value {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        line: lines.at(key.span().start),
        node: Node {
            value: toml_value(value.get_ref(), lines),
            line: lines.at(value.span().start),
        },
    });
    Value::Table(entries.collect())
}

fn toml_value(value: &DeValue<'_>, lines: &Lines) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        #[expect(
            clippy::cast_precision_loss,
            reason = "no key of a config takes a number above 2^52"
        )]
        DeValue::Integer(number) => Value::Number(
            i64::from_str_radix(number.as_str(), number.radix())
                .map_or(f64::INFINITY, |number| number as f64),
        ),
        DeValue::Float(number) => Value::Number(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node {
                    value: toml_value(item.get_ref(), lines),
                    line: lines.at(item.span().start),
                })
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table, lines),
    }
}

/// The tree of a JSON text, or why it is not JSON.
pub(super) fn from_json(text: &str) -> Result<Node, Vec<Problem>> {
    const STRICT: jsonc_parser::ParseOptions = jsonc_parser::ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let lines = Lines::of_json(text);
    let line = |offset| lines.as_ref().and_then(|lines| lines.at(offset));
    match jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &STRICT) {
        Ok(parsed) => match &parsed.value {
            Some(value) => json_value(value, &line),
            None => Err(vec![syntax(None, "not valid JSON: the text is empty".to_owned())]),
        },
        Err(error) => {
            let at = line(error.range().start);
            Err(vec![syntax(at, format!("not valid JSON: {}", error.kind()))])
        }
    }
}

fn json_value(value: &ast::Value<'_>, line: &impl Fn(usize) -> Option<u32>) -> Result<Node, Vec<Problem>> {
    let at = line(value.start());
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => Value::Number(number.value.parse().unwrap_or(f64::NAN)),
        ast::Value::BooleanLit(truth) => Value::Bool(truth.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(items) => Value::List(
            items
                .elements
                .iter()
                .map(|item| json_value(item, line))
                .collect::<Result<_, _>>()?,
        ),
        ast::Value::Object(object) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(object.properties.len());
            let mut seen = std::collections::HashSet::new();
            for property in &object.properties {
                let key = property.name.as_str();
                let at = line(property.range.start);
                if !seen.insert(key) {
                    return Err(vec![syntax(
                        at,
                        "not valid JSON: a key stands twice in one object".to_owned(),
                    )]);
                }
                entries.push(Entry {
                    key: key.to_owned(),
                    line: at,
                    node: json_value(&property.value, line)?,
                });
            }
            Value::Table(entries)
        }
    };
    Ok(Node { value, line: at })
}
