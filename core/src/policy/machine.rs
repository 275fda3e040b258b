use std::time::Duration;

use super::admission::{Admission, Asked, Permit, PlannedTarget, Refusal, RefusedBy};
use super::comeback::{Comeback, again, opens};
use super::step::{Ending, Limits, Rules, Start, Step, Verdict};
use super::table::{Again, GoOn, row};
use crate::budget::Quote;
use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, KeyId, Moment, Next, Phase};

#[derive(Debug, Clone, Default)]
pub(super) struct TargetState {
    /// It was sent to, or refused.
    pub(super) seen: bool,
    /// Its at-once retry is used.
    pub(super) repeated: bool,
    /// Its waited-for retry is used.
    pub(super) came_back: bool,
    /// Its breaker refused it, and it has not been called.
    shut: bool,
    /// Another target was told what this one would say too: it is not called any more.
    pub(super) ruled_out: bool,
    /// Keys spent in this request.
    pub(super) spent: Vec<KeyId>,
    /// It may be called again then.
    pub(super) comeback: Option<Comeback>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Cursor {
    /// Call the target at this index, with any key that is open.
    Target(usize),
    /// Call it again, not before then.
    Again(usize, Comeback),
    /// Call one whose breaker is open, since nothing else is left.
    LastResort,
    Over(Ending),
}

/// The machine of one request.
#[derive(Debug)]
pub struct Machine {
    pub(super) plan: Vec<PlannedTarget>,
    pub(super) rules: Rules,
    pub(super) states: Vec<TargetState>,
    pub(super) deadline: Moment,
    pub(super) sent: u32,
    pub(super) rng: fastrand::Rng,
    pub(super) cursor: Cursor,
    /// When it began to wait.
    pub(super) waiting: Option<Moment>,
    /// The next attempt was paid from the retry budget.
    pub(super) paid: bool,
    /// Content had reached the caller before the last failure.
    delivered: bool,
    /// An attempt that was raced failed in a way that ends requests: the other one is the last.
    last: bool,
}

impl Machine {
    /// A machine for a request that begins now. The plan must not be empty.
    #[must_use]
    pub fn new(plan: Vec<PlannedTarget>, rules: Rules, now: Moment, seed: u64) -> Self {
        let cursor = if plan.is_empty() {
            Cursor::Over(Ending::AllTargetsFailed)
        } else {
            Cursor::Target(0)
        };
        Self {
            states: vec![TargetState::default(); plan.len()],
            deadline: now + rules.timeouts.total,
            plan,
            rules,
            sent: 0,
            rng: fastrand::Rng::with_seed(seed),
            cursor,
            waiting: None,
            paid: false,
            delivered: false,
            last: false,
        }
    }

    /// How many targets have had no turn.
    #[must_use]
    pub fn untried(&self) -> usize {
        self.states.iter().filter(|state| !state.seen).count()
    }

    /// What to do now.
    pub fn next(&mut self, now: Moment, admission: &mut Admission) -> Step {
        match self.cursor {
            Cursor::Over(ending) => Step::Finish(ending),
            _ if now >= self.deadline => self.finish(Ending::DeadlineExceeded, admission),
            _ if self.sent >= self.rules.max_attempts && !mutant::on(Mutant::AttemptsUncounted) => {
                self.finish(Ending::AttemptsExhausted, admission)
            }
            Cursor::Again(_, comeback) if comeback.at > now => Step::Wait(comeback.at),
            Cursor::Again(index, comeback) => self.call_again(index, comeback, now, admission),
            Cursor::Target(index) => match self.ask(index, None, false, now, admission) {
                Ok(permit) => self.start(index, permit, now),
                Err(refusal) => Step::Refuse { index, refusal },
            },
            Cursor::LastResort => {
                while let Some(index) = self.states.iter().position(|state| state.shut) {
                    if let Some(state) = self.states.get_mut(index) {
                        state.shut = false;
                    }
                    if let Ok(permit) = self.ask(index, None, true, now, admission) {
                        return self.start(index, permit, now);
                    }
                }
                self.finish(Ending::AllTargetsFailed, admission)
            }
        }
    }

    pub(super) fn asked(
        &self,
        index: usize,
        only: Option<KeyId>,
        last_resort: bool,
        now: Moment,
    ) -> Option<Asked<'_>> {
        Some(Asked {
            planned: self.plan.get(index)?,
            // A key that is asked for by name is asked for again.
            spent: match only {
                Some(_) => &[],
                None => &self.states.get(index)?.spent,
            },
            only,
            alone: self.plan.len() == 1,
            last_resort,
            expires: self.limits(index, now).answer_by,
        })
    }

    pub(super) fn ask(
        &self,
        index: usize,
        only: Option<KeyId>,
        last_resort: bool,
        now: Moment,
        admission: &mut Admission,
    ) -> Result<Permit, Refusal> {
        match self.asked(index, only, last_resort, now) {
            Some(asked) => admission.admit(&asked, now),
            None => Err(Refusal {
                by: RefusedBy::NoKey,
                key: None,
                class: FailureClass::InvalidRequest,
                status: None,
                until: None,
                why: "there is no such target".to_owned(),
            }),
        }
    }

    fn finish(&mut self, ending: Ending, admission: &mut Admission) -> Step {
        self.unpay(admission);
        self.cursor = Cursor::Over(self.ended(ending));
        Step::Finish(self.ended(ending))
    }

    fn ended(&self, ending: Ending) -> Ending {
        match ending {
            _ if self.delivered => Ending::Interrupted,
            // A deadline or cap that bites when every target has had its turn is no more than "all failed".
            Ending::DeadlineExceeded | Ending::AttemptsExhausted if self.unseen().is_none() => {
                Ending::AllTargetsFailed
            }
            other => other,
        }
    }

    /// The timers of an attempt that begins now.
    pub(super) fn limits(&self, index: usize, now: Moment) -> Limits {
        let timeouts = &self.rules.timeouts;
        let mut left = self.deadline - now;
        if mutant::on(Mutant::DeadlineForgotten) {
            left += Duration::from_secs(60);
        }
        let others = self.states.iter().enumerate();
        let later = others
            .filter(|(other, state)| *other != index && !state.seen)
            .count();
        let later = u32::try_from(later).unwrap_or(u32::MAX);
        // Later targets keep a minimum of their own; where the deadline is too short for that, all share alike.
        let fair = left / later.saturating_add(1);
        let reserved = timeouts
            .reserve
            .saturating_mul(later)
            .min(left.saturating_sub(fair));
        let own = if self.rules.stream {
            timeouts.first_token
        } else {
            timeouts.attempt.unwrap_or(Duration::MAX)
        };
        Limits {
            connect: timeouts.connect,
            answer_by: now + left.saturating_sub(reserved).min(own),
            idle: timeouts.idle,
            deadline: self.deadline,
        }
    }

    pub(super) fn start(&mut self, index: usize, mut permit: Permit, now: Moment) -> Step {
        let limits = self.limits(index, now);
        if std::mem::take(&mut self.paid) {
            Admission::paid(&mut permit, self.rules.route);
        }
        self.waiting = None;
        if let Some(state) = self.states.get_mut(index) {
            state.seen = true;
            state.shut = false;
            state.comeback = None;
        }
        let start = Start {
            index,
            target: self
                .plan
                .get(index)
                .map(|planned| planned.target)
                .unwrap_or_default(),
            key: permit.key(),
            limits,
        };
        Step::Start(start, Box::new(permit))
    }

    /// The first target that has had no turn.
    pub(super) fn unseen(&self) -> Option<usize> {
        self.states.iter().position(|state| !state.seen)
    }

    /// Whether one more attempt here still leaves one for each target that has had no turn.
    pub(super) fn has_room(&self) -> bool {
        usize::try_from(self.rules.max_attempts.saturating_sub(self.sent)).unwrap_or(usize::MAX)
            > self.untried()
    }

    /// A target was not called. The plan goes on, but where a key was refused earlier and the class ends requests.
    pub fn refused(&mut self, now: Moment, index: usize, refusal: &Refusal) -> Verdict {
        let comeback = opens(refusal, now).map(|at| Comeback {
            at,
            key: refusal.key,
            asked: true,
            retry: false,
        });
        // With one target no breaker refuses: it was the throttle, which is not asked twice.
        let several = self.plan.len() > 1;
        if let Some(state) = self.states.get_mut(index) {
            state.seen = true;
            state.shut = several && refusal.by == RefusedBy::Breaker;
            state.comeback = comeback.map(|comeback| Comeback {
                // What was a retry stays one, however often it is put off.
                retry: state.came_back,
                ..comeback
            });
        }
        let why = match refusal.by {
            // Nobody said no: an unset key must not take the app down while another vendor can answer.
            RefusedBy::NoKey => "it has no key",
            RefusedBy::Held => "the operator holds it",
            RefusedBy::Breaker => "it has failed too often of late",
            RefusedBy::Recovering => "it is coming back, and takes a few calls at a time",
            RefusedBy::Limited | RefusedBy::Paced => "its rate limit is used up for now",
            RefusedBy::Busy => "it is busy",
            RefusedBy::Spill => "it takes over bit by bit",
            RefusedBy::Parked if refusal.class == FailureClass::ModelNotFound => {
                "the vendor did not know its model a while ago"
            }
            RefusedBy::Parked => "its key is not to be used now",
        };
        if refusal.by != RefusedBy::Parked || self.may_go_on(refusal.class, index) {
            self.go_on(now, why)
        } else {
            self.stop("its key was refused, and the route does not go on after that")
        }
    }

    /// An attempt failed. `delivered`: content had reached the caller. `renewed`: the key's secret was read again and
    /// is another one now. Its permit must have been given back already.
    pub fn failed(
        &mut self,
        now: Moment,
        start: &Start,
        failure: &Failure,
        delivered: bool,
        renewed: bool,
        admission: &mut Admission,
    ) -> Verdict {
        if failure.phase != Phase::Encode {
            self.sent = self.sent.saturating_add(1);
        }
        if self.last {
            self.delivered |= delivered;
            return self.stop("what it raced was told that no target would answer it");
        }
        let row = row(failure.class);
        if delivered {
            self.delivered = true;
            if !self.rules.recovers || row.go_on != GoOn::Yes {
                self.cursor = Cursor::Over(Ending::Interrupted);
                return Verdict::new(Next::Finish, "content had reached the caller");
            }
        }
        let again = again(row, failure, delivered);
        if let Some(verdict) = self.here_again(now, start, failure, (row, again), renewed, admission) {
            return verdict;
        }
        if again == Again::WhenNothingElse {
            self.set_comeback(now, start, failure, admission);
        }
        if self.may_go_on(failure.class, start.index) {
            let verdict = self.go_on(now, "");
            // A retry is paid for when it goes out, and an end costs nothing.
            if verdict.next == Next::NextTarget {
                let cost = self.cost(start.index);
                admission
                    .retries
                    .failover(self.rules.route, cost, failure.sent, now);
            }
            verdict
        } else {
            self.stop(match failure.class {
                FailureClass::ContextLength => "no later target is known to have a larger window",
                FailureClass::Authentication | FailureClass::ContentFiltered => {
                    "the route does not go on after this class"
                }
                _ => "no other target would answer it differently",
            })
        }
    }

    /// Another attempt of the request is under way, and this one failed or was left for it.
    pub fn raced(&mut self, start: &Start, failure: Option<&Failure>) -> Verdict {
        if failure.is_none_or(|failure| failure.phase != Phase::Encode) {
            self.sent = self.sent.saturating_add(1);
        }
        // What no other target would answer differently ends the request, unless the attempt under way answers it.
        self.last |= failure.is_some_and(|failure| !self.may_go_on(failure.class, start.index));
        match failure {
            Some(_) => Verdict::new(Next::NextTarget, "the attempt that raced it goes on"),
            None => Verdict::new(Next::Finish, "the attempt that raced it was faster"),
        }
    }

    /// Whether an attempt that was raced failed in a way that ends requests: then the one under way is the last.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.last
    }

    /// What an attempt at this place of the plan may cost.
    #[must_use]
    pub fn quote(&self, index: usize) -> Option<Quote> {
        self.plan.get(index).map(|planned| planned.quote)
    }

    pub(super) fn cost(&self, index: usize) -> Option<f64> {
        self.quote(index)?.worst()
    }

    fn may_go_on(&mut self, class: FailureClass, index: usize) -> bool {
        match row(class).go_on {
            GoOn::Yes => true,
            GoOn::No if mutant::on(Mutant::InvalidGoesOn) => true,
            GoOn::OptIn if mutant::on(Mutant::RefusedKeyGoesOn) => true,
            GoOn::No => false,
            GoOn::OptIn => self.rules.failover_on.contains(&class),
            GoOn::LargerWindow => {
                let window_of = |index: usize| self.plan.get(index).and_then(|planned| planned.window);
                let mine = window_of(index);
                let larger: Vec<bool> = (0..self.plan.len())
                    .map(
                        |other| matches!((mine, window_of(other)), (Some(mine), Some(other)) if other > mine),
                    )
                    .collect();
                // Targets with no larger window would say the same: they have had their turn.
                for (state, larger) in self.states.iter_mut().zip(&larger) {
                    if !larger {
                        state.seen = true;
                        state.ruled_out = true;
                        state.shut = false;
                        state.comeback = None;
                    }
                }
                self.unseen().is_some()
            }
        }
    }

    fn stop(&mut self, reason: &'static str) -> Verdict {
        self.cursor = Cursor::Over(self.ended(Ending::Failed));
        Verdict::new(Next::Finish, reason)
    }

    /// To the next target that has had no turn, else to one whose breaker lets a last call through, else back to the one
    /// that may be called again soonest, else the end.
    pub(super) fn go_on(&mut self, now: Moment, why: &'static str) -> Verdict {
        let or = |default| if why.is_empty() { default } else { why };
        if now >= self.deadline {
            self.cursor = Cursor::Over(self.ended(Ending::DeadlineExceeded));
            return Verdict::new(Next::Finish, "the deadline has passed");
        }
        if let Some(index) = self.unseen() {
            self.cursor = Cursor::Target(index);
            return Verdict::new(Next::NextTarget, or("the next target of the plan"));
        }
        let over = |machine: &mut Self, reason| {
            machine.cursor = Cursor::Over(machine.ended(Ending::AllTargetsFailed));
            Verdict::new(Next::Finish, reason)
        };
        let comebacks = || {
            let states = self.states.iter().enumerate();
            states.filter_map(|(index, state)| Some((index, state.comeback?)))
        };
        let soonest = comebacks()
            .filter(|(_, comeback)| self.too_long(comeback, now).is_none())
            .min_by_key(|(_, comeback)| comeback.at);
        let Some((index, comeback)) = soonest else {
            if self.states.iter().any(|state| state.shut) && self.sent < self.rules.max_attempts {
                self.cursor = Cursor::LastResort;
                return Verdict::new(
                    Next::NextTarget,
                    or("nothing else is left: one call is let through an open breaker"),
                );
            }
            let why = comebacks()
                .min_by_key(|(_, comeback)| comeback.at)
                .and_then(|(_, comeback)| self.too_long(&comeback, now));
            return over(self, why.unwrap_or("no target is left"));
        };
        if self.sent >= self.rules.max_attempts {
            return over(self, "no attempt is left");
        }
        if let Some(state) = self.states.get_mut(index) {
            state.came_back |= comeback.retry;
            state.comeback = None;
        }
        self.waiting.get_or_insert(now);
        self.cursor = Cursor::Again(index, comeback);
        Verdict {
            next: Next::SameTarget,
            reason: "nothing else is left: a target that may recover is tried again",
            wait: comeback.at - now,
        }
    }
}
