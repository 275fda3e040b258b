//! The Node addon: convert, call, convert. The typed package around it is `node/`.
//!
//! No Tokio task holds a value of JavaScript's: results wait in a queue of the environment that asked (`ready`), and are
//! made into its values there. napi's own runtime is not used.

// Public, so that what only JavaScript calls does not look unused.
pub mod client;
mod errors;
pub mod feed;
pub mod ready;
pub mod simulator;
pub mod stream;
mod wait;
mod wire;

use hotspare_bridge::spawn;
use napi_derive::napi;
use serde_json::Value;

use crate::errors::thrown;

/// The version of the package.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every error code with the name of its class.
#[napi(catch_unwind)]
pub fn exceptions() -> Vec<Vec<&'static str>> {
    hotspare_bridge::EXCEPTIONS
        .iter()
        .map(|(code, class)| vec![*code, *class])
        .collect()
}

/// The assistant message of a reply that is given back as JSON text, in OpenAI's shape.
#[napi(catch_unwind)]
pub fn reply_message(reply: String) -> napi::Result<String> {
    json(|| {
        Ok(hotspare_bridge::assistant_message(
            &wire::returned_reply(&reply)?.completion,
        ))
    })
}

/// A reply that is given back as JSON text, as an OpenAI `chat.completion` object.
#[napi(catch_unwind)]
pub fn reply_to_openai(reply: String) -> napi::Result<String> {
    json(|| Ok(wire::returned_reply(&reply)?.to_openai()))
}

/// Vectors that are given back as JSON text, as OpenAI's list of embeddings.
#[napi(catch_unwind)]
pub fn embeddings_to_openai(embeddings: String) -> napi::Result<String> {
    json(|| Ok(wire::returned_embeddings(&embeddings)?.to_openai()))
}

fn json(make: impl FnOnce() -> hotspare::Result<Value>) -> napi::Result<String> {
    make().and_then(|value| wire::text(&value)).map_err(thrown)
}

/// Runs the `hotspare` command, the program's name first, and gives its exit code.
#[napi(catch_unwind)]
pub fn cli(args: Vec<String>) -> u32 {
    hotspare_cli::main_with_args(args.into_iter().map(Into::into)).into()
}

/// Panics inside a call, as a bug would.
#[napi(catch_unwind)]
pub fn panic_for_test() -> napi::Result<()> {
    wait::block_on(spawn(bug())).map_err(thrown)
}

#[expect(clippy::panic, reason = "to test that a panic does not cross")]
async fn bug() -> hotspare::Result<()> {
    panic!("as asked")
}
