//! Clients that speak a vendor's format: that vendor's HTTP request in, its HTTP reply out, by the one engine. The vendors'
//! own SDKs work over it, in process.

mod endpoint;
mod head;
mod models;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

pub use self::stream::ServedStream;

use self::endpoint::{Endpoint, heard};
use self::head::{Head, fresh_id};
use crate::config::RouteKind;
use crate::dialect::{Ingress, Problem, embed};
use crate::engine::{self, Relay, World};
use crate::error::Error;
use crate::routing;

/// A request as a vendor's SDK sends it.
#[derive(Debug, Clone)]
pub struct HttpAsk {
    /// Its method.
    pub method: Method,
    /// Its path, or whole URL. Only the end of the path says what is asked: `/chat/completions`, `/responses`,
    /// `/messages`, `/embeddings` or `/models`.
    pub path: String,
    /// Its headers. Keys in them are not looked at.
    pub headers: HeaderMap,
    /// Its body, JSON.
    pub body: Bytes,
    /// How long the client waits for a whole reply, where that is shorter than the route's deadline. Streams have the
    /// route's timers.
    pub patience: Option<Duration>,
}

/// The reply to an [`HttpAsk`], in the vendor's format. Errors are such replies too.
///
/// Its headers tell what was done: `x-hotspare-route`, `x-hotspare-target`, `x-hotspare-attempts`, `x-hotspare-trail`,
/// `x-hotspare-cost-usd`, `x-hotspare-adapted`, `x-hotspare-error`. `x-should-retry: false` keeps the vendors' SDKs from
/// trying again what was tried enough.
#[derive(Debug)]
pub struct Served {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: ServedBody,
}

/// The body of a [`Served`] reply.
#[derive(Debug)]
pub enum ServedBody {
    /// All of it.
    Whole(Bytes),
    /// Server-sent events, as they come.
    Stream(Box<ServedStream>),
}

/// Answers a client's request.
pub(crate) async fn serve(world: Arc<World>, ask: HttpAsk) -> Served {
    let id = fresh_id();
    let endpoint = Endpoint::of(&ask);
    let speaks = endpoint.format();
    let served = match endpoint {
        Endpoint::Chat(format) => chat(world, format, ask, &id).await,
        Endpoint::Embed(format) => vectors(world, format, ask, &id).await,
        Endpoint::Models(format) => Ok(models::list(&world.config, format.id(), &id)),
        Endpoint::None(_, problem) => Err(Refused::new(problem)),
    };
    served.unwrap_or_else(|refused| refused.written(speaks, &id))
}

/// An error, and what is known by then.
struct Refused {
    error: Error,
    route: Option<String>,
}

impl Refused {
    fn new(error: impl Into<Error>) -> Self {
        Self {
            error: error.into(),
            route: None,
        }
    }

    fn written(self, format: &dyn Ingress, id: &str) -> Served {
        let problem = Problem::of(&self.error, id);
        let (status, body) = format.write_error(&problem);
        let mut head = Head::json(format.id_header(), id);
        head.put("x-hotspare-error", problem.code);
        if let Some(route) = &self.route {
            head.put("x-hotspare-route", route);
        }
        head.trail(self.error.trail(), None);
        head.retry_after(self.error.retry_after());
        head.served(status, ServedBody::Whole(Bytes::from(body)))
    }
}

async fn vectors(
    world: Arc<World>,
    format: &'static dyn Ingress,
    ask: HttpAsk,
    id: &str,
) -> Result<Served, Refused> {
    let asked =
        embed::ingress::ask(&ask.body).map_err(|failure| Refused::new(Error::failed(failure, Vec::new())))?;
    let route = routing::meant(&world.config, asked.model.as_deref(), RouteKind::Embed)
        .map_err(Refused::new)?
        .to_owned();
    let mut request = asked.request;
    request.route = Some(route.clone());
    let total = routing::route(&world.config, Some(&route))
        .map_err(Refused::new)?
        .timeouts
        .total;
    let patience = ask.patience.filter(|patience| *patience < total);
    request.timeout = patience.map(|patience| patience.as_secs_f64());
    let mut head = Head::json(format.id_header(), id);
    head.put("x-hotspare-route", &route);
    let reply = engine::embed(world, request).await.map_err(|error| Refused {
        error,
        route: Some(route),
    })?;
    head.put("x-hotspare-target", &reply.target);
    head.trail(&reply.trail, None);
    head.adapted(reply.trail.last().map_or(&[], |attempt| &attempt.adapted));
    head.cost(reply.cost_usd);
    let body = Bytes::from(embed::ingress::answer(&reply, asked.base64));
    Ok(head.served(StatusCode::OK, ServedBody::Whole(body)))
}

async fn chat(
    world: Arc<World>,
    format: &'static dyn Ingress,
    ask: HttpAsk,
    id: &str,
) -> Result<Served, Refused> {
    let heard = heard(format, &ask).map_err(|failure| Refused::new(Error::failed(failure, Vec::new())))?;
    let model = heard.asked.model.as_deref();
    let route = routing::meant(&world.config, model, RouteKind::Chat)
        .map_err(Refused::new)?
        .to_owned();
    let mut request = heard.asked.request.clone();
    request.route = Some(route.clone());
    let streams = heard.asked.stream;
    let relay = Relay {
        dialect: format.id(),
        headers: format
            .relayed()
            .iter()
            .filter_map(|name| Some((*name, ask.headers.get(*name)?.clone())))
            .collect(),
        patience: ask.patience.filter(|_| !streams),
    };
    drop(ask);
    let named = |error| Refused {
        error,
        route: Some(route.clone()),
    };
    let mut head = match streams {
        true => Head::events(format.id_header(), id),
        false => Head::json(format.id_header(), id),
    };
    head.put("x-hotspare-route", &route);
    if streams {
        let stream = engine::open_for(Arc::clone(&world), request, Some(relay))
            .await
            .map_err(named)?;
        head.put("x-hotspare-target", stream.target());
        head.trail(stream.trail(), Some(stream.target()));
        head.adapted(stream.adapted());
        let created = world.clock.unix_seconds(world.clock.now());
        let body = ServedStream::new(stream, format, heard, (id, created));
        return Ok(head.served(StatusCode::OK, ServedBody::Stream(Box::new(body))));
    }
    let (reply, raw) = engine::chat_for(world, request, Some(relay))
        .await
        .map_err(named)?;
    head.put("x-hotspare-target", &reply.target);
    head.trail(&reply.trail, None);
    head.adapted(reply.trail.last().map_or(&[], |attempt| &attempt.adapted));
    head.cost(reply.cost_usd);
    let body = raw.unwrap_or_else(|| Bytes::from(format.write_reply(&reply, &heard)));
    Ok(head.served(StatusCode::OK, ServedBody::Whole(body)))
}
