use super::*;

fn problem(class: Option<FailureClass>, status: Option<u16>, message: &str) -> Problem {
    let Some(class) = class else {
        return Problem::of(&Error::internal(message), "req_1");
    };
    let mut failure = Failure::new(class, Phase::Body, message);
    failure.status = status;
    failure.code = Some("theirs".to_owned());
    Problem::of(&Error::all_targets_failed(failure, Trail::new(), 0), "req_1")
}

#[test]
fn errors_have_the_vendors_types_and_statuses() {
    use FailureClass as C;
    let mut seen = Vec::new();
    for (class, at, status, kind, read) in [
        (Some(C::Connect), None, 502, "api_error", C::Server),
        (Some(C::Reset), None, 502, "api_error", C::Server),
        (Some(C::Malformed), None, 502, "api_error", C::Server),
        (Some(C::Timeout), None, 504, "timeout_error", C::Server),
        (Some(C::Server), Some(500), 500, "api_error", C::Server),
        (Some(C::Server), Some(502), 502, "api_error", C::Server),
        (
            Some(C::Overloaded),
            Some(503),
            529,
            "overloaded_error",
            C::Overloaded,
        ),
        (
            Some(C::RateLimited),
            Some(429),
            429,
            "rate_limit_error",
            C::RateLimited,
        ),
        (
            Some(C::QuotaExhausted),
            Some(429),
            402,
            "billing_error",
            C::QuotaExhausted,
        ),
        (
            Some(C::BudgetExceeded),
            None,
            402,
            "billing_error",
            C::QuotaExhausted,
        ),
        (
            Some(C::Authentication),
            Some(401),
            401,
            "authentication_error",
            C::Authentication,
        ),
        (
            Some(C::Authentication),
            Some(403),
            403,
            "permission_error",
            C::Authentication,
        ),
        (
            Some(C::ModelNotFound),
            Some(404),
            404,
            "not_found_error",
            C::ModelNotFound,
        ),
        (
            Some(C::ContextLength),
            Some(400),
            400,
            "invalid_request_error",
            C::ContextLength,
        ),
        (
            Some(C::ContentFiltered),
            Some(400),
            400,
            "invalid_request_error",
            C::ContentFiltered,
        ),
        (
            Some(C::InvalidRequest),
            Some(400),
            400,
            "invalid_request_error",
            C::InvalidRequest,
        ),
        (
            Some(C::InvalidRequest),
            Some(422),
            422,
            "invalid_request_error",
            C::InvalidRequest,
        ),
        (
            Some(C::InvalidRequest),
            Some(413),
            413,
            "request_too_large",
            C::InvalidRequest,
        ),
        (
            Some(C::Unsupported),
            None,
            400,
            "invalid_request_error",
            C::InvalidRequest,
        ),
        (Some(C::Cancelled), None, 408, "api_error", C::Timeout),
        (None, None, 500, "api_error", C::Server),
    ] {
        let (told, body) = ANTHROPIC_MESSAGES.write_error(&problem(class, at, "it broke"));
        seen.extend(class);
        assert_eq!(told.as_u16(), status, "{class:?}");
        let json: Value = serde_json::from_slice(&body).unwrap();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains("it broke"), "{class:?}: {message}");
        assert_eq!(
            json,
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}),
        );
        let failure = ANTHROPIC_MESSAGES.classify(
            told,
            &HeaderMap::new(),
            &body,
            SystemTime::UNIX_EPOCH,
            &Quirks::default(),
        );
        assert_eq!(failure.class, read, "{class:?}");
        assert_eq!(failure.request_id.as_deref(), Some("req_1"));
    }
    for class in C::ALL {
        assert!(seen.contains(&class), "{class} needs a row here");
    }
}

/// A prompt that is too long is told in the words that programs look for, once.
#[test]
fn a_long_prompt_has_the_vendors_words() {
    for (message, expected) in [
        ("maximum context length is 4", "prompt is too long: "),
        ("prompt is too long: 5 tokens > 4 maximum", ""),
    ] {
        let problem = problem(Some(FailureClass::ContextLength), Some(400), message);
        let (status, body) = ANTHROPIC_MESSAGES.write_error(&problem);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["message"], format!("{expected}{}", problem.message));
    }
}

#[test]
fn a_stream_that_breaks_says_so_and_no_more() {
    let broken = problem(Some(FailureClass::Overloaded), None, "too busy");
    let error = json!({"type": "error", "request_id": "req_1",
        "error": {"type": "overloaded_error", "message": broken.message}});
    for before in [
        vec![],
        vec![reasoning("hm")],
        vec![text("hello")],
        vec![call(0, Some(("a", "f")), "{")],
    ] {
        let mut writer = ANTHROPIC_MESSAGES.writer(opening(), &heard(&[]));
        let mut out = Vec::new();
        for event in &before {
            writer.event(event, &mut out);
        }
        let so_far = read(&out);
        writer.error(&broken, &mut out);
        writer.event(&text("more"), &mut out);
        writer.error(&broken, &mut out);
        let mut expected = so_far;
        expected.push(error.clone());
        assert_eq!(read(&out), expected);
        let mut parser = SseParser::new();
        let mut events = Vec::new();
        parser.push(&out, &mut events).unwrap();
        let mut decoder = ANTHROPIC_MESSAGES.events(&Quirks::default());
        let failure = events
            .iter()
            .find_map(|event| decoder.event(event, &mut Vec::new()).err());
        assert_eq!(
            failure.map(|failure| failure.class),
            Some(FailureClass::Overloaded)
        );
    }
}
