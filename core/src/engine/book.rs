use http::{HeaderMap, StatusCode};

use super::world::PreparedTarget;
use crate::dialect::common::request_id;
use crate::mutant::{self, Mutant};
use crate::policy::Verdict;
use crate::types::{
    Attempt, Completion, Failure, FailureClass, Moment, Next, Outcome, Phase, Reply, Sent, Trail, Usage,
};

/// What is learnt while an attempt runs.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) started: Moment,
    pub(super) key: Option<String>,
    pub(super) first_content: Option<Moment>,
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
    pub(super) usage: Usage,
    pub(super) adapted: Vec<String>,
}

impl Notes {
    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status.as_u16());
        self.request_id = request_id(headers);
    }
}

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

    fn at(&self, moment: Moment) -> f64 {
        (moment - self.began).as_secs_f64()
    }

    pub(super) fn failed(
        &mut self,
        target: &PreparedTarget,
        notes: Notes,
        failure: Failure,
        verdict: &Verdict,
        now: Moment,
    ) {
        tracing::debug!(
            target = %target.name, class = %failure.class, status = failure.status, next = ?verdict.next,
            reason = verdict.reason, "attempt failed"
        );
        // What a broken answer had cost when it broke only its vendor knows: counts that came before the end fall short.
        let cost_usd = (failure.sent == Sent::No || rejected(&failure)).then_some(0.0);
        let cost_usd = cost_usd.map(|cost| {
            if mutant::on(Mutant::UnsentCosts) {
                0.01
            } else {
                cost
            }
        });
        // A refusal to call carries the status that led to it, but that response is another attempt's.
        let answered = failure.status.filter(|_| failure.sent != Sent::No);
        let request_id = notes.request_id.or_else(|| failure.request_id.clone());
        let attempt = Attempt {
            target: target.name.clone(),
            key: notes.key,
            started: self.at(notes.started),
            first_content: notes.first_content.map(|moment| self.at(moment)),
            ended: self.at(now),
            status: notes.status.or(answered),
            request_id,
            outcome: Outcome::Failed(failure),
            next: verdict.next,
            reason: verdict.reason.to_owned(),
            wait: verdict.wait.as_secs_f64(),
            usage: notes.usage,
            cost_usd,
            adapted: notes.adapted,
        };
        if mutant::on(Mutant::TrailShort) && self.trail.len() == 1 {
            return;
        }
        self.trail.push(attempt);
    }

    pub(super) fn answered(
        mut self,
        target: &PreparedTarget,
        notes: Notes,
        completion: Completion,
        now: Moment,
        created: u64,
    ) -> Reply {
        let cost_usd = target.facts.and_then(|facts| facts.cost_usd(&completion.usage));
        let cost_usd = cost_usd.map(|cost| {
            if mutant::on(Mutant::HalfPrice) {
                cost / 2.0
            } else {
                cost
            }
        });
        self.trail.push(Attempt {
            target: target.name.clone(),
            key: notes.key,
            started: self.at(notes.started),
            first_content: notes.first_content.map(|moment| self.at(moment)),
            ended: self.at(now),
            outcome: Outcome::Answered,
            next: Next::Finish,
            reason: "answered".to_owned(),
            wait: 0.0,
            status: notes.status,
            request_id: notes.request_id,
            usage: completion.usage,
            cost_usd,
            adapted: notes.adapted,
        });
        Reply {
            target: target.name.clone(),
            cost_usd: self.trail.iter().map(|attempt| attempt.cost_usd).sum(),
            elapsed: self.at(now),
            created,
            completion,
            trail: self.trail,
        }
    }

    pub(super) fn into_trail(self) -> Trail {
        self.trail
    }
}

/// The vendor refused before it worked: vendors do not bill a refusal that came as a status.
fn rejected(failure: &Failure) -> bool {
    failure.phase == Phase::Head
        && failure.status.is_some_and(|status| status >= 400)
        && failure.class != FailureClass::Timeout
}
