//! A client that survives `fork`.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use hotspare::types::{ChatRequest, EmbedReply, EmbedRequest, Reply};
use hotspare::{Client, Config, HttpAsk, Result, ServedBody, ServedStream};
use http::HeaderValue;
use once_cell::sync::OnceCell;

use crate::feed::EventFeed;
use crate::fork::{ForkGuard, generation};
use crate::queue::{ChunkQueue, EventQueue, ServedHead};

/// What the host makes a client of.
#[derive(Debug, Clone)]
pub enum Source {
    /// A `.toml` or `.json` file.
    File(PathBuf),
    /// A config as JSON text.
    Json(String),
    /// Nothing but targets; keys come from the providers' usual environment variables.
    Targets(Vec<String>),
}

/// A client for every process that comes of the one that made it.
///
/// Pooled connections belong to the process that opened them, so the child of a fork makes a client of its own, when
/// it first calls, and leaves the parent's untouched.
#[derive(Debug)]
pub struct SharedClient {
    config: Config,
    first: Generation,
    /// Whether somebody wants the events, of this generation's client and of all later ones.
    listening: AtomicBool,
}

/// The client of one generation, and the way to later ones: a lock that another thread held at the fork is never
/// waited for, since the child looks one link further.
#[derive(Debug)]
struct Generation {
    number: u64,
    client: ForkGuard<Client>,
    feed: OnceLock<EventFeed>,
    next: OnceCell<Box<Generation>>,
}

impl Generation {
    fn of(client: Client) -> Self {
        Self {
            number: generation(),
            client: ForkGuard::new(client),
            feed: OnceLock::new(),
            next: OnceCell::new(),
        }
    }

    /// Its client's events, from the first time this is asked.
    fn feed(&self) -> Result<&EventFeed> {
        let client = self.client.get()?;
        Ok(self.feed.get_or_init(|| {
            let feed = EventFeed::default();
            client.on_event(feed.listener());
            feed
        }))
    }
}

impl SharedClient {
    /// Makes a client. Reads files.
    ///
    /// # Errors
    /// A config error that lists every problem.
    pub async fn build(source: Source) -> Result<Arc<Self>> {
        let client = match source {
            Source::File(path) => Client::from_file(path).await?,
            Source::Json(text) => Client::from_json(&text)?,
            Source::Targets(targets) => targets
                .into_iter()
                .fold(Client::builder(), hotspare::ClientBuilder::target)
                .build()?,
        };
        Ok(Arc::new(Self {
            config: client.config().clone(),
            first: Generation::of(client),
            listening: AtomicBool::new(false),
        }))
    }

    /// This process's client.
    ///
    /// # Errors
    /// In the child of a fork: a file of `extra_roots` that can no longer be read.
    pub fn get(&self) -> Result<&Client> {
        self.generation()?.client.get()
    }

    /// The events of this process's client, from now on; and from its beginning in the child of a later fork, where
    /// this is called again. There is one feed a process, whoever asks.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn listen(&self) -> Result<EventFeed> {
        self.listening.store(true, Ordering::Release);
        self.generation()?.feed().cloned()
    }

    fn generation(&self) -> Result<&Generation> {
        let mut generation = &self.first;
        while generation.number != crate::fork::generation() {
            generation = generation.next.get_or_try_init(|| {
                let fresh = Generation::of(Client::new(self.config.clone())?);
                if self.listening.load(Ordering::Acquire) {
                    fresh.feed()?;
                }
                Ok::<_, hotspare::Error>(Box::new(fresh))
            })?;
        }
        Ok(generation)
    }

    /// A whole reply.
    ///
    /// # Errors
    /// The call's.
    pub async fn send(self: Arc<Self>, request: ChatRequest) -> Result<Reply> {
        self.get()?.send(request).await
    }

    /// Vectors of texts.
    ///
    /// # Errors
    /// The call's.
    pub async fn embed(self: Arc<Self>, request: EmbedRequest) -> Result<EmbedReply> {
        self.get()?.send_embed(request).await
    }

    /// The answer to a client that speaks a vendor's format; errors of the call are answers too.
    #[must_use]
    pub fn serve(self: Arc<Self>, ask: HttpAsk) -> ChunkQueue {
        ChunkQueue::start(async move {
            let served = self.get()?.serve(ask).await;
            let (whole, stream) = match served.body {
                ServedBody::Whole(bytes) => (Some(bytes), None),
                ServedBody::Stream(stream) => (None, Some(stream)),
            };
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let head = ServedHead {
                status: served.status.as_u16(),
                headers: served
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str().to_owned(), text(value)))
                    .collect(),
                whole,
            };
            Ok((head, Chunks(stream)))
        })
    }

    /// A stream's events.
    #[must_use]
    pub fn open(self: Arc<Self>, request: ChatRequest) -> EventQueue {
        EventQueue::start(async move {
            let stream = self.get()?.open(request).await?;
            Ok((stream.target().to_owned(), stream))
        })
    }
}

/// The bytes of a served stream, or none.
struct Chunks(Option<Box<ServedStream>>);

impl Stream for Chunks {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream).poll_next(cx).map(|bytes| bytes.map(Ok)),
            None => Poll::Ready(None),
        }
    }
}
