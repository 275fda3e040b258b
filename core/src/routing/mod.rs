//! Request, config, catalog and health → the ordered targets of one request. Pure.

mod estimate;
mod order;
mod route;

pub use estimate::{estimate, prompt_bytes};
pub use order::{Place, order};
pub use route::route;
