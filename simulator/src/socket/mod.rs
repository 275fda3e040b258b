//! The script on loopback sockets.

mod connection;
mod http2;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::journal::JournalEntry;
use crate::memory::providers;
use crate::provider::{Provider, Reach};
use crate::script::{Dialect, Script};
use connection::Connection;
use tls::Authority;

/// Fake providers, each on a port of 127.0.0.1. Dropping it stops them.
///
/// Each port also answers `GET /_hotspare/journal` with the provider's journal as a JSON array.
#[derive(Debug)]
pub struct Simulator {
    providers: BTreeMap<String, (Arc<Provider>, String)>,
    ca_pem: Option<String>,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts every provider of the script in the caller's Tokio runtime; the script's time begins now.
    ///
    /// # Errors
    /// When a port cannot be had, or a certificate cannot be made.
    pub async fn start(script: Script) -> io::Result<Self> {
        let providers = providers(script, Clock::start());
        let authority = if providers.values().any(|provider| provider.script.tls.is_some()) {
            Some(Authority::new()?)
        } else {
            None
        };
        let mut simulator = Self {
            providers: BTreeMap::new(),
            ca_pem: authority.as_ref().map(Authority::pem),
            tasks: JoinSet::new(),
        };
        for (name, provider) in providers {
            let acceptor = match (&authority, provider.script.tls) {
                (Some(authority), Some(tls)) => Some(authority.acceptor(tls, provider.script.http2)?),
                _ => None,
            };
            // Never listened on: it keeps the port ours while connections to it are refused.
            let reserved = socket((Ipv4Addr::LOCALHOST, provider.script.port.unwrap_or(0)).into())?;
            let address = reserved.local_addr()?;
            let listener = if provider.reach(provider.clock.now()) == Reach::Refused {
                None
            } else {
                Some(socket(address)?.listen(BACKLOG)?)
            };
            let version = match provider.script.dialect {
                Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::AnthropicMessages => "/v1",
                Dialect::Gemini => "/v1beta",
                Dialect::CohereChat => "/v2",
                Dialect::BedrockConverse | Dialect::OllamaChat => "",
            };
            // A certificate names a host.
            let url = match acceptor {
                Some(_) => format!("https://localhost:{}{version}", address.port()),
                None => format!("http://{address}{version}"),
            };
            simulator.providers.insert(name, (Arc::clone(&provider), url));
            simulator
                .tasks
                .spawn(serve(provider, acceptor, address, listener, reserved));
        }
        Ok(simulator)
    }

    /// The base URL of a provider, as hotspare's config wants it: `http://127.0.0.1:PORT/v1`; `/v1beta` for gemini, `/v2`
    /// for cohere_chat, no path for bedrock_converse and ollama_chat; `https://localhost:PORT…` with `tls`. None when the script has no provider of that name.
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

    /// What each provider has billed so far, at the script's prices, in US dollars. An exchange is billed when it ends.
    pub fn billed_usd(&self) -> BTreeMap<String, f64> {
        let all = self.providers.iter();
        all.map(|(name, (provider, _))| (name.clone(), provider.billed_usd()))
            .collect()
    }

    /// The certificate, in PEM, of the authority that signed the providers' own. None when no provider has `tls`.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
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
    acceptor: Option<TlsAcceptor>,
    address: SocketAddr,
    mut listener: Option<TcpListener>,
    _reserved: TcpSocket,
) {
    let reach = provider.reach(provider.clock.now());
    let (refusing, _) = watch::channel(reach != Reach::Open);
    let mut connections = JoinSet::new();
    loop {
        let now = provider.clock.now();
        let reach = provider.reach(now);
        let refuses = reach == Reach::Refused;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            // The port is reserved, so this fails only for want of memory or descriptors, which may pass.
            listener = socket(address).and_then(|socket| socket.listen(BACKLOG)).ok();
        }
        refusing.send_replace(reach != Reach::Open);
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
                        let (provider, acceptor) = (Arc::clone(&provider), acceptor.clone());
                        connections.spawn(converse(stream, provider, acceptor, refusing.subscribe()));
                    } else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// One connection, in the clear or over TLS, in the HTTP the client wants.
async fn converse(
    mut stream: TcpStream,
    provider: Arc<Provider>,
    acceptor: Option<TlsAcceptor>,
    refusing: watch::Receiver<bool>,
) {
    // Without it, what is written apart would not arrive apart.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = acceptor else {
        return Connection::new(stream, provider, refusing).serve().await;
    };
    if provider.reach(provider.clock.now()) == Reach::HandshakeClosed {
        // Read, since closing on unread bytes would be a reset.
        let _ = stream.read(&mut [0; 4096]).await;
        return;
    }
    // A client that does not trust the certificate hangs up here.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2::serve(stream, provider, refusing).await;
    } else {
        Connection::new(stream, provider, refusing).serve().await;
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
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
