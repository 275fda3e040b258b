//! One workload of one peer, in a process of its own: `hotspare-bench PEER WORKLOAD COUNT URL [URL2]` prints one line of
//! JSON. Peers: `reqwest` (bare: same body, reply parsed by serde), `hotspare`. Workloads: `call` (one after the other),
//! `concurrent` (64 at once), `stream` (COUNT streams), `failover` (URL fails, URL2 answers; `reqwest` tries both by hand).
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time itself, and stops at the first thing that goes wrong"
)]

use std::sync::Arc;
use std::time::Instant;

use hotspare::{ChatRequest, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const AT_ONCE: usize = 64;
const PROMPT: &str = "Say hi to everyone in the room, please, and keep it short.";

/// User and system time of this process, in microseconds.
fn cpu() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the struct it is given; a failure leaves the zeros.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}

/// As lean as a client by hand would be: what it needs of the format, typed.
#[derive(Serialize)]
struct Body {
    model: &'static str,
    messages: [Message; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Options>,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: &'static str,
}

#[derive(Serialize)]
struct Options {
    include_usage: bool,
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "delta")]
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

impl Reply {
    fn says_something(&self) -> bool {
        self.choices
            .first()
            .and_then(|choice| choice.message.content.as_ref())
            .is_some_and(|content| !content.is_empty())
    }
}

fn body(stream: bool) -> Vec<u8> {
    let body = Body {
        model: "gpt-4o-mini",
        messages: [Message {
            role: "user",
            content: PROMPT,
        }],
        stream: stream.then_some(true),
        stream_options: stream.then_some(Options { include_usage: true }),
    };
    serde_json::to_vec(&body).expect("a body")
}

struct Bare {
    client: reqwest::Client,
    urls: Vec<String>,
}

impl Bare {
    fn new(urls: &[String]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: reqwest::Client::builder()
                .tcp_nodelay(true)
                .build()
                .expect("a client"),
            urls: urls.iter().map(|url| format!("{url}/chat/completions")).collect(),
        }
    }

    async fn send(&self, url: &str, stream: bool) -> reqwest::Response {
        self.client
            .post(url)
            .header("content-type", "application/json")
            .header("authorization", "Bearer key")
            .body(body(stream))
            .send()
            .await
            .expect("a response")
    }

    async fn call(&self) {
        for url in &self.urls {
            let response = self.send(url, false).await;
            if !response.status().is_success() {
                response.bytes().await.expect("a body");
                continue;
            }
            let bytes = response.bytes().await.expect("a body");
            let reply: Reply = serde_json::from_slice(&bytes).expect("JSON");
            assert!(reply.says_something(), "an answer");
            return;
        }
    }

    /// Reads a stream's bytes and parses each event, as any client must.
    async fn stream(&self) -> usize {
        let url = self.urls.first().expect("a URL");
        let mut response = self.send(url, true).await;
        let mut pending = Vec::new();
        let mut chunks = 0;
        while let Some(bytes) = response.chunk().await.expect("bytes") {
            pending.extend_from_slice(&bytes);
            let mut from = 0;
            while let Some(end) = find(pending.get(from..).unwrap_or_default()) {
                let event = pending.get(from..from + end).unwrap_or_default();
                if let Some(data) = event.strip_prefix(b"data: ")
                    && data != b"[DONE]"
                {
                    let event: Reply = serde_json::from_slice(data).expect("JSON");
                    chunks += usize::from(event.says_something());
                }
                from += end + 2;
            }
            pending.drain(..from);
        }
        chunks
    }
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\n\n")
}

fn client(urls: &[String]) -> Client {
    let providers: serde_json::Map<String, Value> = urls
        .iter()
        .enumerate()
        .map(|(index, url)| {
            let provider = json!({"dialect": "openai_chat", "base_url": url, "keys": ["key"]});
            (format!("p{index}"), provider)
        })
        .collect();
    let targets: Vec<String> = (0..urls.len())
        .map(|index| format!("p{index}/gpt-4o-mini"))
        .collect();
    let config = json!({"providers": providers, "routes": {"default": {"targets": targets}}});
    Client::from_json(&config.to_string()).expect("a client")
}

async fn hotspare_call(client: &Client) {
    let reply = client.send(ChatRequest::of(PROMPT)).await.expect("an answer");
    assert!(!reply.text().is_empty(), "an answer");
}

async fn hotspare_stream(client: &Client) -> usize {
    let mut stream = client.open(ChatRequest::of(PROMPT)).await.expect("a stream");
    let mut chunks = 0;
    while let Some(event) = stream.next().await {
        chunks += usize::from(!event.expect("an event").text().is_empty());
    }
    chunks
}

#[derive(Clone)]
enum Peer {
    Bare(Arc<Bare>),
    Hotspare(Client),
}

impl Peer {
    async fn call(&self) {
        match self {
            Self::Bare(bare) => bare.call().await,
            Self::Hotspare(client) => hotspare_call(client).await,
        }
    }

    async fn stream(&self) -> usize {
        match self {
            Self::Bare(bare) => bare.stream().await,
            Self::Hotspare(client) => hotspare_stream(client).await,
        }
    }
}

async fn work(peer: &Peer, workload: &str, count: usize) -> (usize, Vec<f64>) {
    let mut times = Vec::with_capacity(count);
    match workload {
        "call" | "failover" => {
            for _ in 0..count {
                let began = Instant::now();
                peer.call().await;
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            (count, times)
        }
        "concurrent" => {
            let mut tasks = JoinSet::new();
            for _ in 0..AT_ONCE {
                let peer = peer.clone();
                let share = count / AT_ONCE;
                tasks.spawn(async move {
                    for _ in 0..share {
                        peer.call().await;
                    }
                });
            }
            tasks.join_all().await;
            (count / AT_ONCE * AT_ONCE, times)
        }
        "stream" => {
            let mut chunks = 0;
            for _ in 0..count {
                chunks += peer.stream().await;
            }
            (chunks, times)
        }
        other => {
            unreachable!("unknown workload {other}")
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, workload, count, urls @ ..] = arguments.as_slice() else {
        println!("usage: hotspare-bench reqwest|hotspare call|concurrent|stream|failover COUNT URL [URL2]");
        return;
    };
    let count: usize = count.parse().expect("a count");
    let peer = match peer.as_str() {
        "reqwest" => Peer::Bare(Arc::new(Bare::new(urls))),
        _ => Peer::Hotspare(client(urls)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        work(&peer, workload, (count / 10).max(AT_ONCE)).await;
        let (cpu_before, began) = (cpu(), Instant::now());
        let (units, mut times) = work(&peer, workload, count).await;
        let (spent, wall) = (cpu() - cpu_before, began.elapsed().as_secs_f64() * 1e6);
        times.sort_by(f64::total_cmp);
        let p50 = times.get(times.len() / 2);
        println!(
            "{}",
            json!({"cpu_us": spent / units as f64, "wall_us": wall / units as f64, "p50_us": p50, "units": units})
        );
    });
}
