//! HTTP/1.1, read and written by hand: faults live below what an HTTP library lets through.

use std::borrow::Cow;
use std::io::Write as _;

use http::StatusCode;

use crate::plan::{Framing, Head};

/// Most bytes of a request's head, and most of its body.
const HEAD_MAX: usize = 64 * 1024;
pub(super) const BODY_MAX: usize = 64 * 1024 * 1024;

/// A request, if the bytes hold a whole one.
pub(super) enum Parsed<'a> {
    Incomplete {
        /// The client waits to be told that it may send the body.
        expects: bool,
    },
    /// The status that says why not.
    Bad(u16),
    Request(Box<Incoming<'a>>),
}

pub(super) struct Incoming<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    pub(super) body: Cow<'a, [u8]>,
    /// How many bytes it took.
    pub(super) length: usize,
    pub(super) keep_alive: bool,
}

impl<'a> Incoming<'a> {
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &[(&str, &'a [u8])], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(value).ok()
}

pub(super) fn parse(input: &[u8]) -> Parsed<'_> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut slots);
    let head = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if input.len() <= HEAD_MAX => {
            return Parsed::Incomplete { expects: false };
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Parsed::Bad(431),
        Err(_) => return Parsed::Bad(400),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Parsed::Bad(400);
    };
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|header| (header.name, header.value))
        .collect();
    let rest = input.get(head..).unwrap_or_default();
    let chunked =
        find(&headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        dechunk(rest)
    } else {
        match find(&headers, "content-length").map(|value| value.trim().parse::<usize>()) {
            Some(Err(_)) => Err(400),
            Some(Ok(length)) if length > BODY_MAX => Err(413),
            Some(Ok(length)) => Ok(rest.get(..length).map(|body| (Cow::Borrowed(body), length))),
            None => Ok(Some((Cow::Borrowed(&[][..]), 0))),
        }
    };
    match body {
        Err(status) => Parsed::Bad(status),
        Ok(None) => Parsed::Incomplete {
            expects: rest.is_empty() && find(&headers, "expect").is_some(),
        },
        Ok(Some((body, length))) => {
            let connection = find(&headers, "connection").unwrap_or_default();
            let keep_alive = request.version == Some(1) && !connection.eq_ignore_ascii_case("close");
            Parsed::Request(Box::new(Incoming {
                method,
                target,
                headers,
                body,
                length: head + length,
                keep_alive,
            }))
        }
    }
}

type Dechunked<'a> = Result<Option<(Cow<'a, [u8]>, usize)>, u16>;

/// The body, and how many bytes it took on the wire; None when there is more to come.
fn dechunk(input: &[u8]) -> Dechunked<'_> {
    let mut body = Vec::new();
    let mut rest = input;
    loop {
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(400),
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if body.len().saturating_add(size) > BODY_MAX {
            return Err(413);
        }
        let Some((data, tail)) = rest.get(line..).and_then(|data| data.split_at_checked(size)) else {
            return Ok(None);
        };
        let Some((end, tail)) = tail.split_at_checked(2) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(400);
        }
        body.extend_from_slice(data);
        rest = tail;
        if size == 0 {
            return Ok(Some((Cow::Owned(body), input.len() - rest.len())));
        }
    }
}

pub(super) fn write_head(output: &mut Vec<u8>, head: &Head) {
    let status = StatusCode::from_u16(head.status).ok();
    let reason = status
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    // Writing to a vector does not fail.
    let _ = write!(output, "HTTP/1.1 {} {reason}\r\n", head.status);
    for (name, value) in &head.headers {
        output.extend_from_slice(name.as_str().as_bytes());
        output.extend_from_slice(b": ");
        output.extend_from_slice(value.as_bytes());
        output.extend_from_slice(b"\r\n");
    }
    let _ = match head.framing {
        Framing::Length(length) => write!(output, "content-length: {length}\r\n\r\n"),
        Framing::Chunked => write!(output, "transfer-encoding: chunked\r\n\r\n"),
    };
}

pub(super) fn write_bytes(output: &mut Vec<u8>, bytes: &[u8], framing: Framing) {
    if framing == Framing::Chunked {
        let _ = write!(output, "{:x}\r\n", bytes.len());
        output.extend_from_slice(bytes);
        output.extend_from_slice(b"\r\n");
    } else {
        output.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_however_they_arrive() {
        let plain = b"POST /v1/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let chunked =
            b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
        for whole in [plain, chunked.as_slice()] {
            for length in 0..whole.len() {
                assert!(
                    matches!(parse(&whole[..length]), Parsed::Incomplete { .. }),
                    "{length}"
                );
            }
            let more = [whole, b"GET"].concat();
            let Parsed::Request(request) = parse(&more) else {
                panic!("a whole request was not read")
            };
            assert_eq!(
                (&*request.body, request.length),
                (b"hello".as_slice(), whole.len())
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = [b"GET / HTTP/1.1\r\nx: ".as_slice(), &[b'a'; HEAD_MAX]].concat();
        for (input, status) in [
            (b"\x16\x03\x01\x00".as_slice(), 400),
            (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\ncontent-length: 999999999999\r\n\r\n", 413),
            (
                b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                400,
            ),
            (
                b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
                413,
            ),
            (&long, 431),
        ] {
            assert!(
                matches!(parse(input), Parsed::Bad(found) if found == status),
                "{status}"
            );
        }
    }
}
