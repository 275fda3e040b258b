use crate::health::Standing;

/// How one target stands when a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// None: it would not be admitted now.
    pub standing: Option<Standing>,
    /// Others of its correlation domain opened just now.
    pub suspect: bool,
}

/// A degraded target keeps its place for one request in ten, so that it is seen to recover.
const DEGRADED: f64 = 0.1;
/// A suspect one for every second.
const SUSPECT: f64 = 0.5;

/// The order in which the targets of a route are called: as written, but with degraded and suspect ones mostly behind the
/// others. `draw` gives numbers of 0..1, one for each target that needs one.
pub fn order(places: &[Place], mut draw: impl FnMut() -> f64) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..places.len()).collect();
    if places.iter().all(is_sound) {
        return indices;
    }
    let behind: Vec<bool> = places
        .iter()
        .map(|place| match place {
            Place {
                standing: Some(Standing::Degraded),
                ..
            } => draw() >= DEGRADED,
            Place { suspect: true, .. } => draw() >= SUSPECT,
            _ => false,
        })
        .collect();
    // Stable: within each half the order is as written.
    indices.sort_by_key(|index| behind.get(*index).copied().unwrap_or_default());
    indices
}

const fn is_sound(place: &Place) -> bool {
    !place.suspect && !matches!(place.standing, Some(Standing::Degraded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(standing: Standing, suspect: bool) -> Place {
        Place {
            standing: Some(standing),
            suspect,
        }
    }

    #[test]
    fn sound_targets_keep_their_order() {
        let shut = Place {
            standing: None,
            suspect: false,
        };
        let places = [
            place(Standing::Healthy, false),
            shut,
            place(Standing::Ramping, false),
        ];
        assert_eq!(order(&places, || panic!("nothing is drawn")), [0, 1, 2]);
    }

    #[test]
    fn degraded_and_suspect_targets_go_behind_mostly() {
        let places = [
            place(Standing::Degraded, false),
            place(Standing::Healthy, true),
            place(Standing::Healthy, false),
        ];
        assert_eq!(order(&places, || 0.99), [2, 0, 1]);
        assert_eq!(order(&places, || 0.3), [1, 2, 0]);
        assert_eq!(order(&places, || 0.05), [0, 1, 2]);
    }
}
