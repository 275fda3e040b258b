use super::targets::PreparedTarget;
use super::ticket::Closed;
use crate::mutant::{self, Mutant};
use crate::policy::Verdict;
use crate::types::{
    Attempt, Completion, EmbedReply, Embedded, Failure, Moment, Outcome, Reply, Sent, Span, Trail, cost,
};

/// Writes the trail of one request.
#[derive(Debug)]
pub(super) struct Book {
    began: Moment,
    trail: Trail,
}

impl Book {
    pub(super) const fn open(began: Moment) -> Self {
        Self {
            began,
            trail: Trail::new(),
        }
    }

    pub(super) const fn began(&self) -> Moment {
        self.began
    }

    fn at(&self, moment: Moment) -> f64 {
        (moment - self.began).as_secs_f64()
    }

    /// Writes an attempt down; gives what was written.
    pub(super) fn enter(
        &mut self,
        target: &PreparedTarget,
        closed: Closed,
        outcome: Outcome,
        verdict: &Verdict,
        now: Moment,
    ) -> Option<&Attempt> {
        let Closed { notes, billing, cost } = closed;
        let failure: Option<&Failure> = match &outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Answered | Outcome::Cancelled => None,
        };
        if let Some(failure) = failure {
            tracing::debug!(
                target = %target.name, class = %failure.class, status = failure.status, next = ?verdict.next,
                reason = verdict.reason, "attempt failed"
            );
        }
        // A refusal to call carries the status that led to it, but that response is another attempt's.
        let answered = failure.and_then(|failure| failure.status.filter(|_| failure.sent != Sent::No));
        let request_id = notes
            .request_id
            .or_else(|| failure.and_then(|failure| failure.request_id.clone()));
        if mutant::on(Mutant::TrailShort) && self.trail.len() == 1 {
            return self.trail.last();
        }
        self.trail.push(Attempt {
            target: target.name.clone(),
            key: notes.key,
            started: self.at(notes.started),
            first_content: notes.first_content.map(|moment| self.at(moment)),
            ended: self.at(now),
            status: notes.status.or(answered),
            request_id,
            outcome,
            next: verdict.next,
            reason: verdict.reason.to_owned(),
            wait: verdict.wait.as_secs_f64(),
            usage: notes.usage,
            billing,
            cost_usd: cost.known(),
            cost_min_usd: cost.min,
            cost_max_usd: cost.max,
            adapted: notes.adapted,
        });
        self.trail.last()
    }

    /// The reply, the last attempt having been entered.
    pub(super) fn reply(
        self,
        target: &PreparedTarget,
        completion: Completion,
        spans: Vec<Span>,
        now: Moment,
        created: u64,
    ) -> Reply {
        let cost = cost(&self.trail);
        Reply {
            target: target.name.clone(),
            cost_usd: self.trail.iter().map(|attempt| attempt.cost_usd).sum(),
            cost_min_usd: cost.min,
            cost_max_usd: cost.max,
            spans,
            elapsed: self.at(now),
            created,
            completion,
            trail: self.trail,
        }
    }

    /// The reply to a request for vectors, the last attempt having been entered.
    pub(super) fn embed_reply(
        self,
        target: &PreparedTarget,
        embedded: Embedded,
        now: Moment,
        created: u64,
    ) -> EmbedReply {
        let cost = cost(&self.trail);
        EmbedReply {
            target: target.name.clone(),
            embeddings: embedded.vectors,
            usage: embedded.usage,
            model: embedded.model,
            cost_usd: self.trail.iter().map(|attempt| attempt.cost_usd).sum(),
            cost_min_usd: cost.min,
            cost_max_usd: cost.max,
            elapsed: self.at(now),
            created,
            trail: self.trail,
        }
    }

    pub(super) fn trail(&self) -> &[Attempt] {
        &self.trail
    }

    pub(super) fn take_trail(&mut self) -> Trail {
        std::mem::take(&mut self.trail)
    }
}
