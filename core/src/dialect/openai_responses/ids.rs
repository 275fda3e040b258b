//! Ids of items that we wrote, which the vendor must not be asked for: it would not know them.

/// What tells our ids from the vendor's own.
const OURS: &str = "_hotspare";

/// The id of a reply of ours. `reply` tells it from all others, and is of letters and digits.
pub(super) fn reply_id(reply: &str) -> String {
    format!("resp{OURS}{reply}")
}

/// The id of an item of such a reply: the vendor's prefix for its kind, the reply, its place.
pub(super) fn item_id(prefix: &str, reply: &str, place: usize) -> String {
    format!("{prefix}{OURS}{reply}_{place}")
}

/// Whether an id is one of ours.
pub(super) fn is_ours(id: &str) -> bool {
    id.split_once(OURS).is_some()
}

/// The reply that an item of ours is of; None for any other item.
pub(super) fn reply_of(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once(OURS)?;
    rest.rsplit_once('_').map(|(reply, _)| reply)
}
