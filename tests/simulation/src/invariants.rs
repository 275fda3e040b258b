//! The invariants, one function each, and the steps at which they are looked at.
//!
//! The evidence is what callers got and what the vendors' own books say. The core's own word (the trail, its costs) is
//! the accused: it is compared with both, and never used to excuse anything.

use hotspare::secrets::fingerprint;
use hotspare::transport::HttpRequest;
use hotspare::types::{Attempt as Told, Outcome as ToldOutcome, Phase, Reply, Sent, Status, StreamEvent};
use hotspare::{Error, ErrorKind};
use secrecy::SecretString;

use crate::faults::{Fault, Lesson};
use crate::ledger::{Delivered, End, Key, Ledger, Outcome};
use crate::render::{FLOOD, REPLY, TOKEN, read_token};
use crate::servers::secret;
use crate::world::{CANARY, Ms, PROMPT};

type Found = Result<(), String>;

/// How late a call may end in virtual time: Tokio's timers tick in milliseconds.
const EPSILON: Ms = 1;
/// US dollars by which sums in different order may differ.
const CENT: f64 = 1e-9;
/// Bytes a client may take of a whole reply, a stream and an error, by the documented bounds, and one piece more.
const MOST_WHOLE: u64 = (64 << 20) + FLOOD as u64;
const MOST_STREAM: u64 = (256 << 20) + FLOOD as u64;
const MOST_ERROR: u64 = (64 << 10) + FLOOD as u64;
/// A limit's period, and the time in which a takeover must not have grown.
const MINUTE: Ms = 60_000;
const TAKEOVER: Ms = 10_000;
/// Bytes of a line that has no end: the longest line taken is a mebibyte.
const MOST_LINE: u64 = 2 * FLOOD as u64 + 64;

/// A request reached a vendor (its page is open, and not yet on its call's list).
pub(crate) fn received(books: &mut Ledger, serial: u32) {
    let number = books.attempts[serial as usize].call;
    if books.calls.get(number as usize).is_none() {
        books.judge(20, None, Err(format!("attempt {serial} belongs to no call")));
        return;
    }
    let found = limits_are_kept(books, serial);
    books.judge(16, Some(number), found);
    let found = takeovers_are_gentle(books, serial);
    books.judge(28, Some(number), found);
    let checks: [(u8, fn(&Ledger, u32) -> Found); 6] = [
        (4, caps),
        (6, refused_keys_rest),
        (7, waits_are_kept),
        (8, refused_keys_stay_at_home),
        (9, final_answers_are_final),
        (12, nothing_races),
    ];
    for (invariant, check) in checks {
        let found = check(books, serial);
        books.judge(invariant, Some(number), found);
    }
}

/// An exchange is over.
pub(crate) fn ended(books: &mut Ledger, serial: u32) {
    let found = bounded(books, serial);
    let number = books.attempts[serial as usize].call;
    books.judge(23, Some(number), found);
}

/// A caller got an event that is not the last.
pub(crate) fn event(books: &mut Ledger, number: u32, event: &StreamEvent) {
    match event {
        StreamEvent::Text { text } => {
            let found = one_winner(books, number);
            books.judge(12, Some(number), found);
            let found = one_answer(books, number, text);
            books.judge(13, Some(number), found);
            let found = in_order(books, number, text);
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
    let found = in_time(books, number, asked);
    books.judge(3, Some(number), found);
    let found = books_agree(books, number, trail);
    let hedged = books.calls[number as usize].hedged;
    books.judge(if hedged { 12 } else { 20 }, Some(number), found.clone());
    if found.is_ok() {
        let found = never_cheaper(books, number, trail);
        books.judge(10, Some(number), found);
        let found = unsent_is_free(books, number, trail);
        books.judge(26, Some(number), found);
    }
    if let Ok(reply) = answer {
        let found = whole(books, number, reply);
        books.judge(14, Some(number), found);
    }
    let found = no_secret(answer);
    books.judge(21, Some(number), found);
    let found = nothing_left(books, number);
    books.judge(27, Some(number), found);
    let found = healed(books, number, answer.err());
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
    let found = nothing_left(books, number);
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
        let found = once(books, number);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        books.judge(1, Some(number), found);
    }
    if !books.violations.is_empty() {
        // What follows would only say so again.
        return;
    }
    let found = all_given_back(status);
    books.judge(27, None, found);
    let found = never_negative(books, status);
    books.judge(17, None, found);
    let found = sums_agree(books, status);
    books.judge(10, None, found);
    let found = all_closed(status);
    books.judge(18, None, found);
}

/// 27, of all calls together: from the status once nobody is under way.
fn all_given_back(status: &Status) -> Found {
    let busy = status.targets.iter().find(|target| target.in_flight > 0);
    if let Some(target) = busy {
        return Err(format!(
            "{} still has {} attempts under way",
            target.target, target.in_flight
        ));
    }
    if status.in_flight > 0 || status.reserved > 0.0 {
        return Err(format!(
            "{} requests and ${} are still held",
            status.in_flight, status.reserved
        ));
    }
    Ok(())
}

/// 17, at rest: no more is left of a limit than there can be, as there would be had it gone below nothing and round.
fn never_negative(books: &Ledger, status: &Status) -> Found {
    for told in &status.targets {
        let target = books
            .world
            .targets
            .iter()
            .find(|target| target.name == told.target);
        let limit = target.and_then(|target| books.world.vendors[target.vendor].limit);
        if let (Some(left), Some((limit, burst))) = (told.requests_left, limit)
            && left > limit.max(burst)
        {
            return Err(format!(
                "{left} requests are left at {}, of a limit of {limit}",
                told.target
            ));
        }
    }
    Ok(())
}

/// 10, of all calls together: what the status says was spent holds the sum of the vendors' bills.
fn sums_agree(books: &Ledger, status: &Status) -> Found {
    for told in &status.targets {
        let Some(index) = books
            .world
            .targets
            .iter()
            .position(|target| target.name == told.target)
        else {
            return Err(format!("{} is no target", told.target));
        };
        if books.world.targets[index].price.is_none() {
            continue;
        }
        let attempts = books.attempts.iter().filter(|attempt| attempt.target == index);
        let billed: f64 = attempts.map(|attempt| attempt.bill).sum();
        let spent = told.spent;
        if billed + CENT < spent.min * (1.0 - CENT)
            || spent.max.is_some_and(|max| max * (1.0 + CENT) + CENT < billed)
        {
            return Err(format!(
                "{} billed ${billed}, and {spent:?} was booked",
                told.target
            ));
        }
    }
    Ok(())
}

/// 18. "… every target is Closed": from the status, after the calls that followed the healing.
fn all_closed(status: &Status) -> Found {
    match status.targets.iter().find(|target| target.state != "closed") {
        None => Ok(()),
        Some(target) => Err(format!("{} is {}: {}", target.target, target.state, target.why)),
    }
}

/// 1. "Every call ends exactly once (ok, typed error or cancelled)." From the callers: each has one outcome.
fn once(books: &Ledger, number: usize) -> Found {
    match books.calls[number].ends {
        1 => Ok(()),
        ends => Err(format!("it ended {ends} times")),
    }
}

/// 3. "End ≤ deadline + ε." From the caller's clock. The time a caller takes over what it got is its own: it may
/// ask late, and then waits no more.
fn in_time(books: &Ledger, number: u32, asked: Ms) -> Found {
    let (now, deadline) = (books.now(), books.calls[number as usize].deadline);
    if now <= deadline.max(asked) + EPSILON {
        Ok(())
    } else {
        Err(format!("it ended {} ms after its deadline", now - deadline))
    }
}

/// 4. "Attempts ≤ caps per call and per target." From the vendors: all exchanges begun, connected or not.
fn caps(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let call = &books.calls[attempt.call as usize];
    let most = books.world.routes[call.route.unwrap_or(0)].max_attempts;
    let sends = call.attempts.len() + 1;
    if sends > most {
        return Err(format!("{sends} attempts, and {most} are allowed"));
    }
    let earlier = call
        .attempts
        .iter()
        .map(|serial| &books.attempts[*serial as usize]);
    let here = 1 + earlier.filter(|earlier| earlier.target == attempt.target).count();
    let most = books.world.most_sends(attempt.target);
    if here > most {
        return Err(format!("{here} attempts at one target, and {most} are allowed"));
    }
    Ok(())
}

/// 6. "No send to a quarantined key." From the vendors: once a client has read to its end that a secret is refused,
/// that secret never comes again.
fn refused_keys_rest(books: &Ledger, serial: u32) -> Found {
    let key = books.attempts[serial as usize].key;
    match key.and_then(|key| books.refused.get(&key)) {
        None => Ok(()),
        Some(at) => Err(format!("key {key:?} was refused at {at} ms, and came again")),
    }
}

/// 7. "No second send in a quota group before Retry-After." From the vendors: a 429 that was read to its end and named
/// a wait, and the next request in its scope.
fn waits_are_kept(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let Some(key) = attempt.key else {
        return Ok(());
    };
    match books.gates.get(&books.gate(key, attempt.target)) {
        Some(until) if *until > attempt.at => Err(format!(
            "key {:?} was to be left alone for {} ms more",
            attempt.key,
            until - attempt.at
        )),
        _ => Ok(()),
    }
}

/// 8. "Auth errors never reach another provider unless configured." From the vendors: what follows a 401 or 403 that
/// was read to its end in one call. (That the new key stands in the trail is part of 20.)
fn refused_keys_stay_at_home(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let call = &books.calls[attempt.call as usize];
    let Some(last) = call
        .attempts
        .last()
        .map(|serial| &books.attempts[*serial as usize])
    else {
        return Ok(());
    };
    let vendor = |target: usize| books.world.targets[target].vendor;
    let leaves = last.learnt && last.lesson == Lesson::Key && vendor(last.target) != vendor(attempt.target);
    if leaves && !books.world.routes[call.route.unwrap_or(0)].auth_goes_on {
        return Err(format!(
            "after a refused key it went on to {}",
            books.world.targets[attempt.target].name
        ));
    }
    Ok(())
}

/// 9. "Non-retryable classes are sent exactly once." From the vendors: nothing follows an invalid request, nor a
/// filtered prompt (where the route does not ask for it), nor one too long but to a window declared larger.
fn final_answers_are_final(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let call = &books.calls[attempt.call as usize];
    let route = &books.world.routes[call.route.unwrap_or(0)];
    let window = |target: usize| books.world.targets[target].window;
    for earlier in call
        .attempts
        .iter()
        .map(|serial| &books.attempts[*serial as usize])
    {
        let wrong = earlier.learnt
            && match earlier.lesson {
                Lesson::Never => true,
                Lesson::Filtered => !route.filter_goes_on || earlier.target == attempt.target,
                Lesson::TooLong => !matches!((window(earlier.target), window(attempt.target)),
                    (Some(small), Some(large)) if large > small),
                Lesson::Other | Lesson::Key | Lesson::Limit => false,
            };
        if wrong {
            return Err(format!("after {:?} it was sent again", earlier.fault));
        }
    }
    Ok(())
}

/// 10. "ledger(client) ≥ ledger(server) at all times and equal after settling when usage was received." The trail's
/// costs, from the least to the most, against the vendors' bills, attempt by attempt.
fn never_cheaper(books: &Ledger, number: u32, trail: &[Told]) -> Found {
    for (told, serial) in pairs(books, number, trail) {
        let attempt = &books.attempts[serial as usize];
        if books.world.targets[attempt.target].price.is_none() {
            continue;
        }
        let (least, most, bill) = (told.cost_min_usd, told.cost_max_usd, attempt.bill);
        if least > bill + CENT || most.is_some_and(|most| most + CENT < bill) {
            return Err(format!(
                "attempt {serial} is booked at ${least} to ${most:?}, and billed ${bill}"
            ));
        }
        let counted = told.outcome == ToldOutcome::Answered && attempt.counted;
        if counted && told.cost_usd.is_none_or(|cost| (cost - bill).abs() > CENT) {
            return Err(format!(
                "attempt {serial} counted ${bill}, and is booked at {:?}",
                told.cost_usd
            ));
        }
    }
    Ok(())
}

/// 12. "≤1 winner per hedge; losers cancelled ≤100 ms and booked." From the vendors: exchanges of a call race only
/// where its route hedges, and no more than two. (That the loser stands in the trail is looked at with 20.)
fn nothing_races(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let call = &books.calls[attempt.call as usize];
    let most = u32::from(call.hedged);
    if call.open > most {
        return Err(format!(
            "{} exchanges were still open when the next began",
            call.open
        ));
    }
    Ok(())
}

/// 12, from the caller: once content is given, only the exchange that gives it is open.
fn one_winner(books: &Ledger, number: u32) -> Found {
    let call = &books.calls[number as usize];
    if call.open > 1 {
        return Err(format!("content is given, and {} exchanges are open", call.open));
    }
    Ok(())
}

/// 16. "GCRA: sends in any 60 s ≤ limit + burst." From the vendors: what reached a quota group for one model, where the
/// config names the limit, or a reply has told it.
fn limits_are_kept(books: &mut Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    if !attempt.reached {
        return Ok(());
    }
    let at = attempt.at;
    let vendor = books.world.targets[attempt.target].vendor;
    let group = books.world.group(vendor, attempt.key.map(|key| key.1));
    let scope = (vendor, group, attempt.target);
    let traffic = books.traffic.entry(scope).or_default();
    traffic.sends.push_back(at);
    while traffic.sends.front().is_some_and(|first| first + MINUTE <= at) {
        traffic.sends.pop_front();
    }
    let known = &books.world.vendors[vendor];
    let Some((limit, burst)) = known.limit.filter(|_| known.limit_written) else {
        return Ok(());
    };
    let sends = traffic.sends.len() as u64;
    if sends > limit + burst {
        return Err(format!(
            "{sends} requests in a minute, of a limit of {limit} and a burst of {burst}"
        ));
    }
    Ok(())
}

/// 28. "Failover from A never pushes B above its learned limits." From the vendors: what reached a quota group in any
/// minute since a reply told its limit; and where the limit is known from the config, how fast a takeover grows in its
/// first ten seconds: a fifth of the limit a minute, or what there was before, doubled once at most.
fn takeovers_are_gentle(books: &mut Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    if !attempt.reached {
        return Ok(());
    }
    let (at, target) = (attempt.at, attempt.target);
    let vendor = books.world.targets[target].vendor;
    let group = books.world.group(vendor, attempt.key.map(|key| key.1));
    let call = &books.calls[attempt.call as usize];
    let first = match call.route {
        Some(route) => books.world.routes[route].targets.first() == Some(&target),
        None => true,
    };
    let scope = (vendor, group, target);
    let learnt = books.learnt.get(&scope).copied();
    let written = books.world.vendors[vendor]
        .limit
        .filter(|_| books.world.vendors[vendor].limit_written);
    // A takeover that was held back before its first call had time to grow unseen: it is not judged.
    let name = &books.world.targets[target].name;
    let held_back = books
        .said
        .skipped
        .get(name)
        .is_some_and(|skipped| skipped + MINUTE > at);
    let traffic = books.traffic.entry(scope).or_default();
    if let Some((limit, since)) = learnt {
        let sends = traffic.sends.iter().filter(|sent| **sent >= since).count() as u64;
        let burst = written.map_or((limit / 10).max(1), |(_, burst)| burst);
        if sends > limit + burst {
            return Err(format!(
                "{sends} requests in a minute, of a limit of {limit} that was told at {since} ms"
            ));
        }
    }
    let (Some((limit, _)), false) = (written, first) else {
        return Ok(());
    };
    let before = traffic.sends.len() as u64;
    let takeover = match traffic.takeover {
        Some((began, last, start, count)) if at < last + MINUTE => {
            let early = u64::from(at < began + TAKEOVER);
            (began, at, start, count + early)
        }
        _ if held_back => (at, at, limit, 1),
        _ => (at, at, before.max(limit / 5), 1),
    };
    traffic.takeover = Some(takeover);
    let (_, _, start, count) = takeover;
    let most = start / 3 + (start / 5).max(1) + 1;
    if count > most {
        return Err(format!(
            "a takeover brought {count} requests in its first ten seconds, and {most} are the most"
        ));
    }
    Ok(())
}

/// 13. "Content delivered = a prefix of *one* attempt's content, unless `Reset`/`Continue` was emitted first." From the
/// caller: each token tells whose it is.
fn one_answer(books: &mut Ledger, number: u32, text: &str) -> Found {
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

/// 15. "Tokens are never delivered twice or out of order." From the caller: each token tells its place.
fn in_order(books: &mut Ledger, number: u32, text: &str) -> Found {
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

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes().chunks(TOKEN);
    bytes.map(|piece| std::str::from_utf8(piece).unwrap_or_default())
}

/// 14. "No silent truncation: success ⇒ terminal marker seen." The vendor sent its marker, and the reply is all it said,
/// as is what a stream's caller got; where it went on from an earlier attempt, that one's words come first.
fn whole(books: &Ledger, number: u32, reply: &Reply) -> Found {
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

/// 18. "After all faults heal, … every later call succeeds." From the callers.
fn healed(books: &Ledger, number: u32, error: Option<&Error>) -> Found {
    match error {
        Some(error) if books.calls[number as usize].healed => {
            Err(format!("everything had healed, and still: {error}"))
        }
        _ => Ok(()),
    }
}

/// The attempts of a trail that went out, in the order they began: those found impossible before never reach a vendor.
fn sends(trail: &[Told]) -> Vec<&Told> {
    let mut sends: Vec<&Told> = trail
        .iter()
        .filter(|told| {
            told.failure()
                .is_none_or(|failure| failure.phase != Phase::Encode)
        })
        .collect();
    sends.sort_by(|one, two| one.started.total_cmp(&two.started));
    sends
}

/// The same, each with the exchange its vendor saw.
fn pairs<'a>(books: &Ledger, number: u32, trail: &'a [Told]) -> Vec<(&'a Told, u32)> {
    let seen = &books.calls[number as usize].attempts;
    sends(trail).into_iter().zip(seen.iter().copied()).collect()
}

/// 20. "Trail complete: #attempts = #sends seen by the servers." One by one, with target and key.
fn books_agree(books: &Ledger, number: u32, trail: &[Told]) -> Found {
    let seen = books.calls[number as usize].attempts.len();
    let told = sends(trail).len();
    if told != seen {
        return Err(format!("the trail has {told} attempts, and vendors saw {seen}"));
    }
    for (told, serial) in pairs(books, number, trail) {
        let attempt = &books.attempts[serial as usize];
        let target = &books.world.targets[attempt.target].name;
        if told.target != *target {
            return Err(format!(
                "attempt {serial} went to {target}, and the trail says {}",
                told.target
            ));
        }
        let key = attempt.key.map(|(vendor, slot, generation)| {
            fingerprint(&SecretString::from(books.world.secret(vendor, slot, generation)))
        });
        if told.key != key {
            return Err(format!(
                "attempt {serial} went with another key than the trail says"
            ));
        }
    }
    Ok(())
}

/// 21. "No secret bytes (each key, plus its base64/URL-encoded forms) in logs, errors, Debug, …" Errors, replies and
/// their trails, in every form they can be shown in.
fn no_secret(answer: Result<&Reply, &Error>) -> Found {
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

/// 21 and 22 ("No prompt/response bytes in telemetry unless opted in") for a line of a log: the one it breaks.
pub(crate) fn in_a_log(line: &str) -> Option<u8> {
    if holds_secret(line) {
        return Some(21);
    }
    (line.contains(PROMPT) || line.contains(REPLY)).then_some(22)
}

/// 23. "Memory per call bounded by configured caps (hostile server)." From the vendors: how much was taken of a body
/// that has no end.
fn bounded(books: &Ledger, serial: u32) -> Found {
    let attempt = &books.attempts[serial as usize];
    let most = match (attempt.status, attempt.stream, attempt.fault) {
        (400.., ..) => MOST_ERROR,
        (_, true, Some(Fault::EndlessLine)) => MOST_LINE,
        (_, true, _) => MOST_STREAM,
        (_, false, _) => MOST_WHOLE,
    };
    if attempt.bytes > most {
        return Err(format!(
            "{} bytes were taken of attempt {serial}, and {most} are the most",
            attempt.bytes
        ));
    }
    Ok(())
}

/// 25. "A key goes only to its configured origin (scheme+host+port), redirects included." From the vendors: whose host
/// it is, and whose key. Gives the target and the key.
pub(crate) fn origin(
    books: &Ledger,
    request: &HttpRequest,
    host: &str,
) -> Result<(usize, Option<Key>), String> {
    let world = &books.world;
    let name = host.strip_suffix(".sim").unwrap_or(host);
    let vendor = world.vendors.iter().position(|vendor| vendor.name == name);
    let plain = request.url.scheme() == "http" && request.url.port().is_none();
    let Some(vendor) = vendor.filter(|_| plain) else {
        return Err(format!(
            "a request came to {}",
            request.url.origin().ascii_serialization()
        ));
    };
    let target = world
        .targets
        .iter()
        .position(|target| target.vendor == vendor && names(request, &target.model))
        .ok_or_else(|| format!("a request for no model of {name} came"))?;
    let Some(secret) = secret(&request.headers) else {
        return match world.vendors[vendor].groups.is_empty() {
            true => Ok((target, None)),
            false => Err(format!("a request without a key came to {name}")),
        };
    };
    let mut parts = secret.trim_start_matches(CANARY).split('/');
    let mut next = || parts.next().and_then(|part| part.parse::<u64>().ok());
    let (seed, owner, slot, generation) = (next(), next(), next(), next());
    let index = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
    match (index(owner), index(slot), generation) {
        (Some(owner), Some(slot), Some(generation)) if owner == vendor && seed == Some(world.seed) => {
            let generation = u32::try_from(generation).unwrap_or(u32::MAX);
            Ok((target, Some((owner, slot, generation))))
        }
        _ => Err(format!("{name} got a key of vendor {owner:?}")),
    }
}

fn names(request: &HttpRequest, model: &str) -> bool {
    let in_path = format!("/models/{model}:");
    let in_body = format!("\"model\":\"{model}\"");
    request.url.path().contains(&in_path) || memchr::memmem::find(&request.body, in_body.as_bytes()).is_some()
}

/// 26. "Unsent attempts cost 0 and never consume RPM." The trail's cost of what never reached a vendor.
fn unsent_is_free(books: &Ledger, number: u32, trail: &[Told]) -> Found {
    let unsent = |told: &&Told| told.failure().is_some_and(|failure| failure.sent == Sent::No);
    if let Some(told) = trail
        .iter()
        .filter(unsent)
        .find(|told| told.cost_usd != Some(0.0))
    {
        return Err(format!(
            "{} was never sent to, and cost {:?}",
            told.target, told.cost_usd
        ));
    }
    for (told, serial) in pairs(books, number, trail) {
        // A client that left while it connected cannot know how far it had come.
        if books.attempts[serial as usize].end == End::Unmade && told.cost_usd != Some(0.0) {
            return Err(format!(
                "attempt {serial} reached nobody, and cost {:?}",
                told.cost_usd
            ));
        }
    }
    Ok(())
}

/// 27. "Cancelling a call frees every permit, reservation, socket and queue place." From the vendors: when a call is
/// over, however it ended, no exchange of it is open.
fn nothing_left(books: &Ledger, number: u32) -> Found {
    let call = &books.calls[number as usize];
    let open = call
        .attempts
        .iter()
        .find(|serial| books.attempts[**serial as usize].end == End::Open);
    match open {
        None => Ok(()),
        Some(serial) => Err(format!("attempt {serial} is still open")),
    }
}
