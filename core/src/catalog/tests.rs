use super::*;
use crate::types::{DialectId, Usage};

#[test]
fn embedded_data_is_sound() {
    let providers = parse_providers(PROVIDERS_TOML).unwrap();
    let names: std::collections::BTreeSet<&str> =
        providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names.len(), providers.len());
    for provider in &providers {
        let name = &provider.name;
        let local = provider.base_url.starts_with("http://localhost:");
        assert!(local || provider.base_url.starts_with("https://"), "{name}");
        // The clouds have other credentials than keys.
        let asks = !provider.key_env.is_empty() || provider.auth == Some(Auth::Gcp);
        assert!(local || asks, "{name}");
        assert!(
            provider
                .free_probe
                .as_ref()
                .is_none_or(|path| path.starts_with('/')),
            "{name}"
        );
        let surfaces = provider.surfaces.iter();
        let auths = surfaces
            .filter_map(|surface| surface.auth.as_ref())
            .chain(&provider.auth);
        for auth in auths {
            let (header, _) = auth.header();
            assert!(
                http::HeaderName::try_from(header).is_ok_and(|name| name == header),
                "{name}"
            );
        }
    }
    let mut count = 0;
    for vendor in embedded::vendors() {
        let models = vendor.unpack().unwrap();
        assert!(
            models.is_sorted_by(|one, two| one.id < two.id),
            "{}",
            vendor.name()
        );
        for model in models {
            let name = format!("{}/{}", model.provider, model.id);
            assert_eq!(overlay::unsound(&model), Vec::new(), "{name}");
            assert!(!model.source.is_empty(), "{name}");
            assert!(
                model.efforts.is_empty() || model.reasoning != Reasoning::None,
                "{name}"
            );
            let input = model.input.unwrap_or(f64::MAX);
            // A few cents of difference, where a source rounds.
            assert!(
                model.cache_read.is_none_or(|price| price <= input * 1.05),
                "{name}"
            );
            assert!(
                model.cache_write.is_none_or(|price| price >= input * 0.95),
                "{name}"
            );
            assert!(model.batch_input.is_none_or(|price| price <= input), "{name}");
            count += 1;
        }
    }
    assert!(count > 2000, "{count}");
}

/// A model that the catalog knows to need the Responses API is asked by it.
#[test]
fn models_that_need_responses_get_them() {
    let mut count = 0;
    for vendor in embedded::vendors() {
        let Some(provider) = provider(vendor.name()) else {
            continue;
        };
        for model in vendor.unpack().unwrap() {
            if model.responses.is_none() {
                continue;
            }
            let serves = |surface: &&Surface| surface.models.iter().any(|pattern| fits(pattern, &model.id));
            let surface = provider.surfaces.iter().find(serves);
            let dialect = surface.map(|surface| surface.dialect);
            assert_eq!(dialect, Some(DialectId::OpenaiResponses), "{}", model.id);
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

/// The models that most calls go to are known whole.
#[test]
fn common_models_are_known_whole() {
    for name in [
        "openai/gpt-4o-mini",
        "openai/gpt-5",
        "openai/gpt-6.1-sol",
        "azure/gpt-4o",
        "anthropic/claude-haiku-4-5",
        "anthropic/claude-opus-5-5",
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "vertex/claude-sonnet-4-5",
        "vertex/gemini-2.5-flash",
        "gemini/gemini-2.5-flash",
        "gemini/gemini-3.8-flash",
    ] {
        let (provider, id) = name.split_once('/').unwrap();
        let model = model(provider, id).expect(name);
        assert!(model.input.is_some() && model.output.is_some(), "{name}");
        assert!(
            model.context_window.is_some_and(|window| window > 100_000),
            "{name}"
        );
        assert!(model.max_output.is_some_and(|most| most >= 8192), "{name}");
        assert!(
            model.sampling.is_some() && model.reasoning != Reasoning::Unknown,
            "{name}"
        );
        assert_eq!((model.vision, model.tools), (Some(true), Some(true)), "{name}");
    }
    for (name, dimensions) in [
        ("openai/text-embedding-3-small", 1536),
        ("gemini/gemini-embedding-001", 3072),
        ("azure/text-embedding-3-large", 3072),
        ("mistral/mistral-embed", 1024),
        ("cohere/embed-v4.0", 1536),
    ] {
        let (provider, id) = name.split_once('/').unwrap();
        let model = model(provider, id).expect(name);
        assert_eq!(
            (model.kind, model.dimensions),
            (Kind::Embedding, Some(dimensions)),
            "{name}"
        );
    }
}

#[test]
fn ids_are_found_in_all_their_forms() {
    for (provider, id, expected) in [
        ("openai", "gpt-4o-mini", Some("gpt-4o-mini")),
        ("openai", "gpt-4o-mini-2024-07-18", Some("gpt-4o-mini")),
        ("openai", "gpt-4o-mini-20240718", Some("gpt-4o-mini")),
        ("openai", "gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
        (
            "openai",
            "ft:gpt-4o-2024-08-06:us::AbC",
            Some("ft:gpt-4o-2024-08-06"),
        ),
        ("anthropic", "claude-haiku-4-5-20251001", Some("claude-haiku-4-5")),
        ("gemini", "models/gemini-2.5-flash", Some("gemini-2.5-flash")),
        (
            "vertex",
            "publishers/google/models/gemini-2.5-flash",
            Some("gemini-2.5-flash"),
        ),
        ("vertex", "claude-opus-4-8@default", Some("claude-opus-4-8")),
        (
            "bedrock",
            "jp.anthropic.claude-opus-5-5",
            Some("anthropic.claude-opus-5-5"),
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5",
            Some("anthropic.claude-opus-5-5"),
        ),
        ("together", "openai/gpt-oss-120b", Some("openai/gpt-oss-120b")),
        ("openai", "gpt-4o-mini-2024-07-1x", None),
        ("openai", "-2024-07-18", None),
        ("openai", "日本語日本語日本語", None),
        ("openai", "ft:", None),
        ("openai", "", None),
        ("openai", "/", None),
        ("openai", "claude-haiku-4-5", None),
        ("nobody", "gpt-4o-mini", None),
    ] {
        assert_eq!(
            model(provider, id).map(|model| model.id.as_str()),
            expected,
            "{provider}/{id}"
        );
    }
}

#[test]
fn a_region_may_have_prices_of_its_own() {
    let price = |id: &str| model("bedrock", id).and_then(|model| model.input);
    let plain = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let global = price(&format!("global.{plain}")).unwrap();
    assert!(price(&format!("us.{plain}")).unwrap() > global);
}

fn million(tokens: u64) -> u64 {
    tokens * 1_000_000
}

#[test]
fn usage_is_priced_by_part() {
    let facts = Model {
        input: Some(3.0),
        output: Some(15.0),
        cache_read: Some(0.3),
        cache_write: Some(3.75),
        cache_write_1h: Some(6.0),
        ..Model::default()
    };
    let bare = Model {
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
        ..facts.clone()
    };
    let usage = Usage {
        reported: true,
        input_tokens: million(10),
        output_tokens: million(1),
        cache_read_tokens: million(2),
        cache_write_tokens: million(3),
        cache_write_1h_tokens: million(1),
        reasoning_tokens: million(1) / 2,
    };
    let lying = Usage {
        input_tokens: 0,
        ..usage
    };
    let nothing = Usage {
        reported: true,
        ..Usage::default()
    };
    let dear = Model {
        output: None,
        ..facts.clone()
    };
    for (facts, usage, expected) in [
        (
            &facts,
            usage,
            Some(5.0 * 3.0 + 2.0 * 0.3 + 2.0 * 3.75 + 6.0 + 15.0),
        ),
        (&bare, usage, Some(10.0 * 3.0 + 15.0)),
        (&facts, lying, Some(2.0 * 0.3 + 2.0 * 3.75 + 6.0 + 15.0)),
        (&facts, nothing, Some(0.0)),
        (&facts, Usage::default(), None),
        (&dear, usage, None),
    ] {
        assert_cost(facts, &usage, expected);
    }
}

fn assert_cost(facts: &Model, usage: &Usage, expected: Option<f64>) {
    let cost = facts.cost_usd(usage);
    assert!(
        match (cost, expected) {
            (Some(cost), Some(expected)) => (cost - expected).abs() < 1e-9,
            (cost, expected) => cost == expected,
        },
        "{usage:?}: {cost:?}, expected {expected:?}"
    );
}

#[test]
fn a_long_prompt_is_billed_whole_at_its_tier() {
    let tier = |above, input, output| Tier {
        above,
        input,
        output,
        ..Tier::default()
    };
    let facts = Model {
        input: Some(1.0),
        output: Some(10.0),
        cache_read: Some(0.1),
        tiers: vec![
            tier(200_000, Some(2.0), Some(20.0)),
            tier(500_000, Some(4.0), None),
        ],
        ..Model::default()
    };
    for (input_tokens, cached, expected) in [
        (200_000, 0, 0.2 + 1.0),
        (200_001, 0, 0.400_002 + 2.0),
        // What a tier does not say is as it is below: the cache costs the same, and the output what it does without.
        (600_000, 100_000, 2.0 + 0.01 + 1.0),
    ] {
        let usage = Usage {
            reported: true,
            input_tokens,
            cache_read_tokens: cached,
            output_tokens: 100_000,
            ..Usage::default()
        };
        assert_cost(&facts, &usage, Some(expected));
    }
}

#[test]
fn an_embedding_has_no_output_to_pay() {
    let facts = Model {
        kind: Kind::Embedding,
        input: Some(0.02),
        ..Model::default()
    };
    let usage = Usage {
        reported: true,
        input_tokens: million(2),
        ..Usage::default()
    };
    assert_cost(&facts, &usage, Some(0.04));
}

#[test]
fn layers_say_what_they_know_and_leave_the_rest() {
    let built = Catalog::default();
    let file = built
        .with(
            Layer::File,
            "[openai.gpt-4o-mini]\ninput = 1\nretires = 2027-01-02\n[local.\"qwen3:8b\"]\ncontext_window = 32768\n",
        )
        .unwrap();
    let app = file
        .with(
            Layer::App,
            r#"{"openai": {"gpt-4o-mini": {"input": 2.5, "vision": null}}}"#,
        )
        .unwrap();
    let (was, is, last) = (
        built.model("openai", "gpt-4o-mini").unwrap(),
        file.model("openai", "gpt-4o-mini-2024-07-18").unwrap(),
        app.model("openai", "gpt-4o-mini").unwrap(),
    );
    assert_eq!(
        (was.input, is.input, last.input),
        (Some(0.15), Some(1.0), Some(2.5))
    );
    assert_eq!((is.output, is.max_output), (was.output, was.max_output));
    assert_eq!(is.retires.as_deref(), Some("2027-01-02"));
    assert_eq!(
        (was.vision, is.vision, last.vision),
        (Some(true), Some(true), None)
    );
    assert_eq!(
        last.retires.as_deref(),
        Some("2027-01-02"),
        "the file still has its say"
    );
    assert!(is.source.contains(&Source::Overlay) && !was.source.contains(&Source::Overlay));
    let local = app.model("local", "qwen3:8b").unwrap();
    assert_eq!((local.context_window, local.input), (Some(32_768), None));
    assert_eq!(
        (local.provider.as_str(), local.id.as_str()),
        ("local", "qwen3:8b")
    );

    // A layer stands in place of what it said before.
    let again = app.with(Layer::App, "{}").unwrap();
    assert_eq!(again.model("openai", "gpt-4o-mini").unwrap().input, Some(1.0));
    assert_eq!(again.models().len(), built.models().len() + 1);
}

#[test]
fn every_problem_of_a_layer_is_told_with_its_place() {
    let text = r#"{
        "openai": {
            "gpt-4o-mini": {"inptu": 1, "output": "much", "max_output": 999999999},
            "gpt-4o": {"input": -1, "tiers": [{"above": 9}, {"above": 9, "output": 5000}]},
            "gpt-4.1": {"max_output": 2000000, "retires": "soon", "knowledge": "2024-06"},
            "gpt-5": 7
        },
        "gemini": []
    }"#;
    let bad = Catalog::default().with(Layer::App, text).unwrap_err();
    assert_eq!(
        bad.to_string(),
        "the catalog is not right\n  \
         `openai.gpt-5`: expected a table of fields, found a number\n  \
         `gemini`: expected a table of models, found a list"
    );
    let text = text
        .replace(",\n            \"gpt-5\": 7", "")
        .replace("[]", "{}");
    let bad = Catalog::default().with(Layer::App, &text).unwrap_err();
    assert_eq!(
        bad.to_string(),
        "the catalog is not right\n  \
         `openai.gpt-4.1.max_output`: expected no more than `context_window` (1047576), found 2000000\n  \
         `openai.gpt-4.1.retires`: expected a date such as 2026-11-23, found \"soon\"\n  \
         `openai.gpt-4o.input`: expected dollars for a million tokens, 0 to 1000, found -1\n  \
         `openai.gpt-4o.tiers[1].output`: expected dollars for a million tokens, 0 to 1000, found 5000\n  \
         `openai.gpt-4o.tiers[1].above`: expected more than 9, found 9\n  \
         `openai.gpt-4o-mini.inptu`: there is no such field; did you mean `input`?\n  \
         `openai.gpt-4o-mini.output`: invalid type: string \"much\", expected f64"
    );
    for (text, expected) in [
        ("[openai.gpt-4o]\ninput = nan", "invalid type: string \"NaN\""),
        ("{", "not JSON: EOF"),
        ("[openai", "not TOML: "),
        ("{} 1", "not JSON: trailing"),
    ] {
        let bad = Catalog::default().with(Layer::Url, text).unwrap_err();
        assert!(bad.misfits[0].message.starts_with(expected), "{bad}");
    }
}

#[test]
fn a_text_that_is_no_catalog_is_told_without_what_is_in_it() {
    let bad = Catalog::default()
        .with(Layer::File, "a = 1\nTOKEN=sk-canary-4f1d\n")
        .unwrap_err();
    let told = bad.to_string();
    assert!(told.contains("(line 2)") && !told.contains("canary"), "{told}");
    let many: String = (0..1000).map(|number| format!("m{number} = 1\n")).collect();
    let bad = Catalog::default().with(Layer::Url, &many).unwrap_err();
    assert_eq!(bad.misfits.len(), 1000);
    let told = bad.to_string();
    assert_eq!(told.lines().count(), 22, "{told}");
    assert!(told.ends_with("and 980 more"), "{told}");
    let bad = Catalog::default()
        .with(Layer::Url, "\"\\u001b[2J\" = 1")
        .unwrap_err();
    assert!(!bad.to_string().contains('\u{1b}'), "{bad}");
}

/// What it costs to carry and to unpack; the numbers of `docs/catalog.md`.
#[test]
fn the_data_is_small() {
    let packed: usize = embedded::vendors().iter().map(embedded::Vendor::packed).sum();
    assert!(packed < 100_000, "{packed} bytes");
}
