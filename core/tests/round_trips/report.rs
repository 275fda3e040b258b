//! What came of the recorded requests, as a page of the docs: `UPDATE_GOLDEN=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hotspare::types::{DialectId, Failure};

/// What became of the requests of one format at another.
#[derive(Default, Clone, Copy)]
pub(crate) struct Cell {
    /// Nothing changed.
    pub(crate) whole: usize,
    /// What changed is named by `adapted`.
    pub(crate) named: usize,
    /// Of those, sent only where the route takes a loss.
    pub(crate) lost: usize,
    /// Not sent at all.
    pub(crate) refused: usize,
}

#[derive(Default)]
pub(crate) struct Report {
    cells: BTreeMap<(DialectId, DialectId), Cell>,
    losses: BTreeMap<(String, &'static str), usize>,
    refusals: BTreeMap<(String, &'static str), usize>,
}

impl Report {
    pub(crate) fn cell(&mut self, from: DialectId, to: DialectId) -> &mut Cell {
        self.cells.entry((from, to)).or_default()
    }

    /// The first loss of a request.
    pub(crate) fn lost(&mut self, from: DialectId, to: DialectId, failure: &Failure) {
        self.cell(from, to).lost += 1;
        *self
            .losses
            .entry((numberless(&failure.message), to.as_str()))
            .or_default() += 1;
    }

    pub(crate) fn refused(&mut self, from: DialectId, to: DialectId, failure: &Failure) {
        self.cell(from, to).refused += 1;
        *self
            .refusals
            .entry((numberless(&failure.message), to.as_str()))
            .or_default() += 1;
    }

    fn page(&self) -> String {
        let mut page = String::from(
            "# Requests from each format to each\n\n\
             Made by `make gen` from what `core/tests/round_trips.rs` tries with every recorded request; a test fails when it is out of \
             date. A request is read from its format, written to another, and read again from that. A cell is `kept whole / changed and \
             named (of those, with a loss) / refused`: what differs afterwards is always named by a line of `adapted`, a loss is taken only \
             where the route says `adapt = \"lossy\"` and else makes the target ineligible, and what is refused is refused either way. A line \
             on what says nothing of the request's meaning, as where instructions stand, counts as no change. The models are ones that \
             nothing is known of: what a model's own facts change comes on top.\n\n",
        );
        let ids = DialectId::ALL.map(|id| format!("`{id}`"));
        let _ = writeln!(page, "| from \\ to | {} |", ids.join(" | "));
        let _ = writeln!(page, "|---|{}", "---|".repeat(ids.len()));
        for from in DialectId::ALL {
            let cells = DialectId::ALL.map(|to| {
                let Cell {
                    whole,
                    named,
                    lost,
                    refused,
                } = self.cells.get(&(from, to)).copied().unwrap_or_default();
                format!("{whole} / {named} ({lost}) / {refused}")
            });
            let _ = writeln!(page, "| `{from}` | {} |", cells.join(" | "));
        }
        page.push_str("\n## The first loss of each request that has one\n\n");
        list(&mut page, &self.losses);
        page.push_str("\n## Refused even where a loss is taken\n\n");
        list(&mut page, &self.refusals);
        page
    }

    /// Fails when the page in the docs is another one.
    pub(crate) fn compare(&self, path: &Path) {
        let page = self.page();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, page).unwrap();
            return;
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == page, "{} is out of date: run `make gen`", path.display());
    }
}

fn list(page: &mut String, counts: &BTreeMap<(String, &'static str), usize>) {
    for ((reason, to), count) in counts {
        let _ = writeln!(page, "- {count} to `{to}`: {reason}");
    }
}

/// Without the places in lists, so that like cases count together.
fn numberless(message: &str) -> String {
    let mut pieces = message.split('[');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.push_str("[…]");
                out.push_str(rest);
            }
            _ => {
                out.push('[');
                out.push_str(piece);
            }
        }
    }
    out
}
