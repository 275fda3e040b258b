//! What every request met.

use std::collections::VecDeque;

use serde::Serialize;

use crate::asked::Asked;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The whole reply was sent, be it a good one, an error, or one without its end marker.
    Complete,
    /// The client went away first, be it from a provider that had stopped sending.
    ClientDisconnected,
    /// The connection was reset before any of the body.
    Reset,
    /// The connection was dropped, or closed too early, in the body.
    Cut,
    /// The simulator was shut down while it kept the client waiting for ever.
    Hung,
    /// The connection was refused, its TLS failed, or HTTP/2 turned the request away unread.
    Refused,
}

/// One request and what came of it. Times are milliseconds since the simulator started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JournalEntry {
    /// The provider's name.
    pub provider: String,
    /// Which of the provider's requests this was, from 1.
    pub n: u64,
    /// When it arrived.
    pub at_ms: u64,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Whether it asked for a chat reply; a free request, such as for the list of models, did not.
    pub chat: bool,
    /// Whether it asked for the vectors of texts.
    pub embed: bool,
    /// The model it named.
    pub model: Option<String>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// What a chat request held. None for other requests, and where the body was no JSON.
    pub asked: Option<Asked>,
    /// A short hash of its key; never the key.
    pub key: Option<String>,
    /// Whether the key was accepted.
    pub authorized: bool,
    /// The status sent, once it is known.
    pub status: Option<u16>,
    /// Bytes of body sent, HTTP framing not counted.
    pub bytes_sent: u64,
    /// Pieces of content sent: stream events that say something; 1 for a whole body.
    pub chunks_sent: u64,
    /// When the first byte was sent.
    pub first_byte_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended; None while it goes on.
    pub end: Option<End>,
    /// Input tokens billed; zero until it has ended.
    pub input_tokens: u64,
    /// Output tokens billed; zero until it has ended.
    pub output_tokens: u64,
    /// What they cost at the script's `prices`, in US dollars.
    pub billed_usd: f64,
    /// What decided the reply, as in `steps[2]`; also `keys`, `limits` and `load`. None: nothing but the normal reply.
    pub step: Option<String>,
}

/// The newest entries of one provider.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<JournalEntry>,
}

impl Journal {
    /// Enough for any test, and a bound for a benchmark.
    const CAPACITY: usize = 65_536;

    pub(crate) fn push(&mut self, entry: JournalEntry) {
        if self.entries.len() == Self::CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn entry(&mut self, n: u64) -> Option<&mut JournalEntry> {
        let first = self.entries.front()?.n;
        let index = usize::try_from(n.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &JournalEntry> {
        self.entries.iter()
    }
}

/// A short hash of a key: enough to tell keys apart, too little to find one.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("{:08x}", hash(key) >> 32)
}

/// FNV-1a: the same on every machine and in every release, which a seed's meaning rests on.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
