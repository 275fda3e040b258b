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

mod backoff;
mod machine;
mod table;
#[cfg(test)]
mod tests;

pub use machine::{Ending, Limits, Machine, PlannedTarget, Refusal, Rules, Start, Step, Verdict};
