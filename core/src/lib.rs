//! hotspare keeps an app's LLM calls answered when a provider is not.
#![forbid(unsafe_code)]

pub mod catalog;
pub mod config;
pub mod dialect;
mod error;
pub mod secrets;
pub mod transport;
pub mod types;

pub use error::{Error, ErrorKind, Result};
