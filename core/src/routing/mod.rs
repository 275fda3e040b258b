//! Request, config, catalog and health → the ordered targets of one request. Pure.

mod estimate;
mod order;
mod route;

pub use estimate::{Demand, estimate, prompt_bytes};
pub use order::{Place, order};
pub use route::{check_one_model, embed_route, meant, route};
