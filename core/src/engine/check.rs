//! Requests that no target can be asked.

use std::sync::Arc;

use super::targets::PreparedRoute;
use super::world::World;
use crate::config::RouteKind;
use crate::error::Error;
use crate::types::{ChatRequest, Failure};

/// Longest deadline taken from a request.
const MAX_TIMEOUT: f64 = 86_400.0;

/// Refuses what no target can be asked. Of several answers (`many`), all go through to a client as they came, or none do.
pub(super) fn check(request: &ChatRequest, many: bool) -> Result<(), Error> {
    if request.messages.is_empty() {
        return Err(Error::invalid_request(
            "`messages`: at least one message is needed",
        ));
    }
    if let Some(n) = request.extra.get("n").filter(|n| n.as_u64() != Some(1) && !many) {
        return Err(Error::invalid_request(format!(
            "`n`: expected 1, since a reply holds one answer, found {}",
            Failure::clean(&n.to_string())
        )));
    }
    check_timeout(request.timeout)
}

/// Refuses a deadline that is none.
pub(super) fn check_timeout(timeout: Option<f64>) -> Result<(), Error> {
    match timeout {
        Some(timeout) if !(timeout > 0.0 && timeout <= MAX_TIMEOUT) => Err(Error::invalid_request(format!(
            "`timeout`: expected seconds above 0 and up to {MAX_TIMEOUT}, found {timeout}"
        ))),
        _ => Ok(()),
    }
}

/// The route of a chat.
pub(super) fn chat_route(world: &World, request: &ChatRequest) -> Result<Arc<PreparedRoute>, Error> {
    let route = world.route(request.route.as_deref())?;
    match route.route.kind {
        RouteKind::Chat => Ok(route),
        RouteKind::Embed => Err(Error::invalid_request(format!(
            "`route`: \"{}\" is of kind `embed`: it makes vectors, and answers no chats",
            route.route.name
        ))),
    }
}
