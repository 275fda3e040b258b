//! Tests on a small client: three targets of two providers.

mod breaker;
mod facade;
mod model;
mod outcomes;
mod promises;

use std::time::Duration;

use super::*;
use crate::types::FailureClass;

const MINI: TargetId = TargetId(0);
const FULL: TargetId = TargetId(1);
const CLAUDE: TargetId = TargetId(2);
const OPENAI: EndpointId = EndpointId(0);
const ANTHROPIC: EndpointId = EndpointId(1);

fn at(seconds: f64) -> Moment {
    Moment::new(Duration::from_secs_f64(seconds))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn place(target: TargetId, name: &str, endpoint: EndpointId) -> Place {
    Place {
        target,
        name: name.to_owned(),
        endpoint,
        endpoint_name: name.split('/').next().unwrap().to_owned(),
        domains: vec![DomainId(0)],
    }
}

fn health() -> Health {
    let mut health = Health::new(HealthSettings::default(), 1);
    health.register(place(MINI, "openai/gpt-4o-mini", OPENAI));
    health.register(place(FULL, "openai/gpt-4o", OPENAI));
    health.register(place(CLAUDE, "anthropic/claude-haiku-4-5", ANTHROPIC));
    health
}

fn ask(target: TargetId, now: Moment) -> Ask {
    Ask {
        target,
        alone: false,
        last_resort: false,
        expires: now + secs(30),
    }
}

fn alone(target: TargetId, now: Moment) -> Ask {
    Ask {
        alone: true,
        ..ask(target, now)
    }
}

fn last_resort(target: TargetId, now: Moment) -> Ask {
    Ask {
        last_resort: true,
        ..ask(target, now)
    }
}

fn fault(kind: FaultKind) -> Fault {
    let (class, status) = match kind {
        FaultKind::Unreachable => (FailureClass::Connect, None),
        FaultKind::Lost => (FailureClass::Reset, None),
        FaultKind::Edge => (FailureClass::Server, Some(502)),
        FaultKind::Server => (FailureClass::Server, Some(500)),
        FaultKind::Overloaded => (FailureClass::Overloaded, Some(503)),
        FaultKind::Slow => (FailureClass::Timeout, None),
        FaultKind::Malformed => (FailureClass::Malformed, Some(200)),
    };
    Fault {
        kind,
        class,
        status,
        retry_after: None,
    }
}

fn failed(kind: FaultKind) -> Outcome {
    Outcome::Failed(fault(kind))
}

/// One whole attempt, now.
fn attempt(health: &mut Health, target: TargetId, outcome: Outcome, now: Moment) {
    let pass = health.admit(&ask(target, now), now).unwrap();
    health.ended(pass, outcome, now);
}

/// Whether one call was let through.
fn answered(health: &mut Health, target: TargetId, now: Moment) -> bool {
    match health.admit(&ask(target, now), now) {
        Ok(pass) => {
            health.ended(pass, Outcome::Answered, now);
            true
        }
        Err(_) => false,
    }
}

fn state(health: &Health, target: TargetId, now: Moment) -> State {
    health.status(target, now).state
}

/// Opens the target's own breaker at `now`; gives when it reopens.
fn open(health: &mut Health, target: TargetId, now: Moment) -> Moment {
    for _ in 0..5 {
        attempt(health, target, failed(FaultKind::Server), now);
    }
    health.reopens(target, now).unwrap()
}
