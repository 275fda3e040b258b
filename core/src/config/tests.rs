use std::time::Duration;

use proptest::prelude::*;

use super::*;

const CANARY: &str = "sk-canary-4f1d";

/// One problem a config, or a few: the text, and the lines its error shows.
const BAD: &[(&str, &[&str])] = &[
    (
        "[providers.openai]\nkeys = [{ weight = 2 }, { key = \"env:A\", weight = 0, group = \"\" }]\n\
         limits = { requests_per_minute = 0, token_per_minute = 5 }\ndomains = [\"\"]\nprobe = \"models\"\n\
         [routes.a]\ntargets = [\"openai/gpt-4o\"]\nstream_recovery = \"restrat\"\nhold_back = 0\nvia_stream = 1\n\
         hedge = { after = \"0s\", share = 2 }\n[standby]\nspares = 99",
        &[
            "line 2: providers.openai.keys[0]: `key` is missing; for example { key = \"env:NAME\", weight = 2 }",
            "line 2: providers.openai.keys[1].weight: expected a number above 0 and up to 1000, found 0",
            "line 2: providers.openai.keys[1].group: the name is empty",
            "line 3: providers.openai.limits.token_per_minute: unknown key; did you mean \"tokens_per_minute\"?",
            "line 3: providers.openai.limits.requests_per_minute: expected a whole number from 1 to 4294967295, found 0",
            "line 4: providers.openai.domains[0]: the name is empty",
            "line 5: providers.openai.probe: expected a path that begins with a slash, found \"models\"; for example \"/models\", or false",
            "line 8: routes.a.stream_recovery: unknown way to recover \"restrat\"; did you mean \"restart\"?",
            "line 9: routes.a.hold_back: expected a whole number from 1 to 1000000, found 0",
            "line 10: routes.a.via_stream: expected true or false, found 1",
            "line 11: routes.a.hedge.share: expected a number above 0 and up to 1, found 2",
            "line 11: routes.a.hedge.after: expected a duration above zero, found \"0s\"",
            "line 13: standby.spares: expected a whole number from 1 to 16, found 99",
        ],
    ),
    (
        "",
        &["routes: there is no route; add a [routes.default] with targets = [\"openai/gpt-4o-mini\"]"],
    ),
    (
        "[routes.default]\ntargets = [\"openai/gpt-4o-mini\",\n  \"opnai/gpt-4o\"]",
        &["line 3: routes.default.targets[1]: unknown provider \"opnai\"; did you mean \"openai\"?"],
    ),
    (
        "[route.default]\ntargets = [\"openai/gpt-4o-mini\"]",
        &[
            "routes: there is no route; add a [routes.default] with targets = [\"openai/gpt-4o-mini\"]",
            "line 1: route: unknown key; did you mean \"routes\"?",
        ],
    ),
    (
        "[routes.a]\ntargets = []\ntarget = 1\nzzz = 2",
        &[
            "line 2: routes.a.targets: expected at least one target",
            "line 3: routes.a.target: unknown key; did you mean \"targets\"?",
            "line 4: routes.a.zzz: unknown key; known: targets, kind, same_model, dimensions, batch, adapt, strategy, timeouts, max_attempts, rate_limit_wait, failover_on, backoff, stream_recovery, hold_back, via_stream, hedge",
        ],
    ),
    (
        "[routes.a]",
        &["line 1: routes.a.targets: missing; for example targets = [\"openai/gpt-4o-mini\"]"],
    ),
    (
        "routes = 3",
        &["line 1: routes: expected a table, found a number"],
    ),
    (
        "[routes.a]\ntargets = \"openai/gpt-4o\"",
        &[
            "line 2: routes.a.targets: expected a list of targets such as \"openai/gpt-4o-mini\", found a string",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"gpt-4o\", \"/x\", \"openai/\", 7, \"openai/gpt-4o\", \"openai/gpt-4o\", \"me/m\"]",
        &[
            "line 2: routes.a.targets[0]: expected a target such as \"openai/gpt-4o-mini\", found \"gpt-4o\"; did you mean \"openai/gpt-4o\"?",
            "line 2: routes.a.targets[1]: expected a target such as \"openai/gpt-4o-mini\", found \"/x\"",
            "line 2: routes.a.targets[2]: expected a target such as \"openai/gpt-4o-mini\", found \"openai/\"",
            "line 2: routes.a.targets[3]: expected a string, found 7",
            "line 2: routes.a.targets[5]: \"openai/gpt-4o\" stands in the list twice, first as [0]",
            "line 2: routes.a.targets[6]: unknown provider \"me\"; add a [providers.me] section",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"openai/x\"]\n[providers.openai]\nkeys = [\"gcp:service-account\", \"aws:profile:\", \"azure:entra:x\", \"gpc:default\"]",
        &[
            "line 4: providers.openai.keys[0]: unknown credentials of \"gcp:\"; known: gcp:service-account:PATH, gcp:metadata, gcp:default",
            "line 4: providers.openai.keys[1]: unknown credentials of \"aws:\"; known: aws:env, aws:profile:NAME, aws:role, aws:default",
            "line 4: providers.openai.keys[2]: unknown credentials of \"azure:\"; known: azure:entra, azure:managed-identity",
            "line 4: providers.openai.keys[3]: unknown key scheme; did you mean \"gcp\"?",
        ],
    ),
    (
        "[routes.\"a b\"]\ntargets = [\"openai/gpt-4o\"]",
        &["line 1: routes.\"a b\": a route's name must not be empty, and holds no slash and no space"],
    ),
    (
        "[providers.local]\n[routes.a]\ntargets = [\"local/x\"]",
        &[
            "line 1: providers.local.dialect: missing; \"local\" is not in the catalog; dialects: openai_chat, openai_responses, anthropic_messages, gemini, bedrock_converse, cohere_chat, ollama_chat",
            "line 1: providers.local.base_url: missing; for example \"https://api.example.com/v1\"",
        ],
    ),
    (
        "[providers.local]\ndialect = \"openai_chta\"\nbase_url = \"http://example.com/v1\"\napi_key = \"x\"\n[routes.a]\ntargets = [\"local/x\"]",
        &[
            "line 2: providers.local.dialect: unknown dialect \"openai_chta\"; did you mean \"openai_chat\"?",
            "line 3: providers.local.base_url: plain http to \"example.com\" would send keys in the clear; use https; http is for loopback hosts only",
            "line 4: providers.local.api_key: unknown key; known: vendor, dialect, base_url, endpoint, keys, headers, max_tokens_field, refuses, limits, domains, probe, account, api_version, project, region, resource, workspace",
        ],
    ),
    (
        "[providers.openai]\ndialect = \"telepathy\"\nbase_url = 7\n[routes.a]\ntargets = [\"openai/x\"]",
        &[
            "line 2: providers.openai.dialect: unknown dialect \"telepathy\"; known: openai_chat, openai_responses, anthropic_messages, gemini, bedrock_converse, cohere_chat, ollama_chat",
            "line 3: providers.openai.base_url: expected a string, found 7",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"openai/x\"]\nstrategy = \"cheapest\"\nmax_attempts = 0\nrate_limit_wait = -1\nfailover_on = [\"authentification\", \"timeout\", \"nonsense\"]",
        &[
            "line 3: routes.a.strategy: strategy \"cheapest\" is not supported by this version; known: priority",
            "line 4: routes.a.max_attempts: expected a whole number from 1 to 100, found 0",
            "line 5: routes.a.rate_limit_wait: expected a duration of zero or more, found -1",
            "line 6: routes.a.failover_on[0]: unknown failure class \"authentification\"; did you mean \"authentication\"?",
            "line 6: routes.a.failover_on[1]: whether \"timeout\" goes on to the next target is fixed; only authentication and content_filtered can be chosen",
            "line 6: routes.a.failover_on[2]: unknown failure class \"nonsense\"; only authentication and content_filtered can be chosen",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"openai/x\"]\n[routes.a.timeouts]\ntotal = \"5s\"\nfirst_token = \"8s\"\nidle = \"8 parsecs\"\nconnect = 0\nattempt = true\nreserve = \"25h\"\n[routes.a.backoff]\nbase = \"3s\"",
        &[
            "line 5: routes.a.timeouts.first_token: 8s is longer than `total`, which is 5s",
            "line 6: routes.a.timeouts.idle: expected a duration such as \"500ms\", \"8s\", \"2m\" or a number of seconds, found \"8 parsecs\"",
            "line 7: routes.a.timeouts.connect: expected a duration above zero, found 0",
            "line 8: routes.a.timeouts.attempt: expected a duration such as \"500ms\", \"8s\", \"2m\" or a number of seconds, found true",
            "line 9: routes.a.timeouts.reserve: expected at most 24 hours, found \"25h\"",
            "line 10: routes.a.backoff: `base`, which is 3s, is longer than `cap`, which is 2s",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"openai/x\"]\n[tls]\nextra_roots = [\"\", 1]\nroots = 1",
        &[
            "line 4: tls.extra_roots[0]: the path is empty",
            "line 4: tls.extra_roots[1]: expected a string, found 1",
            "line 5: tls.roots: unknown key; known: extra_roots",
        ],
    ),
    (
        "[routes.a]\ntargets = [\"openai/x\"]\n[providers.openai]\nkeys = [\"vault:a#b\", \"evn:A\", \"env:\", \"env:A-B\", \"file:\", \"\", \"OPENAI_API_KEY\", \"$KEY\", 5, \"a\\nb\"]",
        &[
            "line 4: providers.openai.keys[0]: \"vault:\" is not supported by this version; known: env:, file:, gcp:, azure:, aws:",
            "line 4: providers.openai.keys[1]: unknown key scheme; did you mean \"env\"?",
            "line 4: providers.openai.keys[2]: what follows \"env:\" is not the name of a variable",
            "line 4: providers.openai.keys[3]: what follows \"env:\" is not the name of a variable",
            "line 4: providers.openai.keys[4]: a path is missing after \"file:\"",
            "line 4: providers.openai.keys[5]: the key is empty",
            "line 4: providers.openai.keys[6]: this looks like the name of a variable; write \"env:\" and the name",
            "line 4: providers.openai.keys[7]: this looks like the name of a variable; write \"env:\" and the name",
            "line 4: providers.openai.keys[8]: expected a string such as \"env:NAME\", found a number",
            "line 4: providers.openai.keys[9]: the key holds a line break or a NUL",
        ],
    ),
    (
        "[routes.a\ntargets = [\"openai/x\"]\nb = = 2",
        &["line 1: not valid TOML: unclosed table, expected `]`"],
    ),
];

#[test]
fn every_problem_is_told_with_its_place() {
    for (text, expected) in BAD {
        let error = Config::from_toml(text).unwrap_err();
        let shown = error.to_string();
        assert_eq!(shown.lines().collect::<Vec<_>>(), *expected, "{text}");
        let as_error = crate::Error::from(error);
        assert_eq!(as_error.kind(), crate::ErrorKind::Config);
        assert_eq!(as_error.message(), shown);
    }
}

#[test]
fn json_problems_have_lines_when_the_text_has() {
    for (text, expected) in [
        (
            r#"{"routes": {"a": {"targets": ["x"]}}}"#,
            "routes.a.targets[0]: expected a target such as \"openai/gpt-4o-mini\", found \"x\"",
        ),
        (
            "{\"routes\": {\n\"a\": {\"targets\": [\n\"x/\"]}}}",
            "line 3: routes.a.targets[0]: expected a target such as \"openai/gpt-4o-mini\", found \"x/\"",
        ),
        (
            "{\n\"routes\": {},}",
            "line 2: not valid JSON: Trailing commas are not allowed",
        ),
        (
            "{\n\"routes\": {},\n\"routes\": {}}",
            "line 3: not valid JSON: a key stands twice in one object",
        ),
        ("", "not valid JSON: the text is empty"),
        ("// hi\n{}", "line 1: not valid JSON: Comments are not allowed"),
        ("[]", "expected a table, found a list"),
    ] {
        assert_eq!(
            Config::from_json(text).unwrap_err().to_string(),
            expected,
            "{text}"
        );
    }
}

const FULL: &str = r#"
[providers.openai]
keys = ["env:OPENAI_API_KEY", "file:keys/second", "sk-canary-4f1d"]

[providers.local]
dialect = "anthropic_messages"
base_url = "http://127.0.0.1:8000/v1/"

[routes.default]
targets = ["openai/gpt-4o-mini", "gemini/gemini-2.5-flash", "local/qwen/qwen3"]
strategy = "priority"
timeouts = { total = "1m", first_token = 8, idle = 2.5, connect = "500ms", attempt = "20s", reserve = 0 }
max_attempts = 3
rate_limit_wait = "0s"
failover_on = ["authentication", "authentication"]
backoff = { base = "10ms", cap = "1s" }

[routes.plain]
targets = ["anthropic/claude-haiku-4-5"]

[tls]
extra_roots = ["ca.pem", "/etc/ca.pem"]
"#;

fn sources(provider: &Provider) -> Vec<&KeySource> {
    provider.keys.iter().map(|key| &key.source).collect()
}

fn check_full(config: &Config, base: &Path) {
    let names: Vec<&str> = config.providers.keys().map(String::as_str).collect();
    assert_eq!(names, ["anthropic", "gemini", "local", "openai"]);
    let openai = &config.providers["openai"];
    assert_eq!(openai.base_url.as_str(), "https://api.openai.com/v1");
    assert!(
        matches!(&sources(openai)[..], [KeySource::Env(name), KeySource::File(path), KeySource::Literal(_)]
            if name == "OPENAI_API_KEY" && *path == base.join("keys/second"))
    );
    let gemini = &config.providers["gemini"];
    assert_eq!(gemini.dialect, DialectId::Gemini);
    assert!(
        matches!(&sources(gemini)[..], [KeySource::Env(first), KeySource::Env(second)]
        if first == "GEMINI_API_KEY" && second == "GOOGLE_API_KEY")
    );
    let local = &config.providers["local"];
    assert_eq!(local.base_url.as_str(), "http://127.0.0.1:8000/v1");
    assert_eq!(local.dialect, DialectId::AnthropicMessages);
    assert!(local.keys.is_empty());
    let route = &config.routes["default"];
    let targets: Vec<String> = route.targets.iter().map(ToString::to_string).collect();
    assert_eq!(
        targets,
        [
            "openai/gpt-4o-mini",
            "gemini/gemini-2.5-flash",
            "local/qwen/qwen3"
        ]
    );
    assert_eq!(route.targets[2].model, "qwen/qwen3");
    assert_eq!(
        route.timeouts,
        Timeouts {
            total: Duration::from_secs(60),
            connect: Duration::from_millis(500),
            first_token: Duration::from_secs(8),
            idle: Duration::from_millis(2500),
            attempt: Some(Duration::from_secs(20)),
            reserve: Duration::ZERO,
        }
    );
    assert_eq!((route.max_attempts, route.rate_limit_wait), (3, Duration::ZERO));
    assert_eq!(route.failover_on, [FailureClass::Authentication]);
    assert_eq!(
        route.backoff,
        Backoff {
            base: Duration::from_millis(10),
            cap: Duration::from_secs(1)
        }
    );
    assert_eq!(config.routes["plain"].timeouts, Timeouts::default());
    assert_eq!(
        config.extra_roots,
        [base.join("ca.pem"), PathBuf::from("/etc/ca.pem")]
    );
    assert_eq!(config.targets().count(), 4);
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn toml_json_and_files_read_alike() {
    check_full(&Config::from_toml(FULL).unwrap(), Path::new(""));
    let json = serde_json::to_string_pretty(&toml::from_str::<serde_json::Value>(FULL).unwrap()).unwrap();
    check_full(&Config::from_json(&json).unwrap(), Path::new(""));

    let directory = std::env::temp_dir().join(format!("hotspare-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in [
        ("good.toml", FULL),
        ("good.json", &json),
        ("bad.toml", "\nroutes = 1"),
        ("good.yaml", FULL),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    for name in ["good.toml", "good.json"] {
        check_full(&Config::from_file(directory.join(name)).unwrap(), &directory);
    }
    for (name, expected) in [
        ("bad.toml", "bad.toml:2: routes: expected a table, found a number"),
        (
            "good.yaml",
            "good.yaml: expected a file name that ends in .toml or .json",
        ),
        ("none.toml", "none.toml: cannot be read: "),
    ] {
        let shown = Config::from_file(directory.join(name)).unwrap_err().to_string();
        assert!(
            shown.starts_with(&directory.join(expected).display().to_string()),
            "{shown}"
        );
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn nulls_are_as_good_as_absent() {
    let text = r#"{"providers": {"x": null}, "tls": null,
        "routes": {"a": {"targets": ["openai/m"], "timeouts": {"total": null}, "strategy": null}}}"#;
    let config = Config::from_json(text).unwrap();
    assert_eq!(config.routes["a"].timeouts, Timeouts::default());
}

#[test]
fn targets_alone_make_a_config() {
    let config = Config::from_targets(["openai/gpt-4o-mini", "gemini/gemini-2.5-flash"]).unwrap();
    assert_eq!(config.providers.len(), 2);
    assert_eq!(config.providers["gemini"].keys.len(), 2);
    assert_eq!(config.routes["default"].targets.len(), 2);
    for (targets, expected) in [
        (vec![], "targets: expected at least one target"),
        (
            vec!["claude-haiku-4-5", "antropic/x"],
            "targets[0]: expected a target such as \"openai/gpt-4o-mini\", found \"claude-haiku-4-5\"; did you mean \"anthropic/claude-haiku-4-5\"?\n\
             targets[1]: unknown provider \"antropic\"; did you mean \"anthropic\"?",
        ),
    ] {
        assert_eq!(Config::from_targets(targets).unwrap_err().to_string(), expected);
    }
}

#[test]
fn base_urls_are_https_or_local() {
    let read = |url: &str| {
        Config::from_toml(&format!(
            "[providers.p]\ndialect = \"gemini\"\nbase_url = \"{url}\"\n[routes.a]\ntargets = [\"p/m\"]"
        ))
    };
    for (url, expected) in [
        ("https://api.example.com/v1//", "https://api.example.com/v1"),
        ("https://api.example.com", "https://api.example.com/"),
        ("http://localhost:1/v1", "http://localhost:1/v1"),
        ("http://127.9.9.9", "http://127.9.9.9/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://openai.sim/v1", "http://openai.sim/v1"),
        ("http://a.localhost/v1", "http://a.localhost/v1"),
    ] {
        assert_eq!(read(url).unwrap().providers["p"].base_url.as_str(), expected);
    }
    for url in [
        "http://example.com",
        "http://10.0.0.1",
        "http://notlocalhost",
        "http://sim",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "file:///etc/passwd",
        "data:text/plain,x",
        "/v1",
        "https://",
        "https://user:sk-canary-4f1d@example.com",
        "https://example.com/v1?key=sk-canary-4f1d",
        "https://example.com/v1#sk-canary-4f1d",
    ] {
        let error = read(url).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(
            (error.problems.len(), error.problems[0].line),
            (1, Some(3)),
            "{url}: {error}"
        );
    }
}

#[test]
fn a_key_in_a_broken_config_is_never_shown() {
    for keys in [
        format!("keys = \"{CANARY}\""),
        format!("keys = [\"{CANARY}\", 1]"),
        format!("keys = [\"{CANARY}\\n\"]"),
        format!("keys = [\"env:{CANARY}\"]"),
        format!("keys = [\"evn:{CANARY}\"]"),
        format!("keys = [\"vault:{CANARY}\"]"),
        format!("keys = [[\"{CANARY}\"]]"),
        format!("keys = {{ {CANARY} = 1 }}"),
        format!("keys = [\"{CANARY}]"),
        format!("keys = [{CANARY}]"),
        format!("keys = \"{CANARY}\"\nkeys = \"{CANARY}\""),
        format!("keys = [\"${CANARY}\"]"),
        format!("key = \"{CANARY}\""),
        format!("dialect = 7\nkeys = [\"{CANARY}\"]"),
    ] {
        let error = Config::from_toml(&format!(
            "[providers.openai]\n{keys}\n[routes.a]\ntargets = [\"openai/m\"]"
        ))
        .unwrap_err();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            crate::Error::from(error.clone()).to_string(),
        ] {
            assert!(!shown.contains("canary"), "{keys}: {shown}");
        }
    }
    for text in [
        format!(r#"{{"providers": {{"openai": {{"keys": ["{CANARY}]}}}}}}"#),
        format!(r#"{{"providers": {{"openai": {{"keys": [{CANARY}]}}}}}}"#),
        format!(r#"{{"providers": {{"openai": {{"keys": ["\q{CANARY}"]}}}}}}"#),
        format!(r#"{{"providers": {{"openai": {{"keys": "{CANARY}"}}}}}}"#),
    ] {
        let error = Config::from_json(&text).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{text}: {error}"
        );
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(Config::from_json(&deep).is_err());
    assert!(Config::from_toml(&format!("a = {deep}")).is_err());
    assert!(Config::from_json(&"{\"a\":".repeat(100_000)).is_err());
}

/// Texts near enough to a config to get past the parsers.
fn config_like() -> impl Strategy_<Value = String> {
    let word = prop::sample::select(vec![
        "routes",
        "default",
        "targets",
        "timeouts",
        "total",
        "providers",
        "openai",
        "keys",
        "base_url",
        "dialect",
        "tls",
        "extra_roots",
        "failover_on",
        "backoff",
        "base",
        "a b",
        "",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        prop::sample::select(vec![
            "openai/m",
            "env:A",
            "8s",
            "-1h",
            "https://x",
            "1e999s",
            "ms",
            "é",
            "priority"
        ])
        .prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|items| {
                let items: Vec<String> = items
                    .into_iter()
                    .map(|(key, value)| format!("{key:?}: {value}"))
                    .collect();
                format!("{{{}}}", items.join(","))
            }),
        ]
    })
}

use proptest::strategy::Strategy as Strategy_;

proptest! {
    #[test]
    fn any_text_is_an_answer_not_a_panic(text in ".*") {
        let _ = Config::from_toml(&text).map_err(|error| error.to_string());
        let _ = Config::from_json(&text).map_err(|error| error.to_string());
        let _ = Config::from_targets([text]).map_err(|error| error.to_string());
    }

    #[test]
    fn any_near_config_is_an_answer_not_a_panic(text in config_like()) {
        if let Err(error) = Config::from_json(&text) {
            prop_assert!(!error.problems.is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_toml_like_text_is_an_answer_not_a_panic(text in r#"(\[?\[?(routes|providers)\.[a-z".]{0,6}\]?\n?|(targets|keys|a\.b) ?= ?["'\[{0-9a-z/,.=:-]{0,12}\]?\n){0,8}"#) {
        let _ = Config::from_toml(&text).map_err(|error| error.to_string());
    }
}

#[test]
fn pools_limits_and_recovery_are_read() {
    let text = r#"
        [providers.openai]
        keys = ["env:A", { key = "env:B", weight = 2.5, group = "acme" }]
        limits = { requests_per_minute = 500, tokens_per_minute = 90000, burst = 20, concurrency = 8 }
        domains = ["edge:cloudflare"]
        probe = false

        [routes.default]
        targets = ["openai/gpt-4o", "anthropic/claude-haiku-4-5"]
        stream_recovery = "continue"
        hold_back = { chars = 80, time = "1s" }
        via_stream = true
        hedge = true

        [routes.other]
        targets = ["openai/gpt-4o"]
        hold_back = "300ms"
        hedge = { after = "2s" }

        [standby]
        spares = 2
    "#;
    let config = Config::from_toml(text).unwrap();
    let openai = &config.providers["openai"];
    assert_eq!(
        (openai.keys[0].weight, openai.keys[0].group.as_deref()),
        (1.0, None)
    );
    assert_eq!(
        (openai.keys[1].weight, openai.keys[1].group.as_deref()),
        (2.5, Some("acme"))
    );
    assert_eq!(
        (openai.limits.requests_per_minute, openai.limits.concurrency),
        (Some(500), Some(8))
    );
    assert_eq!(
        (openai.limits.tokens_per_minute, openai.limits.burst),
        (Some(90_000), Some(20))
    );
    assert_eq!(
        (&openai.domains[..], openai.probe.as_deref()),
        (&["edge:cloudflare".to_owned()][..], None)
    );
    assert_eq!(
        config.providers["anthropic"].probe.as_deref(),
        Some("/models?limit=1")
    );
    let route = &config.routes["default"];
    assert_eq!(route.stream_recovery, StreamRecovery::Continue);
    let time = Some(Duration::from_secs(1));
    assert_eq!(
        route.hold_back,
        Some(HoldBack {
            chars: Some(80),
            time
        })
    );
    assert!(route.via_stream);
    assert_eq!(route.hedge, Some(Hedge::default()));
    let other = &config.routes["other"];
    let time = Some(Duration::from_millis(300));
    assert_eq!(other.hold_back, Some(HoldBack { chars: None, time }));
    assert_eq!(
        other.hedge.and_then(|hedge| hedge.after),
        Some(Duration::from_secs(2))
    );
    assert_eq!(
        config.standby,
        Standby {
            spares: 2,
            ..Standby::default()
        }
    );
    let off = Config::from_toml("standby = false\n[routes.default]\ntargets = [\"openai/gpt-4o\"]").unwrap();
    assert!(!off.standby.enabled);
}

#[test]
fn a_catalog_file_is_read_with_the_config() {
    let folder = std::env::temp_dir().join(format!("hotspare-catalog-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("hotspare.toml");
    let config = |catalog: &str| {
        let text = format!("[catalog]\n{catalog}\n[routes.default]\ntargets = [\"openai/gpt-4o\"]\n");
        std::fs::write(&path, text).unwrap();
        Config::from_file(&path)
    };
    std::fs::write(folder.join("good.toml"), "[openai.gpt-4o]\ninput = 1.5\n").unwrap();
    std::fs::write(
        folder.join("bad.json"),
        r#"{"openai": {"gpt-4o": {"input": -1, "ouput": 2}}}"#,
    )
    .unwrap();
    let read = config("file = \"good.toml\"\nurl = \"https://a.example/m?x=1\"\nrefresh = \"1h\"").unwrap();
    let model = read.catalog.facts.model("openai", "gpt-4o").unwrap();
    assert_eq!((model.input, model.output), (Some(1.5), Some(10.0)));
    let shown = format!("{:?}", read.catalog);
    assert!(shown.contains("a.example") && !shown.contains("x=1"), "{shown}");
    assert_eq!(read.catalog.url.unwrap().as_str(), "https://a.example/m?x=1");
    assert_eq!(read.catalog.refresh, Duration::from_secs(3600));

    let problems = |catalog: &str| -> Vec<String> {
        let error = config(catalog).unwrap_err();
        let shown = error.problems.iter().map(|problem| {
            let text = problem.to_string();
            text.replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "")
        });
        shown.collect()
    };
    assert_eq!(
        problems("file = \"bad.json\"\nurl = \"http://a.example\"\nrefesh = 1"),
        [
            "catalog.file: bad.json: `openai.gpt-4o.ouput`: there is no such field; did you mean `output`?",
            "catalog.url: plain http to \"a.example\" could be changed on its way; use https; http is for loopback hosts only",
            "catalog.refesh: unknown key; did you mean \"refresh\"?",
        ]
    );
    assert!(problems("file = \"none.toml\"")[0].starts_with("catalog.file: none.toml: cannot be read"));
    std::fs::remove_dir_all(&folder).unwrap();
}
