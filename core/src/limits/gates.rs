//! What must be left alone, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, GroupId, KeyId, Moment, TargetId};

/// How long a rate-limited account rests when the vendor named no time.
pub(super) const REST: Duration = Duration::from_secs(1);
/// How long an account without money or quota rests when the vendor named no time: such limits clear by hand or by the
/// day, and a try that is refused costs nothing.
pub(super) const QUOTA_REST: Duration = Duration::from_secs(600);
/// How long a target whose model the vendor does not know is passed over.
const MODEL_REST: Duration = Duration::from_secs(3600);

/// Why something must not be used now.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The class that closed it.
    pub class: FailureClass,
    /// The status that came with it.
    pub status: Option<u16>,
    /// When it opens again; None: not by waiting.
    pub until: Option<Moment>,
}

impl Gate {
    fn of(failure: &Failure, until: Option<Moment>) -> Self {
        Self {
            class: failure.class,
            status: failure.status,
            until,
        }
    }

    /// Orders gates by when they open; one that never opens by waiting is later than any.
    pub(super) fn opens(&self) -> (bool, Option<Moment>) {
        (self.until.is_none(), self.until)
    }

    pub(super) fn closed(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Closes a gate, unless it is closed for as long already. True when it did.
fn close<K: Ord>(gates: &mut BTreeMap<K, Gate>, at: K, gate: Gate) -> bool {
    let longer = gates.get(&at).is_none_or(|old| gate.opens() > old.opens());
    if longer {
        gates.insert(at, gate);
    }
    longer
}

/// Whose limits count: those of a quota group, or of a key that is in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Group(GroupId),
    Alone(KeyId),
}

/// The closed gates of one client. A bad key never closes a model, and a missing model never closes a key.
#[derive(Debug, Default)]
pub struct Gates {
    groups: BTreeMap<KeyId, GroupId>,
    keys: BTreeMap<KeyId, Gate>,
    /// Money and long quotas belong to the account: its other keys have none either.
    accounts: BTreeMap<Account, Gate>,
    /// Rate limits are kept by model as well as account, since vendors count each model apart.
    limits: BTreeMap<(Account, TargetId), Gate>,
    targets: BTreeMap<TargetId, Gate>,
}

impl Gates {
    /// `key` shares the limits of `group`. A key of which this was never said has limits of its own.
    pub fn join(&mut self, key: KeyId, group: GroupId) {
        self.groups.insert(key, group);
    }

    fn account(&self, key: KeyId) -> Account {
        self.groups
            .get(&key)
            .map_or(Account::Alone(key), |group| Account::Group(*group))
    }

    /// The keys that share the limits of `key`, itself among them.
    pub(super) fn sharing(&self, key: KeyId) -> Vec<KeyId> {
        match self.account(key) {
            Account::Alone(key) => vec![key],
            Account::Group(group) => {
                let members = self.groups.iter().filter(|(_, of)| **of == group);
                members.map(|(key, _)| *key).collect()
            }
        }
    }

    /// Why `target` cannot be called with `key` now; None when it can.
    #[must_use]
    pub fn closed(&self, target: TargetId, key: KeyId, now: Moment) -> Option<&Gate> {
        if self.keys.is_empty()
            && self.accounts.is_empty()
            && self.limits.is_empty()
            && self.targets.is_empty()
        {
            return None;
        }
        let account = self.account(key);
        let gates = [
            self.keys.get(&key),
            self.accounts.get(&account),
            self.limits.get(&(account, target)),
            self.targets.get(&target),
        ];
        gates
            .into_iter()
            .flatten()
            .filter(|gate| gate.closed(now))
            // The one that opens last decides.
            .max_by_key(|gate| gate.opens())
    }

    /// Takes note of a failure of `target` with `key`. Requests end in any order, so a gate is never opened earlier by
    /// one that was told less. Gates that have opened are forgotten.
    pub fn note(&mut self, target: TargetId, key: KeyId, failure: &Failure, now: Moment) {
        let rest = match failure.class {
            FailureClass::QuotaExhausted => QUOTA_REST,
            _ => REST,
        };
        self.note_resting(target, key, failure, rest, now);
    }

    /// [`Self::note`], where `rest` is how long what the vendor named no time for stays closed.
    pub(super) fn note_resting(
        &mut self,
        target: TargetId,
        key: KeyId,
        failure: &Failure,
        rest: Duration,
        now: Moment,
    ) {
        self.limits.retain(|_, gate| gate.closed(now));
        self.targets.retain(|_, gate| gate.closed(now));
        let account = self.account(key);
        let rested = Some(now + failure.retry_after.unwrap_or(rest));
        match failure.class {
            FailureClass::RateLimited => {
                close(&mut self.limits, (account, target), Gate::of(failure, rested));
            }
            FailureClass::QuotaExhausted => {
                close(&mut self.accounts, account, Gate::of(failure, rested));
            }
            FailureClass::Authentication if mutant::on(Mutant::RefusedKeyKept) => {}
            FailureClass::Authentication => {
                close(&mut self.keys, key, Gate::of(failure, None));
            }
            FailureClass::ModelNotFound => {
                let until = Some(now + MODEL_REST);
                close(&mut self.targets, target, Gate::of(failure, until));
            }
            _ => {}
        }
    }

    /// Closes `target` for the account of `key` until then, whatever the failure's class. True when it was not closed
    /// for as long already.
    pub(super) fn limit(&mut self, target: TargetId, key: KeyId, failure: &Failure, until: Moment) -> bool {
        let gate = Gate::of(failure, Some(until).filter(|_| !mutant::on(Mutant::GateForGood)));
        let account = self.account(key);
        close(&mut self.limits, (account, target), gate)
    }

    /// What closes `key` at every target; it may have opened meanwhile.
    pub(super) fn parked(&self, key: KeyId) -> Option<&Gate> {
        let account = self.accounts.get(&self.account(key));
        let gates = self.keys.get(&key).into_iter().chain(account);
        gates.max_by_key(|gate| gate.opens())
    }

    /// What closes `target` for every key; it may have opened meanwhile.
    pub(super) fn missing(&self, target: TargetId) -> Option<&Gate> {
        self.targets.get(&target)
    }

    /// Forgets the gates of keys and accounts that have opened, and names the keys that may be used again.
    pub(super) fn opened(&mut self, now: Moment) -> Vec<KeyId> {
        let due = |gate: &Gate| !gate.closed(now);
        if !self.keys.values().chain(self.accounts.values()).any(due) {
            return Vec::new();
        }
        let mut opened: Vec<KeyId> = self.groups.keys().copied().collect();
        opened.retain(|key| {
            // The last of a key's gates to open decides.
            self.parked(*key).is_some_and(due)
        });
        self.keys.retain(|_, gate| gate.closed(now));
        self.accounts.retain(|_, gate| gate.closed(now));
        opened
    }

    /// `key` holds another secret now: what was known of the old one is void. What its account shares with other keys
    /// is not. True when this opened a gate of the key.
    pub fn renewed(&mut self, key: KeyId) -> bool {
        let mut opened = self.keys.remove(&key).is_some();
        if self.sharing(key).len() == 1 {
            let account = self.account(key);
            opened |= self.accounts.remove(&account).is_some();
            self.limits.retain(|(of, _), _| *of != account);
        }
        opened
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Phase;

    const KEY: KeyId = KeyId { provider: 0, key: 0 };
    const OTHER: KeyId = KeyId { provider: 0, key: 1 };

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    fn failure(class: FailureClass, retry_after: Option<u64>) -> Failure {
        let mut failure = Failure::new(class, Phase::Head, "");
        failure.retry_after = retry_after.map(Duration::from_secs);
        failure
    }

    #[test]
    fn each_class_closes_its_own_scope() {
        // (class, retry-after, same target and key, same key other target, same target other key) closed 2 s later
        let cases = [
            (FailureClass::RateLimited, Some(5), true, false, false),
            (FailureClass::RateLimited, None, false, false, false),
            (FailureClass::QuotaExhausted, None, true, true, false),
            (FailureClass::Authentication, None, true, true, false),
            (FailureClass::ModelNotFound, None, true, false, true),
            (FailureClass::Server, None, false, false, false),
        ];
        for (class, retry_after, same, other_target, other_key) in cases {
            let mut gates = Gates::default();
            gates.note(TargetId(7), KEY, &failure(class, retry_after), at(0));
            assert_eq!(gates.closed(TargetId(7), KEY, at(2)).is_some(), same, "{class}");
            assert_eq!(
                gates.closed(TargetId(8), KEY, at(2)).is_some(),
                other_target,
                "{class}"
            );
            assert_eq!(
                gates.closed(TargetId(7), OTHER, at(2)).is_some(),
                other_key,
                "{class}"
            );
        }
    }

    #[test]
    fn a_gate_is_not_opened_earlier_by_a_later_word() {
        // (first, then, closed until; None: not by waiting)
        let long = failure(FailureClass::RateLimited, Some(60));
        let short = failure(FailureClass::RateLimited, None);
        let refused = failure(FailureClass::Authentication, None);
        let quota = failure(FailureClass::QuotaExhausted, Some(60));
        for (first, then, until) in [
            (&long, &short, Some(at(60))),
            (&short, &long, Some(at(60))),
            (&refused, &quota, None),
            (&quota, &refused, None),
        ] {
            let mut gates = Gates::default();
            gates.note(TargetId(0), KEY, first, at(0));
            gates.note(TargetId(0), KEY, then, at(0));
            assert_eq!(gates.closed(TargetId(0), KEY, at(0)).unwrap().until, until);
        }
    }

    #[test]
    fn gates_that_have_opened_are_forgotten() {
        let mut gates = Gates::default();
        for target in 0..100 {
            let now = at(target * 10_000);
            gates.note(
                TargetId(target),
                KEY,
                &failure(FailureClass::RateLimited, None),
                now,
            );
            gates.note(
                TargetId(target),
                KEY,
                &failure(FailureClass::ModelNotFound, None),
                now,
            );
        }
        assert_eq!((gates.limits.len(), gates.targets.len()), (1, 1));
    }

    #[test]
    fn a_gate_opens_at_its_time_and_a_renewed_key_at_once() {
        let mut gates = Gates::default();
        gates.note(
            TargetId(0),
            KEY,
            &failure(FailureClass::RateLimited, Some(5)),
            at(10),
        );
        assert!(gates.closed(TargetId(0), KEY, at(14)).is_some());
        assert!(gates.closed(TargetId(0), KEY, at(15)).is_none());
        gates.note(
            TargetId(0),
            KEY,
            &failure(FailureClass::Authentication, None),
            at(10),
        );
        assert!(gates.closed(TargetId(0), KEY, at(1_000_000)).is_some());
        gates.renewed(KEY);
        assert!(gates.closed(TargetId(0), KEY, at(11)).is_none());
    }

    #[test]
    fn keys_of_one_account_share_its_limits_and_its_money() {
        // (class, the other key closed at the same target, at another target)
        for (class, same_target, other_target) in [
            (FailureClass::RateLimited, true, false),
            (FailureClass::QuotaExhausted, true, true),
            (FailureClass::Authentication, false, false),
        ] {
            let mut gates = Gates::default();
            gates.join(KEY, GroupId(1));
            gates.join(OTHER, GroupId(1));
            gates.note(TargetId(7), KEY, &failure(class, Some(5)), at(0));
            let closed = |target| gates.closed(TargetId(target), OTHER, at(2)).is_some();
            assert_eq!((closed(7), closed(8)), (same_target, other_target), "{class}");
            assert_eq!(gates.renewed(KEY), class == FailureClass::Authentication);
            let closed = |key| gates.closed(TargetId(7), key, at(2)).is_some();
            assert_eq!(
                closed(KEY),
                same_target,
                "{class}: what is shared outlives a key's secret"
            );
        }
    }

    #[test]
    fn says_which_keys_have_opened() {
        let mut gates = Gates::default();
        gates.join(KEY, GroupId(1));
        gates.join(OTHER, GroupId(1));
        let quota = failure(FailureClass::QuotaExhausted, Some(5));
        gates.note(TargetId(7), KEY, &quota, at(0));
        gates.note(
            TargetId(7),
            OTHER,
            &failure(FailureClass::Authentication, None),
            at(0),
        );
        assert_eq!(gates.opened(at(4)), []);
        assert_eq!(gates.opened(at(5)), [KEY]);
        assert_eq!(gates.opened(at(6)), []);
        assert!(gates.parked(OTHER).is_some() && gates.missing(TargetId(7)).is_none());
    }
}
