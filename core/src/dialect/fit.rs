//! How one request is fitted to one target.

use crate::types::Failure;

/// What was changed to fit, and what is done with what cannot be said.
#[derive(Debug, Default)]
pub(crate) struct Fit {
    lossy: bool,
    /// One line a change, as `field: what was done`.
    pub(crate) adapted: Vec<String>,
}

impl Fit {
    /// `lossy`: what has no equal is left out and named, where else it is refused.
    pub(crate) const fn new(lossy: bool) -> Self {
        Self {
            lossy,
            adapted: Vec::new(),
        }
    }

    /// A change that keeps the meaning.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.adapted.push(line.into());
    }

    /// What has no equal: left out where the route takes a loss. The caller then goes on without it.
    ///
    /// # Errors
    /// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, where it does not.
    pub(crate) fn lose(&mut self, field: &str, why: &str) -> Result<(), Failure> {
        if !self.lossy {
            return Err(Failure::unsupported(field, why));
        }
        self.adapted.push(format!("{field}: left out: {why}"));
        Ok(())
    }
}
