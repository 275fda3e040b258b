//! What the vendors' own books show.

use hotspare::transport::HttpRequest;

use super::Found;
use crate::faults::{Fault, Lesson};
use crate::ledger::{End, Key, Ledger};
use crate::render::FLOOD;
use crate::servers::secret;
use crate::world::{CANARY, Ms};

/// Bytes a client may take of a whole reply, a stream and an error, by the documented bounds, and one piece more.
const MOST_WHOLE: u64 = (64 << 20) + FLOOD as u64;
const MOST_STREAM: u64 = (256 << 20) + FLOOD as u64;
const MOST_ERROR: u64 = (64 << 10) + FLOOD as u64;
/// Bytes of a line that has no end: the longest line taken is 16 MiB.
const MOST_LINE: u64 = (16 << 20) + FLOOD as u64 + 64;
/// A limit's period, and the time in which a takeover must not have grown.
const MINUTE: Ms = 60_000;
const TAKEOVER: Ms = 10_000;

/// Invariant 4: "Attempts ≤ caps per call and per target." From the vendors: all exchanges begun, connected or not.
pub(super) fn caps(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 6: "No send to a quarantined key." From the vendors: once a client has read to its end that a secret is refused,
/// that secret never comes again.
pub(super) fn refused_keys_rest(books: &Ledger, serial: u32) -> Found {
    let key = books.attempts[serial as usize].key;
    match key.and_then(|key| books.refused.get(&key)) {
        None => Ok(()),
        Some(at) => Err(format!("key {key:?} was refused at {at} ms, and came again")),
    }
}

/// Invariant 7: "No second send in a quota group before Retry-After." From the vendors: a 429 that was read to its end and named
/// a wait, and the next request in its scope.
pub(super) fn waits_are_kept(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 8: "Auth errors never reach another provider unless configured." From the vendors: what follows a 401 or 403 that
/// was read to its end in one call. (That the new key stands in the trail is part of 20.)
pub(super) fn refused_keys_stay_at_home(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 9: "Non-retryable classes are sent exactly once." From the vendors: nothing follows an invalid request, nor a
/// filtered prompt (where the route does not ask for it), nor one too long but to a window declared larger.
pub(super) fn final_answers_are_final(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 12: "≤1 winner per hedge; losers cancelled ≤100 ms and booked." From the vendors: exchanges of a call race only
/// where its route hedges, and no more than two. (That the loser stands in the trail is looked at with 20.)
pub(super) fn nothing_races(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 16: "GCRA: sends in any 60 s ≤ limit + burst." From the vendors: what reached a quota group for one model, where the
/// config names the limit, or a reply has told it.
pub(super) fn limits_are_kept(books: &mut Ledger, serial: u32) -> Found {
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

/// Invariant 28: "Failover from A never pushes B above its learned limits." From the vendors: what reached a quota group in any
/// minute since a reply told its limit; and where the limit is known from the config, how fast a takeover grows in its
/// first ten seconds: a fifth of the limit a minute, or what there was before, doubled once at most.
pub(super) fn takeovers_are_gentle(books: &mut Ledger, serial: u32) -> Found {
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

/// Invariant 23: "Memory per call bounded by configured caps (hostile server)." From the vendors: how much was taken of a body
/// that has no end.
pub(super) fn bounded(books: &Ledger, serial: u32) -> Found {
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

/// Invariant 27: "Cancelling a call frees every permit, reservation, socket and queue place." From the vendors: when a call is
/// over, however it ended, no exchange of it is open.
pub(super) fn nothing_left(books: &Ledger, number: u32) -> Found {
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

/// Invariant 25: "A key goes only to its configured origin (scheme+host+port), redirects included." From the vendors: whose host
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
