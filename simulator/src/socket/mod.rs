//! The script on loopback sockets.

mod connection;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::journal::JournalEntry;
use crate::memory::providers;
use crate::provider::Provider;
use crate::script::{Dialect, Script};
use connection::Connection;

/// Fake providers, each on a port of 127.0.0.1. Dropping it stops them.
///
/// Each port also answers `GET /_hotspare/journal` with the provider's journal as a JSON array.
#[derive(Debug)]
pub struct Simulator {
    providers: BTreeMap<String, (Arc<Provider>, String)>,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts every provider of the script in the caller's Tokio runtime; the script's time begins now.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn start(script: Script) -> io::Result<Self> {
        let mut simulator = Self {
            providers: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        for (name, provider) in providers(script, Clock::start()) {
            // Never listened on: it keeps the port ours while connections to it are refused.
            let reserved = socket((Ipv4Addr::LOCALHOST, provider.script.port.unwrap_or(0)).into())?;
            let address = reserved.local_addr()?;
            let listener = if provider.refuses(provider.clock.now()) {
                None
            } else {
                Some(socket(address)?.listen(BACKLOG)?)
            };
            let version = match provider.script.dialect {
                Dialect::OpenaiChat | Dialect::AnthropicMessages => "v1",
                Dialect::Gemini => "v1beta",
            };
            let url = format!("http://{address}/{version}");
            simulator.providers.insert(name, (Arc::clone(&provider), url));
            simulator
                .tasks
                .spawn(serve(provider, address, listener, reserved));
        }
        Ok(simulator)
    }

    /// The base URL of a provider, as hotspare's config wants it: `http://127.0.0.1:PORT/v1`, or `/v1beta` for gemini.
    /// None when the script has no provider of that name.
    pub fn url(&self, provider: &str) -> Option<&str> {
        self.providers.get(provider).map(|(_, url)| url.as_str())
    }

    /// Every provider's name and base URL, in order of name.
    pub fn urls(&self) -> impl Iterator<Item = (&str, &str)> {
        self.providers
            .iter()
            .map(|(name, (_, url))| (name.as_str(), url.as_str()))
    }

    /// What every request met: by provider, then in order of arrival.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.providers
            .values()
            .flat_map(|(provider, _)| provider.journal())
            .collect()
    }

    /// Closes every port and connection. The journal can still be read.
    pub async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }
}

const BACKLOG: u32 = 1024;

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(
    provider: Arc<Provider>,
    address: SocketAddr,
    mut listener: Option<TcpListener>,
    _reserved: TcpSocket,
) {
    let (refusing, _) = watch::channel(listener.is_none());
    let mut connections = JoinSet::new();
    loop {
        let now = provider.clock.now();
        let refuses = provider.refuses(now);
        if refuses {
            listener = None;
        } else if listener.is_none() {
            // The port is reserved, so this fails only for want of memory or descriptors, which may pass.
            listener = socket(address).and_then(|socket| socket.listen(BACKLOG)).ok();
        }
        refusing.send_replace(refuses);
        let mut turn = provider
            .next_turn(now)
            .map(|turn| turn.saturating_sub(now.elapsed));
        if !refuses && listener.is_none() {
            turn = Some(Duration::from_millis(10));
        }
        let turn = sleep(turn);
        tokio::pin!(turn);
        loop {
            tokio::select! {
                () = &mut turn => break,
                accepted = accept(listener.as_ref()) => {
                    if let Ok((stream, _)) = accepted {
                        let connection = Connection::new(stream, Arc::clone(&provider), refusing.subscribe());
                        connections.spawn(connection.serve());
                    } else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// None: for ever.
async fn sleep(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}
