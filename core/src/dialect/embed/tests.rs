use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::types::InputType;

fn call(
    provider: &str,
    dialect: DialectId,
    lossy: bool,
    request: Value,
) -> Result<(String, Value, Vec<String>), Failure> {
    let request: EmbedRequest = serde_json::from_value(request).unwrap();
    let quirks =
        crate::catalog::provider(provider).map_or_else(Quirks::default, |known| known.quirks.clone());
    let encoded = embedder(dialect).unwrap().encode(&EmbedInput {
        request: &request,
        input: &request.input,
        provider,
        dialect,
        model: "m/1",
        quirks: &quirks,
        lossy,
    })?;
    let body = serde_json::from_slice(&encoded.body).unwrap();
    Ok((encoded.path, body, encoded.adapted))
}

fn read(dialect: DialectId, body: &Value) -> Result<Embedded, Failure> {
    embedder(dialect).unwrap().decode(body.to_string().as_bytes())
}

/// Everything a request can say.
fn full() -> Value {
    json!({"model": "r", "timeout": 3, "input": ["a", "b"], "dimensions": 8, "input_type": "query", "user": "u",
           "encoding_format": "base64"})
}

#[test]
fn bodies() {
    use DialectId as D;
    let cases = [
        (
            "openai",
            D::OpenaiChat,
            "/embeddings",
            json!({"model": "m/1", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "user": "u"}),
            vec!["input_type"],
        ),
        (
            "openai",
            D::OpenaiResponses,
            "/embeddings",
            json!({"model": "m/1", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "user": "u"}),
            vec!["input_type"],
        ),
        (
            "somebody",
            D::OpenaiChat,
            "/embeddings",
            json!({"model": "m/1", "input": ["a", "b"], "dimensions": 8, "user": "u"}),
            vec!["input_type"],
        ),
        (
            "gemini",
            D::Gemini,
            "/models/m%2F1:batchEmbedContents",
            json!({"requests": [
                {"model": "models/m/1", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY",
                 "outputDimensionality": 8},
                {"model": "models/m/1", "content": {"parts": [{"text": "b"}]}, "taskType": "RETRIEVAL_QUERY",
                 "outputDimensionality": 8}]}),
            vec!["user"],
        ),
        (
            "cohere",
            D::CohereChat,
            "/embed",
            json!({"model": "m/1", "texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"],
                   "truncate": "NONE", "output_dimension": 8}),
            vec!["user"],
        ),
        (
            "ollama",
            D::OllamaChat,
            "/api/embed",
            json!({"model": "m/1", "input": ["a", "b"], "truncate": false, "dimensions": 8}),
            vec!["user", "input_type"],
        ),
    ];
    for (provider, dialect, path, body, changed) in cases {
        let (found, sent, adapted) = call(provider, dialect, false, full()).unwrap();
        assert_eq!((found.as_str(), sent), (path, body), "{provider}");
        let named: Vec<&str> = adapted
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(named, changed, "{provider}");
    }
}

#[test]
fn a_vendor_may_have_another_name_for_a_field() {
    let quirks: Quirks = toml::from_str(
        "refuses = [\"user\"]\nembed = { dimensions = \"output_dimension\", max_tokens = 16384 }",
    )
    .unwrap();
    let request: EmbedRequest = serde_json::from_value(full()).unwrap();
    let embedder = embedder(DialectId::OpenaiChat).unwrap();
    let encoded = embedder
        .encode(&EmbedInput {
            request: &request,
            input: &request.input,
            provider: "mistral",
            dialect: DialectId::OpenaiChat,
            model: "m",
            quirks: &quirks,
            lossy: false,
        })
        .unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(
        body,
        json!({"model": "m", "input": ["a", "b"], "output_dimension": 8})
    );
    assert_eq!(encoded.adapted.len(), 2, "{:?}", encoded.adapted);
    assert_eq!(embedder.limits(&quirks).bytes, 16_384);
}

#[test]
fn what_is_not_asked_is_not_sent() {
    use DialectId as D;
    let text = json!({"input": "a"});
    let (_, sent, adapted) = call("somebody", D::OpenaiChat, false, text.clone()).unwrap();
    assert_eq!((sent, adapted), (json!({"model": "m/1", "input": ["a"]}), vec![]));
    let (_, sent, adapted) = call("cohere", D::CohereChat, false, text).unwrap();
    assert_eq!(sent["input_type"], "search_document");
    assert_eq!(adapted.len(), 1, "{adapted:?}");
}

#[test]
fn every_use_has_its_word() {
    for (input_type, gemini, cohere) in [
        (InputType::Query, "RETRIEVAL_QUERY", Some("search_query")),
        (InputType::Document, "RETRIEVAL_DOCUMENT", Some("search_document")),
        (
            InputType::Classification,
            "CLASSIFICATION",
            Some("classification"),
        ),
        (InputType::Clustering, "CLUSTERING", Some("clustering")),
        (InputType::Similarity, "SEMANTIC_SIMILARITY", None),
    ] {
        let request = json!({"input": "a", "input_type": input_type.as_str()});
        let (_, sent, _) = call("gemini", DialectId::Gemini, false, request.clone()).unwrap();
        assert_eq!(sent["requests"][0]["taskType"], gemini);
        match (
            cohere,
            call("cohere", DialectId::CohereChat, false, request.clone()),
        ) {
            (Some(word), Ok((_, sent, _))) => assert_eq!(sent["input_type"], word),
            (None, Err(failure)) => {
                assert_eq!(failure.class, FailureClass::Unsupported);
                let (_, _, adapted) = call("cohere", DialectId::CohereChat, true, request).unwrap();
                assert!(adapted[0].starts_with("input_type: left out"), "{adapted:?}");
            }
            (wanted, found) => panic!("{input_type:?}: {wanted:?} {found:?}"),
        }
    }
}

#[test]
fn options_are_laid_over_and_fields_we_do_not_know_go_to_the_family() {
    use DialectId as D;
    let request = json!({"input": ["a"], "flavour": 1, "provider_options": {
        "openai_chat": {"user": "v"}, "somebody": {"truncate_prompt_tokens": 9}, "else": {"x": 1}}});
    let (_, sent, _) = call("somebody", D::OpenaiChat, false, request.clone()).unwrap();
    assert_eq!(
        sent,
        json!({"model": "m/1", "input": ["a"], "flavour": 1, "user": "v", "truncate_prompt_tokens": 9})
    );
    for (provider, dialect) in [
        ("gemini", D::Gemini),
        ("cohere", D::CohereChat),
        ("ollama", D::OllamaChat),
    ] {
        let failure = call(provider, dialect, false, request.clone()).unwrap_err();
        assert_eq!(
            (failure.class, failure.code.as_deref()),
            (FailureClass::Unsupported, Some("flavour")),
            "{provider}"
        );
        let (_, _, adapted) = call(provider, dialect, true, request.clone()).unwrap();
        assert!(
            adapted.iter().any(|line| line.starts_with("flavour: left out")),
            "{adapted:?}"
        );
    }
    let request =
        json!({"input": ["a"], "provider_options": {"gemini": {"taskType": "CODE_RETRIEVAL_QUERY"}}});
    let (_, sent, _) = call("gemini", D::Gemini, false, request).unwrap();
    assert_eq!(sent["requests"][0]["taskType"], "CODE_RETRIEVAL_QUERY");
    assert_eq!(sent["requests"][0]["content"]["parts"][0]["text"], "a");
}

#[test]
fn replies() {
    use DialectId as D;
    let floats = |numbers: &[f32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        STANDARD.encode(bytes)
    };
    let two = vec![vec![0.5, -1.0], vec![0.25, 1e-7]];
    let cases = [
        (
            D::OpenaiChat,
            // The order is the index's; forms may be mixed.
            json!({"data": [{"index": 1, "embedding": floats(&two[1])}, {"index": 0, "embedding": [0.5, -1]}],
                   "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}),
            (Some("m"), Some(3)),
        ),
        (
            D::OpenaiResponses,
            json!({"data": [{"embedding": two[0]}, {"embedding": two[1]}]}),
            (None, None),
        ),
        (
            D::Gemini,
            json!({"embeddings": [{"values": two[0]}, {"values": two[1]}]}),
            (None, None),
        ),
        (
            D::Gemini,
            json!({"embeddings": [{"values": two[0]}, {"values": two[1]}], "usageMetadata": {"promptTokenCount": 4}}),
            (None, Some(4)),
        ),
        (
            D::CohereChat,
            json!({"embeddings": {"float": two}, "meta": {"billed_units": {"input_tokens": 5.0}}}),
            (None, Some(5)),
        ),
        (
            D::OllamaChat,
            json!({"model": "m", "embeddings": two, "prompt_eval_count": 6}),
            (Some("m"), Some(6)),
        ),
    ];
    for (dialect, body, (model, tokens)) in cases {
        let found = read(dialect, &body).unwrap();
        assert_eq!(found.vectors, two, "{body}");
        assert_eq!(found.model.as_deref(), model, "{body}");
        assert_eq!(
            found.usage.reported.then_some(found.usage.input_tokens),
            tokens,
            "{body}"
        );
        assert_eq!(length(&found, 2).unwrap(), 2);
    }
}

#[test]
fn what_is_no_reply_is_malformed() {
    use DialectId as D;
    for (dialect, body) in [
        (D::OpenaiChat, json!({})),
        (
            D::OpenaiChat,
            json!({"data": [{"index": 0, "embedding": "AAA="}]}),
        ),
        (
            D::OpenaiChat,
            json!({"data": [{"index": 0, "embedding": "not base64"}]}),
        ),
        (
            D::OpenaiChat,
            json!({"data": [{"index": 0, "embedding": [1, "a"]}]}),
        ),
        (D::OpenaiChat, json!({"data": [{"index": 1, "embedding": [1]}]})),
        (
            D::OpenaiChat,
            json!({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}),
        ),
        (
            D::OpenaiChat,
            json!({"data": [{"index": 0, "embedding": [1]}, {"embedding": [1]}]}),
        ),
        (D::Gemini, json!({"embeddings": [{}]})),
        (D::CohereChat, json!({"embeddings": [[1]]})),
        (D::OllamaChat, json!({"embedding": [1]})),
    ] {
        let failure = read(dialect, &body).unwrap_err();
        assert_eq!(failure.class, FailureClass::Malformed, "{body}");
    }
    let of = |vectors: Vec<Vec<f32>>| Embedded {
        vectors,
        ..Embedded::default()
    };
    for (wrong, texts) in [
        (of(vec![vec![1.0]]), 2),
        (of(vec![vec![]]), 1),
        (of(vec![vec![1.0], vec![1.0, 2.0]]), 2),
        (of(vec![vec![f32::NAN]]), 1),
    ] {
        assert_eq!(
            length(&wrong, texts).unwrap_err().class,
            FailureClass::Malformed,
            "{wrong:?}"
        );
    }
}

#[test]
fn texts_are_divided_in_order() {
    let texts: Vec<String> = ["aa", "bb", "cc", "dddddddd", "e", "f"]
        .map(str::to_owned)
        .to_vec();
    let divided = |texts_most, bytes| {
        parts(
            &texts,
            PartLimits {
                texts: texts_most,
                bytes,
            },
        )
    };
    assert_eq!(divided(10, usize::MAX), vec![0..6; 1]);
    assert_eq!(divided(2, usize::MAX), [0..2, 2..4, 4..6]);
    assert_eq!(divided(4, usize::MAX), [0..4, 4..6]);
    assert_eq!(divided(10, 4), [0..2, 2..3, 3..4, 4..6]);
    assert_eq!(divided(1, 1), [0..1, 1..2, 2..3, 3..4, 4..5, 5..6]);
    assert_eq!(parts(&[], PartLimits { texts: 2, bytes: 2 }), []);
}

#[test]
fn vendors_have_their_limits() {
    let limits = |provider: &str, dialect| {
        let quirks =
            crate::catalog::provider(provider).map_or_else(Quirks::default, |known| known.quirks.clone());
        let limits = embedder(dialect).unwrap().limits(&quirks);
        (limits.texts, limits.bytes)
    };
    assert_eq!(limits("openai", DialectId::OpenaiChat), (2048, 300_000));
    assert_eq!(limits("somebody", DialectId::OpenaiChat), (256, usize::MAX));
    assert_eq!(limits("gemini", DialectId::Gemini).0, 100);
    assert_eq!(limits("cohere", DialectId::CohereChat).0, 96);
    assert!(embedder(DialectId::AnthropicMessages).is_none());
}

proptest::proptest! {
    #[test]
    fn parts_hold_every_text_once_and_keep_the_limits(
        lengths in proptest::collection::vec(0_usize..40, 0..60),
        most in 1_usize..20,
        bytes in 1_usize..100,
    ) {
        let texts: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let divided = parts(&texts, PartLimits { texts: most, bytes });
        proptest::prop_assert_eq!(divided.iter().cloned().flatten().collect::<Vec<_>>(), (0..texts.len()).collect::<Vec<_>>());
        for part in divided {
            let held: usize = lengths[part.clone()].iter().sum();
            proptest::prop_assert!(part.len() <= most && (held <= bytes || part.len() == 1));
        }
    }

    #[test]
    fn base64_says_what_digits_say(numbers in proptest::collection::vec(-1e6_f32..1e6, 1..50)) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let of = |embedding: Value| read(DialectId::OpenaiChat, &json!({"data": [{"embedding": embedding}]})).unwrap();
        let (short, long) = (of(json!(STANDARD.encode(bytes))), of(json!(numbers)));
        proptest::prop_assert_eq!(&short.vectors[0], &numbers);
        proptest::prop_assert_eq!(short, long);
    }
}
