//! What an error says, whichever shape it came in → its class. One judge for all dialects: they only read their shapes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::codes::{class_of_code, class_of_message, class_of_pair};
use super::common::{class_of_status, says_context_length};
use crate::types::FailureClass;

/// What codes mean at one provider, over what they mean elsewhere; an HTTP status is a code too, written as a number.
pub(crate) type Codes = BTreeMap<String, FailureClass>;

/// For errors whose provider is not known.
pub(crate) static NO_CODES: Codes = Codes::new();

/// Words that only restate a 400. In a 200 they are all there is.
const RESTATED: &[&str] = &[
    "BadRequestError",
    "request_too_large",
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "ValidationException",
];

/// What an error says.
#[derive(Debug, Default)]
pub(crate) struct Evidence<'a> {
    /// Codes and types of the body, the most telling first.
    pub(crate) codes: Vec<Cow<'a, str>>,
    /// The message; empty when there is none.
    pub(crate) message: &'a str,
    /// The HTTP status, or the one inside the body of an error that came in a 200.
    pub(crate) status: Option<u16>,
}

impl Evidence<'_> {
    /// The class: by a code, by the message, by the status, in this order. `own`: what codes mean at the provider, which
    /// goes first.
    pub(crate) fn class(&self, own: &Codes) -> FailureClass {
        self.class_or(own, FailureClass::Malformed)
    }

    /// As [`Self::class`]; `otherwise` is the class of an error that came in a 200 and says nothing known.
    pub(crate) fn class_or(&self, own: &Codes, otherwise: FailureClass) -> FailureClass {
        if let Some(class) = self.codes.iter().find_map(|code| own.get(&**code)) {
            return *class;
        }
        let lowercase = self.message.to_ascii_lowercase();
        let pairs = |code: &Cow<'_, str>| class_of_pair(code, self.status, &lowercase);
        if let Some(class) = self.codes.iter().find_map(pairs) {
            return class;
        }
        // `api_error` and its like beside a 4xx are a vendor's word for any error.
        let refused = self.status.is_some_and(|status| status < 500);
        let mut classes = self.codes.iter().filter_map(|code| class_of_code(code));
        if let Some(class) = classes.find(|class| !(refused && *class == FailureClass::Server)) {
            return class;
        }
        // A rate limit speaks of tokens too, so there a message is no evidence of a full window.
        if !matches!(self.status, Some(401 | 402 | 429)) && says_context_length(self.message) {
            return FailureClass::ContextLength;
        }
        if let Some(class) = class_of_message(self.message) {
            return class;
        }
        match self.status {
            Some(status) => own
                .get(&status.to_string())
                .copied()
                .unwrap_or_else(|| class_of_status(status)),
            None if self.codes.iter().any(|code| restates(code)) => FailureClass::InvalidRequest,
            None => otherwise,
        }
    }

    /// The vendor's own code where it says more than a word for 400 does.
    pub(crate) fn code(&self) -> Option<String> {
        let telling = self.codes.iter().find(|code| class_of_code(code).is_some());
        telling
            .or(self.codes.first())
            .map(|code| code.clone().into_owned())
            .or_else(|| self.status.map(|status| status.to_string()))
    }
}

fn restates(code: &str) -> bool {
    code.to_ascii_lowercase().starts_with("invalid_request") || RESTATED.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_weighed_in_order() {
        use FailureClass as C;
        let own: Codes = [("insufficient_quota", C::RateLimited), ("412", C::QuotaExhausted)]
            .into_iter()
            .map(|(code, class)| (code.to_owned(), class))
            .collect();
        for (codes, message, status, class) in [
            // What the provider means by it goes before what others do.
            (&["insufficient_quota"][..], "", Some(429), C::RateLimited),
            (&[], "", Some(412), C::QuotaExhausted),
            // A code before the message, the message before the status.
            (
                &["rate_limit_error"],
                "prompt is too long",
                Some(400),
                C::RateLimited,
            ),
            (
                &["invalid_request_error"],
                "prompt is too long",
                Some(400),
                C::ContextLength,
            ),
            (&[], "Incorrect API key provided", Some(400), C::Authentication),
            (&["what"], "who knows", Some(503), C::Overloaded),
            // A code that means another thing beside these words, or at this status.
            (
                &["rate_limit_error"],
                "You have reached your specified API usage limits.",
                Some(429),
                C::QuotaExhausted,
            ),
            (
                &["RESOURCE_EXHAUSTED"],
                "Quota exceeded: requests per day",
                Some(429),
                C::QuotaExhausted,
            ),
            (&["RESOURCE_EXHAUSTED"], "x", Some(402), C::QuotaExhausted),
            (&["RESOURCE_EXHAUSTED"], "x", Some(429), C::RateLimited),
            (
                &["GenerateRequestsPerDayPerProject"],
                "x",
                Some(429),
                C::QuotaExhausted,
            ),
            // A word for any error says nothing beside a refusal.
            (&["api_error"], "x", Some(422), C::InvalidRequest),
            (&["api_error"], "x", Some(500), C::Server),
            (&["api_error"], "x", None, C::Server),
            // A rate limit speaks of the prompt's length too.
            (
                &[],
                "please reduce the length of the messages",
                Some(429),
                C::RateLimited,
            ),
            // In a 200.
            (&["INVALID_ARGUMENT"], "x", None, C::InvalidRequest),
            (&["ValidationException"], "x", None, C::InvalidRequest),
            (&["what"], "x", None, C::Malformed),
            // Bedrock's words for a day's quota, and for a model that the key may not call, though it may call others.
            (
                &["ThrottlingException"],
                "Too many tokens per day, please wait before trying again.",
                Some(429),
                C::QuotaExhausted,
            ),
            (
                &["ThrottlingException"],
                "Too many tokens, please wait before trying again.",
                Some(429),
                C::RateLimited,
            ),
            (
                &["AccessDeniedException"],
                "You don't have access to the model with the specified model ID.",
                Some(403),
                C::ModelNotFound,
            ),
            // Worded as a full window, and none: no larger window helps.
            (
                &[],
                "too many tokens: max tokens must be less than or equal to 4096",
                Some(400),
                C::InvalidRequest,
            ),
        ] {
            let evidence = Evidence {
                codes: codes.iter().map(|code| Cow::Borrowed(*code)).collect(),
                message,
                status,
            };
            assert_eq!(evidence.class(&own), class, "{evidence:?}");
        }
    }
}
