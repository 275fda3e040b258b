use super::*;

#[test]
fn embedded_data_is_sound() {
    let catalog = Catalog::parse(PROVIDERS, MODELS).unwrap();
    assert_eq!(
        MODELS.matches("[[model]]").count(),
        catalog.models.values().map(HashMap::len).sum::<usize>()
    );
    for (name, models) in &catalog.models {
        assert!(
            catalog.providers.iter().any(|provider| provider.name == *name),
            "{name}"
        );
        for model in models.values() {
            let id = &model.id;
            let prices = [
                Some(model.input),
                Some(model.output),
                model.cache_read,
                model.cache_write,
                model.cache_write_1h,
            ];
            assert!(
                prices
                    .into_iter()
                    .flatten()
                    .all(|price| price > 0.0 && price < 1000.0),
                "{id}: {prices:?}"
            );
            assert!(model.cache_read.is_none_or(|price| price < model.input), "{id}");
            assert!(model.cache_write.is_none_or(|price| price >= model.input), "{id}");
            assert!(model.output > model.input, "{id}");
            assert!(
                model.context_window.is_some_and(|window| window > 100_000),
                "{id}"
            );
            assert!(model.max_output.is_some_and(|most| most >= 8192), "{id}");
            assert!(model.sampling.is_some(), "{id}");
            assert_ne!(model.reasoning, Reasoning::Unknown, "{id}");
            assert!(!model.source.is_empty() && model.date.len() == 10, "{id}");
        }
    }
    let names: std::collections::BTreeSet<&str> = catalog
        .providers
        .iter()
        .map(|provider| provider.name.as_str())
        .collect();
    assert_eq!(names.len(), catalog.providers.len());
    for provider in &catalog.providers {
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
}

#[test]
fn ids_are_found_dated_and_prefixed() {
    for (provider, id, expected) in [
        ("openai", "gpt-4o-mini", Some("gpt-4o-mini")),
        ("openai", "gpt-4o-mini-2024-07-18", Some("gpt-4o-mini")),
        ("openai", "gpt-4o-mini-20240718", Some("gpt-4o-mini")),
        ("anthropic", "claude-haiku-4-5-20251001", Some("claude-haiku-4-5")),
        ("gemini", "models/gemini-2.5-flash", Some("gemini-2.5-flash")),
        ("openai", "gpt-4o-mini-2024-07-1x", None),
        ("openai", "gpt-4o-mini-search-preview", None),
        ("openai", "-2024-07-18", None),
        ("openai", "日本語日本語日本語", None),
        ("openai", "", None),
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
fn usage_is_priced_by_part() {
    let facts = Model {
        input: 3.0,
        output: 15.0,
        cache_read: Some(0.3),
        cache_write: Some(3.75),
        cache_write_1h: Some(6.0),
        ..model("anthropic", "claude-haiku-4-5").unwrap().clone()
    };
    let bare = Model {
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
        ..facts.clone()
    };
    let million = 1_000_000;
    let usage = Usage {
        reported: true,
        input_tokens: 10 * million,
        output_tokens: million,
        cache_read_tokens: 2 * million,
        cache_write_tokens: 3 * million,
        cache_write_1h_tokens: million,
        reasoning_tokens: million / 2,
    };
    let lying = Usage {
        input_tokens: 0,
        ..usage
    };
    for (facts, usage, expected) in [
        (
            &facts,
            usage,
            Some(5.0 * 3.0 + 2.0 * 0.3 + 2.0 * 3.75 + 6.0 + 15.0),
        ),
        (&bare, usage, Some(10.0 * 3.0 + 15.0)),
        (&facts, lying, Some(2.0 * 0.3 + 2.0 * 3.75 + 6.0 + 15.0)),
        (
            &facts,
            Usage {
                reported: true,
                ..Usage::default()
            },
            Some(0.0),
        ),
        (&facts, Usage::default(), None),
    ] {
        let cost = facts.cost_usd(&usage);
        assert!(
            match (cost, expected) {
                (Some(cost), Some(expected)) => (cost - expected).abs() < 1e-9,
                (cost, expected) => cost == expected,
            },
            "{usage:?}: {cost:?}, expected {expected:?}"
        );
    }
}
