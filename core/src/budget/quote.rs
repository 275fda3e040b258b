use crate::catalog::{Model, Prices};
use crate::mutant::{self, Mutant};
use crate::types::{Billing, CostRange, Failure, FailureClass, Phase, Sent, Usage};

/// Bytes a token stands for, on average: OpenAI's and Anthropic's own rule of thumb for English.
const BYTES_PER_TOKEN: u64 = 4;
/// Twice that: dense text has more bytes a token, and "at least" must hold.
const DENSE_BYTES: u64 = 2 * BYTES_PER_TOKEN;
/// Output tokens a vendor may generate before it notices that we left: a second at 200 tokens/s.
const LAG_TOKENS: u64 = 200;

/// What one attempt may cost, known before it is sent. US dollars; None where the catalog has no price.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quote {
    prices: Option<Bounds>,
    /// Bytes of the prompt: no token is shorter than a byte, so never fewer than its tokens.
    input_bytes: u64,
    /// Most output tokens; None when nothing bounds them.
    max_output: Option<u64>,
    /// Whether the vendor is known to stop working, and billing, when we leave a stream.
    stops: bool,
}

/// Prices of a prompt whose length in tokens is not known, only its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    /// If it is as short as it can be.
    least: Prices,
    /// If it is as long as the rule of thumb says.
    usual: Prices,
    /// The dearest an input token can be: fresh, or written to a cache, in whichever tier.
    input_worst: f64,
    /// The dearest an output token can be.
    output_worst: f64,
}

impl Bounds {
    fn new(facts: &Model, bytes: u64) -> Option<Self> {
        let least = facts.prices(bytes / DENSE_BYTES)?;
        let reached = facts.tiers.iter().map(|tier| tier.above.saturating_add(1));
        let all = reached
            .filter(|tokens| *tokens <= bytes)
            .chain([0])
            .filter_map(|tokens| facts.prices(tokens));
        let (input_worst, output_worst) = all.fold((0.0, 0.0), |(input, output), prices| {
            let writes = [
                facts.cache_write.map(|_| prices.cache_write),
                facts.cache_write_1h.map(|_| prices.cache_write_1h),
            ];
            let dearest = writes.into_iter().flatten().fold(prices.input, f64::max);
            (f64::max(input, dearest), f64::max(output, prices.output))
        });
        Some(Self {
            least,
            usual: facts.prices(bytes.div_ceil(BYTES_PER_TOKEN))?,
            input_worst,
            output_worst,
        })
    }
}

/// What became of an attempt, as far as its bill goes.
#[derive(Debug, Clone, Copy)]
pub enum Fate<'a> {
    /// It answered.
    Answered,
    /// It failed.
    Failed(&'a Failure),
    /// We left it. `head`: a response head had come; `stream`: it was streamed.
    Left {
        /// A success's head had come.
        head: bool,
        /// The answer was streamed.
        stream: bool,
    },
}

impl Quote {
    /// A quote for a prompt of `input_bytes`. `max_tokens` is what the request allows.
    #[must_use]
    pub fn new(facts: Option<&Model>, input_bytes: u64, max_tokens: Option<u32>, stops: bool) -> Self {
        let prices = facts.and_then(|facts| Bounds::new(facts, input_bytes));
        let most = facts.and_then(|facts| facts.max_output.map(u64::from).or(facts.context_window));
        Self {
            prices,
            input_bytes,
            max_output: max_tokens.map(u64::from).or(most),
            stops,
        }
    }

    /// Input tokens, by the rule of thumb.
    #[must_use]
    pub const fn input_tokens(&self) -> u64 {
        self.input_bytes.div_ceil(BYTES_PER_TOKEN)
    }

    /// The prompt alone, by the rule of thumb.
    #[must_use]
    pub fn prompt(&self) -> Option<f64> {
        Some(dollars(self.input_tokens(), self.prices?.usual.input))
    }

    /// The dearest it can get.
    #[must_use]
    pub fn worst(&self) -> Option<f64> {
        let prices = self.prices?;
        Some(dollars(self.input_bytes, prices.input_worst) + dollars(self.max_output?, prices.output_worst))
    }

    /// The bill: what is known of it, and between which amounts it lies. `usage` is what the vendor had told, `seen`
    /// the bytes of content that had come.
    #[must_use]
    pub fn bill(
        &self,
        facts: Option<&Model>,
        fate: Fate<'_>,
        usage: &Usage,
        seen: u64,
    ) -> (Billing, CostRange) {
        let told = facts.and_then(|facts| facts.cost_usd(usage));
        match fate {
            Fate::Failed(failure) if failure.sent == Sent::No && mutant::on(Mutant::UnsentCosts) => {
                (Billing::Unsent, CostRange::exact(0.01))
            }
            Fate::Failed(failure) if failure.sent == Sent::No => (Billing::Unsent, CostRange::ZERO),
            Fate::Failed(failure) if rejected(failure) => (Billing::Rejected, CostRange::ZERO),
            Fate::Answered => match (usage.reported, told) {
                (true, Some(usd)) if mutant::on(Mutant::HalfPrice) => {
                    (Billing::Complete, CostRange::exact(usd / 2.0))
                }
                (true, Some(usd)) => (Billing::Complete, CostRange::exact(usd)),
                (true, None) => (Billing::Complete, CostRange::default()),
                (false, _) => (Billing::Partial, self.range(self.least(None, seen), None)),
            },
            Fate::Left {
                head: true,
                stream: true,
            } => {
                let most = self.stops.then_some(seen.saturating_add(LAG_TOKENS));
                (Billing::Partial, self.range(self.least(told, seen), most))
            }
            // Vendors bill what they generated for a whole reply though nobody reads it.
            Fate::Left { .. } => (Billing::Unknown, self.range(0.0, None)),
            Fate::Failed(_) if seen > 0 => (Billing::Partial, self.range(self.least(told, seen), None)),
            Fate::Failed(_) => (Billing::Unknown, self.range(0.0, None)),
        }
    }

    /// What had come costs at least this much.
    fn least(&self, told: Option<f64>, seen: u64) -> f64 {
        let guess = self.prices.map_or(0.0, |Bounds { least, .. }| {
            dollars(self.input_bytes / DENSE_BYTES, least.input) + dollars(seen / DENSE_BYTES, least.output)
        });
        // Counts that came before the end may lack the output, never overstate it.
        told.unwrap_or(guess)
    }

    fn range(&self, least: f64, most_output: Option<u64>) -> CostRange {
        let worst = match (most_output, self.prices) {
            (Some(output), Some(prices)) => {
                let output = output.min(self.max_output.unwrap_or(u64::MAX));
                Some(dollars(self.input_bytes, prices.input_worst) + dollars(output, prices.output_worst))
            }
            _ => self.worst(),
        };
        CostRange {
            min: least,
            max: worst.map(|worst| worst.max(least)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
fn dollars(tokens: u64, per_million: f64) -> f64 {
    tokens as f64 * per_million / 1e6
}

/// The vendor refused before it worked: vendors do not bill a refusal that came as a status.
fn rejected(failure: &Failure) -> bool {
    failure.phase == Phase::Head
        && failure.status.is_some_and(|status| status >= 400)
        && failure.class != FailureClass::Timeout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Reasoning;
    use crate::dialect::testing::facts;

    /// $1 in, $5 out, a million.
    fn model() -> Model {
        facts(Some(1000), None, Reasoning::Unknown)
    }

    fn failure(class: FailureClass, phase: Phase, status: Option<u16>) -> Failure {
        let mut failure = Failure::new(class, phase, "");
        failure.status = status;
        failure
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            reported: true,
            input_tokens: input,
            output_tokens: output,
            ..Usage::default()
        }
    }

    #[test]
    fn every_fate_has_its_bill() {
        use FailureClass as C;
        let model = model();
        let none = Usage::default();
        let worst = 4000.0 / 1e6 + 1000.0 * 5.0 / 1e6;
        let unsent = failure(C::Connect, Phase::Connect, None);
        let refused = failure(C::Overloaded, Phase::Head, Some(529));
        let slow = failure(C::Timeout, Phase::Head, None);
        let gateway = failure(C::Timeout, Phase::Head, Some(504));
        let lost = failure(C::Reset, Phase::Head, None);
        let cut = failure(C::Malformed, Phase::Stream, Some(200));
        let left = |head, stream| Fate::Left { head, stream };
        // (fate, what the vendor told, bytes seen, billing, least, most)
        let half = 500.0 / 1e6 + 100.0 * 5.0 / 1e6;
        let cases = [
            (
                Fate::Answered,
                usage(1000, 100),
                400,
                Billing::Complete,
                1500.0 / 1e6,
                1500.0 / 1e6,
            ),
            (Fate::Answered, none, 800, Billing::Partial, half, worst),
            (Fate::Failed(&unsent), none, 0, Billing::Unsent, 0.0, 0.0),
            (Fate::Failed(&refused), none, 0, Billing::Rejected, 0.0, 0.0),
            (Fate::Failed(&slow), none, 0, Billing::Unknown, 0.0, worst),
            (Fate::Failed(&gateway), none, 0, Billing::Unknown, 0.0, worst),
            (Fate::Failed(&lost), none, 0, Billing::Unknown, 0.0, worst),
            (Fate::Failed(&cut), none, 800, Billing::Partial, half, worst),
            (
                Fate::Failed(&cut),
                usage(1000, 1),
                800,
                Billing::Partial,
                1005.0 / 1e6,
                worst,
            ),
            (Fate::Failed(&cut), none, 0, Billing::Unknown, 0.0, worst),
            (left(false, true), none, 0, Billing::Unknown, 0.0, worst),
            (left(true, false), none, 0, Billing::Unknown, 0.0, worst),
            (left(true, true), none, 800, Billing::Partial, half, worst),
        ];
        let quote = Quote::new(Some(&model), 4000, None, false);
        for (number, (fate, usage, seen, billing, least, most)) in cases.into_iter().enumerate() {
            let (found, range) = quote.bill(Some(&model), fate, &usage, seen);
            assert_eq!(found, billing, "case {number}");
            assert!(
                (range.min - least).abs() < 1e-12,
                "case {number}: {range:?}, not {least}"
            );
            assert!(
                (range.max.unwrap() - most).abs() < 1e-12,
                "case {number}: {range:?}, not {most}"
            );
        }
    }

    #[test]
    fn a_vendor_that_stops_bills_what_was_seen_and_a_moment_more() {
        let model = model();
        let quote = Quote::new(Some(&model), 4000, Some(800), true);
        let left = Fate::Left {
            head: true,
            stream: true,
        };
        let (_, range) = quote.bill(Some(&model), left, &Usage::default(), 100);
        assert!(
            (range.max.unwrap() - (4000.0 + 300.0 * 5.0) / 1e6).abs() < 1e-12,
            "{range:?}"
        );
        let (_, range) = quote.bill(Some(&model), left, &Usage::default(), 5000);
        assert!(
            (range.max.unwrap() - (4000.0 + 800.0 * 5.0) / 1e6).abs() < 1e-12,
            "{range:?}"
        );
    }

    #[test]
    fn what_has_no_price_or_no_end_has_no_most() {
        let quote = Quote::new(None, 4000, Some(10), false);
        assert_eq!(
            (quote.worst(), quote.prompt(), quote.input_tokens()),
            (None, None, 1000)
        );
        let (billing, range) = quote.bill(None, Fate::Answered, &usage(1, 1), 4);
        assert_eq!((billing, range.min, range.max), (Billing::Complete, 0.0, None));
        let endless = Quote::new(Some(&facts(None, None, Reasoning::Unknown)), 4000, None, false);
        assert_eq!(endless.worst(), None);
        assert!((endless.prompt().unwrap() - 0.001).abs() < 1e-12);
        let dear = Model {
            cache_write_1h: Some(2.0),
            ..model()
        };
        let quote = Quote::new(Some(&dear), 1000, Some(0), false);
        assert!((quote.worst().unwrap() - 0.002).abs() < 1e-12);
    }
}
