//! The facts on models that a client goes by, and how they change while it runs.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use url::Url;

use super::lock;
use super::targets::PreparedTarget;
use super::world::World;
use crate::catalog::{BadCatalog, Catalog, Layer, Model};
use crate::transport::{HttpRequest, Transport};
use crate::types::What;

/// How long a fetch may take, its connection included.
const ANSWER: Duration = Duration::from_secs(30);
/// How long its connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest text that is read: ten times the whole catalog.
const MAX_TEXT: usize = 8 << 20;
/// How soon a fetch that failed is repeated, and how often a paused client looks whether it goes on.
const RETRY: Duration = Duration::from_secs(300);

/// The catalog of a client. Readers take what is there; a change is made beside it and put in its place.
#[derive(Debug)]
pub(super) struct Facts {
    now: RwLock<Arc<Catalog>>,
    /// Held by the one who makes a change, so that two do not undo each other.
    changing: Mutex<()>,
    fetcher: Fetcher,
}

impl Facts {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            now: RwLock::new(catalog),
            changing: Mutex::default(),
            fetcher: Fetcher::default(),
        }
    }

    fn now(&self) -> Arc<Catalog> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, layer: Layer, text: &str) -> Result<(), BadCatalog> {
        let changing = lock(&self.changing);
        let changed = Arc::new(self.now().with(layer, text)?);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = changed;
        drop(changing);
        Ok(())
    }
}

/// What a target remembers of the catalog it last looked itself up in.
#[derive(Default)]
pub(super) struct Looked(Mutex<Option<(Arc<Catalog>, Option<Arc<Model>>)>>);

impl Looked {
    fn up(&self, catalog: Arc<Catalog>, provider: &str, model: &str) -> Option<Arc<Model>> {
        let mut last = lock(&self.0);
        if let Some((of, facts)) = &*last
            && Arc::ptr_eq(of, &catalog)
        {
            return facts.clone();
        }
        let facts = catalog.model(provider, model);
        *last = Some((catalog, facts.clone()));
        facts
    }
}

impl World {
    /// The catalog as it is now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.facts.now()
    }

    /// What is known of a target's model now.
    pub(super) fn facts_of(&self, target: &PreparedTarget) -> Option<Arc<Model>> {
        target.looked.up(self.facts.now(), &target.vendor, &target.model)
    }

    /// Puts a layer of the catalog in place of what it said before, and tells how that went.
    pub(crate) fn update_catalog(&self, layer: Layer, text: &str) -> Result<(), BadCatalog> {
        let changed = self.facts.change(layer, text);
        self.tell_catalog(layer, changed.as_ref().err().map(ToString::to_string));
        changed
    }

    fn tell_catalog(&self, layer: Layer, problem: Option<String>) {
        self.tell(None, || What::Catalog {
            layer: layer.as_str().to_owned(),
            problem,
        });
    }

    /// A request begins: the catalog of the config's URL is fetched from now on.
    pub(super) fn keep_catalog(self: &Arc<Self>) {
        if let Some(url) = &self.config.catalog.url {
            self.facts.fetcher.start(self, url);
        }
    }
}

/// The task that fetches a catalog, first at once and then every so often. Owned by the client; dropping it ends the task.
#[derive(Debug, Default)]
struct Fetcher(Mutex<Option<(Id, AbortHandle)>>);

impl Fetcher {
    /// Starts the task unless it runs on this runtime; as with warm standby, at every call.
    fn start(&self, world: &Arc<World>, url: &Url) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut task = lock(&self.0);
        if let Some((id, running)) = &*task {
            if *id == runtime.id() && !running.is_finished() {
                return;
            }
            running.abort();
        }
        let running = runtime.spawn(fetch_often(Arc::downgrade(world), url.clone()));
        *task = Some((runtime.id(), running.abort_handle()));
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some((_, running)) = lock(&self.0).take() {
            running.abort();
        }
    }
}

async fn fetch_often(client: Weak<World>, url: Url) {
    loop {
        let Some((transport, paused)) = client.upgrade().map(|world| {
            let paused = world.paused.load(std::sync::atomic::Ordering::Relaxed);
            (Arc::clone(&world.transport), paused)
        }) else {
            return;
        };
        // While it fetches and waits, nothing here keeps the client alive.
        let fetched = if paused {
            None
        } else {
            Some(fetch(transport, &url).await)
        };
        let Some(world) = client.upgrade() else {
            return;
        };
        let done = match fetched {
            Some(Ok(text)) => world.update_catalog(Layer::Url, &text).is_ok(),
            Some(Err(problem)) => {
                world.tell_catalog(Layer::Url, Some(problem));
                false
            }
            None => false,
        };
        let refresh = world.config.catalog.refresh;
        drop(world);
        tokio::time::sleep(if done { refresh } else { refresh.min(RETRY) }).await;
    }
}

async fn fetch(transport: Arc<dyn Transport>, url: &Url) -> Result<String, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, application/toml"),
    );
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let exchange = async {
        let sent = transport.send(HttpRequest {
            method: Method::GET,
            url: url.clone(),
            headers,
            body: Bytes::new(),
            connect_timeout: CONNECT,
        });
        let mut response = sent.await.map_err(|error| error.message)?;
        if response.status != StatusCode::OK {
            return Err(format!("expected status 200, found {}", response.status.as_u16()));
        }
        let mut text = Vec::new();
        while let Some(bytes) = response.body.next().await {
            text.extend_from_slice(&bytes.map_err(|error| error.message)?);
            if text.len() > MAX_TEXT {
                return Err(format!("it is longer than {MAX_TEXT} bytes"));
            }
        }
        String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())
    };
    tokio::time::timeout(ANSWER, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no whole answer within {} s", ANSWER.as_secs())))
}
