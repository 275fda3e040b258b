//! Vectors through the engine, from vendors that speak each format that has them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::sync::Arc;

use hotspare::config::Config;
use hotspare::types::InputType;
use hotspare::{Client, EmbedReply};
use hotspare_simulator::{Script, SimTransport};
use serde_json::json;

const DIALECTS: [&str; 5] = [
    "openai_chat",
    "openai_responses",
    "gemini",
    "cohere_chat",
    "ollama_chat",
];

/// A client whose route calls `down`, which answers 503, and then a vendor of each dialect.
fn lab(second: &str) -> (Client, SimTransport) {
    let mut script = json!({"down": {"dialect": "openai_chat", "steps": [{"status": 503, "repeat": 1000}]}});
    let mut providers =
        json!({"down": {"dialect": "openai_chat", "base_url": SimTransport::url("down"), "keys": []}});
    for dialect in DIALECTS {
        script[dialect] = json!({"dialect": dialect});
        providers[dialect] =
            json!({"dialect": dialect, "base_url": SimTransport::url(dialect), "keys": ["a-key"]});
    }
    let script: Script = Script::from_json(&json!({"providers": script}).to_string()).unwrap();
    let config = json!({
        "standby": false,
        "providers": providers,
        "routes": {"embed": {"kind": "embed", "targets": ["down/m", format!("{second}/m")], "dimensions": 64, "batch": 3}},
    });
    let transport = SimTransport::new(script);
    let client = Client::with_transport(
        Config::from_json(&config.to_string()).unwrap(),
        Arc::new(transport.clone()),
        Some(7),
    );
    (client, transport)
}

async fn made(second: &str) -> EmbedReply {
    let (client, _) = lab(second);
    client
        .embed(["one", "two words", "three", "four"])
        .input_type(InputType::Document)
        .send()
        .await
        .unwrap_or_else(|error| panic!("{second}: {error:?}"))
}

/// The simulator gives one model's text one vector, whoever is asked: so every format must give the same.
#[tokio::test(start_paused = true)]
async fn every_format_gives_the_same_vectors() {
    let first = made("openai_chat").await;
    assert_eq!((first.embeddings.len(), first.dimensions()), (4, 64));
    assert_ne!(first.embeddings[0], first.embeddings[1]);
    for dialect in DIALECTS {
        let reply = made(dialect).await;
        assert_eq!(reply.target, format!("{dialect}/m"));
        assert_eq!(reply.trail[0].code(), "overloaded", "{dialect}");
        assert_eq!(
            (reply.usage.reported, reply.usage.input_tokens),
            (true, 5),
            "{dialect}"
        );
        for (one, other) in reply.embeddings.iter().zip(&first.embeddings) {
            assert!(
                one.iter()
                    .zip(other)
                    .all(|(one, other)| (one - other).abs() < 1e-6),
                "{dialect}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_says_that_vectors_were_asked_for() {
    for dialect in DIALECTS {
        let (client, transport) = lab(dialect);
        client.embed(["a", "b", "c", "d"]).send().await.unwrap();
        let good: Vec<_> = transport
            .journal()
            .into_iter()
            .filter(|entry| entry.status == Some(200))
            .collect();
        assert_eq!(good.len(), 2, "{dialect}");
        assert!(
            good.iter()
                .all(|entry| entry.embed && entry.model.as_deref() == Some("m")),
            "{dialect}: {good:?}"
        );
    }
}
