//! What serde cannot say of a script.

use http::{HeaderName, HeaderValue};

use super::{Fault, ProviderScript, ScriptError, ScriptFile, Step};

pub(super) fn script(file: &ScriptFile) -> Result<(), ScriptError> {
    for (name, provider_script) in &file.providers {
        let path = format!("providers.{name}");
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(valid) {
            let problem = "a provider's name is made of a-z, 0-9, `-` and `_`, since it becomes a host name";
            return Err(ScriptError::new(path, problem));
        }
        provider(&path, provider_script)?;
    }
    Ok(())
}

fn provider(path: &str, script: &ProviderScript) -> Result<(), ScriptError> {
    let fail = |field: &str, problem: &str| Err(ScriptError::new(format!("{path}.{field}"), problem));
    if !(0.0..=1.0).contains(&script.latency.jitter) {
        return fail("latency.jitter", "expected a number from 0 to 1");
    }
    if script
        .latency
        .tokens_per_second
        .is_some_and(|pace| !pace.is_finite() || pace <= 0.0)
    {
        return fail("latency.tokens_per_second", "expected a number above 0");
    }
    if let Some(limits) = &script.limits {
        for (field, value) in [
            ("limits.requests_per_minute", limits.requests_per_minute),
            ("limits.tokens_per_minute", limits.tokens_per_minute),
            ("limits.burst", limits.burst),
        ] {
            if value == Some(0) {
                return fail(field, "expected a number above 0");
            }
        }
        if limits.burst.is_some() && limits.requests_per_minute.is_none() {
            return fail(
                "limits.burst",
                "it is the depth of `requests_per_minute`, which is not given",
            );
        }
    }
    for (index, one) in script.steps.iter().enumerate() {
        step(&format!("{path}.steps[{index}]"), one, true)?;
    }
    for (index, phase) in script.phases.iter().enumerate() {
        let at = format!("{path}.phases[{index}]");
        if phase.until.is_some_and(|until| until.0 <= phase.from.0) {
            return Err(ScriptError::new(
                format!("{at}.until"),
                "it must come after `from`",
            ));
        }
        step(&format!("{at}.step"), &phase.step, false)?;
    }
    for (index, random) in script.random.iter().enumerate() {
        let at = format!("{path}.random[{index}]");
        if !(0.0..=1.0).contains(&random.probability) {
            let problem = "expected a number from 0 to 1";
            return Err(ScriptError::new(format!("{at}.probability"), problem));
        }
        step(&format!("{at}.step"), &random.step, false)?;
    }
    Ok(())
}

fn step(path: &str, step: &Step, repeatable: bool) -> Result<(), ScriptError> {
    let fail = |field: &str, problem: &str| Err(ScriptError::new(format!("{path}.{field}"), problem));
    match step.repeat {
        Some(0) => return fail("repeat", "expected a number above 0"),
        Some(_) if !repeatable => return fail("repeat", "only an entry of `steps` is repeated"),
        _ => {}
    }
    if step.status.is_some_and(|status| !(200..=599).contains(&status)) {
        return fail("status", "expected a status from 200 to 599");
    }
    for (name, value) in &step.headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return fail(&format!("headers.{name}"), "not a valid header name");
        }
        if HeaderValue::from_str(value).is_err() {
            return fail(&format!("headers.{name}"), "not a valid header value");
        }
    }
    let cuts = matches!(
        step.fault,
        Some(Fault::Cut | Fault::CleanCut | Fault::Stall | Fault::ResetMidBody)
    );
    let inserts = matches!(step.fault, Some(Fault::MalformedEvent | Fault::ErrorEvent));
    if step.after_bytes.is_some() && !cuts {
        let problem = "it needs one of the faults cut, clean_cut, stall, reset_mid_body";
        return fail("after_bytes", problem);
    }
    if step.after_chunks.is_some() && !cuts && !inserts {
        let problem =
            "it needs one of the faults cut, clean_cut, stall, reset_mid_body, malformed_event, error_event";
        return fail("after_chunks", problem);
    }
    if step.after_chunks.is_some() && step.after_bytes.is_some() {
        return fail("after_bytes", "give `after_chunks` or `after_bytes`, not both");
    }
    if step.body.is_some() && (step.reply.is_some() || step.error.is_some()) {
        return fail("body", "give `body`, `error` or `reply`, not two of them");
    }
    if step.error.is_some() && step.reply.is_some() && step.fault != Some(Fault::ErrorEvent) {
        return fail("error", "give `error` or `reply`, not both");
    }
    Ok(())
}
