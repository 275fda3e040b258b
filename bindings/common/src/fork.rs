//! What a `fork` does to us. The child has one thread: the runtime's workers are gone, a lock one of them held stays
//! locked, and the sockets are shared with the parent. So nothing made before a fork may be used, or even dropped,
//! after it; [`generation`] tells the two sides apart.

use std::mem::ManuallyDrop;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicU64, Ordering};

use hotspare::types::{Failure, FailureClass, Phase, Trail};
use hotspare::{Error, Result};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between the process that first used hotspare and this one.
#[must_use]
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// Called in the child of a fork; must be async-signal-safe.
#[cfg(unix)]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}

/// A value of one generation: reached only there, and leaked, not dropped, anywhere else.
#[derive(Debug)]
pub struct ForkGuard<T> {
    value: ManuallyDrop<T>,
    generation: u64,
}

impl<T> ForkGuard<T> {
    /// Guards a value made in this process.
    pub fn new(value: T) -> Self {
        Self {
            value: ManuallyDrop::new(value),
            generation: generation(),
        }
    }

    /// The value, if it was made in this process.
    ///
    /// # Errors
    /// A [`FailureClass::Reset`] failure after a fork.
    pub fn get(&self) -> Result<&T> {
        if self.is_ours() {
            Ok(&self.value)
        } else {
            Err(stale())
        }
    }

    /// The value, if it was made in this process.
    ///
    /// # Errors
    /// A [`FailureClass::Reset`] failure after a fork.
    pub fn get_mut(&mut self) -> Result<&mut T> {
        if self.is_ours() {
            Ok(self.value.deref_mut())
        } else {
            Err(stale())
        }
    }

    /// Whether the value was made in this process.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.generation == generation()
    }
}

impl<T> Drop for ForkGuard<T> {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: the value is taken once, here, where nobody can reach it any more.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

fn stale() -> Error {
    let failure = Failure::new(
        FailureClass::Reset,
        Phase::Stream,
        "this call was begun before the process forked: its connection belongs to the parent",
    );
    Error::failed(failure, Trail::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_reached_in_its_own_generation_only() {
        let ours = ForkGuard::new(1);
        assert_eq!(ours.get().unwrap(), &1);
        let theirs = ForkGuard {
            value: ManuallyDrop::new(1),
            generation: generation() + 1,
        };
        assert_eq!(theirs.get().unwrap_err().class(), Some(FailureClass::Reset));
    }

    #[test]
    fn a_value_of_another_generation_is_leaked() {
        let shared = std::sync::Arc::new(());
        drop(ForkGuard::new(shared.clone()));
        assert_eq!(std::sync::Arc::strong_count(&shared), 1);
        drop(ForkGuard {
            value: ManuallyDrop::new(shared.clone()),
            generation: generation() + 1,
        });
        assert_eq!(std::sync::Arc::strong_count(&shared), 2);
    }
}
