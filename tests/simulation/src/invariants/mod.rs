//! The invariants, one function each, and the steps at which they are looked at.
//!
//! The evidence is what callers got and what the vendors' own books say. The core's own word (the trail, its costs) is
//! the accused: it is compared with both, and never used to excuse anything.

mod accounts;
mod callers;
mod vendors;

use hotspare::types::{Reply, Status, StreamEvent};
use hotspare::{Error, ErrorKind};

pub(crate) use self::callers::in_a_log;
pub(crate) use self::vendors::origin;
use crate::ledger::{Delivered, Ledger, Outcome};
use crate::world::Ms;

type Found = Result<(), String>;
type Check = fn(&Ledger, u32) -> Found;

/// A request reached a vendor (its page is open, and not yet on its call's list).
pub(crate) fn received(books: &mut Ledger, serial: u32) {
    let number = books.attempts[serial as usize].call;
    if books.calls.get(number as usize).is_none() {
        books.judge(20, None, Err(format!("attempt {serial} belongs to no call")));
        return;
    }
    let found = vendors::limits_are_kept(books, serial);
    books.judge(16, Some(number), found);
    let found = vendors::takeovers_are_gentle(books, serial);
    books.judge(28, Some(number), found);
    let checks: [(u8, Check); 6] = [
        (4, vendors::caps),
        (6, vendors::refused_keys_rest),
        (7, vendors::waits_are_kept),
        (8, vendors::refused_keys_stay_at_home),
        (9, vendors::final_answers_are_final),
        (12, vendors::nothing_races),
    ];
    for (invariant, check) in checks {
        let found = check(books, serial);
        books.judge(invariant, Some(number), found);
    }
}

/// An exchange is over.
pub(crate) fn ended(books: &mut Ledger, serial: u32) {
    let found = vendors::bounded(books, serial);
    let number = books.attempts[serial as usize].call;
    books.judge(23, Some(number), found);
}

/// A caller got an event that is not the last.
pub(crate) fn event(books: &mut Ledger, number: u32, event: &StreamEvent) {
    match event {
        StreamEvent::Text { text } => {
            let found = callers::one_winner(books, number);
            books.judge(12, Some(number), found);
            let found = callers::one_answer(books, number, text);
            books.judge(13, Some(number), found);
            let found = callers::in_order(books, number, text);
            books.judge(15, Some(number), found);
        }
        StreamEvent::Restart { .. } => books.calls[number as usize].delivered = Delivered::default(),
        StreamEvent::Continue { .. } => {
            let delivered = &mut books.calls[number as usize].delivered;
            *delivered = Delivered {
                from: None,
                tokens: 0,
                before: delivered.before + delivered.tokens,
            };
        }
        _ => {}
    }
}

/// A call ended with an answer or an error. `asked`: when its caller last asked for something.
pub(crate) fn ended_call(books: &mut Ledger, number: u32, answer: Result<&Reply, &Error>, asked: Ms) {
    let outcome = match answer {
        Ok(_) => Outcome::Answered,
        Err(error) if error.kind() == ErrorKind::StreamInterrupted => Outcome::Interrupted,
        Err(_) => Outcome::Failed,
    };
    close(books, number, outcome);
    let (name, trail) = match answer {
        Ok(reply) => ("answered".to_owned(), &reply.trail),
        Err(error) => (code(error), error.trail()),
    };
    books.note(&format!("call {number} ends: {name}"));
    *books.outcomes.entry(name).or_default() += 1;
    let found = callers::in_time(books, number, asked);
    books.judge(3, Some(number), found);
    let found = accounts::books_agree(books, number, trail);
    let hedged = books.calls[number as usize].hedged;
    books.judge(if hedged { 12 } else { 20 }, Some(number), found.clone());
    if found.is_ok() {
        let found = accounts::never_cheaper(books, number, trail);
        books.judge(10, Some(number), found);
        let found = accounts::unsent_is_free(books, number, trail);
        books.judge(26, Some(number), found);
    }
    if let Ok(reply) = answer {
        let found = callers::whole(books, number, reply);
        books.judge(14, Some(number), found);
    }
    let found = callers::no_secret(answer);
    books.judge(21, Some(number), found);
    let found = vendors::nothing_left(books, number);
    books.judge(27, Some(number), found);
    let found = callers::healed(books, number, answer.err());
    books.judge(18, Some(number), found);
}

fn code(error: &Error) -> String {
    match error.class() {
        Some(class) => format!("{}: {class}", error.kind().as_str()),
        None => error.kind().as_str().to_owned(),
    }
}

/// A caller left.
pub(crate) fn left(books: &mut Ledger, number: u32) {
    close(books, number, Outcome::Left);
    books.note(&format!("call {number} is left"));
    *books.outcomes.entry("left by its caller".to_owned()).or_default() += 1;
    let found = vendors::nothing_left(books, number);
    books.judge(27, Some(number), found);
}

fn close(books: &mut Ledger, number: u32, outcome: Outcome) {
    let call = &mut books.calls[number as usize];
    call.outcome = outcome;
    call.ends += 1;
}

/// A stream gave its last event, and was then asked again.
pub(crate) fn after_the_end(books: &mut Ledger, number: u32, more: bool) {
    let found = if more {
        Err("an event came after the last".to_owned())
    } else {
        Ok(())
    };
    books.judge(2, Some(number), found);
}

/// A stream ended without an end.
pub(crate) fn silent_end(books: &mut Ledger, number: u32) {
    books.judge(1, Some(number), Err("the stream just stopped".to_owned()));
}

/// Calls that have not ended long after every deadline.
pub(crate) fn lost(books: &mut Ledger) {
    for number in 0..books.calls.len() {
        if books.calls[number].outcome == Outcome::Running {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            books.judge(1, Some(number), Err("the call never ended".to_owned()));
        }
    }
}

/// The seed is over.
pub(crate) fn finished(books: &mut Ledger, status: &Status) {
    for number in 0..books.calls.len() {
        let found = callers::once(books, number);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        books.judge(1, Some(number), found);
    }
    if !books.violations.is_empty() {
        // What follows would only say so again.
        return;
    }
    let found = accounts::all_given_back(status);
    books.judge(27, None, found);
    let found = accounts::never_negative(books, status);
    books.judge(17, None, found);
    let found = accounts::sums_agree(books, status);
    books.judge(10, None, found);
    let found = accounts::all_closed(status);
    books.judge(18, None, found);
}
