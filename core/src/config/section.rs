//! What every section's reader is built of: tables with known keys, lists, and the place of each value.

use std::path::Path;

use super::Problem;
use super::field::Wrong;
use super::problem::did_you_mean;
use super::tree::{Entry, Node, Value};

/// A value and its key path.
pub(super) struct At<'n> {
    pub(super) path: String,
    pub(super) node: &'n Node,
}

/// A table whose keys are known.
pub(super) struct Section<'n> {
    pub(super) path: String,
    pub(super) line: Option<u32>,
    pub(super) entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// The value of a key; a null is as good as none.
    pub(super) fn get(&self, key: &str) -> Option<At<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.node.value != Value::Null).then(|| At {
            path: join(&self.path, key),
            node: &entry.node,
        })
    }
}

/// A key path one deeper. Keys that are not bare words are quoted.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// Collects problems and goes on after each, so that all are found in one go.
pub(super) struct Reader<'a> {
    pub(super) problems: Vec<Problem>,
    pub(super) base: &'a Path,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, path: &str, line: Option<u32>, message: String, hint: Option<String>) {
        self.problems.push(Problem {
            path: path.to_owned(),
            line,
            message,
            hint,
        });
    }

    /// What a field's reader gives; None, and a problem, when the value is wrong.
    pub(super) fn take<T>(&mut self, at: &At<'_>, read: Result<T, Wrong>) -> Option<T> {
        read.map_err(|(message, hint)| self.problem(&at.path, at.node.line, message, hint))
            .ok()
    }

    pub(super) fn table<'n>(&mut self, at: &At<'n>) -> Option<&'n [Entry]> {
        match &at.node.value {
            Value::Table(entries) => Some(entries),
            _ => {
                self.problem(
                    &at.path,
                    at.node.line,
                    format!("expected a table, found {}", at.node.kind()),
                    None,
                );
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, at: &At<'n>, of: &str) -> Option<Vec<At<'n>>> {
        let Value::List(items) = &at.node.value else {
            self.problem(
                &at.path,
                at.node.line,
                format!("expected a list of {of}, found {}", at.node.kind()),
                None,
            );
            return None;
        };
        let items = items.iter().enumerate();
        Some(
            items
                .map(|(index, node)| At {
                    path: format!("{}[{index}]", at.path),
                    node,
                })
                .collect(),
        )
    }

    /// A table of known keys; every other key is a problem.
    pub(super) fn section<'n>(&mut self, at: &At<'n>, known: &[&str]) -> Option<Section<'n>> {
        let entries = self.table(at)?;
        for entry in entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            let hint = did_you_mean(&entry.key, known.iter().copied())
                .unwrap_or_else(|| format!("known: {}", known.join(", ")));
            self.problem(
                &join(&at.path, &entry.key),
                entry.line,
                "unknown key".to_owned(),
                Some(hint),
            );
        }
        Some(Section {
            path: at.path.clone(),
            line: at.node.line,
            entries,
        })
    }

    /// The entries of a table whose keys are names, with nulls left out.
    pub(super) fn named<'n>(
        &mut self,
        root: &Section<'n>,
        key: &str,
        what: &str,
    ) -> Vec<(&'n str, Option<u32>, At<'n>)> {
        let Some(at) = root.get(key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in self.table(&at).unwrap_or_default() {
            let path = join(&at.path, &entry.key);
            if entry.key.is_empty()
                || entry
                    .key
                    .contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
            {
                let message = format!("a {what}'s name must not be empty, and holds no slash and no space");
                self.problem(&path, entry.line, message, None);
            }
            if entry.node.value != Value::Null {
                found.push((
                    entry.key.as_str(),
                    entry.line,
                    At {
                        path,
                        node: &entry.node,
                    },
                ));
            }
        }
        found
    }
}
