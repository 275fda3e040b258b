//! What callers got, and what was shown to them.

use hotspare::Error;
use hotspare::types::Reply;

use super::Found;
use crate::ledger::Ledger;
use crate::render::{REPLY, TOKEN, read_token};
use crate::world::{CANARY, Ms, PROMPT};

/// How late a call may end in virtual time: Tokio's timers tick in milliseconds.
const EPSILON: Ms = 1;

/// Invariant 1: "Every call ends exactly once (ok, typed error or cancelled)." From the callers: each has one outcome.
pub(super) fn once(books: &Ledger, number: usize) -> Found {
    match books.calls[number].ends {
        1 => Ok(()),
        ends => Err(format!("it ended {ends} times")),
    }
}

/// Invariant 3: "End ≤ deadline + ε." From the caller's clock. The time a caller takes over what it got is its own: it may
/// ask late, and then waits no more.
pub(super) fn in_time(books: &Ledger, number: u32, asked: Ms) -> Found {
    let (now, deadline) = (books.now(), books.calls[number as usize].deadline);
    if now <= deadline.max(asked) + EPSILON {
        Ok(())
    } else {
        Err(format!("it ended {} ms after its deadline", now - deadline))
    }
}

/// Invariant 12, from the caller: once content is given, only the exchange that gives it is open.
pub(super) fn one_winner(books: &Ledger, number: u32) -> Found {
    let call = &books.calls[number as usize];
    if call.open > 1 {
        return Err(format!("content is given, and {} exchanges are open", call.open));
    }
    Ok(())
}

/// Invariant 13: "Content delivered = a prefix of *one* attempt's content, unless `Reset`/`Continue` was emitted first." From the
/// caller: each token tells whose it is.
pub(super) fn one_answer(books: &mut Ledger, number: u32, text: &str) -> Found {
    for piece in pieces(text) {
        let Some((call, serial, generation, _)) = read_token(piece) else {
            return Err(format!("{piece:?} is no token of any vendor"));
        };
        let from = books.calls[number as usize].delivered.from;
        if call != number || from.is_some_and(|from| from != (serial, generation)) {
            return Err(format!("{piece:?} follows a token of another answer, {from:?}"));
        }
        books.calls[number as usize].delivered.from = Some((serial, generation));
    }
    Ok(())
}

/// Invariant 15: "Tokens are never delivered twice or out of order." From the caller: each token tells its place.
pub(super) fn in_order(books: &mut Ledger, number: u32, text: &str) -> Found {
    for piece in pieces(text) {
        let expected = books.calls[number as usize].delivered.tokens;
        match read_token(piece) {
            Some((.., index)) if index == expected => {
                books.calls[number as usize].delivered.tokens += 1;
            }
            _ => return Err(format!("{piece:?} came where number {expected} was due")),
        }
    }
    Ok(())
}

pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes().chunks(TOKEN);
    bytes.map(|piece| std::str::from_utf8(piece).unwrap_or_default())
}

/// Invariant 14: "No silent truncation: success ⇒ terminal marker seen." The vendor sent its marker, and the reply is all it said,
/// as is what a stream's caller got; where it went on from an earlier attempt, that one's words come first.
pub(super) fn whole(books: &Ledger, number: u32, reply: &Reply) -> Found {
    let call = &books.calls[number as usize];
    let last = pieces(reply.text()).last().and_then(read_token);
    let Some((_, serial, ..)) = last.filter(|(owner, ..)| *owner == number) else {
        return Err(format!("{:?} comes from nobody", reply.text()));
    };
    let Some(attempt) = books.attempts.get(serial as usize) else {
        return Err(format!("there is no attempt {serial}"));
    };
    if !attempt.terminal {
        return Err(format!("attempt {serial} never came to its end"));
    }
    let mut tokens = 0;
    for piece in pieces(reply.text()).skip(call.delivered.before as usize) {
        match read_token(piece) {
            Some(found) if found == (number, serial, attempt.generation, tokens) => tokens += 1,
            _ => {
                return Err(format!(
                    "{piece:?} is no token of attempt {serial} due at {tokens}"
                ));
            }
        }
    }
    let delivered = if call.stream {
        call.delivered.tokens
    } else {
        tokens
    };
    if (tokens, delivered) != (attempt.tokens, attempt.tokens) || tokens == 0 {
        return Err(format!(
            "of {} tokens the reply holds {tokens}, and the caller got {delivered}",
            attempt.tokens
        ));
    }
    Ok(())
}

/// Invariant 18: "After all faults heal, … every later call succeeds." From the callers.
pub(super) fn healed(books: &Ledger, number: u32, error: Option<&Error>) -> Found {
    match error {
        Some(error) if books.calls[number as usize].healed => {
            Err(format!("everything had healed, and still: {error}"))
        }
        _ => Ok(()),
    }
}

/// Invariant 21: "No secret bytes (each key, plus its base64/URL-encoded forms) in logs, errors, Debug, …" Errors, replies and
/// their trails, in every form they can be shown in.
pub(super) fn no_secret(answer: Result<&Reply, &Error>) -> Found {
    let shown = match answer {
        Ok(reply) => format!("{:?}", reply.trail),
        Err(error) => format!("{error} {error:?} {:?}", error.trail()),
    };
    if holds_secret(&shown) {
        return Err(format!("a key is shown: {shown}"));
    }
    Ok(())
}

/// The start of every key, as it is or percent-encoded (which leaves its first characters as they are), and in base64
/// wherever it may begin.
fn holds_secret(text: &str) -> bool {
    let plain = CANARY.trim_end_matches('+');
    [plain, "c2stY2FuYXJ5K", "NrLWNhbmFyeS", "zay1jYW5hcnkr"]
        .iter()
        .any(|needle| memchr::memmem::find(text.as_bytes(), needle.as_bytes()).is_some())
}

/// Invariants 21 and 22 ("No prompt/response bytes in telemetry unless opted in") for a line of a log: the one it breaks.
pub(crate) fn in_a_log(line: &str) -> Option<u8> {
    if holds_secret(line) {
        return Some(21);
    }
    (line.contains(PROMPT) || line.contains(REPLY)).then_some(22)
}
