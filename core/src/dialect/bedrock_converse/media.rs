//! Images, documents and audio: our parts ⇄ Converse's blocks.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::dialect::fit::Fit;
use crate::types::{Audio, Failure, FilePart, ImagePart, JsonMap, Media, PartBody, parse_data_url};

const IMAGES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

const DOCUMENTS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("xls", "application/vnd.ms-excel"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

const AUDIO: &[&str] = &[
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];

/// The longest name of a document, in characters.
const MAX_NAME: usize = 200;

/// Names of documents that are taken: the vendor refuses two of one name in a request.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

/// An image block; None when it was left out.
pub(super) fn image(image: &ImagePart, at: &str, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    let field = format!("{at}.image_url.url");
    let (format, source) = match parse_data_url(&image.url) {
        Some(Media::Base64 { media_type, data }) => (format_of(media_type, IMAGES), json!({"bytes": data})),
        Some(Media::Url(url)) if url.starts_with("s3://") => {
            (format_of_path(url, IMAGES), json!({"s3Location": {"uri": url}}))
        }
        Some(Media::Url(_)) => {
            fit.lose(
                &field,
                "Converse takes images inline or from S3, and fetches no URL",
            )?;
            return Ok(None);
        }
        None => {
            fit.lose(&field, "a `data:` URL must be base64 and name its media type")?;
            return Ok(None);
        }
    };
    let Some(format) = format else {
        fit.lose(&field, "Converse takes PNG, JPEG, GIF and WebP")?;
        return Ok(None);
    };
    Ok(Some(json!({"image": {"format": format, "source": source}})))
}

/// A document block; None when it was left out.
pub(super) fn document(
    file: &FilePart,
    at: &str,
    names: &mut Names,
    fit: &mut Fit,
) -> Result<Option<Value>, Failure> {
    let field = format!("{at}.file.file_data");
    let data = match (&file.file_data, &file.file_id) {
        (Some(data), None) => data,
        (None, Some(_)) => {
            fit.lose(&format!("{at}.file.file_id"), "Converse has no uploads")?;
            return Ok(None);
        }
        _ => {
            fit.lose(
                &format!("{at}.file"),
                "give exactly one of `file_data` and `file_id`",
            )?;
            return Ok(None);
        }
    };
    let (format, source) = match parse_data_url(data) {
        Some(Media::Base64 { media_type, data }) => {
            let mut format = format_of(media_type, DOCUMENTS);
            if format.is_none() && (media_type.starts_with("text/") || media_type == "application/json") {
                fit.note(format!("{field}: {media_type} is sent as plain text"));
                format = Some("txt");
            }
            (format, json!({"bytes": data}))
        }
        Some(Media::Url(url)) if url.starts_with("s3://") => (
            format_of_path(url, DOCUMENTS),
            json!({"s3Location": {"uri": url}}),
        ),
        Some(Media::Url(_)) => {
            fit.lose(
                &field,
                "Converse takes documents inline or from S3, and fetches no URL",
            )?;
            return Ok(None);
        }
        None => {
            fit.lose(&field, "a `data:` URL must be base64 and name its media type")?;
            return Ok(None);
        }
    };
    let Some(format) = format else {
        fit.lose(
            &field,
            "Converse takes PDF, Word, Excel, CSV, HTML, Markdown and plain text",
        )?;
        return Ok(None);
    };
    let name = names.choose(file.filename.as_deref(), format);
    if file.filename.as_deref() != Some(&name) {
        fit.note(format!("{at}.file.filename: sent as \"{name}\""));
    }
    Ok(Some(
        json!({"document": {"name": name, "format": format, "source": source}}),
    ))
}

/// An audio block; None when it was left out.
pub(super) fn audio(audio: &Audio, at: &str, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    if !AUDIO.contains(&audio.format.as_str()) {
        fit.lose(
            &format!("{at}.input_audio.format"),
            "Converse does not take this format",
        )?;
        return Ok(None);
    }
    Ok(Some(
        json!({"audio": {"format": audio.format, "source": {"bytes": audio.data}}}),
    ))
}

impl Names {
    /// A name the vendor takes: letters, digits, single spaces, hyphens, parentheses and square brackets, and no other
    /// document's.
    fn choose(&mut self, wanted: Option<&str>, format: &str) -> String {
        let wanted = wanted.unwrap_or_default();
        let stem = match wanted.rsplit_once('.') {
            Some((stem, ending)) if ending.eq_ignore_ascii_case(format) => stem,
            _ => wanted,
        };
        let mut name = String::with_capacity(stem.len());
        for c in stem.chars().take(MAX_NAME) {
            let c = match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '(' | ')' | '[' | ']' => c,
                c if c.is_whitespace() => ' ',
                _ => '-',
            };
            if !(c == ' ' && name.ends_with(' ')) {
                name.push(c);
            }
        }
        let name = match name.trim() {
            "" => "Document",
            name => name,
        };
        let mut chosen = name.to_owned();
        let mut number = 2u32;
        while !self.0.insert(chosen.clone()) {
            let tail = format!(" ({number})");
            let room = MAX_NAME.saturating_sub(tail.len());
            chosen = name.chars().take(room).chain(tail.chars()).collect();
            number = number.saturating_add(1);
        }
        chosen
    }
}

fn format_of(media_type: &str, known: &[(&'static str, &str)]) -> Option<&'static str> {
    let media_type = match media_type {
        "image/jpg" => "image/jpeg",
        other => other,
    };
    known
        .iter()
        .find(|(_, known)| *known == media_type)
        .map(|(format, _)| *format)
}

fn format_of_path(url: &str, known: &[(&'static str, &str)]) -> Option<&'static str> {
    let ending = url.rsplit_once('.')?.1.to_ascii_lowercase();
    let ending = if ending == "jpg" { "jpeg" } else { &ending };
    known
        .iter()
        .find(|(format, _)| *format == ending)
        .map(|(format, _)| *format)
}

/// The part that an `image`, `document` or `audio` block is; None when the block says more than a part can.
pub(super) fn part(block: &JsonMap) -> Option<PartBody> {
    let mut fields = block.iter().filter(|(key, _)| *key != "type");
    let (Some((kind, value)), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let value = value.as_object()?;
    let only = |known: &[&str]| value.keys().all(|key| known.contains(&key.as_str()));
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match kind.as_str() {
        "image" if only(&["format", "source"]) => {
            let url = url(text("format")?, value.get("source")?, IMAGES)?;
            Some(PartBody::ImageUrl {
                image_url: ImagePart { url, detail: None },
            })
        }
        "document" if only(&["name", "format", "source"]) => Some(PartBody::File {
            file: FilePart {
                file_data: Some(url(text("format")?, value.get("source")?, DOCUMENTS)?),
                file_id: None,
                filename: Some(text("name")?.to_owned()),
            },
        }),
        "audio" if only(&["format", "source"]) => Some(PartBody::InputAudio {
            input_audio: Audio {
                data: lone(value.get("source")?, "bytes")?.as_str()?.to_owned(),
                format: text("format").filter(|format| AUDIO.contains(format))?.to_owned(),
            },
        }),
        _ => None,
    }
}

/// The URL that says a source and its format.
fn url(format: &str, source: &Value, known: &[(&'static str, &str)]) -> Option<String> {
    if let Some(data) = lone(source, "bytes") {
        let (_, media_type) = known.iter().find(|(known, _)| *known == format)?;
        return Some(format!("data:{media_type};base64,{}", data.as_str()?));
    }
    let uri = lone(lone(source, "s3Location")?, "uri")?.as_str()?;
    // Elsewhere the format is read from the URL.
    (uri.starts_with("s3://") && format_of_path(uri, known) == Some(format)).then(|| uri.to_owned())
}

/// The value of an object's only field.
pub(super) fn lone<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get(key)
}
