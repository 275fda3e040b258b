use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::targets::PreparedTarget;
use super::world::World;
use crate::budget::{Fate, Quote};
use crate::catalog::Model;
use crate::dialect::common::request_id;
use crate::dialect::rate_limits;
use crate::mutant::{self, Mutant};
use crate::policy::{Ended, Permit, Start};
use crate::types::{Billing, CostRange, EndpointId, Failure, FailureClass, Moment, Next, Usage, What};

/// What is learnt while an attempt runs.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) started: Moment,
    pub(super) key: Option<String>,
    /// The fingerprint of the token it was sent with, where that is not the key itself.
    pub(super) token: Option<String>,
    pub(super) first_content: Option<Moment>,
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
    pub(super) usage: Usage,
    pub(super) adapted: Vec<String>,
    /// Bytes of content that have come.
    pub(super) seen: u64,
    /// It goes on where an earlier attempt of the stream broke off.
    pub(super) continues: bool,
}

impl Notes {
    /// The fingerprint of the secret it was sent with.
    pub(super) fn secret(&self) -> Option<&str> {
        self.token.as_deref().or(self.key.as_deref())
    }
}

/// An attempt that is over, and what it may have cost.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) notes: Notes,
    pub(super) billing: Billing,
    pub(super) cost: CostRange,
}

impl Closed {
    /// An attempt that was never made.
    pub(super) const fn unsent(notes: Notes) -> Self {
        Self {
            notes,
            billing: Billing::Unsent,
            cost: CostRange::ZERO,
        }
    }
}

/// An attempt under way, with the permit it was let in by. Whatever becomes of it, the permit is given back and the cost
/// booked: dropping it means that we left.
pub(super) struct Ticket {
    world: Arc<World>,
    request: u64,
    target: String,
    endpoint: Option<EndpointId>,
    facts: Option<Arc<Model>>,
    quote: Quote,
    stream: bool,
    deadline: Moment,
    permit: Option<Permit>,
    pub(super) notes: Notes,
}

impl Ticket {
    pub(super) fn open(
        world: &Arc<World>,
        request: u64,
        target: Option<&Arc<PreparedTarget>>,
        quote: Option<Quote>,
        (start, permit): (&Start, Permit),
        (stream, hedge): (bool, bool),
    ) -> Self {
        let key = world.fingerprint(permit.key());
        let name = target.map(|target| target.name.clone()).unwrap_or_default();
        world.tell(Some(request), || What::AttemptStarted {
            target: name.clone(),
            key: key.clone(),
            hedge,
            probe: permit.is_probe(),
        });
        Self {
            request,
            target: name,
            endpoint: target.map(|target| target.endpoint),
            facts: target.and_then(|target| world.facts_of(target)),
            quote: quote.unwrap_or_default(),
            stream,
            deadline: start.limits.deadline,
            permit: Some(permit),
            notes: Notes {
                started: world.clock.now(),
                key,
                ..Notes::default()
            },
            world: Arc::clone(world),
        }
    }

    /// A response head came.
    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.notes.status = Some(status.as_u16());
        self.notes.request_id = request_id(headers);
        let now = self.world.clock.now();
        let told = rate_limits::told(headers, self.world.clock.wall_at(now));
        if let Some(permit) = &self.permit {
            self.world.decide(|admission| admission.head(permit, &told, now));
        }
        self.world.look_at_network(true);
    }

    /// The first content came.
    pub(super) fn first_content(&mut self) {
        let now = self.world.clock.now();
        self.notes.first_content = Some(now);
        // The time a whole reply took is mostly that of its length, and says little of the target.
        if self.stream
            && let Some(permit) = &mut self.permit
        {
            self.world
                .decide(|admission| admission.first_content(permit, now));
        }
        let started = self.notes.started;
        self.world.tell(Some(self.request), || What::FirstContent {
            target: self.target.clone(),
            after: (now - started).as_secs_f64(),
        });
    }

    /// It answered.
    pub(super) fn answered(mut self, usage: &Usage) -> Closed {
        self.notes.usage = *usage;
        if let Some(endpoint) = self.endpoint {
            self.world.warmed(endpoint);
        }
        self.close(Fate::Answered, Ended::Answered(usage))
    }

    /// It failed.
    pub(super) fn failed(mut self, failure: &Failure, renewed: bool) -> Closed {
        // To the target's health a stream that broke is one thing, and an attempt that never began another.
        let delivered = self.notes.first_content.is_some();
        let ended = Ended::Failed {
            failure,
            delivered,
            renewed,
            late: self.world.clock.now() >= self.deadline,
        };
        let closed = self.close(Fate::Failed(failure), ended);
        if failure.class == FailureClass::Connect {
            self.world.look_at_network(false);
        }
        closed
    }

    /// We left it for a faster one.
    pub(super) fn left(mut self) -> Closed {
        self.leave()
    }

    fn leave(&mut self) -> Closed {
        // What is left with an error in its head was refused, and not begun.
        let head = self
            .notes
            .status
            .is_some_and(|status| (200..300).contains(&status));
        let stream = self.stream;
        self.close(Fate::Left { head, stream }, Ended::Left)
    }

    fn close(&mut self, fate: Fate<'_>, ended: Ended<'_>) -> Closed {
        let notes = std::mem::take(&mut self.notes);
        let bill = self
            .quote
            .bill(self.facts.as_deref(), fate, &notes.usage, notes.seen);
        if let Some(permit) = self.permit.take() {
            let now = self.world.clock.now();
            self.world
                .decide(|admission| admission.end(permit, ended, bill, now));
        }
        Closed {
            notes,
            billing: bill.0,
            cost: bill.1,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.permit.is_none() || mutant::on(Mutant::PermitLeaks) {
            return;
        }
        let closed = self.leave();
        let target = std::mem::take(&mut self.target);
        self.world.tell(Some(self.request), || What::AttemptEnded {
            target,
            key: closed.notes.key,
            code: "cancelled".to_owned(),
            status: closed.notes.status,
            billing: closed.billing,
            cost: closed.cost,
            next: Next::Finish,
            reason: "the caller went away".to_owned(),
        });
    }
}
