use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::{DomainId, Moment, TargetId};

/// Openings of two targets this close together are taken to have one cause (reliability reference §1.7).
const TOGETHER: Duration = Duration::from_secs(30);
/// How long the rest of the domain is suspect then.
const SUSPECT_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Domain {
    /// When each target opened last, of those that opened lately.
    opened: BTreeMap<TargetId, Moment>,
    suspect_until: Option<Moment>,
}

/// What fails together.
#[derive(Debug, Default)]
pub(super) struct Domains(BTreeMap<DomainId, Domain>);

impl Domains {
    /// A target of the domain opened. True when that makes the domain suspect, and it was not before.
    pub(super) fn opened(&mut self, domain: DomainId, target: TargetId, now: Moment) -> bool {
        let domain = self.0.entry(domain).or_default();
        domain.opened.retain(|_, at| now - *at <= TOGETHER);
        domain.opened.insert(target, now);
        if domain.opened.len() < 2 {
            return false;
        }
        let before = domain.suspect_until.replace(now + SUSPECT_FOR);
        before.is_none_or(|until| until <= now)
    }

    /// Whether the domain is suspect, and not for this target's own failures.
    pub(super) fn suspects(&self, domain: DomainId, target: TargetId, now: Moment) -> bool {
        self.0.get(&domain).is_some_and(|domain| {
            domain.suspect_until.is_some_and(|until| until > now) && !domain.opened.contains_key(&target)
        })
    }

    /// The domains whose suspicion has ended, each once.
    pub(super) fn cleared(&mut self, now: Moment) -> Vec<DomainId> {
        let mut cleared = Vec::new();
        for (id, domain) in &mut self.0 {
            if domain.suspect_until.is_some_and(|until| until <= now) {
                domain.suspect_until = None;
                cleared.push(*id);
            }
        }
        cleared
    }
}
