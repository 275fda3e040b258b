//! A vendor's own chunks for a client that did not ask for counts.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What of a chunk is looked at.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "even_null")]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

/// A null is something here.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The chunk without a `usage` that is null; None for the chunk that is only there for the counts.
pub(super) fn without_counts(data: &str) -> Option<Cow<'_, str>> {
    if !data.contains("\"usage\"") {
        return Some(Cow::Borrowed(data));
    }
    let Ok(Chunk {
        usage: Some(usage),
        choices,
    }) = serde_json::from_str(data)
    else {
        return Some(Cow::Borrowed(data));
    };
    if usage.get() == "null" {
        return Some(cut(data, usage.get()).map_or(Cow::Borrowed(data), Cow::Owned));
    }
    let no_choices = choices.is_some_and(|list| is_empty_list(list.get()));
    (!no_choices).then_some(Cow::Borrowed(data))
}

fn is_empty_list(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// The text without the field `usage` whose value is `value`, a part of it.
fn cut(data: &str, value: &str) -> Option<String> {
    let start = value.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    let after = data.get(start.checked_add(value.len())?..)?;
    let before = data.get(..start)?;
    let before = before.get(..before.rfind("\"usage\"")?)?.trim_end();
    // The comma before it, or the one after it when it is the first.
    let (before, after) = match before.strip_suffix(',') {
        Some(before) => (before, after),
        None => (
            before,
            after.trim_start().strip_prefix(',').unwrap_or(after).trim_start(),
        ),
    };
    Some([before, after].concat())
}
