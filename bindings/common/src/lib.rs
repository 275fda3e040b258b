//! What every language binding shares, so that each is only glue: convert, call, convert.
//!
//! One runtime for the process ([`spawn`]), whose tasks any executor can wait for and whose handles abort on drop; a
//! bounded queue that hands stream events over in lists ([`EventQueue`]); a client that survives `fork`
//! ([`SharedClient`]) and the events of it ([`EventFeed`]); and the one flat form in which errors cross
//! ([`ErrorRecord`]).

mod client;
mod feed;
mod fork;
mod message;
mod queue;
mod record;
mod runtime;
mod task;

pub use client::{SharedClient, Source};
pub use feed::{Batch, EventFeed};
pub use fork::{ForkGuard, generation};
pub use message::assistant_message;
pub use queue::EventQueue;
pub use record::{EXCEPTIONS, ErrorRecord, error_record, exception_name};
pub use runtime::{is_exiting, shutdown};
pub use task::{Task, guarded, spawn, spawn_then};
