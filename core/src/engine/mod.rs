//! The driver of `policy`: gives it time, makes the attempts it asks for, and writes the trail. One engine serves whole
//! replies and streams, so that no policy is ever wired per endpoint.

mod book;
mod clock;
mod exchange;
mod run;
mod stream;
mod world;

pub(crate) use run::{chat, open};
pub use stream::ChatStream;
pub(crate) use world::World;
