//! The key pool: which key may be used now, and what using it takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::concurrency::Concurrency;
use super::gates::{QUOTA_REST, REST};
use super::pace::Pace;
use super::{
    Blocked, BlockedBy, Gate, Gates, Headroom, KeyId, KeySpec, LimitChange, Settled, Slot, Take, TargetId,
};
use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, GroupId, Moment, RateTold, Rates};

/// Longest time that a target which is too busy is left alone, whatever it asks: longer waits are quotas.
const OVERLOAD_REST: Duration = Duration::from_secs(300);
/// Paces kept before idle ones are forgotten: far more than a config names, but callers may name targets of their own.
const PACES: usize = 1024;
/// Changes kept for whoever asks; older ones are dropped.
const CHANGES: usize = 1024;

#[derive(Debug)]
struct Member {
    group: GroupId,
    weight: f64,
}

/// All limits of one client.
#[derive(Debug)]
pub struct Limits {
    rng: fastrand::Rng,
    next: u64,
    members: BTreeMap<KeyId, Member>,
    rates: BTreeMap<GroupId, Rates>,
    paces: BTreeMap<(GroupId, TargetId), Pace>,
    targets: BTreeMap<TargetId, Concurrency>,
    gates: Gates,
    /// Slots whose request failed and that are not settled yet.
    failed: BTreeSet<u64>,
    changes: VecDeque<LimitChange>,
}

/// Whether the vendor says that traffic grows too fast, which waiting alone does not mend.
fn says_too_fast(failure: &Failure) -> bool {
    let refused = matches!(
        failure.class,
        FailureClass::RateLimited | FailureClass::Overloaded
    );
    let message = failure.message.to_ascii_lowercase();
    refused
        && (failure
            .code
            .as_deref()
            .is_some_and(|code| code.contains("slow_down"))
            || message.contains("acceleration")
            || message.contains("increased too quickly"))
}

/// Whether a rate limit is one on requests at once.
fn says_too_many_at_once(failure: &Failure) -> bool {
    let says = |text: &str| text.to_ascii_lowercase().contains("concurren");
    failure.class == FailureClass::RateLimited
        && (says(&failure.message) || failure.code.as_deref().is_some_and(says))
}

impl Limits {
    /// No keys yet. `seed` draws the jitter of rests that no vendor named.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            next: 0,
            members: BTreeMap::new(),
            rates: BTreeMap::new(),
            paces: BTreeMap::new(),
            targets: BTreeMap::new(),
            gates: Gates::default(),
            failed: BTreeSet::new(),
            changes: VecDeque::new(),
        }
    }

    /// Adds a key. `rates` are those of its account; what the last of an account's keys says holds, for targets not
    /// called yet. A key that was never added is never picked.
    pub fn register(&mut self, spec: KeySpec, rates: &Rates) {
        let weight = if spec.weight.is_finite() {
            spec.weight.max(f64::MIN_POSITIVE)
        } else {
            1.0
        };
        let group = spec.group;
        self.members.insert(spec.key, Member { group, weight });
        self.rates.insert(group, rates.clone());
        self.gates.join(spec.key, group);
    }

    fn pace(&self, group: GroupId, target: TargetId, now: Moment) -> Cow<'_, Pace> {
        match self.paces.get(&(group, target)) {
            Some(pace) => Cow::Borrowed(pace),
            None => Cow::Owned(
                self.rates
                    .get(&group)
                    .map_or_else(Pace::default, |rates| Pace::new(rates, now)),
            ),
        }
    }

    fn choose(&self, ask: &Take<'_>, now: Moment) -> Result<(KeyId, GroupId), Blocked> {
        let keys = match &ask.only {
            Some(only) => std::slice::from_ref(only),
            None => ask.keys,
        };
        let mut best: Option<(f64, KeyId, GroupId)> = None;
        let mut blocked: Option<Blocked> = None;
        for key in keys {
            let spent = ask.only.is_none() && ask.spent.contains(key);
            let Some(member) = self.members.get(key).filter(|_| !spent) else {
                continue;
            };
            let pace = self.pace(member.group, ask.target, now);
            if let Some(found) = self.blocked(ask, *key, &pace, now) {
                if blocked.as_ref().is_none_or(|old| sooner(&found, old)) {
                    blocked = Some(found);
                }
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "a minute's requests fit 53 bits")]
            let used = (pace.last_minute(now) + 1) as f64;
            let score = used / (member.weight * pace.share(now));
            // The first of equals.
            if best.as_ref().is_none_or(|(least, ..)| score < *least) {
                best = Some((score, *key, member.group));
            }
        }
        best.map(|(_, key, group)| (key, group))
            .ok_or_else(|| blocked.unwrap_or_else(no_key))
    }

    /// What holds this key back; the last to open decides.
    fn blocked(&self, ask: &Take<'_>, key: KeyId, pace: &Pace, now: Moment) -> Option<Blocked> {
        let closed = self.gates.closed(ask.target, key, now).map(|gate| {
            let limited = matches!(gate.class, FailureClass::RateLimited | FailureClass::Overloaded);
            let why = if limited {
                BlockedBy::Limited
            } else {
                BlockedBy::Parked
            };
            (gate.clone(), why)
        });
        let paced = pace
            .blocked(&ask.estimate, ask.spill, now)
            .map(|(until, why)| (own(FailureClass::RateLimited, Some(until)), why));
        let (gate, why) = closed
            .into_iter()
            .chain(paced)
            .max_by_key(|(gate, _)| gate.opens())
            .or_else(|| {
                let found = self.targets.get(&ask.target);
                found
                    .is_some_and(Concurrency::is_full)
                    .then(|| (own(FailureClass::Overloaded, None), BlockedBy::Busy))
            })?;
        Some(Blocked {
            key: Some(key),
            gate,
            why,
        })
    }

    /// The key [`Self::take`] would use. Takes nothing.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn peek(&self, ask: &Take<'_>, now: Moment) -> Result<KeyId, Blocked> {
        self.choose(ask, now).map(|(key, _)| key)
    }

    /// Picks the open key that was used least in the last minute for its weight × the share of its limits that is left (the
    /// first of equals), and reserves all that the request needs: one request, its tokens, one place.
    ///
    /// # Errors
    /// What holds back the key that would be open first.
    pub fn take(&mut self, ask: &Take<'_>, now: Moment) -> Result<Slot, Blocked> {
        self.open(now);
        self.refresh(ask, now);
        let (key, group) = self.choose(ask, now)?;
        let id = self.next;
        self.next += 1;
        if self.paces.len() >= PACES {
            self.paces.retain(|_, pace| !pace.is_idle(now));
            self.targets.retain(|_, target| target.in_flight() > 0);
        }
        let rates = self.rates.get(&group).cloned().unwrap_or_default();
        self.targets
            .entry(ask.target)
            .or_insert_with(|| Concurrency::new(rates.concurrency))
            .enter(now);
        let pace = self
            .paces
            .entry((group, ask.target))
            .or_insert_with(|| Pace::new(&rates, now));
        // A target that takes over with its first request begins its ramp with it.
        pace.refresh(ask.spill, now);
        pace.take(id, &ask.estimate, ask.spill, now);
        Ok(Slot {
            id,
            key,
            group,
            target: ask.target,
            estimate: ask.estimate,
        })
    }

    /// Says which parked keys have opened by now.
    fn open(&mut self, now: Moment) {
        for key in self.gates.opened(now) {
            self.changed(LimitChange::KeyOpened { key });
        }
    }

    fn refresh(&mut self, ask: &Take<'_>, now: Moment) {
        for key in ask.keys.iter().chain(&ask.only) {
            let group = self.members.get(key).map(|member| member.group);
            if let Some(pace) = group.and_then(|group| self.paces.get_mut(&(group, ask.target))) {
                pace.refresh(false, now);
            }
        }
        let target = ask.target;
        if self
            .targets
            .get_mut(&target)
            .is_some_and(|found| found.loosen(now))
        {
            self.changed(LimitChange::ConcurrencyFreed { target });
        }
    }

    fn pace_of(&mut self, slot: &Slot) -> Option<&mut Pace> {
        self.paces.get_mut(&(slot.group, slot.target))
    }

    /// What the headers of the slot's reply told. Less left than we count is believed, more is not. A limit is believed
    /// as far as the config allows it.
    pub fn learn(&mut self, slot: &Slot, told: &[RateTold], now: Moment) {
        if let Some(pace) = self.pace_of(slot) {
            for told in told {
                pace.learn(told, now);
            }
        }
    }

    /// The slot's request failed: closes what its class closes, slows what was too fast. The slot still has to be settled.
    pub fn failed(&mut self, slot: &Slot, failure: &Failure, now: Moment) {
        self.failed.insert(slot.id);
        if mutant::on(Mutant::WaitForgotten) && failure.class == FailureClass::RateLimited {
            return;
        }
        let too_fast = says_too_fast(failure);
        let too_many_at_once = says_too_many_at_once(failure);
        let next = self.next;
        if too_fast || failure.class == FailureClass::RateLimited {
            let wait = failure.retry_after.unwrap_or(REST);
            self.limit(slot, failure, now + wait);
            if let Some(pace) = self.pace_of(slot) {
                if !too_many_at_once {
                    pace.refused(slot.id, wait, next, now);
                }
                if too_fast {
                    pace.slowed(now);
                }
            }
        }
        let overloaded = failure.class == FailureClass::Overloaded && !too_fast;
        if let Some(wait) = failure.retry_after.filter(|_| overloaded) {
            self.limit(slot, failure, now + wait.min(OVERLOAD_REST));
        }
        if too_many_at_once || overloaded || failure.class == FailureClass::Timeout {
            let target = slot.target;
            let found = self.targets.get_mut(&target);
            if let Some(limit) = found.and_then(|found| found.cut(slot.id, next, too_many_at_once, now)) {
                self.changed(LimitChange::ConcurrencyLimited { target, limit });
            }
        }
        self.park(slot, failure, now);
    }

    fn limit(&mut self, slot: &Slot, failure: &Failure, until: Moment) {
        if self.gates.limit(slot.target, slot.key, failure, until) {
            self.changed(LimitChange::GroupLimited {
                group: slot.group,
                target: slot.target,
                until,
            });
        }
    }

    /// Closes what the class closes by itself, and names what that changed.
    fn park(&mut self, slot: &Slot, failure: &Failure, now: Moment) {
        let rest = match failure.class {
            // Processes that ran out together must not all come back at one moment. Never earlier than said.
            FailureClass::QuotaExhausted => QUOTA_REST.mul_f64(1.0 + self.rng.f64() / 10.0),
            _ => REST,
        };
        let sharing = self.gates.sharing(slot.key);
        let parked = |gates: &Gates| -> Vec<Option<Gate>> {
            sharing.iter().map(|key| gates.parked(*key).cloned()).collect()
        };
        let before = (parked(&self.gates), self.gates.missing(slot.target).cloned());
        self.gates.note_resting(slot.target, slot.key, failure, rest, now);
        let after = (parked(&self.gates), self.gates.missing(slot.target).cloned());
        for ((key, gate), old) in sharing.iter().zip(after.0).zip(before.0) {
            if let Some(gate) = gate.filter(|gate| old.as_ref() != Some(gate)) {
                self.changed(LimitChange::KeyParked {
                    key: *key,
                    class: gate.class,
                    status: gate.status,
                    until: gate.until,
                });
            }
        }
        if let Some(gate) = after.1.filter(|gate| before.1.as_ref() != Some(gate)) {
            self.changed(LimitChange::TargetParked {
                target: slot.target,
                status: gate.status,
                until: gate.until,
            });
        }
    }

    /// The slot's request is over, or was never made. Gives its place back, and what it did not use.
    pub fn settle(&mut self, slot: Slot, settled: Settled, now: Moment) {
        let failed = self.failed.remove(&slot.id);
        let succeeded = !failed && matches!(settled, Settled::Used(_));
        if let Some(pace) = self.pace_of(&slot) {
            match &settled {
                Settled::Unsent => pace.unsent(slot.id, now),
                Settled::Used(usage) => pace.sent(slot.id, Some(usage).filter(|usage| usage.reported), now),
                Settled::Unknown => pace.sent(slot.id, None, now),
            }
            if succeeded {
                pace.succeeded(now);
            }
        }
        if let Some(target) = self.targets.get_mut(&slot.target) {
            if succeeded {
                target.succeeded();
            }
            target.leave(now);
        }
    }

    /// `key` holds another secret now, so what closed the old one is void. What its account shares stays.
    pub fn renewed(&mut self, key: KeyId, now: Moment) {
        self.open(now);
        if self.gates.renewed(key) {
            self.changed(LimitChange::KeyOpened { key });
        }
    }

    /// What is known of `key` at `target`.
    #[must_use]
    pub fn headroom(&self, target: TargetId, key: KeyId, now: Moment) -> Headroom {
        let Some(member) = self.members.get(&key) else {
            return Headroom::default();
        };
        let pace = self.pace(member.group, target, now);
        let (requests_left, requests_limit) = pace.left(true, now);
        let (tokens_left, tokens_limit) = pace.left(false, now);
        let found = self.targets.get(&target);
        Headroom {
            requests_left,
            requests_limit,
            tokens_left,
            tokens_limit,
            parked: self.gates.closed(target, key, now).cloned(),
            in_flight: found.map_or(0, Concurrency::in_flight),
            concurrency: found.map_or_else(
                || self.rates.get(&member.group).and_then(|rates| rates.concurrency),
                Concurrency::limit,
            ),
        }
    }

    /// What closes `key` at every target.
    #[must_use]
    pub fn parked(&self, key: KeyId, now: Moment) -> Option<&Gate> {
        self.gates.parked(key).filter(|gate| gate.closed(now))
    }

    fn changed(&mut self, change: LimitChange) {
        if self.changes.len() >= CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// What changed since this was last asked, oldest first; the newest 1,024 of it.
    pub fn drain_changes(&mut self) -> Vec<LimitChange> {
        self.changes.drain(..).collect()
    }
}

#[cfg(test)]
impl Limits {
    /// How many paces and targets are kept.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.paces.len(), self.targets.len())
    }

    /// Slots that something still remembers.
    pub(super) fn open_slots(&self) -> usize {
        let held = self.paces.values().map(Pace::held).sum::<usize>();
        held + self.failed.len()
    }
}

/// A gate of our own making.
const fn own(class: FailureClass, until: Option<Moment>) -> Gate {
    Gate {
        class,
        status: None,
        until,
    }
}

fn no_key() -> Blocked {
    Blocked {
        key: None,
        gate: own(FailureClass::Authentication, None),
        why: BlockedBy::NoKey,
    }
}

/// Whether `a` is thought to open before `b`. A place may come free at any moment, so it is sooner than any time.
fn sooner(a: &Blocked, b: &Blocked) -> bool {
    let order = |blocked: &Blocked| (blocked.why != BlockedBy::Busy, blocked.gate.opens());
    order(a) < order(b)
}
