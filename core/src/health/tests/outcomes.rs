use super::*;
use crate::types::{Failure, Phase};

#[test]
fn what_a_failure_says_of_health() {
    use FailureClass as C;
    use FaultKind as K;
    // (class, phase, status, what it counts as under a long limit)
    let table = [
        (C::Connect, Phase::Connect, None, Some(K::Unreachable)),
        (C::Timeout, Phase::Connect, None, Some(K::Unreachable)),
        (C::Reset, Phase::Head, None, Some(K::Lost)),
        (C::Reset, Phase::FirstContent, None, Some(K::Server)),
        (C::Reset, Phase::Body, None, Some(K::Server)),
        (C::Timeout, Phase::Head, None, Some(K::Slow)),
        (C::Timeout, Phase::FirstContent, None, Some(K::Slow)),
        (C::Server, Phase::Head, Some(500), Some(K::Server)),
        (C::Server, Phase::Head, Some(502), Some(K::Edge)),
        (C::Server, Phase::Head, Some(504), Some(K::Edge)),
        (C::Server, Phase::Head, Some(519), Some(K::Server)),
        (C::Server, Phase::Head, Some(520), Some(K::Edge)),
        (C::Server, Phase::Head, Some(524), Some(K::Edge)),
        (C::Server, Phase::Head, Some(525), Some(K::Server)),
        (C::Server, Phase::FirstContent, Some(200), Some(K::Server)),
        (C::Overloaded, Phase::Head, Some(503), Some(K::Overloaded)),
        (C::Overloaded, Phase::Head, Some(529), Some(K::Overloaded)),
        (C::Malformed, Phase::Body, Some(200), Some(K::Malformed)),
        (C::RateLimited, Phase::Head, Some(429), None),
        (C::QuotaExhausted, Phase::Head, Some(429), None),
        (C::Authentication, Phase::Head, Some(401), None),
        (C::ModelNotFound, Phase::Head, Some(404), None),
        (C::ContextLength, Phase::Head, Some(400), None),
        (C::ContentFiltered, Phase::Head, Some(400), None),
        (C::InvalidRequest, Phase::Head, Some(400), None),
        (C::Unsupported, Phase::Encode, None, None),
        (C::Server, Phase::Encode, None, None),
        (C::BudgetExceeded, Phase::Encode, None, None),
        (C::BudgetExceeded, Phase::Head, None, None),
        (C::Cancelled, Phase::Head, None, None),
    ];
    for (class, phase, status, kind) in table {
        let mut failure = Failure::new(class, phase, "");
        failure.status = status;
        failure.retry_after = Some(secs(7));
        let expected = kind.map_or(Outcome::Neutral, |kind| {
            Outcome::Failed(Fault {
                kind,
                class,
                status,
                retry_after: Some(secs(7)),
            })
        });
        assert_eq!(outcome_of(&failure, false, true), expected, "{class} {phase:?}");
        let cut = kind.map_or(Outcome::Neutral, |_| Outcome::Cut);
        assert_eq!(outcome_of(&failure, true, true), cut, "{class} {phase:?}");
        // Under a short limit of our own, only a first content that is late says nothing.
        let hasty = match kind {
            Some(K::Slow) => Outcome::Neutral,
            _ => expected,
        };
        assert_eq!(outcome_of(&failure, false, false), hasty, "{class} {phase:?}");
    }
    for class in C::ALL {
        assert!(table.iter().any(|(tested, ..)| *tested == class), "{class}");
    }
}

#[test]
fn each_fault_moves_its_own_scope_only() {
    // (kind, whether it opens the endpoint; else the target)
    for (kind, of_endpoint) in [
        (FaultKind::Unreachable, true),
        (FaultKind::Lost, true),
        (FaultKind::Edge, true),
        (FaultKind::Server, false),
        (FaultKind::Overloaded, false),
        (FaultKind::Slow, false),
        (FaultKind::Malformed, false),
    ] {
        let mut health = health();
        // Another endpoint answers, so that a refused connection is known not to be the local network's.
        assert!(answered(&mut health, CLAUDE, at(0.0)));
        for _ in 0..5 {
            if let Ok(pass) = health.admit(&ask(MINI, at(0.0)), at(0.0)) {
                health.ended(pass, failed(kind), at(0.0));
            }
        }
        let shut = health.peek(MINI, false, at(0.0)).unwrap_err();
        let scope = match of_endpoint {
            true => Scope::Endpoint(OPENAI),
            false => Scope::Target(MINI),
        };
        assert_eq!((shut.scope, shut.state), (scope, State::Open), "{kind:?}");
        assert_eq!(
            (shut.class, shut.status),
            (fault(kind).class, fault(kind).status),
            "{kind:?}"
        );
        assert_eq!(
            health.peek(FULL, false, at(0.0)).is_err(),
            of_endpoint,
            "{kind:?}"
        );
        assert_eq!(
            health.peek(CLAUDE, false, at(0.0)),
            Ok(Standing::Healthy),
            "{kind:?}"
        );
        assert_eq!(kind.is_of_endpoint(), of_endpoint);
    }
}
