use super::breaker::{Breaker, Slot};
use super::turn::Bar;
use super::{Forced, Health, Scope, Shut, Standing, State, Target, Turn};
use crate::types::{EndpointId, FailureClass, Moment, TargetId};

/// A request for leave to make one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What it is sent to.
    pub target: TargetId,
    /// It is the only target that can serve the request, so breakers do not refuse it; a throttle may.
    pub alone: bool,
    /// Every target is shut: an open breaker lets one such attempt through in each open interval.
    pub last_resort: bool,
    /// When the attempt is over at the latest. A half-open permit is free again then, whatever became of it.
    pub expires: Moment,
}

/// Leave to make one attempt. It must come back through [`Health::ended`], once.
#[derive(Debug)]
#[must_use = "an attempt must be told to `Health::ended`, or its permit is lost until it expires"]
pub struct Pass {
    pub(super) target: TargetId,
    /// None: the target is not known.
    pub(super) endpoint: Option<EndpointId>,
    pub(super) on_target: Slot,
    pub(super) on_endpoint: Slot,
    pub(super) began: Moment,
    pub(super) alone: bool,
    last_resort: bool,
    /// Its first content came.
    pub(super) started: bool,
}

impl Pass {
    /// Whether it holds a half-open permit, of the target or its endpoint.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.on_target.is_probe() || self.on_endpoint.is_probe()
    }

    /// Whether it is let through an open breaker because nothing else is left.
    #[must_use]
    pub const fn is_last_resort(&self) -> bool {
        self.last_resort
    }

    /// What it is for.
    #[must_use]
    pub const fn target(&self) -> TargetId {
        self.target
    }
}

impl Health {
    /// Leave to make one attempt, or why not. A target that was never registered is let through, and nothing is learnt.
    ///
    /// # Errors
    /// The breaker that refuses; where both do, the one that opens last.
    pub fn admit(&mut self, ask: &Ask, now: Moment) -> Result<Pass, Shut> {
        self.clear_domains(now);
        let Some(target) = self.targets.get_mut(&ask.target) else {
            return Ok(unknown(ask, now));
        };
        let endpoint = target.place.endpoint;
        let mut turn = Turn {
            settings: &self.settings,
            rng: &mut self.rng,
            now,
        };
        target.breaker.judge(!ask.alone, &mut turn);
        self.book_target(ask.target, now);

        let standing = self.leave(ask, now)?;
        let settings = &self.settings;
        let (Some(target), Some(known)) = (
            self.targets.get_mut(&ask.target),
            self.endpoints.get_mut(&endpoint),
        ) else {
            return Ok(unknown(ask, now));
        };
        let forced = target.forced.is_some();
        let share = target.throttle.share(now);
        // A permit is never throttled: it is how recovery is noticed.
        if ask.alone && !forced && standing != Standing::Probing && self.rng.f64() < share {
            target.throttle.rejected(now);
            return Err(throttled(target, settings, share, now));
        }
        let turn = Turn {
            settings,
            rng: &mut self.rng,
            now,
        };
        let through = standing == Standing::LastResort && !ask.alone && !forced;
        let on_endpoint = known.breaker.enter(ask.expires, through, &turn);
        let on_target = match forced {
            true => target.breaker.enter_unfollowed(now),
            false => target.breaker.enter(ask.expires, through, &turn),
        };
        self.book_endpoint(endpoint, Some(ask.target), now);
        self.book_target(ask.target, now);
        Ok(Pass {
            target: ask.target,
            endpoint: Some(endpoint),
            on_target,
            on_endpoint,
            began: now,
            alone: ask.alone,
            last_resort: through,
            started: false,
        })
    }

    /// The answer [`Self::admit`] would give, without taking anything. It does not say what the throttle would draw, and
    /// does not consider a last resort.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn peek(&self, target: TargetId, alone: bool, now: Moment) -> Result<Standing, Shut> {
        let ask = Ask {
            target,
            alone,
            last_resort: false,
            expires: now,
        };
        self.leave(&ask, now)
    }

    /// What both breakers, and the operator, say.
    fn leave(&self, ask: &Ask, now: Moment) -> Result<Standing, Shut> {
        let Some(target) = self.targets.get(&ask.target) else {
            return Ok(Standing::Healthy);
        };
        match target.forced {
            Some((Forced::Open, _)) => return Err(held(target)),
            Some((Forced::Closed, _)) => return Ok(Standing::Healthy),
            None => {}
        }
        let Some(endpoint) = self.endpoints.get(&target.place.endpoint) else {
            return Ok(Standing::Healthy);
        };
        let mut standing = Standing::Healthy;
        let mut shut: Option<Shut> = None;
        for (scope, breaker) in [
            (Scope::Endpoint(target.place.endpoint), &endpoint.breaker),
            (Scope::Target(ask.target), &target.breaker),
        ] {
            match breaker.look(&self.settings, now) {
                Ok(found) => standing = standing.max(found),
                Err(Bar::Ramp) if ask.alone => standing = standing.max(Standing::Ramping),
                Err(_) if ask.alone => standing = Standing::LastResort,
                Err(Bar::Open { spent: false, .. }) if ask.last_resort => {
                    standing = Standing::LastResort;
                }
                Err(bar) => {
                    let found = refusal(scope, breaker, bar);
                    if shut.as_ref().is_none_or(|shut| later(&found, shut)) {
                        shut = Some(found);
                    }
                }
            }
        }
        match shut {
            Some(shut) => Err(shut),
            None => Ok(standing),
        }
    }

    /// When the target may be tried again; None: now, or not by waiting for a set time.
    #[must_use]
    pub fn reopens(&self, target: TargetId, now: Moment) -> Option<Moment> {
        self.peek(target, false, now).err()?.until
    }
}

/// Whether `shut` opens later than `other`. One that opens at no set time is taken to open sooner: a ramp or a permit
/// frees with the next attempt that ends.
fn later(shut: &Shut, other: &Shut) -> bool {
    shut.until > other.until
}

fn refusal(scope: Scope, breaker: &Breaker, bar: Bar) -> Shut {
    let (state, until, why) = match bar {
        Bar::Open { until, spent } => {
            let cause = breaker.cause();
            let why = cause.map_or("", |cause| &cause.why);
            return Shut {
                scope,
                state: State::Open,
                why: match spent {
                    true => format!("{why}; its last-resort attempt was made"),
                    false => why.to_owned(),
                },
                until: Some(until),
                class: cause.map_or(FailureClass::Overloaded, |cause| cause.class),
                status: cause.and_then(|cause| cause.status),
            };
        }
        Bar::Permit { until } => (
            State::HalfOpen,
            Some(until),
            "another attempt is trying whether it works again",
        ),
        Bar::Ramp => (
            State::Ramp,
            None,
            "it is coming back, and as many attempts as that allows are under way",
        ),
    };
    Shut {
        scope,
        state,
        why: why.to_owned(),
        until,
        class: FailureClass::Overloaded,
        status: None,
    }
}

fn held(target: &Target) -> Shut {
    Shut {
        scope: Scope::Target(target.place.target),
        state: State::ForcedOpen,
        why: "held by the operator".to_owned(),
        until: None,
        class: FailureClass::Overloaded,
        status: None,
    }
}

fn throttled(target: &Target, settings: &super::HealthSettings, share: f64, now: Moment) -> Shut {
    Shut {
        scope: Scope::Target(target.place.target),
        state: target.breaker.state(settings, now),
        why: format!(
            "it accepted few of the last two minutes' requests, so {:.0} % of them are not sent",
            share * 100.0
        ),
        until: None,
        class: FailureClass::Overloaded,
        status: None,
    }
}

fn unknown(ask: &Ask, now: Moment) -> Pass {
    Pass {
        target: ask.target,
        endpoint: None,
        on_target: Slot::unfollowed(now),
        on_endpoint: Slot::unfollowed(now),
        began: now,
        alone: ask.alone,
        last_resort: false,
        started: false,
    }
}
