use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

use super::keys::{Kept, Key};
use super::targets::PreparedTarget;
use super::ticket::Ticket;
use super::world::World;
use crate::dialect::Encoded;
use crate::mutant::{self, Mutant};
use crate::policy::Start;
use crate::transport::{AGENT, Body, HttpRequest, TransportError, TransportErrorKind};
use crate::types::{Failure, FailureClass, Phase};

/// Most bytes of a whole reply.
const MAX_REPLY: usize = 64 << 20;
/// Most bytes read of an error's body; the rest is cut.
const MAX_ERROR_BODY: usize = 64 << 10;

/// Sends what was fitted to the target; gives the body once a success's head has come.
pub(super) async fn open(
    world: &World,
    target: &PreparedTarget,
    start: &Start,
    encoded: Encoded,
    stream: bool,
    ticket: &mut Ticket,
) -> Result<Body, Failure> {
    let (mut request, cloud) = build(world, target, start, encoded, stream, ticket)?;
    if let Some(key) = cloud {
        authorize(world, (start, target.door), &key, &mut request, ticket).await?;
    }
    let sent = tokio::select! {
        biased;
        sent = world.transport.send(request) => sent,
        () = world.clock.sleep_until(start.limits.answer_by) => {
            return Err(timed_out(Phase::Head, world, ticket, "no response head came"));
        }
    };
    let mut response = sent.map_err(|error| broken(&error, Phase::Head))?;
    ticket.head(response.status, &response.headers);
    if response.status.is_success() {
        return Ok(response.body);
    }
    let body = error_body(world, start, &mut response.body).await;
    Err(classify(world, target, response.status, &response.headers, &body))
}

fn build(
    world: &World,
    target: &PreparedTarget,
    start: &Start,
    encoded: Encoded,
    stream: bool,
    ticket: &mut Ticket,
) -> Result<(HttpRequest, Option<Arc<Key>>), Failure> {
    let mut cloud = None;
    let refuse = |message: String| Failure::new(FailureClass::InvalidRequest, Phase::Encode, message);
    ticket.notes.adapted = encoded.adapted;
    let url = Url::parse(&format!("{}{}", target.base_url, encoded.path))
        .map_err(|error| refuse(format!("the target's URL is not valid: {error}")))?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static(if stream {
            target.dialect.framing().media_type()
        } else {
            "application/json"
        }),
    );
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in encoded.headers {
        headers.insert(HeaderName::from_static(name), value);
    }
    world
        .dress(target, &url, &mut headers)
        .map_err(|problem| Failure::new(FailureClass::Authentication, Phase::Encode, problem))?;
    match world.key(start.key) {
        None => {}
        Some(Ok(key)) if goes_to(&key, target.door, &url) || mutant::on(Mutant::OneKeyForAll) => {
            // Mostly it has not changed since the attempt was let in.
            if ticket.notes.key.as_ref() != Some(&key.fingerprint) {
                ticket.notes.key = Some(key.fingerprint.clone());
            }
            let shown = key.at(target.door).or(key.at(0));
            if let Some((name, value)) = shown.and_then(|shown| shown.header.as_ref()) {
                if mutant::on(Mutant::KeyShown) {
                    ticket
                        .notes
                        .adapted
                        .extend(value.to_str().ok().map(str::to_owned));
                }
                headers.insert(name.clone(), value.clone());
            } else {
                cloud = Some(key);
            }
        }
        Some(Ok(_)) => {
            return Err(refuse(
                "the key belongs to another origin than the target's URL".to_owned(),
            ));
        }
        Some(Err(problem)) => {
            return Err(Failure::new(FailureClass::Authentication, Phase::Encode, problem));
        }
    }
    let request = HttpRequest {
        method: Method::POST,
        url,
        headers,
        body: encoded.body,
        connect_timeout: start.limits.connect,
    };
    Ok((request, cloud))
}

/// Gets the token, or makes the signature, that a cloud's credentials are for.
async fn authorize(
    world: &World,
    (start, door): (&Start, usize),
    key: &Key,
    request: &mut HttpRequest,
    ticket: &mut Ticket,
) -> Result<(), Failure> {
    let Kept::Cloud(cloud) = &key.kept else {
        return Ok(());
    };
    let scope = key.at(door).and_then(|shown| shown.scope.as_ref());
    let made = tokio::select! {
        biased;
        made = cloud.authorize(world, scope, request) => made,
        () = world.clock.sleep_until(start.limits.answer_by) => {
            return Err(timed_out(Phase::Connect, world, ticket, "no token came"));
        }
    };
    ticket.notes.token = Some(made?);
    Ok(())
}

/// Whether the key may be shown at a URL.
fn goes_to(key: &Key, door: usize, url: &Url) -> bool {
    key.at(door).is_some_and(|shown| shown.origin == url.origin())
}

/// Reads a whole reply.
pub(super) async fn whole(
    world: &World,
    start: &Start,
    mut body: Body,
    ticket: &Ticket,
) -> Result<Bytes, Failure> {
    let read = async {
        let Some(first) = body.next().await else {
            return Ok(Bytes::new());
        };
        let first = first.map_err(|error| broken(&error, Phase::Body))?;
        let Some(second) = body.next().await else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            let chunk = chunk.map_err(|error| broken(&error, Phase::Body))?;
            if all.len().saturating_add(chunk.len()) > MAX_REPLY && !mutant::on(Mutant::ReplyUnbounded) {
                return Err(Failure::malformed("the reply is longer than 64 MiB"));
            }
            all.extend_from_slice(&chunk);
            next = body.next().await;
        }
        Ok(all.freeze())
    };
    tokio::select! {
        biased;
        read = read => read,
        () = world.clock.sleep_until(start.limits.answer_by) => {
            Err(timed_out(Phase::Body, world, ticket, "the reply was not complete"))
        }
    }
}

/// As much of an error's body as comes in time: a broken one is classified by what there is.
async fn error_body(world: &World, start: &Start, body: &mut Body) -> Bytes {
    /// An error is short: a vendor that takes longer over it than this is broken in another way.
    const PATIENCE: Duration = Duration::from_secs(5);
    let until = start.limits.answer_by.min(world.clock.now() + PATIENCE);
    let mut all = BytesMut::new();
    let read = async {
        while let Some(Ok(chunk)) = body.next().await {
            let room = MAX_ERROR_BODY.saturating_sub(all.len());
            all.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if all.len() >= MAX_ERROR_BODY {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        () = read => {}
        () = world.clock.sleep_until(until) => {}
    }
    all.freeze()
}

fn classify(
    world: &World,
    target: &PreparedTarget,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Failure {
    let mut failure = target
        .dialect
        .classify(status, headers, body, world.clock.wall(), &target.quirks);
    failure.phase = Phase::Head;
    failure.sent = crate::types::Sent::Yes;
    failure.status = Some(status.as_u16());
    failure
}

pub(super) fn timed_out(phase: Phase, world: &World, ticket: &Ticket, what: &str) -> Failure {
    let waited = world.clock.now() - ticket.notes.started;
    Failure::new(
        FailureClass::Timeout,
        phase,
        format!("{what} within {:.1} s", waited.as_secs_f64()),
    )
}

/// What a broken exchange is. Once the head has come, a lost connection is an answer without its end.
pub(super) fn broken(error: &TransportError, phase: Phase) -> Failure {
    // A peer may have a say in it.
    let message = Failure::clean(&error.message);
    match error.kind {
        TransportErrorKind::Connect | TransportErrorKind::Refused => {
            Failure::new(FailureClass::Connect, Phase::Connect, message)
        }
        TransportErrorKind::Reset => Failure::new(FailureClass::Reset, Phase::Head, message),
        TransportErrorKind::Body => Failure::new(
            FailureClass::Malformed,
            phase,
            format!("the answer broke off: {message}"),
        ),
    }
}
