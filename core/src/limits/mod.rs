//! What is known to be left of a key. Pure: time is passed in.

use std::collections::HashMap;
use std::time::Duration;

use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, Moment};
pub use crate::types::{KeyId, TargetId};

/// How long a rate-limited key rests when the vendor named no time.
const REST: Duration = Duration::from_secs(1);
/// How long a key without money or quota rests when the vendor named no time: such limits clear by hand or by the day,
/// and a try that is refused costs nothing.
const QUOTA_REST: Duration = Duration::from_secs(600);
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
    /// Orders gates by when they open; one that never opens by waiting is later than any.
    fn opens(&self) -> (bool, Option<Moment>) {
        (self.until.is_none(), self.until)
    }
}

fn close<K: Eq + std::hash::Hash>(gates: &mut HashMap<K, Gate>, at: K, gate: Gate) {
    let old = gates.entry(at).or_insert_with(|| gate.clone());
    if gate.opens() > old.opens() {
        *old = gate;
    }
}

/// The closed gates of one client. A bad key never closes a model, and a missing model never closes a key.
#[derive(Debug, Default)]
pub struct Gates {
    keys: HashMap<KeyId, Gate>,
    /// Rate limits are kept by model as well as key, since vendors count each model apart.
    limits: HashMap<(KeyId, TargetId), Gate>,
    targets: HashMap<TargetId, Gate>,
}

impl Gates {
    /// Why `target` cannot be called with `key` now; None when it can.
    #[must_use]
    pub fn closed(&self, target: TargetId, key: KeyId, now: Moment) -> Option<&Gate> {
        if self.keys.is_empty() && self.limits.is_empty() && self.targets.is_empty() {
            return None;
        }
        let gates = [
            self.keys.get(&key),
            self.limits.get(&(key, target)),
            self.targets.get(&target),
        ];
        gates
            .into_iter()
            .flatten()
            .filter(|gate| gate.until.is_none_or(|until| until > now))
            // The one that opens last decides.
            .max_by_key(|gate| gate.opens())
    }

    /// Takes note of a failure of `target` with `key`. Requests end in any order, so a gate is never opened earlier by
    /// one that was told less. Gates that have opened are forgotten.
    pub fn note(&mut self, target: TargetId, key: KeyId, failure: &Failure, now: Moment) {
        let gate = |until| Gate {
            class: failure.class,
            status: failure.status,
            until,
        };
        let closed = |gate: &Gate| gate.until.is_none_or(|until| until > now);
        self.limits.retain(|_, gate| closed(gate));
        self.targets.retain(|_, gate| closed(gate));
        match failure.class {
            FailureClass::Authentication if mutant::on(Mutant::RefusedKeyKept) => {}
            FailureClass::RateLimited if mutant::on(Mutant::WaitForgotten) => {}
            FailureClass::RateLimited if mutant::on(Mutant::GateForGood) => {
                close(&mut self.limits, (key, target), gate(None));
            }
            FailureClass::RateLimited => {
                let rest = failure.retry_after.unwrap_or(REST);
                close(&mut self.limits, (key, target), gate(Some(now + rest)));
            }
            FailureClass::QuotaExhausted => {
                let rest = failure.retry_after.unwrap_or(QUOTA_REST);
                close(&mut self.keys, key, gate(Some(now + rest)));
            }
            FailureClass::Authentication => close(&mut self.keys, key, gate(None)),
            FailureClass::ModelNotFound => {
                close(&mut self.targets, target, gate(Some(now + MODEL_REST)));
            }
            _ => {}
        }
    }

    /// `key` holds another secret now: what was known of the old one is void.
    pub fn renewed(&mut self, key: KeyId) {
        self.keys.remove(&key);
        self.limits.retain(|(id, _), _| *id != key);
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
}
