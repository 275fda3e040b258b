use std::time::Duration;

use super::backoff::full_jitter;
use super::table::{Again, GoOn, row};
use crate::config::{Backoff, Timeouts};
use crate::limits::{Gate, Gates, KeyId, TargetId};
use crate::mutant::{self, Mutant};
use crate::types::{Failure, FailureClass, Moment, Next, Phase, Sent};

/// One target of a plan, as the machine needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTarget {
    /// The client's number for the target.
    pub target: TargetId,
    /// The keys that may be used, in order of preference. Empty: no usable key, see [`Refusal::NoKey`].
    pub keys: Vec<KeyId>,
    /// Tokens its model's window holds, when known.
    pub window: Option<u64>,
}

/// What a route allows.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Most attempts that are sent.
    pub max_attempts: u32,
    /// Longest wait for a rate-limited target when nothing else is left.
    pub rate_limit_wait: Duration,
    /// Classes that go on though by default they do not.
    pub failover_on: Vec<FailureClass>,
    /// Waits before the same target again.
    pub backoff: Backoff,
    /// Timers.
    pub timeouts: Timeouts,
    /// Whether the answer is streamed.
    pub stream: bool,
}

/// When an attempt must have shown something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Making the connection.
    pub connect: Duration,
    /// The first content (streams) or the whole reply (calls) must be there by then: the attempt's slice.
    pub answer_by: Moment,
    /// Longest silence between two pieces of content.
    pub idle: Duration,
    /// The whole request ends then.
    pub deadline: Moment,
}

/// An attempt to make now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Index into the plan.
    pub index: usize,
    /// The client's number for the target.
    pub target: TargetId,
    /// The key to use.
    pub key: KeyId,
    /// Its timers.
    pub limits: Limits,
}

/// Why a target is not called.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// None of the provider's keys was found.
    NoKey,
    /// The key, or the target, is known not to work now.
    Closed {
        /// The key that would open first.
        key: KeyId,
        /// What closes it.
        gate: Gate,
    },
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make an attempt.
    Start(Start),
    /// Do not call this target: book the refusal and tell [`Machine::refused`].
    Refuse {
        /// Index into the plan.
        index: usize,
        /// The client's number for the target.
        target: TargetId,
        /// Why.
        refusal: Refusal,
    },
    /// Nothing before then.
    Wait(Moment),
    /// The request is over.
    Finish(Ending),
}

/// How a request that got no answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The last failure's class ends it.
    Failed,
    /// Every target was tried.
    AllTargetsFailed,
    /// The deadline passed with targets left.
    DeadlineExceeded,
    /// Attempts ran out with targets left.
    AttemptsExhausted,
    /// The stream broke after content had reached the caller.
    Interrupted,
}

/// What was decided after a failure, for the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What comes next.
    pub next: Next,
    /// Why.
    pub reason: &'static str,
    /// How long it is waited for.
    pub wait: Duration,
}

#[derive(Debug, Clone, Default)]
struct TargetState {
    /// It was sent to, or refused.
    seen: bool,
    /// Its at-once retry is used.
    repeated: bool,
    /// Its waited-for retry is used.
    came_back: bool,
    /// Keys spent in this request.
    spent: Vec<KeyId>,
    /// It may be called again then.
    comeback: Option<Comeback>,
}

#[derive(Debug, Clone, Copy)]
struct Comeback {
    at: Moment,
    key: KeyId,
    /// The wait is the vendor's, so `rate_limit_wait` bounds it; a mere backoff is bounded by its own cap.
    asked: bool,
}

#[derive(Debug, Clone, Copy)]
enum Cursor {
    /// Call the target at this index, with any key that is open.
    Target(usize),
    /// Call it again with this key, not before then.
    Again(usize, KeyId, Moment),
    Over(Ending),
}

/// The machine of one request.
#[derive(Debug)]
pub struct Machine {
    plan: Vec<PlannedTarget>,
    rules: Rules,
    states: Vec<TargetState>,
    deadline: Moment,
    sent: u32,
    rng: fastrand::Rng,
    cursor: Cursor,
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
        }
    }

    /// How long the whole request may take.
    #[must_use]
    pub const fn total(&self) -> Duration {
        self.rules.timeouts.total
    }

    /// How many targets have had no turn.
    #[must_use]
    pub fn untried(&self) -> usize {
        self.states.iter().filter(|state| !state.seen).count()
    }

    /// What to do now.
    pub fn next(&mut self, now: Moment, gates: &Gates) -> Step {
        match self.cursor {
            Cursor::Over(ending) => Step::Finish(ending),
            _ if now >= self.deadline => self.finish(Ending::DeadlineExceeded),
            _ if self.sent >= self.rules.max_attempts && !mutant::on(Mutant::AttemptsUncounted) => {
                self.finish(Ending::AttemptsExhausted)
            }
            Cursor::Again(_, _, at) if at > now => Step::Wait(at),
            // Another request may have been told to keep away meanwhile.
            Cursor::Again(index, key, _) => match gates.closed(self.target(index), key, now) {
                None => self.start(index, key, now),
                Some(gate) => self.refuse(
                    index,
                    Refusal::Closed {
                        key,
                        gate: gate.clone(),
                    },
                ),
            },
            Cursor::Target(index) => match self.choose(index, now, gates) {
                Ok(key) => self.start(index, key, now),
                Err(refusal) => self.refuse(index, refusal),
            },
        }
    }

    fn target(&self, index: usize) -> TargetId {
        self.plan
            .get(index)
            .map_or_else(TargetId::default, |planned| planned.target)
    }

    fn refuse(&self, index: usize, refusal: Refusal) -> Step {
        Step::Refuse {
            index,
            target: self.target(index),
            refusal,
        }
    }

    fn finish(&mut self, ending: Ending) -> Step {
        // A deadline or cap that bites when every target has had its turn is no more than "all failed".
        let ending = match ending {
            Ending::DeadlineExceeded | Ending::AttemptsExhausted if self.unseen().is_none() => {
                Ending::AllTargetsFailed
            }
            other => other,
        };
        self.cursor = Cursor::Over(ending);
        Step::Finish(ending)
    }

    /// The first key of the target that is open and not spent in this request, or why there is none.
    fn choose(&self, index: usize, now: Moment, gates: &Gates) -> Result<KeyId, Refusal> {
        let (Some(planned), Some(state)) = (self.plan.get(index), self.states.get(index)) else {
            return Err(Refusal::NoKey);
        };
        let mut soonest: Option<(KeyId, &Gate)> = None;
        for key in planned.keys.iter().filter(|key| !state.spent.contains(key)) {
            match gates.closed(planned.target, *key, now) {
                None => return Ok(*key),
                Some(gate) => {
                    let sooner = soonest.is_none_or(|(_, best)| match (gate.until, best.until) {
                        (Some(gate), Some(best)) => gate < best,
                        (until, _) => until.is_some(),
                    });
                    if sooner {
                        soonest = Some((*key, gate));
                    }
                }
            }
        }
        Err(soonest.map_or(Refusal::NoKey, |(key, gate)| Refusal::Closed {
            key,
            gate: gate.clone(),
        }))
    }

    fn start(&mut self, index: usize, key: KeyId, now: Moment) -> Step {
        let Some(planned) = self.plan.get(index) else {
            return self.finish(Ending::AllTargetsFailed);
        };
        if let Some(state) = self.states.get_mut(index) {
            state.seen = true;
            state.comeback = None;
        }
        let timeouts = &self.rules.timeouts;
        let mut left = self.deadline - now;
        if mutant::on(Mutant::DeadlineForgotten) {
            left += Duration::from_secs(60);
        }
        let later = u32::try_from(self.untried()).unwrap_or(u32::MAX);
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
        Step::Start(Start {
            index,
            target: planned.target,
            key,
            limits: Limits {
                connect: timeouts.connect,
                answer_by: now + left.saturating_sub(reserved).min(own),
                idle: timeouts.idle,
                deadline: self.deadline,
            },
        })
    }

    /// The first target that has had no turn.
    fn unseen(&self) -> Option<usize> {
        self.states.iter().position(|state| !state.seen)
    }

    /// Whether one more attempt here still leaves one for each target that has had no turn.
    fn has_room(&self) -> bool {
        usize::try_from(self.rules.max_attempts.saturating_sub(self.sent)).unwrap_or(usize::MAX)
            > self.untried()
    }

    /// A target was not called. The plan goes on, but where a key was refused earlier and the class ends requests.
    pub fn refused(&mut self, now: Moment, index: usize, refusal: &Refusal) -> Verdict {
        if let Some(state) = self.states.get_mut(index) {
            state.seen = true;
        }
        let Refusal::Closed { key, gate } = refusal else {
            // Nobody said no: an unset key must not take the app down while another vendor can answer.
            return self.go_on(now, "it has no key");
        };
        if gate.class == FailureClass::RateLimited
            && let Some(at) = gate.until
        {
            let key = *key;
            self.come_back(index, Comeback { at, key, asked: true });
        }
        match self.may_go_on(gate.class, index) {
            true if gate.class == FailureClass::ModelNotFound => {
                self.go_on(now, "the vendor did not know its model a while ago")
            }
            true => self.go_on(now, "its key is not to be used now"),
            false => self.stop("its key was refused, and the route does not go on after that"),
        }
    }

    /// An attempt failed. `delivered`: content had reached the caller. `renewed`: the key's secret was read again and
    /// is another one now. The gates must know of the failure already.
    pub fn failed(
        &mut self,
        now: Moment,
        start: &Start,
        failure: &Failure,
        delivered: bool,
        renewed: bool,
        gates: &Gates,
    ) -> Verdict {
        if failure.phase != Phase::Encode {
            self.sent = self.sent.saturating_add(1);
        }
        if delivered {
            self.cursor = Cursor::Over(Ending::Interrupted);
            return verdict(Next::Finish, "content had reached the caller");
        }
        let row = row(failure.class);
        let vetoed = failure.should_retry == Some(false);
        let again = match row.again {
            Again::No if failure.should_retry == Some(true) && failure.sent != Sent::No => {
                Again::WhenNothingElse
            }
            Again::AtOnce | Again::WhenNothingElse if vetoed => Again::No,
            again => again,
        };
        let room = self.has_room();
        if let Some(state) = self.states.get_mut(start.index) {
            let now_again = match again {
                Again::AtOnce => Some("tried again at once"),
                Again::IfRenewed if renewed => Some("its key has changed"),
                _ => None,
            };
            if let Some(reason) = now_again
                && room
                && !state.repeated
            {
                state.repeated = true;
                self.cursor = Cursor::Again(start.index, start.key, now);
                return verdict(Next::SameTarget, reason);
            }
            if row.other_key {
                state.spent.push(start.key);
            }
        }
        if row.other_key && room && self.choose(start.index, now, gates).is_ok() {
            self.cursor = Cursor::Target(start.index);
            return verdict(Next::NextKey, "another key of this target is open");
        }
        if again == Again::WhenNothingElse {
            let wait = full_jitter(&self.rules.backoff, self.sent.saturating_sub(1), &mut self.rng);
            let limited = failure.class == FailureClass::RateLimited;
            let soonest = limited
                .then(|| self.soonest_limited(start.index, now, gates))
                .flatten();
            let (key, asked) = soonest.map_or_else(
                || (start.key, failure.retry_after.unwrap_or_default()),
                |(key, until)| (key, until - now),
            );
            let comeback = Comeback {
                at: now + wait.max(asked),
                key,
                asked: limited || !asked.is_zero(),
            };
            self.come_back(start.index, comeback);
        }
        if self.may_go_on(failure.class, start.index) {
            self.go_on(now, "")
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

    /// The key of a rate-limited target that opens first, and when. Keys that no waiting opens are left out.
    fn soonest_limited(&self, index: usize, now: Moment, gates: &Gates) -> Option<(KeyId, Moment)> {
        let planned = self.plan.get(index)?;
        planned
            .keys
            .iter()
            .filter_map(|key| match gates.closed(planned.target, *key, now) {
                None => Some((*key, now)),
                Some(gate) if gate.class == FailureClass::RateLimited => Some((*key, gate.until?)),
                Some(_) => None,
            })
            .min_by_key(|(_, until)| *until)
    }

    fn come_back(&mut self, index: usize, comeback: Comeback) {
        if let Some(state) = self.states.get_mut(index)
            && !state.came_back
        {
            state.comeback = Some(comeback);
        }
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
                        state.comeback = None;
                    }
                }
                self.unseen().is_some()
            }
        }
    }

    fn stop(&mut self, reason: &'static str) -> Verdict {
        self.cursor = Cursor::Over(Ending::Failed);
        verdict(Next::Finish, reason)
    }

    /// To the next target that has had no turn, else back to the one that may be called again soonest, else the end.
    fn go_on(&mut self, now: Moment, why: &'static str) -> Verdict {
        let or = |default| if why.is_empty() { default } else { why };
        if let Some(index) = self.unseen() {
            self.cursor = Cursor::Target(index);
            return verdict(Next::NextTarget, or("the next target of the plan"));
        }
        let soonest = self
            .states
            .iter()
            .enumerate()
            .filter_map(|(index, state)| Some((index, state.comeback?)))
            .min_by_key(|(_, comeback)| comeback.at);
        let Some((index, Comeback { at, key, asked })) = soonest else {
            self.cursor = Cursor::Over(Ending::AllTargetsFailed);
            return verdict(Next::Finish, "no target is left");
        };
        let wait = at - now;
        let too_long = if asked && wait > self.rules.rate_limit_wait {
            Some("nothing else is left, and the wait is longer than `rate_limit_wait`")
        } else if at >= self.deadline {
            Some("nothing else is left, and the wait does not fit the deadline")
        } else {
            None
        };
        if let Some(reason) = too_long {
            self.cursor = Cursor::Over(Ending::AllTargetsFailed);
            return verdict(Next::Finish, reason);
        }
        if self.sent >= self.rules.max_attempts {
            self.cursor = Cursor::Over(Ending::AllTargetsFailed);
            return verdict(Next::Finish, "no attempt is left");
        }
        if let Some(state) = self.states.get_mut(index) {
            state.came_back = true;
            // It may be refused then: another call's 429 has moved the gate. It is not asked for ever.
            state.comeback = None;
        }
        self.cursor = Cursor::Again(index, key, at);
        Verdict {
            next: Next::SameTarget,
            reason: "nothing else is left: a target that may recover is tried again",
            wait,
        }
    }
}

const fn verdict(next: Next, reason: &'static str) -> Verdict {
    Verdict {
        next,
        reason,
        wait: Duration::ZERO,
    }
}
