use std::time::Duration;

use crate::types::Moment;

/// How many parts a window has. A count leaves the window with its part, so a window of 60 s reaches 55 to 60 s back.
pub(super) const PARTS: usize = 12;

/// Counts of `N` things over the last `span`, in a fixed amount of memory.
#[derive(Debug, Clone)]
pub(super) struct Window<const N: usize> {
    /// How long one part is, in nanoseconds; at least 1.
    width: u128,
    parts: [Part<N>; PARTS],
}

#[derive(Debug, Clone, Copy)]
struct Part<const N: usize> {
    /// Which part since the client's start; None: nothing was counted yet.
    tick: Option<u128>,
    counts: [u32; N],
}

impl<const N: usize> Window<N> {
    pub(super) fn new(span: Duration) -> Self {
        Self {
            width: (span.as_nanos() / PARTS as u128).max(1),
            parts: [Part {
                tick: None,
                counts: [0; N],
            }; PARTS],
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for part in &mut self.parts {
            part.tick = None;
        }
    }

    fn tick(&self, at: Moment) -> u128 {
        at.since_start().as_nanos() / self.width
    }

    /// The part `at` falls in, made empty if an older one had its place. None when a newer one has it.
    fn part(&mut self, at: Moment) -> Option<&mut Part<N>> {
        let tick = self.tick(at);
        let place = usize::try_from(tick % PARTS as u128).unwrap_or_default();
        let part = self.parts.get_mut(place)?;
        match part.tick {
            Some(held) if held > tick => None,
            Some(held) if held == tick => Some(part),
            _ => {
                *part = Part {
                    tick: Some(tick),
                    counts: [0; N],
                };
                Some(part)
            }
        }
    }

    fn change(&mut self, at: Moment, which: usize, change: impl Fn(u32) -> u32) {
        if let Some(count) = self.part(at).and_then(|part| part.counts.get_mut(which)) {
            *count = change(*count);
        }
    }

    /// Counts one `which` at `at`.
    pub(super) fn add(&mut self, at: Moment, which: usize) {
        self.change(at, which, |count| count.saturating_add(1));
    }

    /// Takes back one `which` counted at `at`. Nothing when it has left the window.
    pub(super) fn take_back(&mut self, at: Moment, which: usize) {
        self.change(at, which, |count| count.saturating_sub(1));
    }

    /// Makes `which` at `at` at least `value`, for windows that hold maxima.
    pub(super) fn raise(&mut self, at: Moment, which: usize, value: u32) {
        self.change(at, which, |count| count.max(value));
    }

    fn live(&self, now: Moment) -> impl Iterator<Item = &[u32; N]> {
        let tick = self.tick(now);
        self.parts
            .iter()
            .filter(move |part| part.tick.is_some_and(|held| held + PARTS as u128 > tick))
            .map(|part| &part.counts)
    }

    /// The sums over the window that ends now.
    pub(super) fn sums(&self, now: Moment) -> [u32; N] {
        self.fold(now, u32::saturating_add)
    }

    /// The maxima over the window that ends now.
    pub(super) fn maxima(&self, now: Moment) -> [u32; N] {
        self.fold(now, u32::max)
    }

    fn fold(&self, now: Moment, join: impl Fn(u32, u32) -> u32) -> [u32; N] {
        let mut out = [0; N];
        for counts in self.live(now) {
            for (total, count) in out.iter_mut().zip(counts) {
                *total = join(*total, *count);
            }
        }
        out
    }
}

/// Whether `part` is at least `share` of `whole`, and `whole` at least `least`.
pub(super) fn reaches(part: u32, whole: u32, least: u32, share: f64) -> bool {
    whole >= least.max(1) && f64::from(part) >= share * f64::from(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn a_count_leaves_after_the_span() {
        let mut window = Window::<2>::new(Duration::from_secs(60));
        window.add(at(0), 0);
        window.add(at(7), 1);
        window.add(at(7), 1);
        assert_eq!(window.sums(at(59)), [1, 2]);
        assert_eq!(window.sums(at(60)), [0, 2]);
        assert_eq!(window.sums(at(65)), [0, 0]);
        // The place of a part that left is used again, and holds nothing of it.
        window.add(at(67), 1);
        assert_eq!(window.sums(at(67)), [0, 1]);
    }

    #[test]
    fn what_has_left_cannot_be_taken_back() {
        let mut window = Window::<1>::new(Duration::from_secs(60));
        window.add(at(0), 0);
        window.add(at(61), 0);
        window.take_back(at(0), 0);
        assert_eq!(window.sums(at(61)), [1], "the older count had left");
        window.take_back(at(61), 0);
        window.take_back(at(61), 0);
        assert_eq!(window.sums(at(61)), [0]);
    }

    #[test]
    fn maxima_are_kept_by_part() {
        let mut window = Window::<1>::new(Duration::from_secs(60));
        window.raise(at(0), 0, 9);
        window.raise(at(0), 0, 3);
        window.raise(at(30), 0, 4);
        assert_eq!(window.maxima(at(59)), [9]);
        assert_eq!(window.maxima(at(60)), [4]);
        window.clear();
        assert_eq!(window.maxima(at(60)), [0]);
    }

    #[test]
    fn a_share_needs_its_least_number() {
        assert!(reaches(5, 10, 10, 0.5));
        assert!(!reaches(4, 10, 10, 0.5));
        assert!(!reaches(9, 9, 10, 0.5));
        assert!(!reaches(0, 0, 0, 0.5), "nothing says nothing");
    }
}
