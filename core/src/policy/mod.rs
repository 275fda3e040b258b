//! The attempt machine. Pure: it is told the time and what happened, and answers what to do. It opens no socket, reads
//! no clock, and draws its jitter from a seed.
//!
//! ```text
//!             ┌────────── next(now) ──────────┐
//!             ▼                               │
//!   Start ── failed(failure) ─► same target ──┤   "again here" and "go on" are separate answers
//!   Refuse ─┘                ├► next key ─────┤
//!   Wait ────────────────────┤► next target ──┘
//!                            └► Finish
//! ```
//!
//! A machine belongs to one request; what all requests know together is the [`Admission`], which every attempt needs a
//! permit of.

mod admission;
mod backoff;
mod comeback;
mod hedge;
mod machine;
mod race;
mod step;
mod table;
#[cfg(test)]
mod tests;

pub use admission::{Admission, Asked, Ended, Permit, PlannedTarget, Refusal, RefusedBy};
pub use hedge::HedgeBudget;
pub use machine::Machine;
pub use step::{Ending, Limits, Rules, Start, Step, Verdict};
