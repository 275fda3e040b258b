//! An HTTP/1.1 server of one answer.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Answers the requests of one connection with `body`, one after the other, and tells of each: `GET /v1/models`.
pub(crate) async fn answer(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    body: &str,
    mut told: impl FnMut(&str),
) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            }
            if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        while read.len() < length {
            if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
        read.drain(..length);
        told(head.lines().next().unwrap().trim_end_matches(" HTTP/1.1"));
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
