//! One client connection: requests in, actions carried out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::wire::{self, Parsed};
use crate::exchange::Exchange;
use crate::journal::End;
use crate::plan::{Action, Framing, Head};
use crate::provider::{Plan, Provider};
use crate::request::Request;

/// Bytes a client may send ahead while it waits for a reply.
const AHEAD_MAX: usize = 64 * 1024;

pub(super) struct Connection<S> {
    stream: S,
    provider: Arc<Provider>,
    refusing: watch::Receiver<bool>,
    input: BytesMut,
    output: Vec<u8>,
    /// Whether dropping it resets the connection.
    reset: bool,
}

/// What the bytes so far ask for.
enum Wanted {
    More,
    Permission,
    Play(Plan),
    Show(Head, Vec<u8>),
}

/// A connection's bytes, in the clear or not.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// What lies below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(stream: S, provider: Arc<Provider>, refusing: watch::Receiver<bool>) -> Self {
        Self {
            stream,
            provider,
            refusing,
            input: BytesMut::with_capacity(8192),
            output: Vec::with_capacity(4096),
            reset: false,
        }
    }

    /// Answers requests until the client goes, or a fault ends the connection.
    pub(super) async fn serve(mut self) {
        loop {
            let (wanted, keep_alive) = self.wanted();
            let goes_on = match wanted {
                Wanted::More => self.read_more().await,
                Wanted::Permission => {
                    self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    self.write().await.is_ok() && self.read_more().await
                }
                Wanted::Play(plan) => {
                    let whole = self.play(plan).await;
                    whole && keep_alive && !*self.refusing.borrow()
                }
                Wanted::Show(head, body) => {
                    wire::write_head(&mut self.output, &head);
                    self.output.extend_from_slice(&body);
                    self.write().await.is_ok() && keep_alive
                }
            };
            if !goes_on {
                if !self.reset {
                    // TLS says goodbye in its own words; a client that has gone hears none.
                    let _ = self.stream.shutdown().await;
                }
                return;
            }
        }
    }

    /// Reads the input, and takes the first whole request from it. The flag is whether the connection outlives it.
    fn wanted(&mut self) -> (Wanted, bool) {
        if self.input.is_empty() {
            return (Wanted::More, true);
        }
        let incoming = match wire::parse(&self.input) {
            Parsed::Incomplete { expects: false } => return (Wanted::More, true),
            Parsed::Incomplete { expects: true } => return (Wanted::Permission, true),
            Parsed::Bad(status) => {
                return (Wanted::Show(plain_head(status, 0), Vec::new()), false);
            }
            Parsed::Request(incoming) => incoming,
        };
        let path = incoming.target.split('?').next().unwrap_or_default();
        let wanted = if incoming.method == "GET" && path == "/_hotspare/journal" {
            let body = serde_json::to_vec(&self.provider.journal()).unwrap_or_default();
            Wanted::Show(plain_head(200, body.len()), body)
        } else {
            Wanted::Play(self.provider.receive(&Request {
                method: incoming.method,
                target: incoming.target,
                header: &|name| incoming.header(name),
                body: &incoming.body,
                unsent: false,
            }))
        };
        let (length, keep_alive) = (incoming.length, incoming.keep_alive);
        self.input.advance(length);
        (wanted, keep_alive)
    }

    /// False when no more will come, or the provider has begun to refuse.
    async fn read_more(&mut self) -> bool {
        self.input.reserve(8192);
        let refusing = &mut self.refusing;
        tokio::select! {
            read = self.stream.read_buf(&mut self.input) => matches!(read, Ok(1..)),
            _ = refusing.wait_for(|refuses| *refuses) => false,
        }
    }

    /// Carries out the actions. True when the connection can serve another request.
    async fn play(&mut self, plan: Plan) -> bool {
        let Plan {
            mut exchange,
            actions,
        } = plan;
        // Only the simulator's shutdown drops it unfinished.
        exchange.abandoned(End::Cut);
        let mut framing = None;
        for action in actions {
            let there = match action {
                Action::Delay(length) => self.flush(&mut exchange).await && self.wait(Some(length)).await,
                Action::Head(head) => {
                    wire::write_head(&mut self.output, &head);
                    framing = Some(head.framing);
                    true
                }
                Action::HeadPart(head) => {
                    wire::write_head(&mut self.output, &head);
                    self.output.truncate(self.output.len() / 2);
                    true
                }
                Action::Bytes(bytes, chunks) => {
                    wire::write_bytes(&mut self.output, &bytes, framing.unwrap_or(Framing::Chunked));
                    exchange.count(bytes.len(), chunks);
                    true
                }
                Action::Flush => {
                    let sent = self.flush(&mut exchange).await;
                    tokio::task::yield_now().await;
                    sent
                }
                Action::Forever { every, bytes } => loop {
                    exchange.abandoned(End::Hung);
                    wire::write_bytes(&mut self.output, &bytes, framing.unwrap_or(Framing::Chunked));
                    exchange.count(bytes.len(), 0);
                    if !self.flush(&mut exchange).await || !self.wait(Some(every)).await {
                        break false;
                    }
                },
                Action::Hang => {
                    exchange.abandoned(End::Hung);
                    self.flush(&mut exchange).await && self.wait(None).await
                }
                Action::Refuse => {
                    exchange.end(End::Refused);
                    return self.reset();
                }
                Action::Reset | Action::ResetStream(_) | Action::GoAway => {
                    self.flush(&mut exchange).await;
                    exchange.end(if framing.is_some() { End::Cut } else { End::Reset });
                    return self.reset();
                }
                Action::Close => {
                    self.flush(&mut exchange).await;
                    exchange.end(End::Cut);
                    return false;
                }
                Action::End => {
                    if framing == Some(Framing::Chunked) {
                        self.output.extend_from_slice(b"0\r\n\r\n");
                    }
                    let sent = self.write().await.is_ok();
                    if sent {
                        exchange.end(End::Complete);
                        return true;
                    }
                    false
                }
            };
            if !there {
                exchange.end(End::ClientDisconnected);
                return false;
            }
        }
        true
    }

    /// Sends what was gathered and tells the journal. False when the client has gone.
    async fn flush(&mut self, exchange: &mut Exchange) -> bool {
        if self.output.is_empty() {
            return true;
        }
        let sent = self.write().await.is_ok();
        if sent {
            exchange.tell();
        }
        sent
    }

    async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.flush().await
    }

    /// Waits, for ever without a length, and watches the client. False when it has gone.
    async fn wait(&mut self, length: Option<Duration>) -> bool {
        let sleep = super::sleep(length);
        tokio::pin!(sleep);
        loop {
            self.input.reserve(1024);
            tokio::select! {
                () = &mut sleep => return true,
                read = self.stream.read_buf(&mut self.input), if self.input.len() < AHEAD_MAX => {
                    if !matches!(read, Ok(1..)) {
                        return false;
                    }
                }
            }
        }
    }

    /// Makes dropping the connection reset it, rather than close it in good order.
    fn reset(&mut self) -> bool {
        // Where the option cannot be set, the client sees a close in the middle, which is as broken.
        let _ = self.stream.tcp().set_zero_linger();
        self.reset = true;
        false
    }
}

pub(super) fn plain_head(status: u16, length: usize) -> Head {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Head {
        status,
        headers,
        framing: Framing::Length(length),
    }
}
