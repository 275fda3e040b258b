use std::io;

use serde::Serialize;

use crate::types::{ChatRequest, Content, Estimate, Part, PartBody};

/// Bytes every message adds: its role and what frames it.
const FRAME: u64 = 16;
/// Output tokens reserved where the request names no limit: vendors reserve about as many of a rate limit.
const OUTPUT: u32 = 1024;

/// What a request asks of a target, before it is known which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Bytes of everything the model reads.
    pub bytes: u64,
    /// Tokens it is thought to need.
    pub estimate: Estimate,
    /// Most output tokens that the request allows; None when it does not say.
    pub max_output: Option<u32>,
}

impl Demand {
    /// What a chat asks.
    #[must_use]
    pub fn of_chat(request: &ChatRequest) -> Self {
        let bytes = prompt_bytes(request);
        Self {
            bytes,
            estimate: estimate(request, bytes),
            max_output: request.max_tokens,
        }
    }

    /// What texts to embed ask: they are read, and nothing is said.
    #[must_use]
    pub fn of_texts(texts: &[String]) -> Self {
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        Self {
            bytes,
            estimate: Estimate {
                input_tokens: bytes.div_ceil(4),
                output_tokens: 0,
            },
            max_output: Some(0),
        }
    }
}

/// Bytes of everything the model reads. No token is shorter than a byte, so it reads no more tokens than that; images and
/// files given by URL are not counted.
#[must_use]
pub fn prompt_bytes(request: &ChatRequest) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let content = match &message.content {
            Content::Text(text) => text.len() as u64,
            Content::Parts(parts) => parts.iter().map(part).sum(),
        };
        let calls: usize = message
            .tool_calls
            .iter()
            .map(|call| call.name.len() + call.arguments.len())
            .sum();
        FRAME + content + calls as u64
    });
    let mut bytes: u64 = messages.sum();
    if !request.tools.is_empty() {
        bytes += json(&request.tools);
    }
    if let Some(format) = &request.response_format {
        bytes += json(format);
    }
    bytes
}

/// Tokens a request is thought to need, at four bytes a token.
#[must_use]
pub fn estimate(request: &ChatRequest, prompt_bytes: u64) -> Estimate {
    Estimate {
        input_tokens: prompt_bytes.div_ceil(4),
        output_tokens: u64::from(request.max_tokens.unwrap_or(OUTPUT)),
    }
}

fn part(part: &Part) -> u64 {
    match &part.body {
        PartBody::Text { text } => text.len() as u64,
        _ => json(part),
    }
}

fn json(value: &impl Serialize) -> u64 {
    let mut count = Count(0);
    // Counting cannot fail, and what cannot be written is refused by the dialect.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(json: &str) -> u64 {
        prompt_bytes(&ChatRequest::from_json(json.as_bytes()).unwrap())
    }

    #[test]
    fn everything_the_model_reads_counts() {
        let text = bytes(r#"{"messages": [{"role": "user", "content": "0123456789"}]}"#);
        assert_eq!(text, 10 + FRAME);
        let parts = bytes(
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "0123456789"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}"#,
        );
        assert!(parts > text + 20, "{parts}");
        let tools = bytes(
            r#"{"messages": [{"role": "user", "content": "0123456789"}],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "response_format": {"type": "json_object"}}"#,
        );
        assert!(tools > text + 60, "{tools}");
        let calls = bytes(
            r#"{"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
                "function": {"name": "f", "arguments": "{\"a\":1}"}}]}]}"#,
        );
        assert_eq!(calls, FRAME + 8);
    }

    #[test]
    fn output_is_what_the_request_allows() {
        let request = ChatRequest {
            max_tokens: Some(7),
            ..ChatRequest::of("hi")
        };
        let found = estimate(&request, 9);
        assert_eq!((found.input_tokens, found.output_tokens), (3, 7));
        assert_eq!(
            estimate(&ChatRequest::of("hi"), 0).output_tokens,
            u64::from(OUTPUT)
        );
    }
}
