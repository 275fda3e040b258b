//! What a client that speaks this format is answered with.
//!
//! What another vendor wants back of its reasoning rides in `encrypted_content`, where clients keep what they cannot read;
//! the mark of a call, which has no such field, in a reasoning item of its own.

mod errors;
mod events;
mod items;
mod response;
mod writer;

use http::StatusCode;
use serde_json::Value;

use super::OpenaiResponses;
use crate::dialect::{EventWriter, Heard, Ingress, Opening, Problem};
use crate::types::Reply;

use self::items::Maker;
use self::response::{Head, Standing, opening, usage};
use self::writer::Writer;

impl Ingress for OpenaiResponses {
    fn write_reply(&self, reply: &Reply, heard: &Heard) -> Vec<u8> {
        let opening = opening(reply);
        let mut maker = Maker::new(&opening.id, heard);
        let mut items = maker.all(&reply.completion);
        let standing = Standing::of(reply);
        if items.is_empty() && standing.status == "completed" {
            items.push(maker.silence());
        }
        let last = items.len().saturating_sub(1);
        let output = items.iter().enumerate().map(|(place, item)| {
            item.json(match place == last {
                true => standing.last(),
                false => "completed",
            })
        });
        let output: Vec<Value> = output.collect();
        Head::new(opening, heard)
            .response(&standing, output, usage(&reply.completion.usage))
            .to_string()
            .into_bytes()
    }

    fn writer(&self, opening: Opening, heard: &Heard) -> Box<dyn EventWriter> {
        Box::new(Writer::new(opening, heard))
    }

    fn write_error(&self, problem: &Problem) -> (StatusCode, Vec<u8>) {
        errors::write_error(problem)
    }

    fn repeats(&self) -> &'static [&'static str] {
        &response::REPEATED
    }

    fn id_header(&self) -> &'static str {
        "x-request-id"
    }
}
