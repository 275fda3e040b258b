//! The binary, run as people run it, against a vendor on a local socket.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up must fail"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};

const CANARY: &str = "sk-canary-4f1d";

/// A vendor that speaks `openai_chat` under `/v1` and is overloaded under `/down`. Gives its port.
fn vendor() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            answer(connection.unwrap());
        }
    });
    port
}

fn answer(mut connection: TcpStream) {
    let (head, body) = request(&mut connection);
    let wants = head.lines().next().unwrap_or_default().to_owned();
    let (status, kind, reply) = if wants.starts_with("GET /v1/models") {
        let accepted = head.contains(&format!("authorization: Bearer {CANARY}"));
        let status = if accepted { "200 OK" } else { "401 Unauthorized" };
        (status, "application/json", "{}".to_owned())
    } else if wants.starts_with("POST /v1/chat/completions") && body.contains("\"stream\":true") {
        let event = |fields: &str| {
            format!("data: {{\"id\":\"c1\",\"model\":\"gpt-4o-mini\",\"choices\":[{fields}]}}\n\n")
        };
        let text = [
            event(r#"{"index":0,"delta":{"role":"assistant","content":"Good "}}"#),
            event(r#"{"index":0,"delta":{"content":"day"}}"#),
            event(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#),
            "data: [DONE]\n\n".to_owned(),
        ];
        ("200 OK", "text/event-stream", text.concat())
    } else if wants.starts_with("POST /v1/chat/completions") {
        let heard = if body.contains("Be terse") {
            "Terse day"
        } else {
            "Good day"
        };
        let reply = serde_json::json!({
            "id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": heard}}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        });
        ("200 OK", "application/json", reply.to_string())
    } else {
        (
            "503 Service Unavailable",
            "application/json",
            r#"{"error":{"message":"too busy"}}"#.to_owned(),
        )
    };
    let length = reply.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    // A caller that went away is its own affair.
    let _ = connection.write_all(format!("{head}{reply}").as_bytes());
}

fn request(connection: &mut TcpStream) -> (String, String) {
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    loop {
        let read = connection.read(&mut chunk).unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert_ne!(read, 0, "the request ended early: {text}");
    }
}

struct Bench {
    directory: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("hotspare-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory }
    }

    fn config(&self, text: &str) -> String {
        let path = self.directory.join("hotspare.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A config whose first target is down and whose second answers as openai's model.
    fn two_targets(&self) -> String {
        let port = vendor();
        self.config(&format!(
            "[providers.openai]\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkeys = [\"env:KEY_A\", \"env:KEY_B\"]\n\
             [providers.down]\ndialect = \"openai_chat\"\nbase_url = \"http://127.0.0.1:{port}/down\"\n\
             [routes.default]\ntargets = [\"down/m\", \"openai/gpt-4o-mini\"]\nbackoff = {{ base = 0, cap = 0 }}\n\
             [routes.lost]\ntargets = [\"down/m\"]\nbackoff = {{ base = 0, cap = 0 }}\n"
        ))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Runs the binary with no environment but `env`: exit code, stdout, stderr. No key may show in either.
fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotspare"));
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert!(!format!("{out}{err}").contains("canary"), "{out}{err}");
    (status.code().unwrap(), out, err)
}

#[test]
fn chat_prints_the_answer_and_what_it_took() {
    let bench = Bench::new("chat");
    let config = bench.two_targets();
    let env = [("KEY_A", CANARY)];
    for (args, answer) in [
        (vec![], "Good day\n"),
        (vec!["--system", "Be terse", "--max-tokens", "5"], "Terse day\n"),
        (vec!["--stream"], "Good day\n"),
    ] {
        let args = [vec!["chat", "Hello", "--config", &config], args].concat();
        let (code, out, err) = run(&args, &env);
        assert_eq!((code, out.as_str()), (0, answer), "{args:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with("openai/gpt-4o-mini | "), "{err}");
        assert!(err.contains("failed before: down/m overloaded"), "{err}");
    }
    let (_, _, err) = run(
        &[
            "chat",
            "Hello",
            "--config",
            &config,
            "--route",
            "openai/gpt-4o-mini",
        ],
        &env,
    );
    assert!(
        err.starts_with("openai/gpt-4o-mini | 1000 + 100 tokens | $0.000210 | "),
        "{err}"
    );
    assert!(!err.contains("failed"), "{err}");
}

#[test]
fn chat_prints_json() {
    let bench = Bench::new("json");
    let config = bench.two_targets();
    let (code, out, _) = run(
        &["chat", "Hello", "--json", "--config", &config],
        &[("KEY_A", CANARY)],
    );
    let reply: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, reply["text"].as_str()), (0, Some("Good day")));
    let (code, out, _) = run(
        &["chat", "Hello", "--json", "--stream", "--config", &config],
        &[("KEY_A", CANARY)],
    );
    let events: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text: String = events.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!((code, text.as_str()), (0, "Good day"));
    assert_eq!(events.last().unwrap()["type"], "finish");
}

#[test]
fn chat_tells_why_there_is_no_answer() {
    let bench = Bench::new("why");
    let config = bench.two_targets();
    for (args, expected) in [
        (
            vec!["chat", "Hi"],
            "hotspare: no key in the environment: set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY, or give --config\n",
        ),
        (
            vec!["chat", "Hi", "--target", "opnai/x"],
            "hotspare: targets[0]: unknown provider \"opnai\"; did you mean \"openai\"?\n",
        ),
        (
            vec!["chat", "Hi", "--target", "openai/x"],
            "OPENAI_API_KEY is not set",
        ),
        (
            vec!["chat", "Hi", "--config", &config, "--route", "lost"],
            "  down/m overloaded after ",
        ),
        (
            vec!["chat", "Hi", "--config", &config, "--route", "lost", "--stream"],
            "  down/m overloaded after ",
        ),
        (
            vec!["chat", "Hi", "--config", &config, "--route", "openai/x"],
            "KEY_A is not set",
        ),
    ] {
        let (code, out, err) = run(&args, &[]);
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    for args in [
        vec![],
        vec!["chat"],
        vec!["chat", "Hi", "--route", "a"],
        vec!["chat", "Hi", "--max-tokens", "0"],
    ] {
        assert_eq!(run(&args, &[]).0, 2, "{args:?}");
    }
}

#[test]
fn check_tells_keys_and_reach() {
    let bench = Bench::new("check");
    let port = vendor();
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = bench.config(&format!(
        "[providers.openai]\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkeys = [\"env:KEY_A\", \"env:KEY_B\"]\n\
         [providers.dead]\ndialect = \"openai_chat\"\nbase_url = \"http://127.0.0.1:{dead}/v1\"\n\
         [routes.default]\ntargets = [\"openai/gpt-4o-mini\", \"dead/m\"]\n"
    ));
    let (code, out, err) = run(&["check", &config], &[("KEY_A", CANARY)]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    for expected in [
        "hotspare.toml: valid, 2 providers, 1 route\n",
        "  openai/gpt-4o-mini\n  dead/m (not in the catalog: its cost is unknown)\n",
        " from env:KEY_A\n",
        "  no key: the environment variable KEY_B is not set\n",
        ": answers, and takes the key (200)\n",
        "  cannot be reached: ",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in {out}");
    }
    let (code, out, _) = run(&["check", &config], &[("KEY_A", "sk-other")]);
    assert!(
        code == 1 && out.contains(": answers, but refuses the key (401)\n"),
        "{out}"
    );

    let (code, out, _) = run(&["check", "--offline", &config], &[("KEY_A", CANARY)]);
    assert!(
        code == 0 && !out.contains("answers") && !out.contains("reached"),
        "{out}"
    );
    let (code, out, _) = run(&["check", "--offline", &config], &[]);
    assert!(
        code == 1 && out.contains("  it has no key, so no target of it can answer\n"),
        "{out}"
    );
}

#[test]
fn check_takes_a_clouds_credentials_for_a_key() {
    let bench = Bench::new("clouds");
    let port = vendor();
    let config = bench.config(&format!(
        "[providers.aws]\ndialect = \"openai_chat\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkeys = [\"aws:env\"]\n\
         [routes.default]\ntargets = [\"aws/m\"]\n"
    ));
    let there = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", CANARY)];
    let (code, out, _) = run(&["check", &config], &there);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("  aws:env: asked for") && out.contains("  answers; no credentials were tried (401)\n"),
        "{out}"
    );
    assert!(!out.contains(CANARY), "{out}");
    let (code, out, _) = run(&["check", "--offline", &config], &there[..1]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("  no key: the environment variable AWS_SECRET_ACCESS_KEY is not set\n")
            && out.contains("  it has no key, so no target of it can answer\n"),
        "{out}"
    );
}

#[test]
fn check_lists_every_problem() {
    let bench = Bench::new("problems");
    let config = bench.config(&format!(
        "[providers.openai]\nkeys = [\"{CANARY}\", 1]\n[routes.default]\ntargets = [\"openai\"]\nstrategie = 1\n"
    ));
    let (code, out, _) = run(&["check", &config], &[]);
    assert_eq!(code, 1);
    assert_eq!(
        out.lines()
            .map(|line| line.strip_prefix(&config).unwrap())
            .collect::<Vec<_>>(),
        [
            ":2: providers.openai.keys[1]: expected a string such as \"env:NAME\", found a number",
            ":4: routes.default.targets[0]: expected a target such as \"openai/gpt-4o-mini\", found \"openai\"",
            ":5: routes.default.strategie: unknown key; did you mean \"strategy\"?",
            ": 3 problems",
        ]
    );
    let valid = bench.config(
        "[routes.default]\ntargets = [\"openai/gpt-4o-mini\"]\n[tls]\nextra_roots = [\"none.pem\"]\n",
    );
    let (code, out, _) = run(&["check", "--offline", &valid], &[]);
    assert!(code == 1 && out.contains("none.pem"), "{out}");
}

#[test]
fn check_explains_where_providers_are() {
    let bench = Bench::new("places");
    let config = bench.config(
        "[providers.azure]\nresource = \"acme\"\nkeys = [\"env:KEY_A\"]\n\
         [providers.tokyo]\nvendor = \"bedrock\"\nregion = \"ap-northeast-1\"\nkeys = [\"env:KEY_A\"]\n\
         [providers.portkey]\nkeys = [\"env:KEY_A\"]\nheaders = { x-portkey-config = \"env:NO_SUCH_CONFIG\" }\n\
         [routes.default]\ntargets = [\"azure/gpt-4o\", \"azure/claude-x\", \"tokyo/nova\", \"portkey/m\"]\n",
    );
    let (code, out, _) = run(&["check", "--offline", &config], &[("KEY_A", CANARY)]);
    assert_eq!(code, 1, "{out}");
    for expected in [
        "  azure/claude-x (by anthropic_messages at https://acme.services.ai.azure.com/anthropic/v1; not in the catalog: its cost is unknown)\n",
        "provider azure: openai_chat at https://acme.openai.azure.com/openai/v1\n",
        "provider tokyo: bedrock_converse at https://bedrock-runtime.ap-northeast-1.amazonaws.com, AWS Bedrock (Converse), region ap-northeast-1\n",
        "  no header x-portkey-config: the environment variable NO_SUCH_CONFIG is not set\n",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in {out}");
    }
    let bad =
        bench.config("[providers.azure]\nregion = \"eu\"\n[routes.default]\ntargets = [\"azure/gpt-4o\"]\n");
    let (_, out, _) = run(&["check", &bad], &[]);
    let problems: Vec<_> = out.lines().map(|line| line.strip_prefix(&bad).unwrap()).collect();
    assert_eq!(
        problems,
        [
            ":1: providers.azure.resource: missing; Azure OpenAI is at https://{resource}.openai.azure.com/openai/v1",
            ":2: providers.azure.region: Azure OpenAI has no regions there; leave it out",
            ": 2 problems",
        ]
    );
}

#[test]
fn check_knows_credentials_of_clouds_and_facts_of_a_file() {
    let bench = Bench::new("clouds");
    std::fs::write(
        bench.directory.join("facts.toml"),
        "[mine.m]\ninput = 1\noutput = 2\n",
    )
    .unwrap();
    let text = |key: &str| {
        format!(
            "[providers.vertex]\nproject = \"acme\"\nkeys = [\"{key}\"]\n\
             [providers.mine]\ndialect = \"openai_chat\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
             [catalog]\nfile = \"facts.toml\"\n\
             [routes.default]\ntargets = [\"vertex/gemini-2.5-flash\", \"mine/m\", \"mine/other\"]\n"
        )
    };
    let (code, out, _) = run(&["check", "--offline", &bench.config(&text("gcp:metadata"))], &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("  gcp:metadata: asked for a token"), "{out}");
    assert!(!out.contains("it has no key"), "{out}");
    assert!(
        out.contains("  mine/m\n  mine/other (not in the catalog"),
        "{out}"
    );

    let missing = bench.config(&text("gcp:service-account:nowhere.json"));
    let (code, out, _) = run(&["check", "--offline", &missing], &[]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("  no key: the key file ") && out.contains("it has no key"),
        "{out}"
    );
}

#[test]
fn explain_gives_the_plan_and_sends_nothing() {
    let bench = Bench::new("explain");
    let config = bench.two_targets();
    let args = ["explain", "Hello", "--config", &config, "--max-tokens", "100"];
    let (code, out, err) = run(&args, &[("KEY_A", CANARY)]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("route default: about "), "{out}");
    assert!(lines[0].ends_with(" at most 4 attempts within 120 s"), "{out}");
    assert!(
        lines[1].starts_with("  1  down/m              cost unknown") && lines[1].ends_with("  called first"),
        "{out}"
    );
    assert!(
        lines[2].starts_with("  2  openai/gpt-4o-mini  $0.0000")
            && lines[2].ends_with("  called when those before it have failed"),
        "{out}"
    );
    let (code, out, _) = run(&[&args[..], &["--json"]].concat(), &[("KEY_A", CANARY)]);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, plan["targets"][1]["included"].as_bool()), (0, Some(true)));
    assert!(plan["targets"][1]["cost"]["max"].as_f64().unwrap() > 0.0, "{out}");

    let route = ["--route", "openai/gpt-4o-mini", "--system", "Be terse"];
    let (code, out, _) = run(&[&args[..], &route].concat(), &[]);
    assert_eq!(code, 1, "no target has a key: {out}");
    assert!(out.contains("\n  -  openai/gpt-4o-mini  "), "{out}");
    assert!(out.contains("KEY_A is not set"), "{out}");
    let (code, out, err) = run(&["explain", "Hello", "--config", &config, "--route", "nope"], &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("nope"), "{err}");
}

#[test]
fn status_shows_every_target() {
    let bench = Bench::new("status");
    let port = vendor();
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = bench.config(&format!(
        "[providers.openai]\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkeys = [\"env:KEY_A\", \"env:KEY_B\"]\n\
         [providers.dead]\ndialect = \"openai_chat\"\nbase_url = \"http://127.0.0.1:{dead}/v1\"\n\
         [routes.default]\ntargets = [\"openai/gpt-4o-mini\", \"dead/m\"]\n"
    ));
    let args = ["status", "--config", &config];
    let (code, out, err) = run(&args, &[("KEY_A", CANARY)]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("target              state   keys "), "{out}");
    assert!(
        lines[1].starts_with("dead/m              closed  none needed "),
        "{out}"
    );
    assert!(lines[1].contains("  none known  cannot be reached: "), "{out}");
    assert!(lines[2].starts_with("openai/gpt-4o-mini  closed  key-"), "{out}");
    assert!(
        lines[2].contains(", 1 not set  none known  answers, and takes the key (200)"),
        "{out}"
    );

    let (code, out, _) = run(&[&args[..], &["--json"]].concat(), &[]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, told["status"]["keys"][1]["state"].as_str()),
        (1, Some("not_set"))
    );
    assert_eq!(told["reached"].as_array().unwrap().len(), 2, "{out}");
    assert_eq!(told["reached"][0]["fine"], false, "{out}");

    let fine = bench.config(&format!(
        "[providers.openai]\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkeys = [\"env:KEY_A\"]\n\
         limits = {{ requests_per_minute = 60, concurrency = 4 }}\n\
         [routes.default]\ntargets = [\"openai/gpt-4o-mini\"]\n"
    ));
    let (code, out, _) = run(&["status", "--config", &fine], &[("KEY_A", CANARY)]);
    assert!(
        code == 0 && out.contains(" requests left, 4 at once  answers, "),
        "{out}"
    );
    let (code, _, err) = run(&["status"], &[]);
    assert!(code == 1 && err.contains("no key in the environment"), "{err}");
}

#[test]
fn models_are_listed_by_part_and_pattern() {
    let (code, out, err) = run(&["models", "openai/gpt-4o-mini"], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("model "), "{out}");
    let row = lines
        .iter()
        .find(|line| line.starts_with("openai/gpt-4o-mini "))
        .unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        cells[1..],
        [
            "128k", "16k", "0.15", "0.6", "0.075", "images", "PDF", "tools", "schema", "none"
        ],
        "{out}"
    );
    assert!(lines.last().unwrap().contains("$ for a million tokens"), "{out}");

    let (code, out, _) = run(&["models", "ANTHROPIC/*", "--json"], &[]);
    let models: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert!(models.len() > 10 && models.iter().all(|model| model["provider"] == "anthropic"));

    let (code, out, _) = run(&["models", "no-such-model"], &[]);
    assert_eq!(code, 1);
    assert!(out.contains("no model fits"), "{out}");

    let bench = Bench::new("models");
    std::fs::write(
        bench.directory.join("facts.toml"),
        "[local.\"qwen3:8b\"]\ncontext_window = 40960\n",
    )
    .unwrap();
    let config =
        bench.config("[catalog]\nfile = \"facts.toml\"\n[routes.default]\ntargets = [\"openai/gpt-4o\"]");
    let (code, out, _) = run(&["models", "local/", "--config", &config], &[]);
    assert_eq!(code, 0);
    assert!(out.contains("local/qwen3:8b  41k"), "{out}");
}
