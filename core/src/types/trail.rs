use serde::{Deserialize, Serialize};

use super::{Billing, CostRange, Failure, Usage};

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It gave the answer.
    Answered,
    /// It failed.
    Failed(Failure),
    /// It was stopped by us or by the caller.
    Cancelled,
}

/// What was decided after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The request ended here, or another attempt of it went on.
    Finish,
    /// The same target and key again.
    SameTarget,
    /// The same target with another key.
    NextKey,
    /// The next target of the plan.
    NextTarget,
}

/// One HTTP exchange with one target and one key, or one that was found impossible before sending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// `provider/model`.
    pub target: String,
    /// A fingerprint of the key, never the key. None when the provider has no keys.
    pub key: Option<String>,
    /// When it began, in seconds since the request began.
    pub started: f64,
    /// When the first content came, in seconds since the request began.
    pub first_content: Option<f64>,
    /// When it ended, in seconds since the request began.
    pub ended: f64,
    /// What it came to.
    pub outcome: Outcome,
    /// What was decided then.
    pub next: Next,
    /// Why, in a few words.
    pub reason: String,
    /// Seconds waited before whatever came next.
    pub wait: f64,
    /// HTTP status, when there was a response.
    pub status: Option<u16>,
    /// The vendor's request id.
    pub request_id: Option<String>,
    /// Tokens, as far as the vendor told.
    pub usage: Usage,
    /// What is known of its bill.
    pub billing: Billing,
    /// US dollars, from the catalog's prices; 0 when it was never sent or was refused by an error status. None when
    /// price or tokens are unknown, as they are when an answer broke off.
    pub cost_usd: Option<f64>,
    /// US dollars it has cost at least.
    pub cost_min_usd: f64,
    /// US dollars it has cost at most; None when the catalog has no price of the model.
    pub cost_max_usd: Option<f64>,
    /// How the request was changed to fit the target, one line a change. Empty when it went as it was.
    pub adapted: Vec<String>,
}

impl Attempt {
    /// The failure, if it failed.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Answered | Outcome::Cancelled => None,
        }
    }

    /// US dollars, as a range.
    #[must_use]
    pub const fn cost(&self) -> CostRange {
        CostRange {
            min: self.cost_min_usd,
            max: self.cost_max_usd,
        }
    }

    /// `ok`, `cancelled`, or the failure class's code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match &self.outcome {
            Outcome::Answered => "ok",
            Outcome::Failed(failure) => failure.class.as_str(),
            Outcome::Cancelled => "cancelled",
        }
    }
}

/// US dollars of all attempts.
#[must_use]
pub fn cost(trail: &[Attempt]) -> CostRange {
    trail
        .iter()
        .fold(CostRange::ZERO, |sum, attempt| sum.plus(attempt.cost()))
}

/// Every attempt of one request, in order. Carried by the reply and by the error.
pub type Trail = Vec<Attempt>;
