//! A client's state, for a person or a dashboard.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::World;
use crate::health::State;
use crate::types::{
    KeyId, KeyStatus, LatencyStatus, Moment, RecentError, RetryBudgetStatus, Status, TargetStatus,
};

/// What is known now.
pub(crate) fn status(world: &World) -> Status {
    let now = world.clock.now();
    let targets = world.targets();
    // Keys may be read from files: not while others wait for what is known.
    let fingerprints = fingerprints(world);
    world.decide(|admission| {
        let (left, most) = admission.retries.level(now);
        let targets = targets.iter().map(|target| {
            let health = admission.health.status(target.id, now);
            let provider = world.providers.get(target.provider);
            let keys = provider.map_or(0, |provider| provider.groups.len());
            let room: Vec<_> = (0..keys)
                .map(|key| {
                    let key = KeyId {
                        provider: target.provider,
                        key,
                    };
                    admission.limits.headroom(target.id, key, now)
                })
                .collect();
            TargetStatus {
                target: target.name.clone(),
                state: health.state.as_str().to_owned(),
                why: match health.state {
                    State::Closed => String::new(),
                    _ => health.why,
                },
                since: (now - health.since).as_secs_f64(),
                next_probe: health.next_probe.map(|at| (at - now).as_secs_f64()),
                suspect: health.suspect,
                in_flight: health.in_flight,
                concurrency: room.iter().find_map(|room| room.concurrency),
                latency: LatencyStatus {
                    p50: health.ttft_p50.map(secs),
                    p95: health.ttft_p95.map(secs),
                    ewma: health.ttft_ewma.map(secs),
                },
                requests_left: room.iter().filter_map(|room| room.requests_left).max(),
                tokens_left: room.iter().filter_map(|room| room.tokens_left).max(),
                recent_errors: health
                    .errors
                    .iter()
                    .map(|error| RecentError {
                        ago: (now - error.at).as_secs_f64(),
                        code: error.class.as_str().to_owned(),
                        status: error.status,
                    })
                    .collect(),
                spent: admission.ledger.spent_at(target.id),
            }
        });
        Status {
            at: now.since_start().as_secs_f64(),
            targets: targets.collect(),
            keys: fingerprints
                .into_iter()
                .map(|(id, mut key)| {
                    if let Some(gate) = admission.limits.parked(id, now) {
                        "parked".clone_into(&mut key.state);
                        key.code = Some(gate.class.as_str().to_owned());
                        key.seconds = gate.until.map(|until: Moment| (until - now).as_secs_f64());
                    }
                    key
                })
                .collect(),
            retry_budget: RetryBudgetStatus { left, most },
            spent: admission.ledger.spent(),
            reserved: admission.ledger.reserved(),
            in_flight: world.in_flight.load(Ordering::Relaxed),
            local_network_down: admission.health.local_network_down(now),
            paused: world.paused.load(Ordering::Relaxed),
        }
    })
}

fn secs(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Every key, as far as reading it tells.
fn fingerprints(world: &World) -> Vec<(KeyId, KeyStatus)> {
    let providers = world.providers.iter().enumerate();
    providers
        .flat_map(|(number, provider)| {
            provider
                .groups
                .iter()
                .enumerate()
                .map(move |(index, (_, group))| {
                    let id = KeyId {
                        provider: number,
                        key: index,
                    };
                    let read = world.key(id);
                    let state = match &read {
                        Some(Err(_)) => "not_set",
                        Some(Ok(_)) | None => "open",
                    };
                    let status = KeyStatus {
                        provider: provider.name.clone(),
                        index,
                        key: read.and_then(Result::ok).map(|key| key.fingerprint.clone()),
                        group: group.clone(),
                        state: state.to_owned(),
                        code: None,
                        seconds: None,
                    };
                    (id, status)
                })
        })
        .collect()
}
