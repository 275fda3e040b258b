//! The driver of `policy`: gives it time, makes the attempts it asks for, and writes the trail. One engine serves whole
//! replies, streams and embeddings, so that no policy is ever wired per endpoint.

mod attempt;
mod book;
mod catalog;
mod check;
mod clock;
mod credentials;
mod embed;
mod exchange;
mod explain;
mod keys;
mod listeners;
mod live;
mod recovery;
mod run;
mod status;
mod stream;
mod targets;
mod ticket;
mod warm;
mod words;
mod world;

pub(crate) use attempt::Relay;
pub(crate) use embed::embed;
pub(crate) use explain::explain;
pub(crate) use live::Piece;
pub(crate) use run::{chat, chat_for, open, open_for};
pub(crate) use status::status;
pub use stream::ChatStream;
pub(crate) use world::World;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere must not make every later call fail: the guarded values are whole between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
