use std::collections::BTreeMap;

use crate::types::RouteId;

/// Hedges that may be saved up. Enough for a slow minute, too few to double a bill.
const MOST: f64 = 10.0;

/// What hedges may still be made: a share of the requests, and of their money, by route.
#[derive(Debug, Default)]
pub struct HedgeBudget {
    routes: BTreeMap<RouteId, Saved>,
}

#[derive(Debug, Default)]
struct Saved {
    hedges: f64,
    usd: f64,
}

impl HedgeBudget {
    /// A request that could be hedged began: it pays in its share. `usd`: what it is thought to cost, when known.
    pub fn request(&mut self, route: RouteId, share: f64, usd: Option<f64>) {
        let saved = self.routes.entry(route).or_default();
        saved.hedges = (saved.hedges + share).min(MOST);
        // As much money as the hedges that are saved would cost, or little more.
        let usd = usd.unwrap_or_default();
        saved.usd = (saved.usd + share * usd).min(MOST * usd.max(saved.usd / MOST));
    }

    /// Whether a hedge that may cost `usd` can be paid.
    #[must_use]
    pub fn can(&self, route: RouteId, usd: Option<f64>) -> bool {
        self.routes.get(&route).is_some_and(|saved| {
            // The shares are sums of decimal fractions, which fall short of their whole by rounding.
            saved.hedges >= 1.0 - 1e-9 && usd.is_none_or(|usd| saved.usd >= usd * (1.0 - 1e-9))
        })
    }

    /// Pays for a hedge.
    pub fn pay(&mut self, route: RouteId, usd: Option<f64>) {
        if let Some(saved) = self.routes.get_mut(&route) {
            saved.hedges = (saved.hedges - 1.0).max(0.0);
            saved.usd = (saved.usd - usd.unwrap_or_default()).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: RouteId = RouteId(0);

    #[test]
    fn one_request_in_twenty_pays_for_a_hedge() {
        let mut budget = HedgeBudget::default();
        let mut hedged = 0;
        for _ in 0..1000 {
            budget.request(ROUTE, 0.05, Some(0.01));
            if budget.can(ROUTE, Some(0.01)) {
                budget.pay(ROUTE, Some(0.01));
                hedged += 1;
            }
        }
        assert_eq!(hedged, 50);
    }

    #[test]
    fn money_limits_hedges_that_cost_more_than_what_paid_in() {
        let mut budget = HedgeBudget::default();
        for _ in 0..40 {
            budget.request(ROUTE, 0.05, Some(0.01));
        }
        assert!(budget.can(ROUTE, Some(0.01)) && budget.can(ROUTE, None));
        assert!(!budget.can(ROUTE, Some(1.0)));
        assert!(!budget.can(RouteId(9), None), "another route has saved nothing");
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let mut budget = HedgeBudget::default();
        for _ in 0..100_000 {
            budget.request(ROUTE, 0.5, Some(0.01));
        }
        let mut hedged = 0;
        while budget.can(ROUTE, Some(0.01)) {
            budget.pay(ROUTE, Some(0.01));
            hedged += 1;
        }
        assert_eq!(hedged, 10);
    }
}
