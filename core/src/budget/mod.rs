//! What attempts cost: a quote before, a bill after, and a ledger of both. Pure.
//!
//! Every attempt is reserved at its worst case before it goes out, and settled by evidence alone: what was never sent
//! or was refused by an error status is $0, what the vendor counted is exact, and everything else keeps a range.

mod ledger;
mod quote;

pub use ledger::{Ledger, Reservation};
pub use quote::{Fate, Quote};
