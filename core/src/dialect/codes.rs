//! The words by which vendors say what went wrong. One table serves them all; a word
//! that means two things at two vendors is told apart by what stands beside it, or by the provider's own `codes`.

use crate::dialect::common::matches_any;
use crate::types::FailureClass;

/// Codes and types that say what happened, whatever the status. Words that only restate a 400
/// (`invalid_request_error`, `BadRequestError`, …) are not here: they hide better evidence.
const CODES: &[(FailureClass, &[&str])] = &[
    (
        FailureClass::QuotaExhausted,
        &[
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "payment_required",
            "insufficient_balance",
            "exceeded_current_quota_error",
            "Arrearage",
            "AllocationQuota.FreeTierOnly",
            "ServiceQuotaExceededException",
            "QUOTA_EXHAUSTED",
            "INSUFFICIENT_G1_CREDITS_BALANCE",
            "BILLING_DISABLED",
            "enforced_spend_limit_reached",
        ],
    ),
    (
        FailureClass::RateLimited,
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limited",
            "rate_limit_reached_error",
            "in_flight_budget_exhausted",
            "tokens",
            "requests",
            "limit_requests",
            "limit_burst_rate",
            "Throttling",
            "Throttling.RateQuota",
            "Throttling.BurstRate",
            "Throttling.AllocationQuota",
            "RESOURCE_EXHAUSTED",
            "RateLimitReached",
            "ThrottlingException",
            "TooManyRequestsException",
            // Mistral.
            "1300",
        ],
    ),
    (
        FailureClass::Overloaded,
        &[
            "slow_down",
            "server_is_overloaded",
            "overloaded_error",
            "engine_overloaded",
            "engine_overloaded_error",
            "capacity_exceeded",
            "provider_overloaded",
            "service_unavailable",
            "UNAVAILABLE",
            "ServiceUnavailableError",
            "ServiceUnavailableException",
            "ModelNotReadyException",
            "MODEL_CAPACITY_EXHAUSTED",
            "MODEL_CAPACITY_EXCEEDED",
        ],
    ),
    (
        FailureClass::Authentication,
        &[
            "invalid_api_key",
            "authentication_error",
            "invalid_authentication_error",
            "authentication",
            "account_deactivated",
            "permission_error",
            "permission_denied",
            "unsupported_country_region_territory",
            "data_residency_mismatch",
            "PermissionDenied",
            "AuthenticationError",
            "UNAUTHENTICATED",
            "PERMISSION_DENIED",
            "API_KEY_INVALID",
            // AWS.
            "AccessDeniedException",
            "ExpiredTokenException",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
            "UnrecognizedClientException",
            // Mistral: unauthorized, tier not allowed, labs not enabled.
            "1001",
            "tier_not_allowed",
            "1910",
            "labs_not_enabled",
            "1913",
            "API_KEY_EXPIRED",
            "ACCESS_TOKEN_EXPIRED",
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        ],
    ),
    (
        FailureClass::ModelNotFound,
        &[
            "model_not_found",
            "DeploymentNotFound",
            "model_not_available",
            "resource_not_found_error",
            "invalid_model",
            "1500",
            "not_found",
            "not_found_error",
            "NotFoundError",
            "NOT_FOUND",
            "ResourceNotFoundException",
        ],
    ),
    (
        FailureClass::ContextLength,
        &["context_length_exceeded", "token_limit_exceeded"],
    ),
    (
        FailureClass::ContentFiltered,
        &[
            "content_filter",
            "content_policy_violation",
            "ResponsibleAIPolicyViolation",
            "invalid_prompt",
            "bio_policy",
            "misalignment_policy_violation",
            "image_content_policy_violation",
            "data_inspection_failed",
            "DataInspectionFailed",
            "refusal",
            "moderation",
        ],
    ),
    // The model wrote a call that does not parse: another try, or another model, may do better.
    (FailureClass::Malformed, &["tool_use_failed"]),
    (
        FailureClass::Timeout,
        &["timeout", "request_timeout", "ModelTimeoutException"],
    ),
    (
        FailureClass::Server,
        &[
            "server_error",
            "internal_error",
            "internal_server_error",
            "InternalServerError",
            "INTERNAL",
            "api_error",
            "server",
            "provider_unavailable",
            "bad_gateway",
            "InternalServerException",
            "ModelErrorException",
            "ModelStreamErrorException",
            "timeout_error",
            "conflict_error",
            "UNKNOWN",
            "ABORTED",
            "DEADLINE_EXCEEDED",
        ],
    ),
    (
        FailureClass::InvalidRequest,
        &[
            "unsupported_parameter",
            "unsupported_value",
            "missing_required_parameter",
            "empty_array",
            "invalid_value",
            "invalid_type",
            "max_tokens_exceeded",
            "string_too_long",
            "string_above_max_length",
            "precondition_failed",
            "payload_too_large",
            "unprocessable",
            "empty_image_file",
            "failed_to_download_image",
            "image_file_not_found",
            "image_file_too_large",
            "image_parse_error",
            "image_too_large",
            "image_too_small",
            "invalid_base64_image",
            "invalid_image",
            "invalid_image_format",
            "invalid_image_mode",
            "invalid_image_url",
            "unsupported_image_media_type",
        ],
    ),
];

/// Parts of codes that say what happened: Google's quotas have long names.
const PARTS: &[(FailureClass, &str)] = &[(FailureClass::QuotaExhausted, "PerDay")];

/// Codes that mean another thing beside certain words (lower case; all must be there), or at a certain status.
const PAIRS: &[(&str, Option<u16>, &[&str], FailureClass)] = &[
    (
        "rate_limit_error",
        None,
        &["reached your", "usage limits"],
        FailureClass::QuotaExhausted,
    ),
    (
        "rate_limit_error",
        None,
        &["credit balance is too low"],
        FailureClass::QuotaExhausted,
    ),
    ("RESOURCE_EXHAUSTED", Some(402), &[], FailureClass::QuotaExhausted),
    (
        "RESOURCE_EXHAUSTED",
        None,
        &["per day"],
        FailureClass::QuotaExhausted,
    ),
    (
        "RESOURCE_EXHAUSTED",
        None,
        &["perday"],
        FailureClass::QuotaExhausted,
    ),
    (
        "RESOURCE_EXHAUSTED",
        None,
        &["prepayment credits are depleted"],
        FailureClass::QuotaExhausted,
    ),
    // Clears with the day, where "too many tokens, please wait" clears with the minute.
    (
        "ThrottlingException",
        None,
        &["too many tokens per day"],
        FailureClass::QuotaExhausted,
    ),
    // Not the key's fault: it may call every other model.
    (
        "AccessDeniedException",
        None,
        &["access to the model with the specified model id"],
        FailureClass::ModelNotFound,
    ),
];

/// Messages that say what happened where the codes do not. Lower case; every text of a pattern must be there.
const MESSAGES: &[(FailureClass, &[&[&str]])] = &[
    (
        FailureClass::QuotaExhausted,
        &[
            &["used all available credits"],
            &["monthly spending limit"],
            &["credit balance is too low"],
            &["insufficient balance"],
            &["requires more credits"],
            &["make sure your account is in good standing"],
            &["reached your", "usage limit"],
            // Cohere's trial keys: so many a month. So many a minute is a rate limit.
            &["api calls / month"],
        ],
    ),
    (
        FailureClass::Authentication,
        &[
            &["incorrect api key"],
            &["invalid api key"],
            &["api key not valid"],
            &["unregistered callers"],
            &["api key expired"],
            &["location is not supported"],
            &["not available in your country"],
        ],
    ),
    (
        FailureClass::ModelNotFound,
        &[
            &["no endpoints found"],
            &["the model", "does not exist"],
            &["invalid model:"],
            &["model not exist"],
            &["is not found for api version"],
            &["model identifier is invalid"],
            // Bedrock: the model takes no calls but by an inference profile.
            &["on-demand throughput", "supported"],
        ],
    ),
    (
        FailureClass::ContentFiltered,
        &[&["content exists risk"], &["blocked by content filtering policy"]],
    ),
    (
        FailureClass::Overloaded,
        &[
            &["model is overloaded"],
            &["currently overloaded"],
            &["over capacity"],
        ],
    ),
    (
        // Cohere: more output asked for than the model gives.
        FailureClass::InvalidRequest,
        &[&["max tokens must be less than or equal to"]],
    ),
];

/// The class a code or type says by itself.
pub(crate) fn class_of_code(code: &str) -> Option<FailureClass> {
    let whole = CODES.iter().find(|(_, codes)| codes.contains(&code));
    let part = || PARTS.iter().find(|(_, part)| code.contains(part));
    whole
        .map(|(class, _)| *class)
        .or_else(|| part().map(|(class, _)| *class))
}

/// The class a code says beside a status and the words of a message in lower case, where they change what it means.
pub(crate) fn class_of_pair(code: &str, status: Option<u16>, lowercase: &str) -> Option<FailureClass> {
    let means = |(of, at, words, _): &&(&str, Option<u16>, &[&str], FailureClass)| {
        *of == code && (at.is_none() || *at == status) && words.iter().all(|word| lowercase.contains(word))
    };
    PAIRS.iter().find(means).map(|(_, _, _, class)| *class)
}

/// The class a message says by itself.
pub(crate) fn class_of_message(message: &str) -> Option<FailureClass> {
    let lowercase = message.to_ascii_lowercase();
    MESSAGES
        .iter()
        .find(|(_, patterns)| matches_any(&lowercase, patterns))
        .map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for code in CODES.iter().flat_map(|(_, codes)| *codes) {
            assert!(seen.insert(code), "{code}");
        }
    }

    #[test]
    fn patterns_are_lower_case() {
        for text in MESSAGES
            .iter()
            .flat_map(|(_, patterns)| *patterns)
            .flat_map(|pattern| *pattern)
        {
            assert_eq!(*text, text.to_ascii_lowercase());
        }
    }
}
