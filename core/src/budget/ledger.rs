use std::collections::BTreeMap;

use crate::types::{CostRange, TargetId};

/// Money set aside for one attempt. Given back to [`Ledger::settle`], once.
#[derive(Debug)]
#[must_use = "an attempt that is not settled stays reserved for ever"]
pub struct Reservation {
    target: TargetId,
    nano_usd: u64,
}

/// What a client has spent and may yet spend.
///
/// Reservations are kept in whole billionths of a dollar, so that what is set aside and given back cancels out exactly.
#[derive(Debug, Default)]
pub struct Ledger {
    reserved: u64,
    open: u64,
    spent: BTreeMap<TargetId, CostRange>,
    total: Option<CostRange>,
}

impl Ledger {
    /// Sets the worst case of an attempt aside, in US dollars; None where no price is known.
    pub fn reserve(&mut self, target: TargetId, worst: Option<f64>) -> Reservation {
        let nano_usd = worst.map_or(0, nanos);
        self.reserved = self.reserved.saturating_add(nano_usd);
        self.open += 1;
        Reservation { target, nano_usd }
    }

    /// Books what an attempt came to, and frees what was set aside for it.
    pub fn settle(&mut self, reservation: Reservation, cost: CostRange) {
        self.reserved = self.reserved.saturating_sub(reservation.nano_usd);
        self.open = self.open.saturating_sub(1);
        let spent = self.spent.entry(reservation.target).or_insert(CostRange::ZERO);
        *spent = spent.plus(cost);
        self.total = Some(self.spent().plus(cost));
    }

    /// US dollars set aside for the attempts under way.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a millionth of a dollar is exact up to billions"
    )]
    pub fn reserved(&self) -> f64 {
        self.reserved as f64 / 1e9
    }

    /// Attempts under way.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.open
    }

    /// US dollars of all attempts that have ended.
    #[must_use]
    pub fn spent(&self) -> CostRange {
        self.total.unwrap_or(CostRange::ZERO)
    }

    /// US dollars of a target's attempts that have ended.
    #[must_use]
    pub fn spent_at(&self, target: TargetId) -> CostRange {
        self.spent.get(&target).copied().unwrap_or(CostRange::ZERO)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a price is never negative"
)]
fn nanos(usd: f64) -> u64 {
    (usd * 1e9).ceil() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: TargetId = TargetId(1);
    const B: TargetId = TargetId(2);

    #[test]
    fn what_is_settled_moves_from_reserved_to_spent() {
        let mut ledger = Ledger::default();
        assert_eq!(
            (ledger.reserved(), ledger.open(), ledger.spent()),
            (0.0, 0, CostRange::ZERO)
        );
        let first = ledger.reserve(A, Some(0.5));
        let second = ledger.reserve(B, None);
        assert_eq!((ledger.reserved(), ledger.open()), (0.5, 2));
        ledger.settle(first, CostRange::exact(0.25));
        assert_eq!((ledger.reserved(), ledger.open()), (0.0, 1));
        ledger.settle(second, CostRange { min: 0.0, max: None });
        assert_eq!(ledger.open(), 0);
        assert_eq!(ledger.spent_at(A), CostRange::exact(0.25));
        assert_eq!(ledger.spent(), CostRange { min: 0.25, max: None });
        assert_eq!(ledger.spent_at(TargetId(9)), CostRange::ZERO);
    }

    proptest! {
        /// Against the simplest ledger there is: a list of what is open and a list of what was booked.
        #[test]
        fn it_is_the_sum_of_what_happened(steps in prop::collection::vec((0.0..10.0_f64, 0..4_usize, any::<bool>()), 0..200)) {
            let mut ledger = Ledger::default();
            let mut open: Vec<(Reservation, f64)> = Vec::new();
            let mut booked = Vec::new();
            for (usd, which, settles) in steps {
                if settles && !open.is_empty() {
                    let (reservation, worst) = open.remove(which % open.len());
                    let cost = CostRange { min: worst / 4.0, max: Some(worst / 2.0) };
                    booked.push(cost);
                    ledger.settle(reservation, cost);
                } else {
                    let target = TargetId(which as u64);
                    open.push((ledger.reserve(target, Some(usd)), usd));
                }
                let reserved: f64 = open.iter().map(|(_, usd)| usd).sum();
                prop_assert!((ledger.reserved() - reserved).abs() < 1e-6);
                prop_assert!(ledger.reserved() >= reserved - 1e-9, "never less than what is under way");
                prop_assert_eq!(ledger.open(), open.len() as u64);
                let least: f64 = booked.iter().map(|cost| cost.min).sum();
                prop_assert!((ledger.spent().min - least).abs() < 1e-9);
            }
            for (reservation, _) in open {
                ledger.settle(reservation, CostRange::ZERO);
            }
            prop_assert_eq!((ledger.reserved(), ledger.open()), (0.0, 0));
        }
    }
}
