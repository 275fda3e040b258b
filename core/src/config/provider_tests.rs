//! Where a provider is, and what is wrong with what a user wrote of it.

use super::*;
use crate::catalog::Auth;

/// The lines that the error of a provider's section shows, without where they stand.
fn problems(section: &str) -> Vec<String> {
    let text = format!("{section}\n[routes.a]\ntargets = [\"openai/m\"]");
    match Config::from_toml(&text) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

fn provider(name: &str, section: &str) -> Provider {
    let text = format!("[providers.{name}]\n{section}\n[routes.a]\ntargets = [\"{name}/m\"]");
    let mut config = Config::from_toml(&text).unwrap();
    config.providers.remove(name).unwrap()
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_hint() {
    for (section, expected) in [
        (
            "[providers.a]\nvendor = \"opnai\"\nprobe = \"models\"",
            &[
                "line 2: providers.a.vendor: unknown vendor \"opnai\"; did you mean \"openai\"?",
                "line 3: providers.a.probe: expected a path that begins with a slash, found \"models\"; for example \"/models\", or false",
            ][..],
        ),
        (
            "[providers.openai]\nregion = \"mars\"",
            &["line 2: providers.openai.region: OpenAI has no such region; known: ae, au, eu, in, jp, us"],
        ),
        (
            "[providers.openai]\nregion = \"../x\"",
            &[
                "line 2: providers.openai.region: expected a name of letters, digits, `-`, `_` and `.`, found \"../x\"",
            ],
        ),
        (
            "[providers.mistral]\nregion = \"eu\"",
            &["line 2: providers.mistral.region: Mistral has no regions there; leave it out"],
        ),
        (
            "[providers.azure]",
            &[
                "line 1: providers.azure.resource: missing; Azure OpenAI is at https://{resource}.openai.azure.com/openai/v1",
            ],
        ),
        (
            "[providers.azure]\nresource = \"r\"\nproject = \"p\"",
            &[
                "line 3: providers.azure.project: Azure OpenAI has no use for it there; what it uses: resource, keys, endpoint",
            ],
        ),
        (
            "[providers.azure]\nresource = \"r\"\nendpoint = \"clasic\"",
            &["line 3: providers.azure.endpoint: Azure OpenAI has no such endpoint; known: classic"],
        ),
        (
            "[providers.groq]\nendpoint = \"fips\"",
            &["line 2: providers.groq.endpoint: Groq has one endpoint only; leave it out"],
        ),
        (
            "[providers.azure]\nresorce = \"r\"",
            &[
                "line 1: providers.azure.resource: missing; Azure OpenAI is at https://{resource}.openai.azure.com/openai/v1",
                "line 2: providers.azure.resorce: unknown key; did you mean \"resource\"?",
            ],
        ),
        (
            "[providers.bedrock]",
            &[
                "line 1: providers.bedrock.region: missing; AWS Bedrock (Converse) is at https://bedrock-runtime.{region}.amazonaws.com",
            ],
        ),
        (
            "[providers.vertex]\nbase_url = \"https://example.com\"\nproject = \"p\"",
            &[
                "line 3: providers.vertex.project: changes nothing beside `base_url`; leave one of the two out",
            ],
        ),
        (
            "[providers.my]\ndialect = \"openai_chat\"\nbase_url = \"https://example.com\"\nresource = \"r\"",
            &[
                "line 4: providers.my.resource: nothing uses it without a `vendor`; say whose it is, for example vendor = \"azure\"",
            ],
        ),
        (
            "[providers.portkey.headers]\n\"x y\" = \"a\"\nAuthorization = \"sk-canary\"\nHost = \"a\"\nX-A = 1\nx-b = \"a\"\nX-B = \"b\"",
            &[
                "line 2: providers.portkey.headers.\"x y\": not a name that a header can have; letters, digits and dashes, for example \"x-portkey-provider\"",
                "line 3: providers.portkey.headers.Authorization: a header of this name carries the key; put the key under `keys`",
                "line 4: providers.portkey.headers.Host: the client itself sets this header",
                "line 5: providers.portkey.headers.X-A: expected a string such as \"env:NAME\", found a number",
                "line 7: providers.portkey.headers.X-B: the header is set twice",
            ],
        ),
        (
            "[providers.vllm]\nmax_tokens_field = \"\"\nrefuses = [1]",
            &[
                "line 2: providers.vllm.max_tokens_field: expected a name of letters, digits, `-`, `_` and `.`, found \"\"",
                "line 3: providers.vllm.refuses[0]: expected a string, found 1",
            ],
        ),
    ] {
        assert_eq!(problems(section), expected, "{section}");
    }
}

#[test]
fn a_target_alone_says_what_its_provider_needs() {
    let error = Config::from_targets(["azure/gpt-4o"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "targets[0]: provider \"azure\" needs `resource`; add [providers.azure] with resource = \"…\""
    );
    let config = Config::from_targets(["qwen/qwen-max", "ollama/llama"]).unwrap();
    assert_eq!(config.providers["qwen"].region.as_deref(), Some("ap-southeast-1"));
    assert!(config.providers["ollama"].keys.is_empty());
}

#[test]
fn what_a_vendor_stands_for() {
    let azure = provider("azure", "resource = \"r\"");
    assert_eq!(azure.base_url.as_str(), "https://r.openai.azure.com/openai/v1");
    assert_eq!(azure.auth, Some(Auth::Azure));
    assert_eq!(azure.domains, ["cloud:azure"]);
    let claude = azure.surface("claude-sonnet-5").unwrap();
    assert_eq!(claude.dialect, DialectId::AnthropicMessages);
    assert_eq!(
        claude.base_url.as_str(),
        "https://r.services.ai.azure.com/anthropic/v1"
    );
    assert_eq!(claude.auth, Some(Auth::Header("x-api-key".to_owned())));
    let responses = azure.surface("gpt-6-sol").unwrap();
    assert_eq!(responses.dialect, DialectId::OpenaiResponses);
    assert_eq!(responses.base_url, azure.base_url);
    assert!(azure.surface("gpt-4o").is_none());

    let classic = provider("azure", "resource = \"r\"\napi_version = \"2024-06-01\"");
    assert_eq!(classic.base_url.as_str(), "https://r.openai.azure.com/openai");
    assert_eq!(
        classic.quirks.path.as_deref(),
        Some("/deployments/{model}/chat/completions?api-version=2024-06-01")
    );
    assert!(classic.surface("gpt-6-sol").is_none());

    let vertex = provider("vertex", "project = \"p\"\nregion = \"europe-west4\"");
    assert_eq!(vertex.domains, ["cloud:gcp:europe-west4"]);
    let claude = vertex.surface("claude-opus-4-5").unwrap();
    assert_eq!(
        claude.base_url.as_str(),
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/anthropic"
    );
    assert_eq!(claude.auth, Some(Auth::Gcp));
    assert!(!claude.quirks.model_in_body);
    let mine = provider(
        "vertex",
        "project = \"p\"\ndomains = [\"mine\", \"cloud:gcp:global\"]",
    );
    assert_eq!(mine.domains, ["mine", "cloud:gcp:global"]);
    let express = provider("vertex", "endpoint = \"express\"");
    assert_eq!(express.auth, Some(Auth::Header("x-goog-api-key".to_owned())));
    assert!(express.surfaces.is_empty());

    // Under another name, with another way to speak, or elsewhere.
    let eu = provider(
        "openai-eu",
        "vendor = \"openai\"\nregion = \"eu\"\ndomains = [\"mine\"]",
    );
    assert_eq!(eu.base_url.as_str(), "https://eu.api.openai.com/v1");
    assert_eq!(
        (eu.vendor.as_deref(), eu.region.as_deref()),
        (Some("openai"), Some("eu"))
    );
    assert_eq!(eu.domains, ["mine"]);
    assert!(matches!(&eu.keys[0].source, KeySource::Env(name) if name == "OPENAI_API_KEY"));
    let chat = provider("openai", "dialect = \"openai_chat\"");
    assert!(chat.surfaces.is_empty());
    assert_eq!(chat.quirks.max_tokens, "max_completion_tokens");
    let other = provider("openai", "dialect = \"anthropic_messages\"");
    assert_eq!((other.quirks, other.auth), (Quirks::default(), None));
    let moved = provider("azure", "base_url = \"https://gateway.example.com/v1\"");
    assert!(moved.surface("claude-sonnet-5").is_none());
    let follows = moved.surface("gpt-6-sol").unwrap();
    assert_eq!(follows.base_url, moved.base_url);
    assert!(moved.domains.is_empty());
    assert_eq!(moved.quirks.max_tokens, "max_completion_tokens");
    let signed = provider(
        "bedrock",
        "base_url = \"https://vpce.example.com\"\nregion = \"eu-west-3\"",
    );
    assert_eq!(signed.region.as_deref(), Some("eu-west-3"));
    assert_eq!(signed.auth, Some(Auth::Aws("bedrock".to_owned())));
}

#[test]
fn headers_and_what_a_user_knows_better() {
    let section = "max_tokens_field = \"max_new_tokens\"\nrefuses = [\"seed\", \"seed\"]\n\
                   headers = { x-portkey-provider = \"openai\", X-Portkey-Virtual-Key = \"env:PK\", x-secret = \"sk-canary-4f1d\" }";
    let portkey = provider("portkey", section);
    let names: Vec<&str> = portkey.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-portkey-provider", "x-portkey-virtual-key", "x-secret"]);
    assert!(matches!(&portkey.headers[1].1, KeySource::Env(name) if name == "PK"));
    assert!(!format!("{portkey:?}").contains("canary"));
    assert_eq!(portkey.quirks.max_tokens, "max_new_tokens");
    assert_eq!(portkey.quirks.refuses, ["seed"]);
    let openai = provider("openai", "refuses = [\"seed\"]");
    let responses = openai.surface("gpt-6-sol").unwrap();
    for quirks in [&openai.quirks, &responses.quirks] {
        assert_eq!(quirks.refuses, ["top_k", "seed"]);
    }
    assert_eq!(portkey.auth, Some(Auth::Header("x-portkey-api-key".to_owned())));
}
