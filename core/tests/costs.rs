//! What recorded replies cost, against a table made by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking and reports by printing, in its helpers too"
)]

use std::path::PathBuf;

use hotspare::catalog;
use hotspare::dialect::dialect;
use hotspare::types::{DialectId, Usage};
use serde_json::Value;

struct Row<'t> {
    provider: &'t str,
    model: &'t str,
    usage: Usage,
    sum: &'t str,
    usd: f64,
    recording: &'t str,
}

fn rows() -> Vec<Row<'static>> {
    let lines = include_str!("costs.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let count = |cell: usize| cells[cell].parse::<u64>().expect(line);
            Row {
                provider: cells[0],
                model: cells[1],
                usage: Usage {
                    reported: true,
                    input_tokens: count(2),
                    cache_read_tokens: count(3),
                    cache_write_tokens: count(4),
                    output_tokens: count(5),
                    ..Usage::default()
                },
                sum: cells[6],
                usd: cells[7].parse().expect(line),
                recording: cells[8],
            }
        })
        .collect()
}

/// `3*0.5 + 4*2` and the like.
fn worked_out(sum: &str) -> f64 {
    sum.split(" + ")
        .map(|product| {
            let (tokens, price) = product.split_once('*').expect(sum);
            tokens.parse::<f64>().expect(sum) * price.parse::<f64>().expect(sum)
        })
        .sum()
}

#[test]
fn cost_of_30_recorded_usages_matches_a_hand_made_table() {
    let rows = rows();
    assert!(rows.len() >= 30, "{}", rows.len());
    let vendors: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.provider).collect();
    assert!(vendors.len() >= 15, "{vendors:?}");
    for row in &rows {
        let name = format!("{}/{} ({})", row.provider, row.model, row.recording);
        assert!(
            (worked_out(row.sum) / 1e6 - row.usd).abs() < 1e-9,
            "{name}: the sum is {}",
            worked_out(row.sum)
        );
        let facts = catalog::model(row.provider, row.model).expect(&name);
        let cost = facts.cost_usd(&row.usage).expect(&name);
        assert!(
            (cost - row.usd).abs() < 1e-9,
            "{name}: {cost}, by hand {}",
            row.usd
        );
    }
}

/// The counts of the table are those that the codecs read, in the dialects that they replay whole.
#[test]
fn the_counts_are_those_of_the_recordings() {
    let folder = std::env::var_os("HOTSPARE_FIXTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")),
        PathBuf::from,
    );
    if !folder.is_dir() {
        assert!(
            std::env::var_os("HOTSPARE_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "no recordings in {}",
            folder.display()
        );
        eprintln!("NOT CHECKED: no recordings in {}", folder.display());
        return;
    }
    let mut checked = 0;
    for row in rows() {
        let file = folder.join(format!("{}.json", row.recording));
        let fixture: Value = serde_json::from_slice(&std::fs::read(&file).expect(row.recording)).unwrap();
        let id = match fixture["endpoint"].as_str().unwrap() {
            "chat.completions" => DialectId::OpenaiChat,
            "messages" => DialectId::AnthropicMessages,
            "generateContent" => DialectId::Gemini,
            "responses" => DialectId::OpenaiResponses,
            "converse" => DialectId::BedrockConverse,
            "v2.chat" => DialectId::CohereChat,
            _ => continue,
        };
        let body = fixture["response"]["body"].to_string();
        let usage = dialect(id).decode(body.as_bytes()).expect(row.recording).usage;
        assert_eq!(
            Usage {
                reasoning_tokens: 0,
                ..usage
            },
            row.usage,
            "{}",
            row.recording
        );
        if let Some(told) = fixture["response"]["body"]["usage"]["cost"].as_f64() {
            assert!(
                (told - row.usd).abs() < 1e-9,
                "{}: the vendor says {told}",
                row.recording
            );
        }
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}
