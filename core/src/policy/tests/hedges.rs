//! Attempts that race each other.

use super::*;

#[test]
fn a_hedge_goes_to_another_domain_when_all_is_well_and_paid() {
    let hedged = || Rules {
        stream: true,
        hedge: Some(Hedge {
            after: Some(secs(2)),
            share: 1.0,
        }),
        ..rules()
    };
    let prepared = |rules: Rules| {
        let mut bench = Bench::new(plan(&[1, 1, 1]), rules);
        for _ in 0..10 {
            bench.admission.retries.request(RouteId(0), None, at(0));
            bench.admission.hedges.request(RouteId(0), 1.0, None);
        }
        bench
    };
    let race = |bench: &mut Bench| {
        let (start, permit) = bench.start();
        let at = bench.machine.hedge_at(&start, bench.now, &bench.admission);
        let hedge = at.and_then(|at| bench.machine.hedge(at, &start, &mut bench.admission));
        let index = hedge.as_ref().map(|(start, _)| start.index);
        for permit in [Some(permit), hedge.map(|(_, permit)| permit)]
            .into_iter()
            .flatten()
        {
            end(&mut bench.admission, permit, &failure(C::Timeout), bench.now);
        }
        index
    };
    assert_eq!(race(&mut prepared(hedged())), Some(1));
    // The second target shares a domain with the first.
    let mut bench = prepared(hedged());
    bench.machine.plan[1].domains = [DomainId(7), DomainId(0)].into();
    assert_eq!(race(&mut bench), Some(2));
    // A breaker of the route is open.
    let mut bench = prepared(hedged());
    bench.admission.health.hold("p2", at(0));
    assert_eq!(race(&mut bench), None);
    // No stream; no attempt left; no share saved up; no ground for a time.
    let whole = Rules {
        stream: false,
        ..hedged()
    };
    assert_eq!(race(&mut prepared(whole)), None);
    let single = Rules {
        max_attempts: 1,
        ..hedged()
    };
    assert_eq!(race(&mut prepared(single)), None);
    assert_eq!(race(&mut Bench::new(plan(&[1, 1]), hedged())), None);
    let unknown = Rules {
        hedge: Some(Hedge {
            after: None,
            share: 1.0,
        }),
        ..hedged()
    };
    assert_eq!(race(&mut prepared(unknown)), None);
}

#[test]
fn what_raced_a_prompt_that_was_too_long_is_not_called_again_with_it() {
    let hedged = Rules {
        stream: true,
        hedge: Some(Hedge {
            after: Some(secs(2)),
            share: 1.0,
        }),
        ..rules()
    };
    // (how the attempt under way fails, window of the third target, what follows)
    for (class, window, next) in [
        (C::RateLimited, 200, Next::NextTarget),
        (C::Reset, 200, Next::NextTarget),
        (C::Server, 200, Next::NextTarget),
        (C::RateLimited, 100, Next::Finish),
    ] {
        let mut targets = plan(&[1, 2, 1]);
        for (target, window) in targets.iter_mut().zip([100, 100, window]) {
            target.window = Some(window);
        }
        let mut bench = Bench::new(targets, hedged.clone());
        bench.admission.hedges.request(RouteId(0), 1.0, None);
        let (start, permit) = bench.start();
        bench.now = at(2000);
        let second = bench
            .machine
            .hedge(bench.now, &start, &mut bench.admission)
            .unwrap();
        let too_long = failure(C::ContextLength);
        end(&mut bench.admission, permit, &too_long, bench.now);
        bench.machine.raced(&start, Some(&too_long));
        assert_eq!(bench.fail(second, &failure(class), false, false), next, "{class}");
        let ended = bench.run(|_| Some(failure(C::Timeout)));
        assert!(ended.is_some());
        let expected = if next == Next::NextTarget { "2.0" } else { "" };
        assert_eq!(bench.trace.join(" "), expected, "{class}");
    }
}

#[test]
fn what_a_racer_was_told_for_good_ends_the_request_with_the_other() {
    // (what the racer failed with, whether a third target is called when the other one fails too)
    for (class, goes_on) in [
        (C::Server, true),
        (C::Timeout, true),
        (C::InvalidRequest, false),
        (C::ContentFiltered, false),
    ] {
        let mut bench = Bench::new(plan(&[1, 1, 1]), rules());
        let first = bench.start();
        let racer = Start { index: 1, ..first.0 };
        bench.machine.states[1].seen = true;
        bench.machine.raced(&racer, Some(&failure(class)));
        let next = bench.fail(first, &failure(C::Server), false, false);
        assert_eq!(next == Next::NextTarget, goes_on, "{class}");
    }
}
