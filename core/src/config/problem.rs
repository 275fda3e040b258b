use std::fmt;
use std::path::{Path, PathBuf};

use crate::Error;

/// One thing that is wrong with a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a key path: `routes.default.targets[1]`. Empty when it is the text as a whole.
    pub path: String,
    /// Which line of the text, from 1; None when the config has no lines.
    pub line: Option<u32>,
    /// What was expected and what was found. Never holds a value that stands under `keys`.
    pub message: String,
    /// What was probably meant, or what to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of the text as a whole.
    pub(super) const fn of_text(message: String) -> Self {
        Self {
            path: String::new(),
            line: None,
            message,
            hint: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a config. `Display` has one line a problem:
/// `hotspare.toml:7: routes.default.targets[1]: unknown provider "opnai"; did you mean "openai"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// The problems, in the order of the text. Never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match (&self.file, problem.line) {
                (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
                (Some(file), None) => write!(f, "{}: ", file.display())?,
                (None, Some(line)) => write!(f, "line {line}: ")?,
                (None, None) => {}
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::config(error.to_string())
    }
}

/// `did you mean "…"?` with the candidate nearest to `found`, if one is near.
pub(crate) fn did_you_mean<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // The distance takes quadratic time, and nothing this long is a typing error.
    if found.len() > 64 {
        return None;
    }
    let found = found.to_ascii_lowercase();
    let allowed = (found.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&found, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean \"{candidate}\"?"))
}
