//! What is wrong with a script, and where.

use std::fmt;

/// A script that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// Where, as in `providers.openai.steps[0].fault`; empty for the script as a whole.
    pub path: String,
    /// What is wrong, and what was expected.
    pub message: String,
    /// The nearest valid name, when one is near.
    pub hint: Option<String>,
}

impl ScriptError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// serde lists the valid names, each in backticks, after the one it did not know.
    pub(super) fn read(problem: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let message = problem.inner().to_string();
        let hint = if message.starts_with("unknown ") {
            let mut names = message.split('`').skip(1).step_by(2);
            let found = names.next().unwrap_or_default();
            nearest(found, names)
        } else {
            None
        };
        let path = problem.path().to_string();
        Self {
            path: if path == "." { String::new() } else { path },
            message,
            hint,
        }
    }
}

/// The name most like the one found, when one is near.
pub(super) fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ScriptError {}
