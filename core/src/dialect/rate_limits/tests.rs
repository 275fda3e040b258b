use super::*;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

/// 2026-11-23T10:00:00Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_428_000)
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

/// What it counts, over how many seconds, the limit, what is left, when it is whole again in milliseconds.
type Row = (RateUnit, Option<u64>, Option<u64>, Option<u64>, Option<u64>);

fn rows(list: &[(&str, &str)]) -> Vec<Row> {
    told(&headers(list), now())
        .into_iter()
        .map(|told| {
            (
                told.what,
                told.per.map(|per| per.as_secs()),
                told.limit,
                told.remaining,
                told.resets_in
                    .map(|reset| u64::try_from(reset.as_millis()).unwrap()),
            )
        })
        .collect()
}

#[test]
fn every_vendors_form() {
    use RateUnit::{InputTokens, OutputTokens, Requests, Tokens};
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [Row]);
    let cases: &[Case<'_>] = &[
        ("none", &[("content-type", "application/json")], &[]),
        (
            "OpenAI, a minute",
            &[
                ("x-ratelimit-limit-requests", "500"),
                ("x-ratelimit-remaining-requests", "499"),
                ("x-ratelimit-reset-requests", "120ms"),
                ("x-ratelimit-limit-tokens", "200000"),
                ("x-ratelimit-remaining-tokens", "199221"),
                ("x-ratelimit-reset-tokens", "233ms"),
                ("x-ratelimit-limit-input-images", "50000"),
            ],
            &[
                (Requests, Some(60), Some(500), Some(499), Some(120)),
                (Tokens, Some(60), Some(200_000), Some(199_221), Some(233)),
            ],
        ),
        (
            "OpenAI, a day",
            &[
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-remaining-requests", "9987"),
                ("x-ratelimit-reset-requests", "1m51.595s"),
            ],
            &[(Requests, Some(86_400), Some(10_000), Some(9987), Some(111_595))],
        ),
        (
            "OpenAI, too little used to tell",
            &[
                ("x-ratelimit-limit-tokens", "150000000"),
                ("x-ratelimit-remaining-tokens", "149999724"),
                ("x-ratelimit-reset-tokens", "0s"),
            ],
            &[(Tokens, None, Some(150_000_000), Some(149_999_724), Some(0))],
        ),
        (
            "OpenAI, a limit of 1 that is whole again in 28 ms",
            &[
                ("x-ratelimit-limit-tokens", "1"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "28ms"),
            ],
            &[],
        ),
        (
            "Azure",
            &[
                ("x-ratelimit-limit-requests", "2500"),
                ("x-ratelimit-remaining-requests", "2499"),
                ("x-ratelimit-renewalperiod-requests", "60"),
                ("x-ratelimit-reset-requests", "0"),
                ("x-ratelimit-limit-tokens", "250000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-renewalperiod-tokens", "10"),
                ("x-ratelimit-reset-tokens", "7"),
            ],
            &[
                (Requests, Some(60), Some(2500), Some(2499), Some(0)),
                (Tokens, Some(10), Some(250_000), Some(0), Some(7000)),
            ],
        ),
        (
            "Azure, unknown",
            &[
                ("x-ratelimit-limit-requests", "0"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-limit-tokens", "-1"),
                ("x-ratelimit-remaining-tokens", "-1"),
            ],
            &[],
        ),
        (
            "Azure, no limits",
            &[("x-ratelimit-remaining-requests", "119")],
            &[(Requests, None, None, Some(119), None)],
        ),
        (
            "Anthropic",
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2026-11-23T10:00:01Z"),
                ("anthropic-ratelimit-tokens-limit", "480000"),
                ("anthropic-ratelimit-tokens-remaining", "480000"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-23T09:00:00Z"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-11-23T10:00:42Z"),
                ("anthropic-ratelimit-output-tokens-limit", "80000"),
                ("anthropic-ratelimit-output-tokens-remaining", "79000"),
                ("anthropic-priority-input-tokens-limit", "5"),
            ],
            &[
                (Requests, Some(60), Some(50), Some(49), Some(1000)),
                (Tokens, Some(60), Some(480_000), Some(480_000), Some(0)),
                (InputTokens, Some(60), None, Some(0), Some(42_000)),
                (OutputTokens, Some(60), Some(80_000), Some(79_000), None),
            ],
        ),
        (
            "Groq: requests a day, tokens a minute",
            &[
                ("x-ratelimit-limit-requests", "14400"),
                ("x-ratelimit-remaining-requests", "14397"),
                ("x-ratelimit-reset-requests", "17.575s"),
                ("x-ratelimit-limit-tokens", "8000"),
                ("x-ratelimit-remaining-tokens", "5774"),
                ("x-ratelimit-reset-tokens", "16.695s"),
            ],
            &[
                (Requests, Some(86_400), Some(14_400), Some(14_397), Some(17_575)),
                (Tokens, Some(60), Some(8000), Some(5774), Some(16_695)),
            ],
        ),
        (
            "Groq, resets alone",
            &[
                ("x-ratelimit-reset-requests", "2m59.56s"),
                ("x-ratelimit-reset-tokens", "9.74s"),
            ],
            &[],
        ),
        (
            "Mistral",
            &[
                ("x-ratelimit-limit-req-minute", "5"),
                ("x-ratelimit-remaining-req-minute", "4"),
                ("x-ratelimit-limit-req-10-second", "60"),
                ("x-ratelimit-remaining-req-10-second", "58"),
                ("x-ratelimit-limit-tokens-minute", "75000"),
                ("x-ratelimit-remaining-tokens-minute", "74932"),
                ("x-ratelimit-limit-tokens-month", "10000000000"),
                ("x-ratelimit-remaining-tokens-month", "9999999829"),
                ("x-ratelimit-tokens-query-cost", "68"),
            ],
            &[
                (Requests, Some(60), Some(5), Some(4), None),
                (Requests, Some(10), Some(60), Some(58), None),
                (Tokens, Some(60), Some(75_000), Some(74_932), None),
                (
                    Tokens,
                    Some(2_592_000),
                    Some(10_000_000_000),
                    Some(9_999_999_829),
                    None,
                ),
            ],
        ),
        (
            "Mistral, a model that is not on the plan",
            &[
                ("x-ratelimit-limit-req-minute", "0"),
                ("x-ratelimit-remaining-req-minute", "0"),
            ],
            &[],
        ),
        (
            "Mistral, older",
            &[
                ("ratelimitbysize-limit", "500000"),
                ("ratelimitbysize-remaining", "499900"),
                ("ratelimitbysize-reset", "26"),
            ],
            &[(Tokens, Some(60), Some(500_000), Some(499_900), Some(26_000))],
        ),
        (
            "Together",
            &[
                ("x-ratelimit-limit", "2"),
                ("x-ratelimit-remaining", "1"),
                ("x-ratelimit-reset", "2"),
                ("x-tokenlimit-limit", "3000"),
                ("x-tokenlimit-remaining", "2000.0"),
            ],
            &[
                (Requests, Some(1), Some(2), Some(1), Some(2000)),
                (Tokens, None, Some(3000), Some(2000), None),
            ],
        ),
        (
            "OpenRouter: the same names, a day, a moment in milliseconds",
            &[
                ("x-ratelimit-limit", "50"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1795478400000"),
            ],
            &[(Requests, Some(86_400), Some(50), Some(0), Some(50_400_000))],
        ),
        (
            "Fireworks",
            &[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-over-limit", "yes"),
            ],
            &[(Requests, None, Some(60), Some(0), None)],
        ),
        (
            "Cohere, a reset alone",
            &[("x-ratelimit-reset", "1795428009")],
            &[],
        ),
        (
            "Hugging Face",
            &[
                ("ratelimit", "\"api\";r=999;t=295"),
                ("ratelimit-policy", "\"fixed window\";\"api\";q=1000;w=300"),
            ],
            &[(Requests, Some(300), Some(1000), Some(999), Some(295_000))],
        ),
        (
            "structured, several, and partly broken",
            &[
                (
                    "ratelimit",
                    "\"a\";r=1, \"b\";t=3, \"c\";r=x, \"d\";r=4;t=99999999999",
                ),
                ("ratelimit-policy", "\"a\";q=0;w=0,\"e\";q=5"),
            ],
            &[
                (Requests, None, None, Some(1), None),
                (Requests, None, None, Some(4), Some(31_622_400_000)),
            ],
        ),
        (
            "what no vendor should write",
            &[
                ("x-ratelimit-limit-requests", "many"),
                ("x-ratelimit-remaining-requests", "1"),
                ("x-ratelimit-remaining-tokens", "inf"),
                ("x-ratelimit-limit", "1e30"),
                ("x-ratelimit-reset", "soon"),
                ("x-tokenlimit-limit", "10"),
                ("x-tokenlimit-reset", "99999999"),
            ],
            &[
                (Requests, None, Some(u64::MAX), None, None),
                (Tokens, None, Some(10), None, Some(31_622_400_000)),
            ],
        ),
        (
            "a period nobody uses",
            &[
                ("x-ratelimit-limit-requests", "10"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "10m"),
            ],
            &[(Requests, None, Some(10), Some(0), Some(600_000))],
        ),
    ];
    for (name, list, expected) in cases {
        assert_eq!(rows(list), *expected, "{name}");
    }
}

#[test]
fn what_is_read_is_bounded() {
    let many = vec!["\"x\";r=1"; 1000].join(",");
    assert_eq!(rows(&[("ratelimit", &many)]).len(), MOST);
}

proptest! {
    #[test]
    fn any_value_is_an_answer_not_a_panic(
        values in prop::collection::vec(
            prop_oneof![r"[ -~]{0,30}", r"-?[0-9]{1,40}(\.[0-9]{0,5})?", r#"("[a-z]";r=[0-9]{0,30};t=[0-9]{0,30},?){0,4}"#],
            4 * FAMILIES.len() + 2,
        ),
    ) {
        let names = FAMILIES.iter().flat_map(|family| [family.limit, family.remaining, family.reset, family.renewal]);
        let list: Vec<(&str, &str)> = names
            .chain(["ratelimit", "ratelimit-policy"])
            .zip(values.iter().map(String::as_str))
            .collect();
        for told in told(&headers(&list), now()) {
            prop_assert!(told.limit != Some(0) && told.per != Some(Duration::ZERO));
            prop_assert!(told.resets_in.is_none_or(|reset| reset <= MAX));
        }
    }
}
