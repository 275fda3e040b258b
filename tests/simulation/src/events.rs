//! What the core says of itself while it runs: its events, checked against one another and against the vendors' books.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hotspare::types::{Event, Next, What};

use crate::ledger::Ledger;
use crate::world::Ms;

/// Retries and hedges that are allowed in ten seconds, besides a fifth of the requests: ten a second.
const RETRIES: u64 = 100;
/// The slices in which the core counts them, and how many a window has.
const SLICE: Ms = 1_000;
const SLICES: u64 = 10;
/// Longest wait that is a backoff and no rate limit's: the config's default cap.
const BACKOFF: f64 = 2.0;

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The call whose request is numbered next.
    pub(crate) beginning: Option<u32>,
    /// Targets an operator holds.
    pub(crate) held: BTreeSet<usize>,
    /// The call of each request under way, and what is known of it.
    requests: BTreeMap<u64, Request>,
    /// Breakers by name: a target's, or a vendor's.
    breakers: BTreeMap<String, Breaker>,
    /// When each target was last passed over.
    pub(crate) skipped: BTreeMap<String, Ms>,
    /// Requests and paid retries in each of the last seconds.
    budget: VecDeque<(u64, u64, u64)>,
}

#[derive(Debug)]
struct Request {
    call: u32,
    /// Targets it may be served by.
    choice: usize,
    /// The target that is tried once more, paid from the retry budget.
    again: Option<String>,
    /// Targets its probes went to, and whether they may be its endpoints' probes too.
    probes: Vec<(String, bool)>,
}

#[derive(Debug, Default)]
struct Breaker {
    state: String,
    /// Calls let through while it is open.
    last_resorts: u32,
    /// Requests whose probe is out since it is half-open.
    probes: Vec<u64>,
    /// A second probe went out then. The first one's permit must have run out, and so must its time.
    doubled: Option<Ms>,
}

impl Ledger {
    /// An event came.
    pub(crate) fn heard(&mut self, event: &Event) {
        let line = told(&event.what);
        self.note(&format!("request {:?} {line}", event.request));
        let number = event.request.unwrap_or_default();
        let call = self.said.requests.get(&number).map(|request| request.call);
        match &event.what {
            What::RequestStarted { route, .. } => self.request_started(number, route),
            What::AttemptStarted {
                target, hedge, probe, ..
            } => {
                let found = breakers_are_kept(self, number, target, *probe);
                self.judge(5, call, found);
                let found = one_probe(self, number, target, *probe);
                self.judge(19, call, found);
                let found = retries_are_paid(self, number, target, *hedge);
                self.judge(11, call, found);
                if let (true, Some(call)) = (*hedge, call) {
                    self.calls[call as usize].hedged = true;
                }
            }
            What::AttemptEnded {
                target, code, next, ..
            } => {
                self.permit_back(number, target);
                let paid =
                    *next == Next::SameTarget && !matches!(code.as_str(), "connect" | "authentication");
                if let Some(request) = self.said.requests.get_mut(&number) {
                    request.again = paid.then(|| target.clone());
                }
            }
            What::Skipped { target, .. } => {
                let now = self.now();
                self.said.skipped.insert(target.clone(), now);
                if let Some(request) = self.said.requests.get_mut(&number) {
                    request.again = None;
                }
            }
            What::Waiting { seconds } => {
                let found = waits_end(self, number, *seconds);
                self.judge(17, call, found);
            }
            What::RequestEnded { .. } => {
                self.said.requests.remove(&number);
            }
            What::Breaker { name, to, .. } => {
                let breaker = self.said.breakers.entry(name.clone()).or_default();
                breaker.state.clone_from(to);
                breaker.last_resorts = 0;
                breaker.probes.clear();
                breaker.doubled = None;
            }
            _ => {}
        }
    }

    fn request_started(&mut self, number: u64, route: &str) {
        let Some(call) = self.said.beginning.take() else {
            self.judge(1, None, Err(format!("request {number} belongs to no call")));
            return;
        };
        let route = self.world.routes.iter().find(|known| known.name == route);
        let request = Request {
            call,
            choice: route.map_or(1, |route| route.targets.len()),
            again: None,
            probes: Vec::new(),
        };
        self.said.requests.insert(number, request);
        self.count(1, 0);
    }

    fn count(&mut self, requests: u64, retries: u64) {
        let slice = self.now() / SLICE;
        let budget = &mut self.said.budget;
        while budget.front().is_some_and(|(at, ..)| at + SLICES <= slice) {
            budget.pop_front();
        }
        match budget.back_mut() {
            Some((at, begun, retried)) if *at == slice => {
                *begun += requests;
                *retried += retries;
            }
            _ => budget.push_back((slice, requests, retries)),
        }
    }

    fn permit_back(&mut self, number: u64, target: &str) {
        let Some(request) = self.said.requests.get_mut(&number) else {
            return;
        };
        let Some(at) = request.probes.iter().position(|(probe, _)| probe == target) else {
            return;
        };
        let (_, endpoint) = request.probes.remove(at);
        let (call, now) = (request.call, self.now());
        let mut late = None;
        for name in probed(target, endpoint) {
            let Some(breaker) = self.said.breakers.get_mut(name) else {
                continue;
            };
            let first = breaker.probes.first() == Some(&number);
            breaker.probes.retain(|probe| *probe != number);
            if first && breaker.doubled.take().is_some_and(|at| at < now) {
                late = Some(format!("two probes of {name} were out at once"));
            }
        }
        self.judge(19, Some(call), late.map_or(Ok(()), Err));
    }
}

fn vendor_of(target: &str) -> &str {
    target.split('/').next().unwrap_or_default()
}

/// An event without what differs between processes: the fingerprints of keys are salted.
fn told(what: &What) -> String {
    match what {
        What::KeyParked {
            provider,
            code,
            seconds,
            ..
        } => format!("KeyParked {provider} {code} {seconds:?}"),
        What::KeyRenewed { provider, .. } => format!("KeyRenewed {provider}"),
        What::KeyOpened { provider, .. } => format!("KeyOpened {provider}"),
        What::AttemptStarted {
            target, hedge, probe, ..
        } => format!("AttemptStarted {target} hedge {hedge} probe {probe}"),
        What::AttemptEnded {
            target,
            code,
            cost,
            next,
            reason,
            ..
        } => format!("AttemptEnded {target} {code} {cost:?} {next:?} {reason}"),
        other => format!("{other:?}"),
    }
}

/// Invariant 5: "No send to Open/ForcedOpen except counted permits; ≤1 permit per breaker." From the breakers' own events, and the
/// operator's book: an open breaker lets one last call through in each of its intervals, and every call that has no
/// other choice (its throttle is not seen here); a held target nothing.
fn breakers_are_kept(books: &mut Ledger, number: u64, target: &str, probe: bool) -> Result<(), String> {
    let index = books.world.targets.iter().position(|known| known.name == target);
    if index.is_some_and(|index| books.said.held.contains(&index)) {
        return Err(format!("{target} is held, and was called"));
    }
    let alone = books
        .said
        .requests
        .get(&number)
        .is_some_and(|request| request.choice == 1);
    if alone {
        return Ok(());
    }
    for name in [target, vendor_of(target)] {
        let Some(breaker) = books.said.breakers.get_mut(name) else {
            continue;
        };
        match breaker.state.as_str() {
            "open" => {
                breaker.last_resorts += 1;
                if breaker.last_resorts > 1 {
                    return Err(format!(
                        "the breaker of {name} is open, and let a second call through"
                    ));
                }
            }
            "half_open" if !probe => {
                return Err(format!(
                    "the breaker of {name} is half-open, and let a call through that is no probe"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The breakers that a probe of `target` may be one of.
fn probed(target: &str, endpoint: bool) -> impl Iterator<Item = &str> {
    std::iter::once(target).chain(endpoint.then(|| vendor_of(target)))
}

/// Invariant 19: "No probe when no permit." From the events: a half-open breaker has one probe out at most, and another only when
/// the first one's permit has run out, at which moment the first one ends. (What probes cost: no
/// probe is ever made but by a caller's own request.)
fn one_probe(books: &mut Ledger, number: u64, target: &str, probe: bool) -> Result<(), String> {
    if !probe {
        return Ok(());
    }
    let trying = |breaker: &Breaker| breaker.state == "half_open";
    let own = books.said.breakers.get(target).is_some_and(trying);
    let mut endpoint = true;
    if let Some(request) = books.said.requests.get_mut(&number) {
        // A request that only this target can serve needs no leave of its endpoint, whose probe may be another's.
        endpoint = request.choice > 1 || !own;
        request.probes.push((target.to_owned(), endpoint));
    }
    let now = books.now();
    let mut probing = false;
    for name in probed(target, endpoint) {
        let Some(breaker) = books.said.breakers.get_mut(name) else {
            continue;
        };
        if breaker.state == "half_open" {
            probing = true;
            if breaker.probes.len() == 1 {
                breaker.doubled = Some(now);
            }
            breaker.probes.push(number);
            if breaker.probes.len() > 2 {
                return Err(format!(
                    "{} probes of {name} are out at once",
                    breaker.probes.len()
                ));
            }
        }
    }
    if probing {
        Ok(())
    } else {
        Err(format!("{target} was probed, and nothing of it is half-open"))
    }
}

/// Invariant 11: "Retries+hedges ≤ budget in any window." From the events: calls of a target again, and hedges, over ten seconds
/// against a fifth of the requests and ten a second. Failovers draw on the same budget and are never refused, so they do
/// not count here; nor does what never left, or a key that was renewed.
fn retries_are_paid(books: &mut Ledger, number: u64, target: &str, hedge: bool) -> Result<(), String> {
    let again = books
        .said
        .requests
        .get_mut(&number)
        .and_then(|request| request.again.take());
    let paid = hedge || again.is_some_and(|again| again == target);
    books.count(0, u64::from(paid));
    let (begun, retried) = books.said.budget.iter().fold((0, 0), |sum, (_, begun, retried)| {
        (sum.0 + begun, sum.1 + retried)
    });
    if retried > RETRIES + begun / 5 {
        return Err(format!("{retried} retries in ten seconds, for {begun} requests"));
    }
    Ok(())
}

/// Invariant 17: "Limiter capacity never negative; waiters are served or expire." From the events: nobody sets out to wait past
/// its deadline, nor longer than its route allows. (That capacity is never negative shows in the status at the end.)
fn waits_end(books: &Ledger, number: u64, seconds: f64) -> Result<(), String> {
    let Some(request) = books.said.requests.get(&number) else {
        return Ok(());
    };
    let call = &books.calls[request.call as usize];
    let most = books.world.routes[call.route.unwrap_or(0)].rate_limit_wait;
    let wait = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let longest = std::time::Duration::from_millis(most).as_secs_f64().max(BACKOFF);
    let until = books.now() + u64::try_from(wait.as_millis()).unwrap_or(Ms::MAX);
    if seconds > longest + 0.001 || until > call.deadline {
        return Err(format!("it began to wait for {seconds} s"));
    }
    Ok(())
}
