//! Fake LLM providers with scripted and random faults: on loopback sockets ([`Simulator`]), and in process under
//! Tokio's paused clock ([`SimTransport`]), both from the same [`Script`].
//!
//! A pure function turns the script's state, a request and the time into a list of actions; two small interpreters
//! carry them out. The crate shares no codec with hotspare: it is the other side of the wire.
#![forbid(unsafe_code)]

mod answer;
mod asked;
mod clock;
mod errors;
mod exchange;
mod journal;
mod limits;
mod memory;
mod plan;
mod provider;
mod render;
mod replay;
mod request;
mod script;
mod socket;

pub use asked::Asked;
pub use journal::{End, JournalEntry};
pub use memory::SimTransport;
pub use script::{Script, ScriptError};
pub use socket::Simulator;
