//! The replies of a provider: good, failing, and what the faults make of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::errors::{self, Exceeded, VendorError};
use crate::plan::{Answer, Body};
use crate::provider::{Provider, State};
use crate::render::{self, Reply, Wire};
use crate::replay::Recording;
use crate::request::{Ask, Endpoint};
use crate::script::{ErrorKind, Fault, ReplyScript, Step, UsageScript};

impl Provider {
    /// The reply to a request that was let in.
    pub(crate) fn answer(
        &self,
        state: &mut State,
        ask: &Ask<'_>,
        step: Option<&Step>,
        mut headers: HeaderMap,
    ) -> Answer {
        let dialect = ask.wire.dialect;
        let fault = step.and_then(|step| step.fault);
        let model = ask.model.as_deref().unwrap_or_default();
        let status = step.and_then(|step| step.status);
        let error = |kind| errors::error(dialect, kind, model, exceeded(step));
        let in_band = fault == Some(Fault::ErrorEvent);
        let kind = step.and_then(|step| step.error);
        let whole = |status, bytes: Bytes, headers| Answer {
            status,
            headers,
            body: Arc::new(Body::whole(bytes)),
            wire: ask.wire,
            generated: false,
            error: None,
        };
        let mut answer = match (fault, step.and_then(|step| step.body.as_ref())) {
            (_, Some(body)) => {
                let (content_type, text) = match body {
                    serde_json::Value::String(text) => (HeaderValue::from_static("text/plain"), text.clone()),
                    json => (JSON, json.to_string()),
                };
                headers.insert(header::CONTENT_TYPE, content_type);
                whole(status.unwrap_or(200), text.into(), headers)
            }
            (Some(Fault::Html), None) => {
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("text/html; charset=UTF-8"),
                );
                whole(status.unwrap_or(200), Bytes::from_static(HTML), headers)
            }
            (Some(Fault::Redirect), None) => {
                insert(
                    &mut headers,
                    header::LOCATION,
                    &format!("/_hotspare/redirected{}", ask.path),
                );
                whole(status.unwrap_or(307), Bytes::new(), headers)
            }
            (Some(Fault::ErrorEvent), None) if !ask.wire.streams() => {
                let mut error = error(kind.unwrap_or(ErrorKind::Server));
                error.status = 200;
                refusal(ask.wire, model, error, &mut headers)
            }
            (_, None) => match (kind.filter(|_| !in_band), status) {
                (Some(kind), _) => refusal(ask.wire, model, error(kind), &mut headers),
                (None, Some(300..=399)) => whole(200, Bytes::new(), headers),
                (None, Some(failing @ 400..)) => {
                    refusal(ask.wire, model, error(errors::kind_of(failing)), &mut headers)
                }
                _ if ask.endpoint == Endpoint::Models => {
                    headers.insert(header::CONTENT_TYPE, JSON);
                    whole(200, render::models(dialect), headers)
                }
                _ => {
                    let mut answer = self.reply(state, ask, step, headers);
                    let kind = kind.unwrap_or(ErrorKind::Server);
                    answer.error = in_band.then(|| (error(kind), model.to_owned()));
                    answer
                }
            },
        };
        answer.status = status.unwrap_or(answer.status);
        if let Some(step) = step {
            for (name, value) in &step.headers {
                if let Ok(name) = HeaderName::try_from(name) {
                    insert(&mut answer.headers, name, value);
                }
            }
        }
        answer
    }

    /// A good reply: recorded, or made up.
    fn reply(&self, state: &mut State, ask: &Ask<'_>, step: Option<&Step>, mut headers: HeaderMap) -> Answer {
        let fault = step.and_then(|step| step.fault);
        let over = step.and_then(|step| step.reply.as_ref());
        let terminal = fault != Some(Fault::NoTerminalMarker);
        let model = ask.model.as_deref().unwrap_or_default();
        let mut status = 200;
        let mut content_type = None;
        let recording = self.recording(state, ask).filter(|_| over.is_none());
        let body = match (&ask.texts, recording) {
            (Some(texts), _) => {
                let usage = UsageScript {
                    input_tokens: texts.tokens(),
                    ..UsageScript::default()
                };
                let bytes = texts.reply(ask.wire.dialect, model).to_string();
                Arc::new(Body::whole(bytes).with_usage(usage))
            }
            (None, Some(recording)) => {
                status = recording.status;
                content_type.clone_from(&recording.content_type);
                headers.insert(
                    HeaderName::from_static("x-hotspare-fixture"),
                    recording.id_header.clone(),
                );
                Arc::clone(if terminal {
                    &recording.body
                } else {
                    &recording.endless
                })
            }
            (None, None) if terminal && over.is_none() => state.rendered(ask.wire, &self.script.reply, model),
            (None, None) => {
                let script = over.map(|over| self.script.reply.overlaid(over));
                let script = script.as_ref().unwrap_or(&self.script.reply);
                Arc::new(rendered(ask.wire, script, terminal, model))
            }
        };
        let streams = body.streams();
        headers.insert(
            header::CONTENT_TYPE,
            content_type.unwrap_or_else(|| own_content_type(streams, ask.wire)),
        );
        let body = match (fault, streams) {
            (Some(Fault::Empty), true) => Arc::new(Body::stream(Vec::new()).with_usage(self.nothing_said())),
            (Some(Fault::Empty), false) => {
                Arc::new(Body::whole(Bytes::new()).with_usage(self.nothing_said()))
            }
            _ => body,
        };
        Answer {
            status,
            headers,
            body,
            wire: ask.wire,
            generated: true,
            error: None,
        }
    }

    /// What a reply that says nothing uses.
    fn nothing_said(&self) -> UsageScript {
        UsageScript {
            output_tokens: 0,
            reasoning_tokens: 0,
            ..self.usage
        }
    }

    /// The recording the model names, else the next of the kind asked for, else the next of the other kind.
    fn recording(&self, state: &mut State, ask: &Ask<'_>) -> Option<&Recording> {
        // Recordings are of the dialect the script names.
        if ask.endpoint != Endpoint::Chat || ask.wire.dialect != self.script.dialect {
            return None;
        }
        let all = &self.script.recordings;
        if let Some(named) = all
            .iter()
            .find(|one| ask.model.as_deref() == Some(one.id.as_str()))
        {
            return Some(named);
        }
        let of = |streams: bool| all.iter().filter(move |one| one.body.streams() == streams);
        let asked = ask.wire.streams();
        let kind = if of(asked).next().is_some() { asked } else { !asked };
        let count = of(kind).count().max(1);
        let next = state.replayed.get_mut(usize::from(kind))?;
        let index = *next % count;
        *next = index + 1;
        of(kind).nth(index)
    }
}

impl State {
    /// Models a client may name before what was rendered for them is thrown away.
    const MODELS: usize = 256;

    /// The provider's normal reply, rendered once a model and format.
    fn rendered(&mut self, wire: Wire, script: &ReplyScript, model: &str) -> Arc<Body> {
        let key = (wire, model.to_owned());
        if let Some(body) = self.rendered.get(&key) {
            return Arc::clone(body);
        }
        if self.rendered.len() >= Self::MODELS {
            self.rendered.clear();
        }
        let body = Arc::new(rendered(wire, script, true, model));
        self.rendered.insert(key, Arc::clone(&body));
        body
    }
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

const HTML: &[u8] = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n\
    <body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>\n";

fn own_content_type(streams: bool, wire: Wire) -> HeaderValue {
    if streams { render::content_type(wire) } else { JSON }
}

fn rendered(wire: Wire, script: &ReplyScript, terminal: bool, model: &str) -> Body {
    let reply = Reply::new(script, terminal);
    let body = if wire.streams() {
        Body::stream(reply.stream(wire, model))
    } else {
        Body::whole_of(reply.whole(wire, model), reply.chunks())
    };
    body.with_usage(reply.usage)
}

pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// What a scripted rate limit says to wait: what the step's own headers say, so that body and headers agree.
fn exceeded(step: Option<&Step>) -> Exceeded {
    let header = |name: &str| {
        let mut headers = step?.headers.iter();
        let (_, value) = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.parse::<f64>().ok()
    };
    let seconds = header("retry-after-ms")
        .map(|wait| wait / 1000.0)
        .or_else(|| header("retry-after"));
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let default = Exceeded::default();
    Exceeded {
        wait: wait.unwrap_or(default.wait),
        ..default
    }
}

/// An error reply. One that comes with a 200 to a stream is an event of that stream.
pub(crate) fn refusal(wire: Wire, model: &str, error: VendorError, headers: &mut HeaderMap) -> Answer {
    let mut headers = std::mem::take(headers);
    let (content_type, body) = if error.status == 200 && wire.streams() {
        let event = render::error_event(wire, model, 0, &error);
        let pieces = vec![render::Piece::frame(event)];
        (render::content_type(wire), Body::stream(pieces))
    } else {
        (JSON, Body::whole(error.body.to_string()))
    };
    headers.extend(error.headers);
    headers.insert(header::CONTENT_TYPE, content_type);
    Answer {
        status: error.status,
        headers,
        body: Arc::new(body),
        wire,
        generated: false,
        error: None,
    }
}
