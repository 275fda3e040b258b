//! One client connection that speaks HTTP/2. The frames are the `h2` crate's, but for a GOAWAY that disowns a request,
//! which it has no way to send.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream, server};
use http::{HeaderValue, Response, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::connection::plain_head;
use super::wire::BODY_MAX;
use crate::exchange::Exchange;
use crate::journal::End;
use crate::plan::{Action, Framing, Head};
use crate::provider::{Plan, Provider};
use crate::request::Request;
use crate::script::StreamCode;

/// How long what was sent before gets to leave, before a fault throws away what still waits.
const LEAVE: Duration = Duration::from_millis(10);
/// How long a client may take to close a connection it was told to leave.
const GOODBYE: Duration = Duration::from_secs(1);

/// A fault of one request that ends the connection for all.
enum Break {
    Reset,
    /// The last stream that was looked at.
    GoAway(u32),
}

/// The connection's bytes. Shared, so that they can still be had once the `h2` crate has let go of them.
struct Line(Arc<Mutex<TlsStream<TcpStream>>>);

impl Line {
    fn lock(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}

/// Answers requests until the client goes, or a fault ends the connection.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    provider: Arc<Provider>,
    mut refusing: watch::Receiver<bool>,
) {
    let line = Arc::new(Mutex::new(stream));
    let Ok(mut connection) = server::handshake(Line(Arc::clone(&line))).await else {
        return;
    };
    let (breaks, mut broken) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    let mut leaving = false;
    let fault = loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    streams.spawn(answer(Arc::clone(&provider), request, respond, breaks.clone()));
                }
                Some(Err(_)) | None => break None,
            },
            Some(fault) = broken.recv() => break Some(fault),
            Some(_) = streams.join_next() => {}
            _ = refusing.wait_for(|refuses| *refuses), if !leaving => {
                leaving = true;
                connection.graceful_shutdown();
            }
        }
    };
    drop(connection);
    drop(broken);
    let mut line = Line(line);
    match fault {
        // Each stream sees that the client has gone, and says so itself.
        None => while streams.join_next().await.is_some() {},
        Some(Break::Reset) => {
            // Where the option cannot be set, the client sees a close in the middle, which is as broken.
            let _ = line.lock().get_ref().0.set_zero_linger();
        }
        Some(Break::GoAway(last)) => {
            streams.shutdown().await;
            let _ = tokio::time::timeout(GOODBYE, go_away(&mut line, last)).await;
        }
    }
}

/// Says that the streams after `last` were not looked at, and waits for the client to close.
async fn go_away(line: &mut Line, last: u32) -> io::Result<()> {
    const HEAD: [u8; 9] = [0, 0, 8, 7, 0, 0, 0, 0, 0];
    let mut frame = HEAD.to_vec();
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&u32::from(Reason::NO_ERROR).to_be_bytes());
    line.write_all(&frame).await?;
    line.flush().await?;
    line.shutdown().await?;
    let mut ignored = [0; 1024];
    while line.read(&mut ignored).await? > 0 {}
    Ok(())
}

async fn answer(
    provider: Arc<Provider>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    breaks: mpsc::UnboundedSender<Break>,
) {
    let (head, mut incoming) = request.into_parts();
    let mut body = BytesMut::new();
    while let Some(part) = incoming.data().await {
        let Ok(part) = part else { return };
        // It fails only where the window was never taken.
        let _ = incoming.flow_control().release_capacity(part.len());
        if body.len() + part.len() > BODY_MAX {
            respond.send_reset(Reason::ENHANCE_YOUR_CALM);
            return;
        }
        body.extend_from_slice(&part);
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    if head.method == http::Method::GET && head.uri.path() == "/_hotspare/journal" {
        let journal = serde_json::to_vec(&provider.journal()).unwrap_or_default();
        if let Ok(mut stream) = respond.send_response(response(plain_head(200, journal.len())), false) {
            // A client that has gone needs no journal.
            let _ = stream.send_data(journal.into(), true);
        }
        return;
    }
    let plan = provider.receive(&Request {
        method: head.method.as_str(),
        target,
        header: &|name| head.headers.get(name)?.to_str().ok(),
        body: &body,
        unsent: false,
    });
    let Plan {
        mut exchange,
        actions,
    } = plan;
    // Only the simulator's shutdown, or another request's fault, drops it unfinished.
    exchange.abandoned(End::Cut);
    let play = Play {
        respond,
        body: None,
        exchange,
        breaks,
        breaking: false,
    };
    play.all(actions).await;
}

/// An answer under way.
struct Play {
    respond: SendResponse<Bytes>,
    /// Once the head is sent.
    body: Option<SendStream<Bytes>>,
    exchange: Exchange,
    breaks: mpsc::UnboundedSender<Break>,
    /// Whether it has asked for the connection's end.
    breaking: bool,
}

/// The client has gone.
struct Gone;

impl Play {
    async fn all(mut self, actions: Vec<Action>) {
        for action in actions {
            match self.one(action).await {
                Ok(None) => {}
                Ok(Some(end)) => {
                    self.exchange.end(end);
                    if self.breaking {
                        // The stream stays as it is until the connection has gone: dropped, it would be reset first.
                        self.breaks.closed().await;
                    }
                    return;
                }
                Err(Gone) => return self.exchange.end(End::ClientDisconnected),
            }
        }
    }

    /// Carries out an action; Some when it was the last.
    async fn one(&mut self, action: Action) -> Result<Option<End>, Gone> {
        let end = match action {
            Action::Delay(length) => {
                self.wait(Some(length)).await?;
                return Ok(None);
            }
            Action::Head(head) => {
                let sent = self.respond.send_response(response(head), false);
                self.body = Some(sent.map_err(|_| Gone)?);
                self.exchange.tell();
                return Ok(None);
            }
            // There are no half heads: they are one frame.
            Action::HeadPart(_) => return Ok(None),
            Action::Bytes(bytes, chunks) => {
                self.send(bytes, chunks)?;
                return Ok(None);
            }
            Action::Flush => {
                tokio::task::yield_now().await;
                return Ok(None);
            }
            Action::Forever { every, bytes } => {
                self.exchange.abandoned(End::Hung);
                loop {
                    self.send(bytes.clone(), 0)?;
                    self.wait(Some(every)).await?;
                }
            }
            Action::Hang => {
                self.exchange.abandoned(End::Hung);
                self.wait(None).await?;
                End::Hung
            }
            Action::Refuse => {
                self.broken(Break::Reset).await;
                End::Refused
            }
            Action::Reset => {
                let end = self.lost();
                self.broken(Break::Reset).await;
                end
            }
            Action::GoAway => {
                // Clients' streams have odd numbers.
                let last = self.respond.stream_id().as_u32().saturating_sub(2);
                self.broken(Break::GoAway(last)).await;
                End::Refused
            }
            Action::ResetStream(code) => self.reset(code).await,
            Action::Close => {
                self.finish()?;
                End::Cut
            }
            Action::End => {
                self.finish()?;
                End::Complete
            }
        };
        Ok(Some(end))
    }

    fn lost(&self) -> End {
        if self.body.is_some() { End::Cut } else { End::Reset }
    }

    /// Ends the connection, once what was sent before has left.
    async fn broken(&mut self, fault: Break) {
        if self.body.is_some() {
            tokio::time::sleep(LEAVE).await;
        }
        // Nobody listens when the connection is at its end already.
        let _ = self.breaks.send(fault);
        self.breaking = true;
    }

    async fn reset(&mut self, code: StreamCode) -> End {
        let reason = Reason::from(code as u32);
        match &mut self.body {
            Some(body) => {
                tokio::time::sleep(LEAVE).await;
                body.send_reset(reason);
                End::Cut
            }
            None => {
                self.respond.send_reset(reason);
                if code == StreamCode::RefusedStream {
                    End::Refused
                } else {
                    End::Reset
                }
            }
        }
    }

    fn send(&mut self, bytes: Bytes, chunks: u32) -> Result<(), Gone> {
        let body = self.body.as_mut().ok_or(Gone)?;
        let length = bytes.len();
        body.send_data(bytes, false).map_err(|_| Gone)?;
        self.exchange.count(length, chunks);
        self.exchange.tell();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Gone> {
        let body = self.body.as_mut().ok_or(Gone)?;
        body.send_data(Bytes::new(), true).map_err(|_| Gone)
    }

    /// Waits, for ever without a length, and watches the client.
    async fn wait(&mut self, length: Option<Duration>) -> Result<(), Gone> {
        let (respond, body) = (&mut self.respond, &mut self.body);
        let left = std::future::poll_fn(|cx| match body {
            Some(body) => body.poll_reset(cx),
            None => respond.poll_reset(cx),
        });
        tokio::select! {
            () = super::sleep(length) => Ok(()),
            _ = left => Err(Gone),
        }
    }
}

fn response(head: Head) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = head.headers;
    if let Framing::Length(length) = head.framing {
        let length = HeaderValue::from(length);
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}
