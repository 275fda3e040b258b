//! What would be done with a request, without doing it.

use super::check::{chat_route, check};
use super::targets::PreparedTarget;
use super::world::World;
use crate::error::Error;
use crate::health::Standing;
use crate::policy::PlannedTarget;
use crate::routing::Demand;
use crate::types::{ChatRequest, CostRange, ExplainedTarget, Explanation};

/// The plan of a request as it would be made now, with a reason for every target in or out.
pub(crate) fn explain(world: &World, request: &ChatRequest) -> Result<Explanation, Error> {
    check(request, false)?;
    let route = chat_route(world, request)?;
    let demand = Demand::of_chat(request);
    let (plan, targets) = world.plan(&route, &demand, 0);
    let alone = plan.len() == 1;
    let total = route.route.timeouts.total.as_secs_f64();
    let explained = plan.iter().zip(&targets).enumerate();
    Ok(Explanation {
        route: route.route.name.clone(),
        input_tokens: demand.estimate.input_tokens,
        targets: explained
            .map(|(place, (planned, target))| one(world, request, planned, target, (place, alone)))
            .collect(),
        max_attempts: route.route.max_attempts,
        timeout: request.timeout.unwrap_or(total),
    })
}

fn one(
    world: &World,
    request: &ChatRequest,
    planned: &PlannedTarget,
    target: &PreparedTarget,
    (place, alone): (usize, bool),
) -> ExplainedTarget {
    let facts = world.facts_of(target);
    let encoded = target.encode(facts.as_deref(), request, true);
    let mut explained = ExplainedTarget {
        target: target.name.clone(),
        included: false,
        reason: String::new(),
        key: None,
        opens_in: None,
        cost: CostRange {
            min: planned.quote.prompt().unwrap_or_default(),
            max: planned.quote.worst(),
        },
        adapted: Vec::new(),
    };
    match encoded {
        Ok(encoded) => explained.adapted = encoded.adapted,
        Err(failure) => {
            explained.reason = format!("{}: {}", failure.class, failure.message);
            return explained;
        }
    }
    if planned.keys.is_empty() {
        explained.reason = world.missing_keys(target);
        return explained;
    }
    let now = world.clock.now();
    match world.decide(|admission| admission.peek(&world.asked(planned, alone), now)) {
        Ok((standing, key)) => {
            explained.included = true;
            explained.key = world.fingerprint(key);
            let turn = match place {
                0 => "called first",
                _ => "called when those before it have failed",
            };
            explained.reason = match standing {
                Standing::Healthy => turn.to_owned(),
                Standing::Degraded => format!("{turn}; degraded, so that it mostly goes behind the others"),
                Standing::Ramping => format!("{turn}; recovering, and gets a few calls at a time"),
                Standing::Probing => {
                    format!("{turn}; its breaker is half-open, and this call would try it out")
                }
                Standing::LastResort => {
                    format!("{turn}; its breaker is open, and this would be the one call it lets through")
                }
            };
        }
        Err(refusal) => {
            explained.opens_in = refusal.until.map(|until| (until - now).as_secs_f64());
            explained.key = refusal.key.and_then(|key| world.fingerprint(key));
            explained.reason = match &refusal.why {
                why if why.is_empty() => refusal.class.to_string(),
                why => why.clone(),
            };
        }
    }
    explained
}
