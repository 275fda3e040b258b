//! A byte-level server-sent-events parser: linear in its input, bounded in memory, right for every split.
//!
//! Lines end with CR, LF or CRLF; comments are skipped; `data` lines join with LF; a BOM is ignored; UTF-8 is looked at
//! only in whole lines, so a character split over packets is safe.

use crate::types::Failure;

/// Longest line, and longest data of an event, in bytes. The last event of the Responses API repeats the whole reply, with
/// the images in it, and the tools and instructions of the request.
pub(crate) const MAX_EVENT: usize = 16 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event:` name, if any.
    pub name: Option<String>,
    /// The `data:` lines, joined with LF.
    pub data: String,
    /// Whether the framing itself says that this is an error; of all framings only AWS's can.
    pub error: bool,
}

/// The parser. Feed it bytes as they come.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    name: Option<String>,
    data: String,
    has_data: bool,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
    /// Anything was read yet: a BOM counts only at the very start.
    started: bool,
}

impl SseParser {
    /// A parser at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            line: Vec::new(),
            name: None,
            data: String::new(),
            has_data: false,
            after_cr: false,
            started: false,
        }
    }

    /// Takes the next bytes and appends the events they complete to `out`.
    ///
    /// # Errors
    /// `malformed` when a line or an event is longer than 16 MiB, or a line is not UTF-8.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.after_cr {
                self.after_cr = false;
                if first == b'\n' {
                    bytes = rest;
                    continue;
                }
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                return self.keep(bytes);
            };
            let (head, tail) = bytes.split_at(end);
            self.after_cr = tail.first() == Some(&b'\r');
            bytes = tail.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.check(head.len())?;
                self.end_line(head, out)?;
            } else {
                self.keep(head)?;
                let line = std::mem::take(&mut self.line);
                self.end_line(&line, out)?;
                self.line = line;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// The input ended. An event whose blank line never came is given all the same, since vendors leave it out.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, out)?;
        }
        self.end_event(out);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), Failure> {
        if self.line.len().saturating_add(more) > MAX_EVENT {
            return Err(Failure::malformed("a stream line is longer than 16 MiB"));
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.check(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8], out: &mut Vec<SseEvent>) -> Result<(), Failure> {
        if !self.started {
            self.started = true;
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            self.end_event(out);
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| Failure::malformed("a stream line is not UTF-8"))?;
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "data" => {
                if self.data.len().saturating_add(value.len()) > MAX_EVENT {
                    return Err(Failure::malformed("a stream event is longer than 16 MiB"));
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => self.name = Some(value.to_owned()),
            // Comments (an empty field), `id`, `retry` and unknown fields say nothing to us.
            _ => {}
        }
        Ok(())
    }

    fn end_event(&mut self, out: &mut Vec<SseEvent>) {
        let name = self.name.take();
        if std::mem::take(&mut self.has_data) {
            out.push(SseEvent {
                name,
                data: std::mem::take(&mut self.data),
                error: false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut parser = SseParser::default();
        let mut out = Vec::new();
        for piece in pieces {
            parser.push(piece, &mut out).unwrap();
        }
        parser.finish(&mut out).unwrap();
        out
    }

    fn event(name: Option<&str>, data: &str) -> SseEvent {
        SseEvent {
            name: name.map(str::to_owned),
            data: data.to_owned(),
            error: false,
        }
    }

    #[test]
    fn reads_what_vendors_send() {
        let cases: [(&str, Vec<SseEvent>); 9] = [
            ("data: a\n\n", vec![event(None, "a")]),
            ("data:a\r\n\r\n", vec![event(None, "a")]),
            ("data: a\r\rdata: b\r\r", vec![event(None, "a"), event(None, "b")]),
            ("data: a\ndata: b\n\n", vec![event(None, "a\nb")]),
            (": ping\n\ndata: a\n\n", vec![event(None, "a")]),
            ("event: ping\ndata: {}\n\n", vec![event(Some("ping"), "{}")]),
            ("\u{feff}data: a\n\n", vec![event(None, "a")]),
            ("data: a", vec![event(None, "a")]),
            ("event: x\n\ndata: a\n\n", vec![event(None, "a")]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn bounds_a_line() {
        let mut parser = SseParser::default();
        let chunk = vec![b'a'; 1 << 20];
        let mut pushed = (0..20).map(|_| parser.push(&chunk, &mut Vec::new()));
        assert_eq!(pushed.position(|result| result.is_err()), Some(16));
    }

    #[test]
    fn bounds_an_event_of_many_lines() {
        let mut parser = SseParser::default();
        let line = [b"data: ".as_slice(), &vec![b'a'; 1 << 20], b"\n"].concat();
        let mut pushed = (0..20).map(|_| parser.push(&line, &mut Vec::new()));
        assert_eq!(pushed.position(|result| result.is_err()), Some(15));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            text in "(data: ?|event: |: |id: |)[a-zé😀\r\n:]{0,12}(\n|\r|\r\n|\n\n){0,3}(data: [a-zé😀]{0,5}(\n\n|\r\n\r\n|\r\r)){0,4}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let bytes = text.as_bytes();
            let whole = parse(&[bytes]);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in at {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(parse(&pieces), whole.clone());
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(parse(&single), whole);
        }
    }
}
