//! Newline-delimited JSON: one event a line, bounded like a stream of server-sent events.

use super::SseEvent;
use super::sse::MAX_EVENT;
use crate::types::Failure;

/// The parser. Feed it bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct LineParser {
    line: Vec<u8>,
}

impl LineParser {
    /// A parser at the start of a stream.
    pub(crate) const fn new() -> Self {
        Self { line: Vec::new() }
    }

    /// Takes the next bytes and appends the lines they complete to `out`. Empty lines are none.
    ///
    /// # Errors
    /// `malformed` when a line is longer than 16 MiB, or is not UTF-8.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (head, tail) = bytes.split_at(end);
            bytes = tail.get(1..).unwrap_or_default();
            self.keep(head)?;
            self.finish(out)?;
        }
        self.keep(bytes)
    }

    /// The input ended: a last line without its end is given all the same.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        let line = std::mem::take(&mut self.line);
        let text =
            std::str::from_utf8(&line).map_err(|_| Failure::malformed("a stream line is not UTF-8"))?;
        let text = text.trim();
        if !text.is_empty() {
            out.push(SseEvent {
                name: None,
                data: text.to_owned(),
                error: false,
            });
        }
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.line.len().saturating_add(bytes.len()) > MAX_EVENT {
            return Err(Failure::malformed("a stream line is longer than 16 MiB"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = LineParser::default();
        let mut out = Vec::new();
        for piece in pieces {
            parser.push(piece, &mut out).unwrap();
        }
        parser.finish(&mut out).unwrap();
        out.into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn every_split_gives_the_same_lines() {
        let text = "{\"a\":\"é😀\"}\r\n\n {\"b\":2}\n{\"c\":3}".as_bytes();
        let expected = ["{\"a\":\"é😀\"}", "{\"b\":2}", "{\"c\":3}"];
        assert_eq!(lines(&[text]), expected);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(lines(&[head, tail]), expected, "{cut}");
        }
    }

    #[test]
    fn bounds_a_line() {
        let mut parser = LineParser::default();
        let chunk = vec![b'a'; 1 << 20];
        let mut pushed = (0..20).map(|_| parser.push(&chunk, &mut Vec::new()));
        assert_eq!(pushed.position(|result| result.is_err()), Some(16));
    }
}
