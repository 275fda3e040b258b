use serde::{Deserialize, Serialize};

/// What is known of an attempt's bill. Vendors document no way to ask, so what was sent and not answered stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Billing {
    /// It never left: $0.
    Unsent,
    /// It was sent, and nothing tells what became of it: anything from $0 to the worst case.
    Unknown,
    /// The vendor refused it with an error status: $0.
    Rejected,
    /// The answer broke off: the prompt and what had come at least, the worst case at most.
    Partial,
    /// The vendor counted its tokens: the price is exact, as far as the catalog is.
    Complete,
}

/// US dollars an attempt may have cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CostRange {
    /// At least.
    pub min: f64,
    /// At most; None when the catalog has no price of the model.
    pub max: Option<f64>,
}

impl CostRange {
    /// Nothing, for certain.
    pub const ZERO: Self = Self {
        min: 0.0,
        max: Some(0.0),
    };

    /// Exactly `usd`.
    #[must_use]
    pub const fn exact(usd: f64) -> Self {
        Self {
            min: usd,
            max: Some(usd),
        }
    }

    /// The one amount it can be; None when there are several.
    #[must_use]
    pub fn known(&self) -> Option<f64> {
        self.max.filter(|max| (max - self.min).abs() < f64::EPSILON)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            min: self.min + other.min,
            max: self.max.zip(other.max).map(|(one, two)| one + two),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_part_leaves_the_least_known() {
        let open = CostRange { min: 0.25, max: None };
        let sum = CostRange::exact(1.0).plus(open);
        assert_eq!((sum.min, sum.max, sum.known()), (1.25, None, None));
        let range = CostRange {
            min: 0.0,
            max: Some(1.0),
        };
        assert_eq!(range.known(), None);
        assert_eq!(range.plus(CostRange::exact(1.0)).max, Some(2.0));
        assert_eq!(CostRange::exact(0.5).plus(CostRange::ZERO).known(), Some(0.5));
    }
}
