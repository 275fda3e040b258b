//! A client that survives `fork`, and the crossing of requests.

use std::path::PathBuf;

use hotspare::types::{ChatRequest, Reply};
use hotspare::{Client, Error, Result};
use tokio::sync::OnceCell;

use crate::fork::{ForkGuard, generation};
use crate::queue::EventQueue;

/// What a client is made of, kept so that the child of a fork can make its own.
#[derive(Debug, Clone)]
pub enum Source {
    /// A `.toml` or `.json` file.
    File(PathBuf),
    /// A config as JSON text.
    Json(String),
    /// Nothing but targets; keys come from the providers' usual environment variables.
    Targets(Vec<String>),
}

impl Source {
    async fn build(&self) -> Result<Client> {
        match self {
            Self::File(path) => Client::from_file(path).await,
            Self::Json(text) => Client::from_json(text),
            Self::Targets(targets) => targets
                .iter()
                .fold(Client::builder(), |builder, target| builder.target(target))
                .build(),
        }
    }
}

/// A client for every process that comes of the one that made it.
///
/// Pooled connections belong to the process that opened them, so the child of a fork makes a client of its own, when
/// it first calls, and leaves the parent's untouched.
#[derive(Debug)]
pub struct SharedClient {
    source: Source,
    first: Generation,
}

/// The client of one generation, and the way to the next: never a lock that a fork could leave locked.
#[derive(Debug)]
struct Generation {
    number: u64,
    client: ForkGuard<Client>,
    next: OnceCell<Box<Generation>>,
}

impl Generation {
    async fn build(source: &Source) -> Result<Self> {
        Ok(Self {
            number: generation(),
            client: ForkGuard::new(source.build().await?),
            next: OnceCell::new(),
        })
    }
}

impl SharedClient {
    /// Makes a client.
    ///
    /// # Errors
    /// A config error that lists every problem.
    pub async fn build(source: Source) -> Result<Self> {
        let first = Generation::build(&source).await?;
        Ok(Self { source, first })
    }

    /// This process's client.
    ///
    /// # Errors
    /// In the child of a fork: a config that can no longer be read.
    pub async fn get(&self) -> Result<&Client> {
        let mut generation = &self.first;
        while generation.number != crate::fork::generation() {
            generation = generation
                .next
                .get_or_try_init(|| async { Generation::build(&self.source).await.map(Box::new) })
                .await?;
        }
        generation.client.get()
    }

    /// A whole reply.
    ///
    /// # Errors
    /// The call's.
    pub async fn send(&self, request: ChatRequest) -> Result<Reply> {
        self.get().await?.send(request).await
    }

    /// A stream's events.
    #[must_use]
    pub fn open(self: std::sync::Arc<Self>, request: ChatRequest) -> EventQueue {
        EventQueue::start(async move {
            let stream = self.get().await?.open(request).await?;
            Ok((stream.target().to_owned(), stream))
        })
    }
}

/// A request from its JSON text.
///
/// # Errors
/// An invalid request, with the path of the field at fault.
pub fn parse_request(json: &[u8]) -> Result<ChatRequest> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        Error::invalid_request(if path == "." {
            inner.to_string()
        } else {
            format!("`{path}`: {inner}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_request_names_the_place() {
        for (json, part) in [
            (r#"{"messages": [{"role": "usr", "content": ""}]}"#, "messages[0]"),
            (r#"{"messages": "x", "temperature": "hot"}"#, "`temperature`: invalid type"),
            (r#"{"messages": 1}"#, "`messages`"),
            ("[", "EOF"),
        ] {
            let error = parse_request(json.as_bytes()).unwrap_err();
            assert!(error.message().contains(part), "{json}: {error}");
        }
    }
}
