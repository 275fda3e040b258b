//! What the design promises of health as a whole, over many seeds.

use proptest::prelude::*;

use super::*;

/// A flapping primary: 503 for 60 s, one call every 4 s, and a backup that answers. It must see at most 5 attempts, and
/// have its traffic back within 30 s of its recovery.
#[test]
fn a_flapping_primary_is_left_alone_and_taken_back() {
    let mut most = 0;
    let mut longest = 0.0_f64;
    for seed in 0..1000_u32 {
        let mut health = Health::new(HealthSettings::default(), u64::from(seed));
        health.register(place(MINI, "openai/gpt-4o-mini", OPENAI));
        health.register(place(CLAUDE, "anthropic/claude-haiku-4-5", ANTHROPIC));
        // The outage begins anywhere between two calls.
        let ends = 60.0 + 4.0 * f64::from(seed) / 1000.0;
        let mut attempts = 0;
        let mut back = None;
        for call in 0..40 {
            let seconds = f64::from(call) * 4.0;
            let now = at(seconds);
            let up = seconds >= ends;
            match health.admit(&ask(MINI, now), now) {
                Ok(pass) if up => {
                    health.ended(pass, Outcome::Answered, now);
                    back.get_or_insert(seconds - ends);
                }
                Ok(pass) => {
                    attempts += 1;
                    health.ended(pass, failed(FaultKind::Overloaded), now);
                    assert!(answered(&mut health, CLAUDE, now));
                }
                Err(_) => {
                    assert!(answered(&mut health, CLAUDE, now));
                    assert!(!up || back.is_none(), "seed {seed}: it left again at {seconds}");
                }
            }
        }
        assert_eq!(state(&health, MINI, at(160.0)), State::Closed, "seed {seed}");
        most = most.max(attempts);
        longest = longest.max(back.unwrap());
    }
    assert!(most <= 5, "{most} attempts");
    assert!(longest <= 30.0, "back after {longest} s");
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Admit {
        target: u64,
        alone: bool,
        last_resort: bool,
        expires: u64,
    },
    Content(usize),
    End(usize, u8),
    Force(u8),
    Probed(u32, bool),
    NetworkChanged,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u64..12_000).prop_map(Step::Pass),
        6 => (0_u64..4, prop::bool::weighted(0.1), prop::bool::weighted(0.2), 1_u64..60).prop_map(
            |(target, alone, last_resort, expires)| Step::Admit { target, alone, last_resort, expires }
        ),
        2 => any::<usize>().prop_map(Step::Content),
        5 => (any::<usize>(), 0_u8..11).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0_u8..12).prop_map(Step::Force),
        1 => (0_u32..3, any::<bool>()).prop_map(|(endpoint, ok)| Step::Probed(endpoint, ok)),
        1 => Just(Step::NetworkChanged),
    ]
}

fn outcome(n: u8) -> Outcome {
    match n {
        0 | 1 => Outcome::Answered,
        2 => Outcome::Neutral,
        3 => Outcome::Cut,
        4 => failed(FaultKind::Unreachable),
        5 => failed(FaultKind::Lost),
        6 => failed(FaultKind::Edge),
        7 => failed(FaultKind::Overloaded),
        8 => failed(FaultKind::Slow),
        9 => failed(FaultKind::Malformed),
        _ => failed(FaultKind::Server),
    }
}

struct Out {
    pass: Pass,
    expires: Moment,
    /// Whether it holds the target's permit, and the endpoint's.
    permits: [bool; 2],
}

const TARGETS: [TargetId; 4] = [MINI, FULL, CLAUDE, TargetId(3)];

fn busy() -> Health {
    let mut health = health();
    health.register(place(TargetId(3), "local/qwen3", EndpointId(2)));
    health
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Permits and places always come back, at most one permit a breaker is out, in-flight counts are exact, nothing is
    /// sent to what is held or shut, and once all is well everything closes.
    #[test]
    fn whatever_happens_permits_come_back(steps in prop::collection::vec(step(), 0..200)) {
        let mut health = busy();
        let mut now = at(0.0);
        let mut out: Vec<Out> = Vec::new();
        for step in steps {
            match step {
                Step::Pass(ms) => now = now + Duration::from_millis(ms),
                Step::Admit { target, alone, last_resort, expires } => {
                    let target = TargetId(target);
                    let ask = Ask { target, alone, last_resort, expires: now + secs(expires) };
                    let peeked = health.peek(target, alone, now);
                    let forced = health.status(target, now).state;
                    match health.admit(&ask, now) {
                        Ok(pass) => {
                            prop_assert!(forced != State::ForcedOpen);
                            prop_assert!(peeked.is_ok() || pass.is_last_resort());
                            out.push(Out {
                                expires: ask.expires,
                                permits: [pass.on_target.is_probe(), pass.on_endpoint.is_probe()],
                                pass,
                            });
                        }
                        Err(shut) => {
                            prop_assert!(alone || peeked.is_err() || shut.state == State::Open);
                            prop_assert!(shut.until.is_none_or(|until| until > now));
                        }
                    }
                }
                Step::Content(which) => {
                    if !out.is_empty() {
                        let which = which % out.len();
                        health.first_content(&mut out[which].pass, secs(1), now);
                    }
                }
                Step::End(which, n) => {
                    if !out.is_empty() {
                        let ended = out.swap_remove(which % out.len());
                        health.ended(ended.pass, outcome(n), now);
                    }
                }
                Step::Force(n) => {
                    let name = ["openai", "openai/gpt-4o", "local/*", "anthropic"][usize::from(n % 4)];
                    match n / 4 {
                        0 => health.hold(name, now),
                        1 => health.force_closed(name, now),
                        _ => health.release(name, now),
                    };
                }
                Step::Probed(endpoint, ok) => health.probed(EndpointId(endpoint), ok, now),
                Step::NetworkChanged => health.network_changed(now),
            }
            // A permit is void once its breaker is no longer half-open.
            for change in health.drain_changes().iter().filter(|change| change.from == State::HalfOpen) {
                for held in &mut out {
                    if change.scope == Scope::Target(held.pass.target) {
                        held.permits[0] = false;
                    }
                    if held.pass.endpoint.map(Scope::Endpoint) == Some(change.scope) {
                        held.permits[1] = false;
                    }
                }
            }
            for id in TARGETS {
                let live = |which: usize, of: &dyn Fn(&Pass) -> bool| {
                    out.iter()
                        .filter(|held| held.permits[which] && held.expires > now && of(&held.pass))
                        .count()
                };
                let endpoint = health.targets[&id].place.endpoint;
                prop_assert!(live(0, &|pass| pass.target == id) <= 1);
                prop_assert!(live(1, &|pass| pass.endpoint == Some(endpoint)) <= 1);
                let expected = out.iter().filter(|held| held.pass.target == id).count();
                prop_assert_eq!(health.status(id, now).in_flight as usize, expected);
            }
        }
        // All faults heal: what is under way ends, and every target closes with the traffic it is allowed.
        for ended in out {
            health.ended(ended.pass, Outcome::Neutral, now);
        }
        for name in ["openai", "anthropic", "local"] {
            health.release(name, now);
        }
        now = now + secs(300);
        for id in TARGETS {
            for _ in 0..16 {
                prop_assert!(answered(&mut health, id, now), "{:?}", health.status(id, now));
            }
        }
        now = now + secs(60);
        for id in TARGETS {
            prop_assert!(answered(&mut health, id, now));
            prop_assert_eq!(state(&health, id, now), State::Closed);
            prop_assert_eq!(health.status(id, now).in_flight, 0);
        }
    }

    /// The same seed and the same calls give the same changes.
    #[test]
    fn it_is_deterministic(calls in prop::collection::vec((0_u64..4, 0_u8..11, 0_u64..5000, any::<bool>()), 0..200)) {
        let run = || {
            let mut health = busy();
            let mut now = at(0.0);
            let mut log = Vec::new();
            for (target, n, ms, alone) in &calls {
                now = now + Duration::from_millis(*ms);
                let ask = Ask { alone: *alone, ..ask(TargetId(*target), now) };
                if let Ok(pass) = health.admit(&ask, now) {
                    health.ended(pass, outcome(*n), now);
                }
                log.extend(health.drain_changes());
            }
            log
        };
        prop_assert_eq!(run(), run());
    }
}
