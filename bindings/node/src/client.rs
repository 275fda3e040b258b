//! The client.

use std::path::PathBuf;
use std::sync::Arc;

use hotspare::types::{ChatRequest, EmbedRequest};
use hotspare::{Error, Result};
use hotspare_bridge::{SharedClient, Source, guarded, spawn};
use napi::Env;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::errors::thrown;
use crate::feed::EventFeed;
use crate::ready::{Ready, Value};
use crate::stream::Events;
use crate::wait::block_on;
use crate::wire;

/// What a client is made of: a file's path, a config as JSON text, or nothing but targets.
fn source(kind: &str, value: Either<String, Vec<String>>) -> napi::Result<Source> {
    match (kind, value) {
        ("file", Either::A(path)) => Ok(Source::File(PathBuf::from(path))),
        ("json", Either::A(text)) => Ok(Source::Json(text)),
        ("targets", Either::B(targets)) => Ok(Source::Targets(targets)),
        _ => Err(napi::Error::from_reason(format!(
            "a client is not made of {kind}"
        ))),
    }
}

/// Begins to make a client.
#[napi(catch_unwind)]
pub fn start_open(
    env: Env,
    ready: &Ready,
    kind: String,
    value: Either<String, Vec<String>>,
) -> napi::Result<f64> {
    let source = source(&kind, value)?;
    Ok(ready.start(&env, SharedClient::build(source), |shared| {
        Ok(Value::Client(shared))
    }))
}

/// Makes a client, waiting.
#[napi(catch_unwind)]
pub fn open_sync(kind: String, value: Either<String, Vec<String>>) -> napi::Result<Client> {
    let source = source(&kind, value)?;
    let shared = block_on(spawn(SharedClient::build(source))).map_err(thrown)?;
    Ok(Client::new(shared))
}

/// What `hotspare.Client` calls. Requests and what comes back are JSON texts.
#[napi]
pub struct Client(Option<Arc<SharedClient>>);

impl Client {
    pub(crate) fn new(shared: Arc<SharedClient>) -> Self {
        Self(Some(shared))
    }

    fn shared(&self) -> napi::Result<Arc<SharedClient>> {
        self.0
            .clone()
            .ok_or_else(|| napi::Error::from_reason("the client is closed"))
    }

    /// Asks the client for what it knows or decides.
    fn ask<T>(&self, question: impl FnOnce(&hotspare::Client) -> Result<T>) -> napi::Result<T> {
        let shared = self.shared()?;
        guarded(|| question(shared.get()?)).map_err(thrown)
    }
}

#[napi]
impl Client {
    /// Begins a call; the reply comes under the ticket.
    #[napi(catch_unwind)]
    pub fn start_chat(&self, env: Env, ready: &Ready, request: String) -> napi::Result<f64> {
        let request = parse(&request)?;
        Ok(ready.start(&env, self.shared()?.send(request), |reply| {
            wire::text(&wire::Reply::from(reply)).map(Value::Text)
        }))
    }

    /// A whole reply, waited for.
    #[napi(catch_unwind)]
    pub fn chat_sync(&self, request: String) -> napi::Result<String> {
        let reply = block_on(spawn(self.shared()?.send(parse(&request)?))).map_err(thrown)?;
        wire::text(&wire::Reply::from(reply)).map_err(thrown)
    }

    /// Begins a call; the vectors come under the ticket.
    #[napi(catch_unwind)]
    pub fn start_embed(&self, env: Env, ready: &Ready, request: String) -> napi::Result<f64> {
        let request = parse_embed(&request)?;
        Ok(ready.start(&env, self.shared()?.embed(request), |reply| {
            wire::text(&wire::Embeddings::from(reply)).map(Value::Text)
        }))
    }

    /// Vectors of texts, waited for.
    #[napi(catch_unwind)]
    pub fn embed_sync(&self, request: String) -> napi::Result<String> {
        let reply = block_on(spawn(self.shared()?.embed(parse_embed(&request)?))).map_err(thrown)?;
        wire::text(&wire::Embeddings::from(reply)).map_err(thrown)
    }

    /// Begins a stream.
    #[napi(catch_unwind)]
    pub fn open(&self, request: String) -> napi::Result<Events> {
        Ok(Events::new(self.shared()?.open(parse(&request)?)))
    }

    /// What is known now.
    #[napi(catch_unwind)]
    pub fn status(&self) -> napi::Result<String> {
        self.ask(|client| wire::camel_text(&client.status()))
    }

    /// What would be done with a request.
    #[napi(catch_unwind)]
    pub fn explain(&self, request: String) -> napi::Result<String> {
        let request = parse(&request)?;
        self.ask(|client| wire::camel_text(&client.explain(request)?))
    }

    /// Takes targets out of use.
    #[napi(catch_unwind)]
    pub fn hold(&self, name: String) -> napi::Result<u32> {
        self.ask(|client| client.hold(&name)).map(count)
    }

    /// Gives targets back to their breakers.
    #[napi(catch_unwind)]
    pub fn release(&self, name: String) -> napi::Result<u32> {
        self.ask(|client| client.release(&name)).map(count)
    }

    /// Keeps targets in use whatever they do.
    #[napi(catch_unwind)]
    pub fn force_closed(&self, name: String) -> napi::Result<u32> {
        self.ask(|client| client.force_closed(&name)).map(count)
    }

    /// Puts facts on models over those that are there.
    #[napi(catch_unwind)]
    pub fn update_catalog(&self, text: String) -> napi::Result<()> {
        self.ask(|client| {
            client
                .update_catalog(&text)
                .map_err(|bad| Error::config(bad.to_string()))
        })
    }

    /// Lets go of the connections. Calls and streams under way go on.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        self.0 = None;
    }

    /// This client's events, from now on. There is one feed a client.
    #[napi(catch_unwind)]
    pub fn listen(&self) -> napi::Result<EventFeed> {
        let shared = self.shared()?;
        guarded(|| shared.listen()).map(EventFeed::new).map_err(thrown)
    }
}

fn parse(request: &str) -> napi::Result<ChatRequest> {
    guarded(|| ChatRequest::from_json(request.as_bytes())).map_err(thrown)
}

fn parse_embed(request: &str) -> napi::Result<EmbedRequest> {
    guarded(|| EmbedRequest::from_json(request.as_bytes())).map_err(thrown)
}

/// A config's targets are few.
fn count(targets: usize) -> u32 {
    u32::try_from(targets).unwrap_or(u32::MAX)
}
