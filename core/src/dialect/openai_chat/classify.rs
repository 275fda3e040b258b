//! An error of the `openai_chat` family, in any of its shapes → its class.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::dialect::common::{Rejection, parse_json};
use crate::dialect::evidence::{Codes, Evidence};
use crate::types::{Failure, FailureClass};

/// What an error body says, whichever of the family's shapes it has.
#[derive(Debug, Default)]
struct Said<'a>(Evidence<'a>);

impl<'a> Said<'a> {
    /// None when the body is not an error in any shape.
    fn read(body: &'a Value) -> Option<Self> {
        // Google's compatible API wraps errors in a list of one.
        let body = body.get(0).unwrap_or(body);
        match body.get("error") {
            Some(error @ Value::Object(_)) => Some(Self::of_object(error)),
            // xAI: the text in `error`, a sentence in `code`.
            Some(Value::String(message)) => Some(Self::of_object(body).saying(message)),
            _ if body.get("choices").is_some_and(|choices| !choices.is_null()) => None,
            _ => Self::of_flat(body),
        }
    }

    /// Mistral, gateways, and old vLLM: no `error` around it. FastAPI: `detail`.
    fn of_flat(body: &'a Value) -> Option<Self> {
        let said = Self::of_object(body);
        if !said.0.message.is_empty() {
            return Some(said);
        }
        let message = match body.get("detail")? {
            Value::String(text) => text,
            Value::Array(list) => list.iter().find_map(|item| item.get("msg")?.as_str())?,
            Value::Object(_) => return Self::of_flat(body.get("detail")?),
            _ => return None,
        };
        Some(said.saying(message))
    }

    fn of_text(message: &'a str) -> Self {
        Self::default().saying(message)
    }

    const fn saying(mut self, message: &'a str) -> Self {
        self.0.message = message;
        self
    }

    fn of_object(error: &'a Value) -> Self {
        let mut said = Evidence {
            message: error.get("message").and_then(Value::as_str).unwrap_or_default(),
            ..Evidence::default()
        };
        for pointer in [
            "/metadata/error_type",
            "/innererror/code",
            "/code",
            "/type",
            "/status",
            "/status_code",
        ] {
            match error.pointer(pointer) {
                Some(Value::String(text)) => match text.parse() {
                    Ok(status @ 400..=599) => said.status = said.status.or(Some(status)),
                    _ if !text.is_empty() => said.codes.push(Cow::Borrowed(text)),
                    _ => {}
                },
                Some(Value::Number(number)) => match number.as_u64().and_then(|n| u16::try_from(n).ok()) {
                    Some(status @ 400..=599) => said.status = said.status.or(Some(status)),
                    _ => said.codes.push(Cow::Owned(number.to_string())),
                },
                _ => {}
            }
        }
        // OpenRouter lists why its moderation refused the prompt.
        if error.pointer("/metadata/reasons").is_some() {
            said.codes.push(Cow::Borrowed("moderation"));
        }
        Self(said)
    }
}

/// The class of a reply with an error status.
pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    codes: &Codes,
) -> Failure {
    let json = parse_json(body);
    let said = json.as_ref().and_then(Said::read);
    let text = said.is_none().then(|| plain_text(body)).flatten();
    let Said(mut said) = said.unwrap_or_else(|| Said::of_text(text.unwrap_or_default()));
    let code = said.code();
    said.status = Some(status.as_u16());
    // A redirect is never followed, whatever its body says.
    let class = if status.is_client_error() || status.is_server_error() {
        said.class(codes)
    } else {
        FailureClass::Malformed
    };
    let mut failure = Rejection {
        class,
        code,
        message: Some(said.message),
        body: json.as_ref(),
    }
    .at_status(status, headers, now);
    if class == FailureClass::RateLimited && status == StatusCode::PAYLOAD_TOO_LARGE {
        // Groq: one request above the whole limit of a minute, which no waiting makes fit.
        failure.should_retry = Some(false);
    }
    failure
}

/// The body as a message, when it is a short text and not a page.
fn plain_text(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (text.len() <= 1024 && !text.starts_with(['<', '{', '['])).then_some(text)
}

/// The class of an `error` inside a 200: a reply's or a chunk's.
pub(super) fn in_band(error: &Value, codes: &Codes) -> Failure {
    let said = match error {
        Value::String(message) => Said::of_text(message),
        error => Said::of_object(error),
    };
    said.into_in_band(codes)
}

/// The class of a whole body, or event, that is an error in any of the family's shapes.
pub(super) fn in_band_body(body: &Value, codes: &Codes) -> Option<Failure> {
    Some(Said::read(body)?.into_in_band(codes))
}

impl Said<'_> {
    fn into_in_band(self, codes: &Codes) -> Failure {
        let Self(said) = self;
        let mut failure = Rejection {
            class: said.class(codes),
            code: said.code(),
            message: Some(said.message),
            body: None,
        }
        .in_band();
        failure.status = said.status;
        failure
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::dialect::evidence::NO_CODES;

    fn at(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        classify(
            status,
            &headers,
            body.as_bytes(),
            SystemTime::UNIX_EPOCH,
            &NO_CODES,
        )
    }

    #[test]
    fn classes() {
        use FailureClass as C;
        let error = |code: Value, message: &str| json!({"error": {"code": code, "message": message}});
        let cases = [
            // OpenAI: six meanings of 429.
            (429, error(json!("insufficient_quota"), "x"), C::QuotaExhausted),
            (
                429,
                error(json!("organization_spend_limit_exceeded"), "x"),
                C::QuotaExhausted,
            ),
            (429, error(json!("rate_limit_exceeded"), "x"), C::RateLimited),
            (429, error(json!("slow_down"), "x"), C::Overloaded),
            (429, error(json!(null), "x"), C::RateLimited),
            (503, error(json!("server_is_overloaded"), "x"), C::Overloaded),
            (400, error(json!("invalid_prompt"), "x"), C::ContentFiltered),
            (
                403,
                error(json!("unsupported_country_region_territory"), "x"),
                C::Authentication,
            ),
            (400, error(json!("model_not_found"), "x"), C::ModelNotFound),
            (
                413,
                error(json!(null), "Maximum context length is 5 tokens"),
                C::ContextLength,
            ),
            (413, error(json!(null), "too large"), C::InvalidRequest),
            (422, error(json!(null), "x"), C::InvalidRequest),
            // A rate limit that speaks of the messages' length is none of the window's.
            (
                429,
                error(json!(null), "please reduce the length of the messages"),
                C::RateLimited,
            ),
            // Azure.
            (
                401,
                error(json!("401"), "Access denied due to invalid subscription key"),
                C::Authentication,
            ),
            (404, error(json!("DeploymentNotFound"), "x"), C::ModelNotFound),
            (
                400,
                json!({"error": {"code": "BadRequest", "message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
                C::ContentFiltered,
            ),
            // DeepSeek.
            (
                402,
                error(json!("invalid_request_error"), "Insufficient Balance"),
                C::QuotaExhausted,
            ),
            (
                400,
                error(json!("invalid_request_error"), "Content Exists Risk"),
                C::ContentFiltered,
            ),
            // xAI.
            (
                400,
                json!({"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x."}),
                C::Authentication,
            ),
            (
                400,
                json!({"code": "x", "error": "This model's maximum prompt length is 131072 but"}),
                C::ContextLength,
            ),
            // Mistral.
            (
                403,
                json!({"object": "error", "message": "x", "type": "tier_not_allowed", "code": "1910"}),
                C::Authentication,
            ),
            (
                422,
                json!({"detail": [{"msg": "field required"}]}),
                C::InvalidRequest,
            ),
            (
                404,
                json!({"message": "no Route matched with those values"}),
                C::ModelNotFound,
            ),
            // OpenRouter.
            (
                402,
                json!({"error": {"code": 402, "message": "x", "metadata": {"error_type": "in_flight_budget_exhausted"}}}),
                C::RateLimited,
            ),
            (
                403,
                json!({"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"]}}}),
                C::ContentFiltered,
            ),
            (
                502,
                json!({"error": {"code": 502, "message": "x", "metadata": {"error_type": "provider_unavailable"}}}),
                C::Server,
            ),
            (
                400,
                error(json!(400), "No endpoints found for x"),
                C::ModelNotFound,
            ),
            // Groq.
            (400, error(json!("tool_use_failed"), "x"), C::Malformed),
            (498, json!({"error": {"message": "x"}}), C::Overloaded),
            // vLLM.
            (
                400,
                json!({"error": {"message": "x", "type": "BadRequestError", "code": 400}}),
                C::InvalidRequest,
            ),
            (
                404,
                json!({"object": "error", "message": "x", "type": "NotFoundError", "code": 404}),
                C::ModelNotFound,
            ),
            (408, json!(null), C::Timeout),
            (504, json!(null), C::Server),
            (
                422,
                json!({"error": {"type": "api_error", "message": "x"}}),
                C::InvalidRequest,
            ),
            (
                500,
                json!({"error": {"type": "api_error", "message": "x"}}),
                C::Server,
            ),
            (307, error(json!("rate_limit_exceeded"), "x"), C::Malformed),
            // FastAPI, and what only looks like it.
            (422, json!({"detail": "no"}), C::InvalidRequest),
            (
                400,
                json!({"detail": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
                C::Authentication,
            ),
            (404, json!({"detail": 5}), C::ModelNotFound),
            // Codes that say nothing, or nothing known.
            (400, error(json!(""), "x"), C::InvalidRequest),
            (500, error(json!(1_234_567), "x"), C::Server),
            (429, error(json!("429"), "x"), C::RateLimited),
        ];
        for (status, body, class) in cases {
            let failure = at(status, &[], &body.to_string());
            assert_eq!(failure.class, class, "{status} {body}");
            assert_eq!(failure.status, Some(status));
        }
    }

    #[test]
    fn an_error_inside_a_200_goes_by_its_words() {
        for (error, class) in [
            (json!({"code": 503, "message": "x"}), FailureClass::Overloaded),
            (json!({"code": "429", "message": "x"}), FailureClass::RateLimited),
            (
                json!({"type": "invalid_request_error", "message": "x"}),
                FailureClass::InvalidRequest,
            ),
            (
                json!({"type": "BadRequestError", "message": "x"}),
                FailureClass::InvalidRequest,
            ),
            (json!({"type": "what", "message": "x"}), FailureClass::Malformed),
        ] {
            assert_eq!(in_band(&error, &NO_CODES).class, class, "{error}");
        }
    }

    #[test]
    fn pages_and_plain_text_go_by_status() {
        let page = at(502, &[("cf-ray", "r1")], "<html><title>502</title></html>");
        assert_eq!(
            (page.class, page.message.as_str()),
            (FailureClass::Server, "HTTP 502 Bad Gateway")
        );
        assert_eq!(page.request_id.as_deref(), Some("r1"));
        let text = at(503, &[], "Service temporarily\u{7} unavailable\n");
        assert_eq!(text.message, "Service temporarily\\u{7} unavailable");
        assert_eq!(text.class, FailureClass::Overloaded);
        assert_eq!(at(529, &[], "").class, FailureClass::Overloaded);
    }

    #[test]
    fn the_rest_of_a_failure() {
        let body = json!({"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Please try again in 28ms."}});
        let body = body.to_string();
        let failure = at(429, &[("x-request-id", "q"), ("x-should-retry", "false")], &body);
        assert_eq!(failure.retry_after, Some(Duration::from_millis(28)));
        assert_eq!(failure.should_retry, Some(false));
        assert_eq!(failure.code.as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(failure.request_id.as_deref(), Some("q"));
        assert_eq!(at(413, &[], &body).should_retry, Some(false));
        let wrong = at(
            400,
            &[("retry-after", "5")],
            r#"{"error": {"message": "x", "type": "invalid_request_error"}}"#,
        );
        assert_eq!(wrong.retry_after, None);
        assert_eq!(wrong.code.as_deref(), Some("invalid_request_error"));
    }

    #[test]
    fn codes_mean_what_the_provider_means_by_them() {
        let quota = r#"{"error": {"code": "insufficient_quota", "message": "x"}}"#;
        let arrears = r#"{"error": {"code": "Arrearage", "message": "x"}}"#;
        let suspended = r#"{"error": {"object": "error", "type": "x", "message": "suspended"}}"#;
        for (provider, status, body, class) in [
            ("qwen", 429, quota, FailureClass::RateLimited),
            ("openai", 429, quota, FailureClass::QuotaExhausted),
            ("qwen", 400, arrears, FailureClass::QuotaExhausted),
            ("fireworks", 412, suspended, FailureClass::QuotaExhausted),
            ("openai", 412, suspended, FailureClass::InvalidRequest),
        ] {
            let codes = &crate::catalog::provider(provider).unwrap().quirks.codes;
            let status = StatusCode::from_u16(status).unwrap();
            let failure = classify(
                status,
                &HeaderMap::new(),
                body.as_bytes(),
                SystemTime::UNIX_EPOCH,
                codes,
            );
            assert_eq!(failure.class, class, "{provider} {body}");
        }
    }
}
