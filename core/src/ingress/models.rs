//! The names a client may ask for: routes, and their targets.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::head::Head;
use super::{Served, ServedBody};
use crate::config::Config;
use crate::dialect::ingress;
use crate::types::DialectId;

pub(super) fn list(config: &Config, dialect: DialectId, id: &str) -> Served {
    let targets = config.targets().map(ToString::to_string);
    let names: Vec<String> = config.routes.keys().cloned().chain(targets).collect();
    let body = match dialect {
        DialectId::AnthropicMessages => {
            let entry = |name: &String| json!({"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"});
            json!({
                "data": names.iter().map(entry).collect::<Value>(),
                "has_more": false,
                "first_id": names.first(),
                "last_id": names.last(),
            })
        }
        _ => {
            let entry =
                |name: &String| json!({"id": name, "object": "model", "created": 0, "owned_by": "hotspare"});
            json!({"object": "list", "data": names.iter().map(entry).collect::<Value>()})
        }
    };
    let id_header = ingress(dialect).map_or("x-request-id", |format| format.id_header());
    let head = Head::json(id_header, id);
    head.served(StatusCode::OK, ServedBody::Whole(Bytes::from(body.to_string())))
}
