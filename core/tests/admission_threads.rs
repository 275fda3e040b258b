//! What all requests know together, under every order of threads that shuttle finds: whatever becomes of an attempt, its
//! permits, its place, its reservation and its money come back, and never is more than one call made on trial.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::time::Duration;

use hotspare::budget::{Ledger, Quote};
use hotspare::health::{Health, HealthSettings, Place, State};
use hotspare::limits::{KeySpec, Limits, RetryBudget};
use hotspare::policy::{Admission, Asked, Ended, HedgeBudget, Permit, PlannedTarget};
use hotspare::types::{
    Billing, CostRange, DomainId, EndpointId, Estimate, Failure, FailureClass, GroupId, KeyId, Moment, Phase,
    Rates, TargetId, Usage,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};

const KEY: KeyId = KeyId { provider: 0, key: 0 };
/// The first is what is called; the second is there so that the first is not alone.
const TARGETS: [TargetId; 2] = [TargetId(0), TargetId(1)];
const ESTIMATE: Estimate = Estimate {
    input_tokens: 100,
    output_tokens: 100,
};

fn at(ms: u64) -> Moment {
    Moment::new(Duration::from_millis(ms))
}

fn planned() -> PlannedTarget {
    let model = hotspare::catalog::model("openai", "gpt-4o-mini");
    assert!(model.is_some());
    PlannedTarget {
        target: TARGETS[0],
        keys: vec![KEY],
        window: None,
        domains: [DomainId(0)].into(),
        estimate: ESTIMATE,
        quote: Quote::new(model, 400, Some(100), false),
        spill: false,
    }
}

fn admission() -> Admission {
    let mut admission = Admission {
        health: Health::new(HealthSettings::default(), 1),
        limits: Limits::new(1),
        retries: RetryBudget::new(),
        hedges: HedgeBudget::default(),
        ledger: Ledger::default(),
    };
    for (index, target) in (0..).zip(TARGETS) {
        admission.health.register(Place {
            target,
            name: format!("p{index}/m"),
            endpoint: EndpointId(index),
            endpoint_name: format!("p{index}"),
            domains: vec![DomainId(index)],
        });
    }
    let spec = KeySpec {
        key: KEY,
        group: GroupId(0),
        weight: 1.0,
    };
    let rates = Rates {
        requests_per_minute: Some(600),
        tokens_per_minute: Some(100_000),
        burst: Some(60),
        concurrency: Some(3),
        ..Rates::default()
    };
    admission.limits.register(spec, &rates);
    admission
}

fn ask(admission: &mut Admission, planned: &PlannedTarget, last_resort: bool, now: Moment) -> Option<Permit> {
    let asked = Asked {
        planned,
        spent: &[],
        only: None,
        alone: false,
        last_resort,
        expires: now + Duration::from_secs(60),
    };
    admission.admit(&asked, now).ok()
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Unsent,
    Silent,
    Overloaded,
    Answered,
    Streamed,
    Cut,
    Left,
}

/// Gives the permit back when dropped, as a call that is cancelled does.
struct Guard {
    shared: Arc<Mutex<Admission>>,
    trials: Arc<AtomicUsize>,
    permit: Option<Permit>,
    fate: Fate,
    now: Moment,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let failed = |class, phase| Failure::new(class, phase, "");
        let failure = match self.fate {
            Fate::Unsent => failed(FailureClass::Unsupported, Phase::Encode),
            Fate::Silent => failed(FailureClass::Timeout, Phase::Head),
            Fate::Overloaded => failed(FailureClass::Overloaded, Phase::Head),
            _ => failed(FailureClass::Malformed, Phase::Stream),
        };
        let usage = Usage {
            reported: true,
            input_tokens: 10,
            ..Usage::default()
        };
        let (ended, billing) = match self.fate {
            Fate::Answered | Fate::Streamed => (Ended::Answered(&usage), Billing::Complete),
            Fate::Left => (Ended::Left, Billing::Unknown),
            fate => (
                Ended::Failed {
                    failure: &failure,
                    delivered: matches!(fate, Fate::Cut),
                    renewed: false,
                    late: false,
                },
                match fate {
                    Fate::Unsent => Billing::Unsent,
                    _ => Billing::Unknown,
                },
            ),
        };
        if permit.is_probe() {
            self.trials.fetch_sub(1, Ordering::SeqCst);
        }
        let cost = CostRange::exact(0.5);
        self.shared
            .lock()
            .unwrap()
            .end(permit, ended, (billing, cost), self.now);
    }
}

/// One thread's attempts; gives how many were let in.
fn work(shared: &Arc<Mutex<Admission>>, trials: &Arc<AtomicUsize>, began: Moment, fates: &[Fate]) -> usize {
    let planned = planned();
    let mut made = 0;
    for (round, fate) in (0..).zip(fates) {
        let now = began + Duration::from_millis(round);
        let permit = {
            let mut admission = shared.lock().unwrap();
            let permit = ask(&mut admission, &planned, false, now);
            if permit.as_ref().is_some_and(Permit::is_probe) {
                // Counted while the lock is held: who gets the next one must find this one back.
                assert_eq!(trials.fetch_add(1, Ordering::SeqCst), 0, "two calls on trial");
            }
            permit
        };
        let Some(permit) = permit else { continue };
        made += 1;
        let mut guard = Guard {
            shared: Arc::clone(shared),
            trials: Arc::clone(trials),
            permit: Some(permit),
            fate: *fate,
            now,
        };
        shuttle::thread::yield_now();
        if let Some(permit) = &mut guard.permit {
            if matches!(
                fate,
                Fate::Answered | Fate::Streamed | Fate::Cut | Fate::Overloaded
            ) {
                shared.lock().unwrap().head(permit, &[], now);
            }
            if matches!(fate, Fate::Streamed | Fate::Cut) {
                shuttle::thread::yield_now();
                shared.lock().unwrap().first_content(permit, now);
            }
        }
        shuttle::thread::yield_now();
    }
    made
}

/// Three threads from a state on; afterwards everything is back, and works.
fn threads(opened: bool) {
    let mut admission = admission();
    let mut began = at(0);
    if opened {
        for _ in 0..5 {
            let permit = ask(&mut admission, &planned(), false, began).unwrap();
            let failure = Failure::new(FailureClass::Server, Phase::Head, "");
            let ended = Ended::Failed {
                failure: &failure,
                delivered: false,
                renewed: false,
                late: false,
            };
            admission.end(permit, ended, (Billing::Rejected, CostRange::ZERO), began);
        }
        assert_eq!(admission.health.status(TARGETS[0], began).state, State::Open);
        assert!(ask(&mut admission, &planned(), false, began).is_none());
        // Its time is over: whoever comes first tries it out.
        began = at(10_000);
    }
    let shared = Arc::new(Mutex::new(admission));
    let trials = Arc::new(AtomicUsize::new(0));
    let scripts: [&[Fate]; 3] = [
        &[Fate::Left, Fate::Streamed, Fate::Unsent],
        &[Fate::Overloaded, Fate::Answered, Fate::Cut],
        &[Fate::Streamed, Fate::Silent, Fate::Left],
    ];
    let workers: Vec<_> = scripts
        .into_iter()
        .map(|fates| {
            let (shared, trials) = (Arc::clone(&shared), Arc::clone(&trials));
            shuttle::thread::spawn(move || work(&shared, &trials, began, fates))
        })
        .collect();
    {
        let admission = shared.lock().unwrap();
        let headroom = admission.limits.headroom(TARGETS[0], KEY, began);
        assert!(headroom.in_flight <= 3, "more places than there are");
        assert_eq!(u64::from(headroom.in_flight), admission.ledger.open());
    }
    let made: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert!(made >= 1, "whoever is first is let in");
    let mut admission = shared.lock().unwrap();
    let now = began + Duration::from_millis(10);
    assert_eq!(trials.load(Ordering::SeqCst), 0);
    assert_eq!(admission.limits.headroom(TARGETS[0], KEY, now).in_flight, 0);
    assert_eq!(admission.health.status(TARGETS[0], now).in_flight, 0);
    assert_eq!((admission.ledger.open(), admission.ledger.reserved()), (0, 0.0));
    let spent = admission.ledger.spent_at(TARGETS[0]).min;
    assert!((spent - 0.5 * made as f64).abs() < 1e-9, "{spent} for {made}");
    // No permit is lost: at the latest when what was open is over, a call is let in, and a good one lets others in.
    let later = now + Duration::from_secs(400);
    for _ in 0..8 {
        let mut permit = ask(&mut admission, &planned(), false, later).unwrap();
        admission.first_content(&mut permit, later);
        let usage = Usage::default();
        admission.end(
            permit,
            Ended::Answered(&usage),
            (Billing::Complete, CostRange::ZERO),
            later,
        );
    }
    assert_eq!(admission.health.status(TARGETS[0], later).state, State::Closed);
    let tokens = admission
        .limits
        .headroom(TARGETS[0], KEY, later + Duration::from_secs(120));
    assert_eq!(tokens.tokens_left, Some(100_000));
}

fn check(scheduler: impl shuttle::scheduler::Scheduler + 'static, opened: bool) {
    let mut config = shuttle::Config::new();
    // An admission is built on the stack, which by default is one for small things.
    config.stack_size = 1 << 18;
    shuttle::Runner::new(scheduler, config).run(move || threads(opened));
}

#[test]
fn in_random_orders() {
    for opened in [false, true] {
        check(RandomScheduler::new(2000), opened);
    }
}

#[test]
fn in_orders_that_preempt_seldom() {
    for opened in [false, true] {
        check(PctScheduler::new(3, 2000), opened);
    }
}
