//! What is said over the facts of this build: read as a whole, or not at all.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::{Model, Source};
use crate::error::Error;
use crate::types::Failure;

/// Who says it. A later one has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The config's `catalog.file`.
    File,
    /// The config's `catalog.url`.
    Url,
    /// The app, at run time.
    App,
}

impl Layer {
    /// Its name: `file`, `url` or `app`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Url => "url",
            Self::App => "app",
        }
    }
}

/// An overlay that is not right: nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCatalog {
    /// Everything that is wrong with it.
    pub misfits: Vec<Misfit>,
}

/// One thing that is wrong with an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where: `provider.model.field`, or empty for the text as a whole.
    pub path: String,
    /// What is expected, and what is there.
    pub message: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

/// How many misfits are told in one text; all are in [`BadCatalog::misfits`].
const MOST_TOLD: usize = 20;

impl fmt::Display for BadCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the catalog is not right")?;
        // It may come from a URL: the text stays short, and fit for a log.
        for misfit in self.misfits.iter().take(MOST_TOLD) {
            write!(f, "\n  {}", Failure::clean(&misfit.to_string()))?;
        }
        match self.misfits.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for BadCatalog {}

impl From<BadCatalog> for Error {
    fn from(bad: BadCatalog) -> Self {
        Self::config(bad.to_string())
    }
}

/// What is said of one model.
pub(super) type Fields = Map<String, Value>;
/// By provider, by model id.
pub(super) type Overlay = BTreeMap<String, BTreeMap<String, Fields>>;

/// The dearest price that is no slip of units: the dearest model in use asks 600.
const MOST_DOLLARS: f64 = 1000.0;

/// Reads JSON, which begins with a brace, or TOML.
pub(super) fn parse(text: &str) -> Result<Overlay, BadCatalog> {
    let whole = |message: String| BadCatalog {
        misfits: vec![Misfit {
            path: String::new(),
            message,
        }],
    };
    let root = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| whole(format!("not JSON: {error}")))?
    } else {
        let table: toml::Table = toml::from_str(text).map_err(|error| whole(not_toml(text, &error)))?;
        from_toml(toml::Value::Table(table))
    };
    let Value::Object(providers) = root else {
        return Err(whole(format!(
            "expected a table of providers, found {}",
            kind(&root)
        )));
    };
    let mut overlay = Overlay::new();
    let mut misfits = Vec::new();
    let mut misfit = |path: String, expected: &str, found: &Value| {
        let message = format!("expected {expected}, found {}", kind(found));
        misfits.push(Misfit { path, message });
    };
    for (provider, models) in providers {
        let Value::Object(models) = models else {
            misfit(provider, "a table of models", &models);
            continue;
        };
        let listed = overlay.entry(provider.clone()).or_default();
        for (id, fields) in models {
            match fields {
                Value::Object(fields) => drop(listed.insert(id, fields)),
                other => misfit(format!("{provider}.{id}"), "a table of fields", &other),
            }
        }
    }
    if misfits.is_empty() {
        Ok(overlay)
    } else {
        Err(BadCatalog { misfits })
    }
}

/// Where it is no TOML and why, without the line itself: the file may be another one than was meant, with secrets in it.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or_else(String::new, |before| {
        format!(" (line {})", before.matches('\n').count().saturating_add(1))
    });
    format!("not TOML: {}{line}", error.message())
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        // TOML has numbers that are none; as null they would take a fact away unseen.
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        toml::Value::Boolean(truth) => Value::Bool(truth),
        // A date written bare is as good as one in quotes.
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => {
            let fields = table.into_iter().map(|(key, value)| (key, from_toml(value)));
            Value::Object(fields.collect())
        }
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// The model that `base` becomes by what the layers say, the last word last.
pub(super) fn merged(
    provider: &str,
    id: &str,
    base: Option<&Model>,
    layers: &[&Fields],
) -> Result<Model, Vec<Misfit>> {
    let mut said = Fields::new();
    for fields in layers {
        said.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let place = |field: &str| format!("{provider}.{id}.{field}");
    let below = fields_of(base);
    let whole = below.clone().into_iter().chain(said.clone());
    let model = read(whole).map_err(|error| {
        // One by one, so that each wrong field is told.
        let wrong: Vec<Misfit> = said
            .into_iter()
            .filter_map(|(name, value)| {
                let path = place(&name);
                let message = match strange(&name) {
                    Some(message) => message,
                    None => {
                        let field = below.clone().into_iter().chain([(name, value)]);
                        read(field).err()?.to_string()
                    }
                };
                Some(Misfit { path, message })
            })
            .collect();
        if wrong.is_empty() {
            let path = format!("{provider}.{id}");
            let message = error.to_string();
            return vec![Misfit { path, message }];
        }
        wrong
    })?;
    let mut model = Model {
        provider: provider.to_owned(),
        id: id.to_owned(),
        ..model
    };
    let wrong = unsound(&model);
    if !wrong.is_empty() {
        let misfits = wrong.into_iter().map(|(field, message)| Misfit {
            path: place(&field),
            message,
        });
        return Err(misfits.collect());
    }
    if !model.source.contains(&Source::Overlay) {
        model.source.push(Source::Overlay);
    }
    // What the overlay says is no longer what the sources differ on.
    model
        .disputed
        .retain(|field| !layers.iter().any(|fields| fields.contains_key(field)));
    Ok(model)
}

fn fields_of(base: Option<&Model>) -> Fields {
    let value = base.and_then(|base| serde_json::to_value(base).ok());
    match value {
        Some(Value::Object(mut fields)) => {
            fields.shift_remove("provider");
            fields.shift_remove("id");
            fields
        }
        _ => Fields::new(),
    }
}

/// What is wrong with the name of a field that does not exist, with the nearest one that does.
fn strange(name: &str) -> Option<String> {
    let known = fields_of(Some(&Model::default()));
    if known.contains_key(name) {
        return None;
    }
    let near = known
        .keys()
        .map(|field| (strsim::damerau_levenshtein(name, field), field))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    Some(match near {
        Some((_, field)) => format!("there is no such field; did you mean `{field}`?"),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("there is no such field; known: {}", names.join(", "))
        }
    })
}

/// A null is as good as a field left out.
fn read(fields: impl Iterator<Item = (String, Value)>) -> Result<Model, serde_json::Error> {
    let mut all = Fields::new();
    for (name, value) in fields {
        match value {
            Value::Null => drop(all.shift_remove(&name)),
            value => drop(all.insert(name, value)),
        }
    }
    serde_json::from_value(Value::Object(all))
}

/// What cannot be true of a model: fields and reasons.
pub(super) fn unsound(model: &Model) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let mut price = |field: String, price: Option<f64>| {
        if let Some(price) = price
            && !(0.0..=MOST_DOLLARS).contains(&price)
        {
            let message =
                format!("expected dollars for a million tokens, 0 to {MOST_DOLLARS}, found {price}");
            wrong.push((field, message));
        }
    };
    for (field, value) in [
        ("input", model.input),
        ("output", model.output),
        ("cache_read", model.cache_read),
        ("cache_write", model.cache_write),
        ("cache_write_1h", model.cache_write_1h),
        ("batch_input", model.batch_input),
        ("batch_output", model.batch_output),
    ] {
        price(field.to_owned(), value);
    }
    for (number, tier) in model.tiers.iter().enumerate() {
        for (field, value) in [
            ("input", tier.input),
            ("output", tier.output),
            ("cache_read", tier.cache_read),
            ("cache_write", tier.cache_write),
            ("cache_write_1h", tier.cache_write_1h),
        ] {
            price(format!("tiers[{number}].{field}"), value);
        }
    }
    let mut last = 0;
    for (number, tier) in model.tiers.iter().enumerate() {
        if tier.above <= last {
            let message = format!("expected more than {last}, found {}", tier.above);
            wrong.push((format!("tiers[{number}].above"), message));
        }
        last = tier.above;
    }
    for (field, value) in [
        ("context_window", model.context_window),
        ("max_input", model.max_input),
        ("max_output", model.max_output.map(u64::from)),
        ("dimensions", model.dimensions.map(u64::from)),
    ] {
        if value == Some(0) {
            wrong.push((field.to_owned(), "expected more than 0, found 0".to_owned()));
        }
    }
    if let (Some(window), Some(most)) = (model.context_window, model.max_output)
        && u64::from(most) > window
    {
        let message = format!("expected no more than `context_window` ({window}), found {most}");
        wrong.push(("max_output".to_owned(), message));
    }
    for (field, date, least) in [
        ("knowledge", &model.knowledge, 4),
        ("retires", &model.retires, 10),
    ] {
        if let Some(date) = date
            && !is_date(date, least)
        {
            let message = format!("expected a date such as 2026-11-23, found {date:?}");
            wrong.push((field.to_owned(), message));
        }
    }
    wrong
}

/// Whether it is `YYYY-MM-DD`, or so much of it as `least` bytes.
fn is_date(text: &str, least: usize) -> bool {
    const FORM: &str = "dddd-dd-dd";
    matches!(text.len(), 4 | 7 | 10)
        && text.len() >= least
        && text.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            dash => byte == dash,
        })
}
