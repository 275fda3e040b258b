//! The vendor's events as bytes, numbered as they are written.

use serde::Serialize;
use serde_json::Value;

/// What an event says; what is None is not there.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Data<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
    pub(super) sequence_number: u64,
}

impl<'a> Data<'a> {
    /// Of an item.
    pub(super) fn item(id: &'a str, place: usize) -> Self {
        Self {
            item_id: Some(id),
            output_index: Some(place),
            ..Self::default()
        }
    }

    /// Of a part of a message.
    pub(super) fn part(id: &'a str, place: usize, part: usize) -> Self {
        Self {
            content_index: Some(part),
            ..Self::item(id, place)
        }
    }

    /// Of a paragraph of a summary.
    pub(super) fn summary(id: &'a str, place: usize, paragraph: usize) -> Self {
        Self {
            summary_index: Some(paragraph),
            ..Self::item(id, place)
        }
    }
}

/// Numbers the events.
#[derive(Debug, Default)]
pub(super) struct Events {
    written: u64,
}

impl Events {
    pub(super) fn put(&mut self, kind: &str, data: &Data<'_>, out: &mut Vec<u8>) {
        let data = Data {
            kind,
            sequence_number: self.written,
            ..*data
        };
        self.written = self.written.saturating_add(1);
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Neither a list of bytes nor a struct of texts and JSON can refuse; and JSON so written has no line breaks.
        let _ = serde_json::to_writer(&mut *out, &data);
        out.extend_from_slice(b"\n\n");
    }

    pub(super) fn item(&mut self, kind: &str, place: usize, item: &Value, out: &mut Vec<u8>) {
        let data = Data {
            output_index: Some(place),
            item: Some(item),
            ..Data::default()
        };
        self.put(kind, &data, out);
    }

    pub(super) fn response(&mut self, kind: &str, response: &Value, out: &mut Vec<u8>) {
        let data = Data {
            response: Some(response),
            ..Data::default()
        };
        self.put(kind, &data, out);
    }
}
