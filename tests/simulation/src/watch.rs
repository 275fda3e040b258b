//! Listens to what the core logs, as an app's log file would.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::invariants;

/// A subscriber that keeps the first thing that no log may hold: which invariant it breaks, and the line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Option<(u8, String)>>>);

impl Watch {
    /// What was found.
    pub(crate) fn found(&self) -> Option<(u8, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Looks at a line of a log, or an event.
    pub(crate) fn look(&self, line: &str) {
        if let Some(invariant) = invariants::in_a_log(line) {
            let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            found.get_or_insert_with(|| (invariant, format!("a log or an event holds: {line}")));
        }
    }
}

/// All fields on a line.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hotspare")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(String::new());
        span.record(&mut line);
        self.look(&line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.look(&line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.look(&line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
