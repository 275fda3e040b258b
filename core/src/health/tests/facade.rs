use super::*;

#[test]
fn a_target_opens_half_opens_ramps_and_closes() {
    let mut health = health();
    let reopens = open(&mut health, MINI, at(0.0));
    assert!(reopens >= at(7.5) && reopens <= at(10.0), "{reopens:?}");
    let shut = health.admit(&ask(MINI, at(1.0)), at(1.0)).unwrap_err();
    assert_eq!(shut.until, Some(reopens));
    assert_eq!(shut.why, "5 failures in a row; the last: server, status 500");

    let now = at(10.0);
    assert_eq!(health.peek(MINI, false, now), Ok(Standing::Probing));
    assert_eq!(state(&health, MINI, now), State::HalfOpen);
    let mut probe = health.admit(&ask(MINI, now), now).unwrap();
    assert!(probe.is_probe() && !probe.is_last_resort() && probe.target() == MINI);
    let shut = health.admit(&ask(MINI, now), now).unwrap_err();
    assert_eq!(
        (shut.state, shut.class, shut.until),
        (State::HalfOpen, FailureClass::Overloaded, Some(at(40.0)))
    );
    health.first_content(&mut probe, secs(1), now);
    assert_eq!(health.status(MINI, now).ramp, Some(1));

    // The stream that proved it still runs; the next attempts need not wait for its end.
    let second = health.admit(&ask(MINI, now), now).unwrap();
    let shut = health.admit(&ask(MINI, now), now).unwrap_err();
    assert_eq!((shut.state, shut.until), (State::Ramp, None));
    assert_eq!(health.reopens(MINI, now), None);
    health.ended(second, Outcome::Answered, now);
    assert_eq!(health.status(MINI, now).ramp, Some(2));
    assert_eq!(health.peek(MINI, false, now), Ok(Standing::Ramping));
    assert!(answered(&mut health, MINI, now) && answered(&mut health, MINI, now));
    assert_eq!(state(&health, MINI, now), State::Closed);
    health.ended(probe, Outcome::Answered, now);
    assert_eq!(health.status(MINI, now).in_flight, 0);

    let changes: Vec<_> = health
        .drain_changes()
        .into_iter()
        .map(|change| (change.scope, change.name, change.from, change.to))
        .collect();
    use State::{Closed, HalfOpen, Open, Ramp};
    let expected = [(Closed, Open), (Open, HalfOpen), (HalfOpen, Ramp), (Ramp, Closed)];
    assert_eq!(
        changes,
        expected.map(|(from, to)| (Scope::Target(MINI), "openai/gpt-4o-mini".to_owned(), from, to))
    );
    assert!(health.drain_changes().is_empty());
}

#[test]
fn a_refused_connection_counts_only_when_another_endpoint_was_reached() {
    // Everything refuses: nobody's breaker moves, and it is the local network.
    let mut health = health();
    for second in 0..20 {
        for target in [MINI, CLAUDE] {
            attempt(
                &mut health,
                target,
                failed(FaultKind::Unreachable),
                at(f64::from(second)),
            );
        }
    }
    assert!(health.local_network_down(at(20.0)));
    assert!(!health.local_network_down(at(80.0)), "that was long ago");
    assert!(health.drain_changes().is_empty());

    // The network is back: what failed before is the other endpoint's own fault now, the rest is forgotten.
    let pass = health.admit(&ask(CLAUDE, at(21.0)), at(21.0)).unwrap();
    health.reached(&pass, at(21.0));
    assert!(!health.local_network_down(at(21.0)));
    assert_eq!(state(&health, MINI, at(21.0)), State::Open);
    assert_eq!(state(&health, CLAUDE, at(21.0)), State::Closed);
    health.ended(pass, Outcome::Neutral, at(21.0));
}

#[test]
fn a_change_of_network_forgets_refused_connections() {
    let mut health = health();
    for _ in 0..5 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    }
    health.network_changed(at(1.0));
    assert!(answered(&mut health, CLAUDE, at(1.0)));
    assert_eq!(
        state(&health, MINI, at(1.0)),
        State::Closed,
        "they were forgotten"
    );
    // The run of those that did count is forgotten too.
    for _ in 0..2 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(1.0));
    }
    health.network_changed(at(1.0));
    assert!(answered(&mut health, CLAUDE, at(7.0)));
    for _ in 0..2 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(7.0));
    }
    assert_eq!(state(&health, MINI, at(7.0)), State::Closed);
    attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(7.0));
    assert_eq!(state(&health, MINI, at(7.0)), State::Open);
}

#[test]
fn old_refusals_are_not_counted_and_a_reply_clears_ones_own() {
    let mut health = health();
    for _ in 0..20 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    }
    assert!(answered(&mut health, CLAUDE, at(61.0)));
    assert_eq!(
        state(&health, MINI, at(61.0)),
        State::Closed,
        "older than the window"
    );

    for _ in 0..3 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(63.0));
    }
    assert!(answered(&mut health, FULL, at(64.0)), "the same endpoint");
    assert!(answered(&mut health, CLAUDE, at(65.0)));
    assert_eq!(state(&health, MINI, at(65.0)), State::Closed);
}

#[test]
fn with_one_endpoint_a_refused_connection_counts_at_once() {
    let mut health = Health::new(HealthSettings::default(), 1);
    health.register(place(MINI, "openai/gpt-4o-mini", OPENAI));
    for _ in 0..3 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    }
    let shut = health.peek(MINI, false, at(0.0)).unwrap_err();
    assert_eq!(shut.why, "3 connections failed in a row; the last: connect");
    assert!(!health.local_network_down(at(0.0)));
}

#[test]
fn a_connection_breaks_the_run_of_refused_ones() {
    let mut health = health();
    for _ in 0..2 {
        assert!(answered(&mut health, CLAUDE, at(0.0)));
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    }
    let pass = health.admit(&ask(MINI, at(0.0)), at(0.0)).unwrap();
    health.reached(&pass, at(0.0));
    attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    assert_eq!(state(&health, MINI, at(0.0)), State::Closed);
    health.ended(pass, Outcome::Neutral, at(0.0));
}

#[test]
fn a_half_open_endpoint_hears_of_its_probe_late() {
    let mut health = health();
    assert!(answered(&mut health, CLAUDE, at(0.0)));
    for _ in 0..3 {
        attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(0.0));
    }
    // Its probe is refused before anybody knows why; the permit is free again meanwhile.
    attempt(&mut health, MINI, failed(FaultKind::Unreachable), at(20.0));
    assert_eq!(health.peek(MINI, false, at(20.0)), Ok(Standing::Probing));
    assert!(answered(&mut health, CLAUDE, at(21.0)));
    let shut = health.peek(MINI, false, at(21.0)).unwrap_err();
    assert_eq!(shut.why, "its probe failed: connect");
    assert!(
        shut.until.unwrap() >= at(36.0),
        "the second time in a row is longer"
    );
}

#[test]
fn an_endpoints_breaker_is_closed_by_any_of_its_targets() {
    let mut health = health();
    for _ in 0..5 {
        attempt(&mut health, MINI, failed(FaultKind::Edge), at(0.0));
    }
    assert_eq!(health.status(FULL, at(0.0)).scope, Scope::Endpoint(OPENAI));
    // A model's own failure shows that the endpoint works.
    attempt(&mut health, FULL, failed(FaultKind::Server), at(10.0));
    assert_eq!(health.status(MINI, at(10.0)).state, State::Ramp);
    for _ in 0..3 {
        assert!(answered(&mut health, FULL, at(10.0)));
    }
    assert_eq!(health.status(MINI, at(10.0)).state, State::Closed);
}

#[test]
fn a_probe_that_says_nothing_gives_its_permit_back() {
    // (outcome of the target's probe, whose fault it is not)
    for outcome in [
        Outcome::Neutral,
        failed(FaultKind::Edge),
        failed(FaultKind::Unreachable),
    ] {
        let mut health = health();
        let reopens = open(&mut health, MINI, at(0.0));
        attempt(&mut health, MINI, outcome.clone(), reopens);
        assert_eq!(
            health.peek(MINI, false, reopens),
            Ok(Standing::Probing),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_free_probe_half_opens_an_endpoint_and_nothing_else() {
    let mut health = health();
    for _ in 0..5 {
        attempt(&mut health, MINI, failed(FaultKind::Edge), at(0.0));
    }
    open(&mut health, CLAUDE, at(0.0));
    health.drain_changes();
    health.probed(OPENAI, false, at(1.0));
    health.probed(ANTHROPIC, true, at(1.0));
    assert!(health.drain_changes().is_empty());
    assert!(health.peek(CLAUDE, false, at(1.0)).is_err());
    assert!(health.peek(MINI, false, at(1.0)).is_err());
    health.probed(OPENAI, true, at(1.0));
    health.probed(OPENAI, true, at(1.0));
    health.probed(EndpointId(9), true, at(1.0));
    assert_eq!(health.peek(MINI, false, at(1.0)), Ok(Standing::Probing));
    let changes = health.drain_changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(
        (changes[0].from, changes[0].to, changes[0].name.as_str()),
        (State::Open, State::HalfOpen, "openai")
    );
}

#[test]
fn the_operator_wins() {
    let mut health = health();
    for (name, matched) in [
        ("openai/gpt-4o", 1),
        ("openai", 2),
        ("openai/*", 2),
        ("openai/", 0),
        ("gpt-4o", 0),
        ("*", 0),
    ] {
        assert_eq!(health.hold(name, at(1.0)), matched, "{name}");
        assert_eq!(health.release(name, at(1.0)), matched, "{name}");
    }
    health.drain_changes();

    assert_eq!(health.hold("openai", at(2.0)), 2);
    for ask in [
        ask(MINI, at(2.0)),
        alone(MINI, at(2.0)),
        last_resort(MINI, at(2.0)),
    ] {
        let shut = health.admit(&ask, at(2.0)).unwrap_err();
        assert_eq!((shut.state, shut.until), (State::ForcedOpen, None));
        assert_eq!(shut.why, "held by the operator");
    }
    assert_eq!(health.reopens(MINI, at(2.0)), None);
    let status = health.status(MINI, at(3.0));
    assert_eq!((status.state, status.since), (State::ForcedOpen, at(2.0)));
    assert_eq!(
        health.hold("openai", at(3.0)),
        2,
        "again, with nothing new to say"
    );
    assert_eq!(health.release("openai/gpt-4o-mini", at(4.0)), 1);
    assert_eq!(health.peek(MINI, false, at(4.0)), Ok(Standing::Healthy));
    assert!(health.peek(FULL, false, at(4.0)).is_err());
    let changes: Vec<_> = health
        .drain_changes()
        .iter()
        .map(|change| (change.name.clone(), change.from, change.to))
        .collect();
    let (mini, full) = ("openai/gpt-4o-mini".to_owned(), "openai/gpt-4o".to_owned());
    assert_eq!(
        changes,
        [
            (mini.clone(), State::Closed, State::ForcedOpen),
            (full, State::Closed, State::ForcedOpen),
            (mini, State::ForcedOpen, State::Closed),
        ]
    );

    // Kept closed: failures move nothing, and neither breaker refuses.
    let reopens = open(&mut health, MINI, at(5.0));
    assert_eq!(health.force_closed("openai/*", at(5.0)), 2);
    for _ in 0..5 {
        attempt(&mut health, MINI, failed(FaultKind::Edge), at(5.0));
    }
    for _ in 0..20 {
        attempt(&mut health, MINI, failed(FaultKind::Server), at(5.0));
    }
    let status = health.status(MINI, at(5.0));
    assert_eq!(
        (status.state, status.in_flight, status.why.as_str()),
        (State::ForcedClosed, 0, "kept closed by the operator")
    );
    // Released, the breaker goes on from where it was.
    health.release("openai", at(6.0));
    assert_eq!(health.reopens(MINI, at(6.0)), Some(reopens));
}

#[test]
fn a_last_resort_is_let_through_once_an_open_interval() {
    let mut health = health();
    let reopens = open(&mut health, MINI, at(0.0));
    let pass = health.admit(&last_resort(MINI, at(1.0)), at(1.0)).unwrap();
    assert!(pass.is_last_resort() && !pass.is_probe());
    health.ended(pass, failed(FaultKind::Server), at(1.0));
    let shut = health.admit(&last_resort(MINI, at(1.0)), at(1.0)).unwrap_err();
    assert_eq!(shut.until, Some(reopens), "its failure moves nothing");
    assert!(
        shut.why.ends_with("its last-resort attempt was made"),
        "{}",
        shut.why
    );

    // The next interval has one of its own, and one that works proves that the target does.
    attempt(&mut health, MINI, failed(FaultKind::Server), reopens);
    let pass = health.admit(&last_resort(MINI, reopens), reopens).unwrap();
    health.ended(pass, Outcome::Answered, reopens);
    assert_eq!(state(&health, MINI, reopens), State::Ramp);
}

#[test]
fn without_an_alternative_no_breaker_refuses_but_a_throttle_may() {
    let mut health = health();
    for _ in 0..9 {
        let pass = health.admit(&alone(MINI, at(0.0)), at(0.0)).unwrap();
        health.ended(pass, failed(FaultKind::Server), at(0.0));
    }
    assert_eq!(
        state(&health, MINI, at(0.0)),
        State::Open,
        "for the sake of others"
    );
    assert_eq!(health.peek(MINI, true, at(0.0)), Ok(Standing::LastResort));
    assert!(health.peek(MINI, false, at(0.0)).is_err());
    let mut sent = 0;
    for _ in 0..1000 {
        match health.admit(&alone(MINI, at(1.0)), at(1.0)) {
            Ok(pass) => {
                sent += 1;
                health.ended(pass, failed(FaultKind::Server), at(1.0));
            }
            Err(shut) => {
                assert_eq!((shut.until, shut.class), (None, FailureClass::Overloaded));
                assert!(shut.why.contains("90 %"), "{}", shut.why);
            }
        }
    }
    assert!((60..150).contains(&sent), "{sent} of 1000");

    // A permit is not throttled, and what it proves ends the throttling.
    let now = at(10.0);
    let mut probe = health.admit(&alone(MINI, now), now).unwrap();
    assert!(probe.is_probe());
    assert_eq!(health.peek(MINI, true, now), Ok(Standing::LastResort));
    health.first_content(&mut probe, secs(1), now);
    let passes: Vec<_> = (0..50)
        .map(|_| health.admit(&alone(MINI, now), now).unwrap())
        .collect();
    assert_eq!(
        health.peek(MINI, true, now),
        Ok(Standing::Ramping),
        "over its ramp"
    );
    for pass in passes {
        health.ended(pass, Outcome::Answered, now);
    }
    health.ended(probe, Outcome::Answered, now);
    assert_eq!(state(&health, MINI, now), State::Closed);
}

#[test]
fn a_first_burst_is_not_throttled() {
    let mut health = health();
    let passes: Vec<_> = (0..100)
        .map(|_| health.admit(&alone(MINI, at(0.0)), at(0.0)).unwrap())
        .collect();
    for pass in passes {
        health.ended(pass, Outcome::Answered, at(5.0));
    }
}

#[test]
fn without_an_alternative_rates_do_not_open() {
    let mut health = health();
    for n in 0..200 {
        let now = at(f64::from(n) * 0.1);
        if let Ok(pass) = health.admit(&alone(MINI, now), now) {
            let outcome = match n % 3 {
                0 => Outcome::Answered,
                _ => failed(FaultKind::Server),
            };
            health.ended(pass, outcome, now);
        }
        if let Ok(mut pass) = health.admit(&alone(MINI, now), now) {
            health.first_content(&mut pass, secs(1), now);
            health.ended(pass, Outcome::Cut, now);
        }
    }
    assert_eq!(state(&health, MINI, at(20.0)), State::Degraded);
}

#[test]
fn two_openings_close_together_make_the_rest_of_a_domain_suspect() {
    let mut health = health();
    open(&mut health, MINI, at(0.0));
    assert!(!health.suspect(CLAUDE, at(0.0)), "one is no pattern");
    open(&mut health, FULL, at(30.0));
    assert!(health.suspect(CLAUDE, at(30.0)) && health.status(CLAUDE, at(89.0)).suspect);
    assert!(!health.suspect(MINI, at(30.0)) && !health.suspect(FULL, at(30.0)));
    assert!(!health.suspect(CLAUDE, at(90.0)) && !health.suspect(TargetId(9), at(30.0)));
    assert!(answered(&mut health, CLAUDE, at(90.0)));
    let changes: Vec<_> = health
        .drain_changes()
        .into_iter()
        .filter(|change| change.scope == Scope::Domain(DomainId(0)))
        .map(|change| (change.at, change.name, change.to))
        .collect();
    let name = "domain 0".to_owned();
    assert_eq!(
        changes,
        [
            (at(30.0), name.clone(), State::Degraded),
            (at(90.0), name, State::Closed)
        ]
    );

    let mut apart = super::health();
    open(&mut apart, MINI, at(0.0));
    open(&mut apart, FULL, at(31.0));
    assert!(!apart.suspect(CLAUDE, at(31.0)));

    // A probe that fails is no opening: nothing new is known.
    let mut probed = super::health();
    let reopens = open(&mut probed, MINI, at(0.0));
    attempt(&mut probed, MINI, failed(FaultKind::Server), reopens);
    open(&mut probed, FULL, at(31.0));
    assert!(!probed.suspect(CLAUDE, at(31.0)));
}

#[test]
fn the_status_shows_what_is_known() {
    let mut health = health();
    for n in 0..20 {
        let mut pass = health.admit(&ask(MINI, at(0.0)), at(0.0)).unwrap();
        health.first_content(&mut pass, Duration::from_millis(100 + n), at(0.0));
        health.first_content(&mut pass, secs(50), at(0.0));
        health.ended(pass, Outcome::Answered, at(0.0));
    }
    for status in 0..10 {
        let mut fault = fault(FaultKind::Server);
        fault.status = Some(500 + status);
        fault.retry_after = Some(secs(7));
        let pass = health.admit(&alone(MINI, at(1.0)), at(1.0)).unwrap();
        health.ended(pass, Outcome::Failed(fault), at(1.0));
        assert!(answered(&mut health, MINI, at(1.0)));
    }
    let mut cut = health.admit(&ask(MINI, at(2.0)), at(2.0)).unwrap();
    health.first_content(&mut cut, Duration::from_millis(110), at(2.0));
    // It broke off before the caller saw anything: a cut all the same.
    health.ended(cut, failed(FaultKind::Server), at(2.0));
    let pass = health.admit(&ask(MINI, at(2.0)), at(2.0)).unwrap();
    health.ended(pass, Outcome::Cut, at(2.0));
    let pass = health.admit(&ask(MINI, at(2.0)), at(2.0)).unwrap();

    let status = health.status(MINI, at(2.0));
    assert_eq!((status.starts, status.failures, status.in_flight), (43, 10, 1));
    assert_eq!(status.errors.len(), 8);
    assert_eq!(status.errors[0].status, Some(504));
    assert_eq!(status.errors[6].at, at(2.0));
    assert_eq!(status.errors[7].class, FailureClass::Reset);
    assert_eq!(status.ttft_p50, Some(Duration::from_millis(110)));
    assert_eq!(status.ttft_p95, Some(Duration::from_millis(118)));
    assert!(status.ttft_ewma.unwrap() > secs(6), "{:?}", status.ttft_ewma);
    health.ended(pass, Outcome::Neutral, at(2.0));
    let status = health.status(MINI, at(2.0));
    assert_eq!((status.starts, status.in_flight), (42, 0));
    assert_eq!(health.ttft_ewma(CLAUDE), None);
    assert_eq!(health.status(TargetId(9), at(2.0)).state, State::Closed);
}

#[test]
fn slow_first_contents_make_a_target_degraded() {
    let mut health = health();
    let stream = |health: &mut Health, ttft, now| {
        let mut pass = health.admit(&ask(MINI, now), now).unwrap();
        health.first_content(&mut pass, ttft, now);
        health.ended(pass, Outcome::Answered, now);
    };
    for _ in 0..40 {
        stream(&mut health, secs(1), at(0.0));
    }
    for _ in 0..10 {
        stream(&mut health, secs(10), at(100.0));
    }
    assert_eq!(state(&health, MINI, at(100.0)), State::Closed, "the floor");
    for _ in 0..10 {
        stream(&mut health, secs(11), at(200.0));
    }
    assert_eq!(health.peek(MINI, false, at(200.0)), Ok(Standing::Degraded));
    assert_eq!(
        health.status(MINI, at(200.0)).why,
        "10 of 10 first contents were slow within 60 s"
    );
    assert_eq!(
        health.peek(MINI, false, at(260.0)),
        Ok(Standing::Healthy),
        "a quiet window"
    );
    assert!(answered(&mut health, MINI, at(260.0)));
    let last = health.drain_changes().pop().unwrap();
    assert_eq!((last.from, last.to), (State::Degraded, State::Closed));
}

#[test]
fn a_target_that_is_not_known_is_let_through() {
    let mut health = health();
    let nowhere = TargetId(9);
    let mut pass = health.admit(&ask(nowhere, at(0.0)), at(0.0)).unwrap();
    health.reached(&pass, at(0.0));
    health.first_content(&mut pass, secs(1), at(0.0));
    health.ended(pass, Outcome::Cut, at(0.0));
    for kind in [FaultKind::Unreachable, FaultKind::Edge, FaultKind::Server] {
        attempt(&mut health, nowhere, failed(kind), at(0.0));
    }
    attempt(&mut health, nowhere, Outcome::Neutral, at(0.0));
    assert_eq!(health.peek(nowhere, false, at(0.0)), Ok(Standing::Healthy));
    assert!(health.drain_changes().is_empty());
}

#[test]
fn registering_again_keeps_the_state() {
    let mut health = health();
    open(&mut health, MINI, at(0.0));
    health.register(place(MINI, "openai/gpt-4o-mini-2", OPENAI));
    assert!(health.peek(MINI, false, at(0.0)).is_err());
    assert_eq!(health.hold("openai/gpt-4o-mini-2", at(0.0)), 1);
}

#[test]
fn of_two_that_refuse_the_one_that_opens_last_is_named() {
    let mut health = health();
    for _ in 0..5 {
        attempt(&mut health, FULL, failed(FaultKind::Edge), at(0.0));
    }
    let endpoint = health.reopens(FULL, at(0.0)).unwrap();
    // The target's own opens later; its attempts had begun before.
    let mut health2 = super::health();
    let passes: Vec<_> = (0..5)
        .map(|_| health2.admit(&ask(MINI, at(0.0)), at(0.0)).unwrap())
        .collect();
    for _ in 0..5 {
        attempt(&mut health2, FULL, failed(FaultKind::Edge), at(0.0));
    }
    let first = health2.reopens(MINI, at(0.0)).unwrap();
    assert_eq!(first, endpoint, "the same seed");
    for pass in passes {
        let mut fault = fault(FaultKind::Server);
        fault.retry_after = Some(secs(100));
        health2.ended(pass, Outcome::Failed(fault), at(5.0));
    }
    let shut = health2.peek(MINI, false, at(5.0)).unwrap_err();
    assert_eq!((shut.scope, shut.until), (Scope::Target(MINI), Some(at(105.0))));
}

#[test]
fn changes_nobody_fetches_are_bounded() {
    let mut health = health();
    for _ in 0..KEPT_CHANGES {
        health.hold("openai", at(0.0));
        health.release("openai", at(0.0));
    }
    assert_eq!(health.drain_changes().len(), KEPT_CHANGES);
}
