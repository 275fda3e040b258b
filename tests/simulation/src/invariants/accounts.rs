//! What the core says it did and spent, against what the vendors saw and billed.

use hotspare::secrets::fingerprint;
use hotspare::types::{Attempt as Told, Outcome as ToldOutcome, Phase, Sent, Status};
use secrecy::SecretString;

use super::Found;
use crate::ledger::{End, Ledger};

/// US dollars by which sums in different order may differ.
const CENT: f64 = 1e-9;

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
pub(super) fn pairs<'a>(books: &Ledger, number: u32, trail: &'a [Told]) -> Vec<(&'a Told, u32)> {
    let seen = &books.calls[number as usize].attempts;
    sends(trail).into_iter().zip(seen.iter().copied()).collect()
}

/// Invariant 20: "Trail complete: #attempts = #sends seen by the servers." One by one, with target and key.
pub(super) fn books_agree(books: &Ledger, number: u32, trail: &[Told]) -> Found {
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

/// Invariant 10: "ledger(client) ≥ ledger(server) at all times and equal after settling when usage was received." The trail's
/// costs, from the least to the most, against the vendors' bills, attempt by attempt.
pub(super) fn never_cheaper(books: &Ledger, number: u32, trail: &[Told]) -> Found {
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

/// Invariant 26: "Unsent attempts cost 0 and never consume RPM." The trail's cost of what never reached a vendor.
pub(super) fn unsent_is_free(books: &Ledger, number: u32, trail: &[Told]) -> Found {
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

/// Invariant 27, of all calls together: from the status once nobody is under way.
pub(super) fn all_given_back(status: &Status) -> Found {
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

/// Invariant 17, at rest: no more is left of a limit than there can be, as there would be had it gone below nothing and round.
pub(super) fn never_negative(books: &Ledger, status: &Status) -> Found {
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

/// Invariant 10, of all calls together: what the status says was spent holds the sum of the vendors' bills.
pub(super) fn sums_agree(books: &Ledger, status: &Status) -> Found {
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

/// Invariant 18: "… every target is Closed": from the status, after the calls that followed the healing.
pub(super) fn all_closed(status: &Status) -> Found {
    match status.targets.iter().find(|target| target.state != "closed") {
        None => Ok(()),
        Some(target) => Err(format!("{} is {}: {}", target.target, target.state, target.why)),
    }
}
