//! `hotspare simulate` and `hotspare chat` against each other, as people run them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up must fail"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_hotspare");

struct Simulation {
    process: Child,
    stdin: Option<ChildStdin>,
    /// A simulation whose output nobody reads ends.
    _stdout: BufReader<ChildStdout>,
    urls: Value,
}

fn file(name: &str, content: &Value) -> PathBuf {
    let path = std::env::temp_dir().join(format!("hotspare-simulate-{}-{name}.json", std::process::id()));
    std::fs::write(&path, content.to_string()).unwrap();
    path
}

fn simulate(script: &PathBuf) -> Simulation {
    let mut process = Command::new(BINARY)
        .args(["simulate", "--json", "--stdin"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    Simulation {
        stdin: process.stdin.take(),
        urls: serde_json::from_str(&line).unwrap(),
        _stdout: stdout,
        process,
    }
}

#[test]
fn a_chat_falls_over_between_simulated_vendors_and_closing_stdin_ends_the_simulation() {
    let script = json!({"providers": {
        "down": {"dialect": "openai_chat", "steps": [{"repeat": 9, "status": 500}]},
        "up": {"dialect": "anthropic_messages", "reply": {"text": "Good day."}},
    }});
    let mut simulation = simulate(&file("script", &script));
    let provider = |name: &str, dialect: &str| json!({"dialect": dialect, "base_url": simulation.urls[name], "keys": ["k"]});
    let config = json!({
        "providers": {"down": provider("down", "openai_chat"), "up": provider("up", "anthropic_messages")},
        "routes": {"default": {"targets": ["down/m", "up/m"]}},
    });
    let config = file("config", &config);

    for stream in [false, true] {
        let mut chat = Command::new(BINARY);
        chat.args(["chat", "hi", "--config"]).arg(&config);
        if stream {
            chat.arg("--stream");
        }
        // A machine without certificates, as slim containers are, can call all the same.
        chat.env("SSL_CERT_FILE", "/no/such/file")
            .env("SSL_CERT_DIR", "/no/such/folder");
        let output = chat.output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{err}");
        assert_eq!(out.trim(), "Good day.");
        assert!(err.contains("up/m") && err.contains("server"), "{err}");
    }

    drop(simulation.stdin.take());
    assert!(simulation.process.wait().unwrap().success());
}

#[test]
fn a_wrong_script_is_told_with_its_place_and_the_nearest_name() {
    let script = file(
        "wrong",
        &json!({"providers": {"a": {"dialect": "openai_chat", "stepz": []}}}),
    );
    let output = Command::new(BINARY).arg("simulate").arg(script).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("providers.a") && err.contains("did you mean `steps`?"),
        "{err}"
    );
}
