//! hotspare keeps an app's LLM calls answered when a provider is not.
//!
//! Many providers stand behind one [`Client`]. A call goes to the first target of its route; when that fails, what
//! happens next follows from the failure's class, within one deadline, and is written down in the reply's trail.
#![forbid(unsafe_code)]

pub mod budget;
pub mod catalog;
mod client;
pub mod config;
pub mod dialect;
mod engine;
mod error;
pub mod health;
mod ingress;
pub mod limits;
#[cfg(feature = "mutants")]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
mod mutant;
pub mod policy;
pub mod routing;
pub mod secrets;
pub mod transport;
pub mod types;

pub use client::{ChatCall, Client, ClientBuilder, EmbedCall};
pub use config::Config;
pub use engine::ChatStream;
pub use error::{Error, ErrorKind, Result};
pub use ingress::{HttpAsk, Served, ServedBody, ServedStream};
pub use types::{ChatRequest, EmbedReply, EmbedRequest, Message, Reply, StreamEvent};

/// The README's Rust program compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
