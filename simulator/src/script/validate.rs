//! What serde cannot say of a script.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::error::nearest;
use super::{Fault, Limits, Outage, ProviderScript, ScriptError, ScriptFile, Span, Step, StreamCode};

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
    for (index, one) in file.outages.iter().enumerate() {
        outage(&format!("outages[{index}]"), one, file)?;
    }
    Ok(())
}

fn outage(path: &str, outage: &Outage, file: &ScriptFile) -> Result<(), ScriptError> {
    if outage.providers.is_empty() {
        return Err(ScriptError::new(
            format!("{path}.providers"),
            "it must name a provider",
        ));
    }
    for (index, name) in outage.providers.iter().enumerate() {
        let Some(script) = file.providers.get(name) else {
            let mut error = ScriptError::new(
                format!("{path}.providers[{index}]"),
                format!("the script has no provider `{name}`"),
            );
            error.hint = nearest(name, file.providers.keys().map(String::as_str));
            return Err(error);
        };
        during(path, outage.from.0, outage.until, &outage.step, script)?;
    }
    Ok(())
}

/// A phase, or an outage as one of its providers meets it.
fn during(
    path: &str,
    from: Duration,
    until: Option<Span>,
    met: &Step,
    script: &ProviderScript,
) -> Result<(), ScriptError> {
    if until.is_some_and(|until| until.0 <= from) {
        return Err(ScriptError::new(
            format!("{path}.until"),
            "it must come after `from`",
        ));
    }
    step(&format!("{path}.step"), met, script, Place::Phase)
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
    match &script.limits {
        Some(found) => limits(path, found)?,
        None if !script.accounts.is_empty() => {
            return fail("accounts", "accounts share `limits`, which are not given");
        }
        None => {}
    }
    let mut seen = BTreeSet::new();
    for (name, keys) in &script.accounts {
        if let Some(key) = keys.iter().position(|key| !seen.insert(key)) {
            return fail(&format!("accounts.{name}[{key}]"), "a key is of one account");
        }
    }
    if let Some(load) = script.load {
        if load.concurrency == 0 {
            return fail("load.concurrency", "expected a number above 0");
        }
        if !not_negative(load.slowdown) {
            return fail("load.slowdown", "expected a number from 0");
        }
    }
    for (field, price) in [
        ("prices.input", script.prices.input),
        ("prices.output", script.prices.output),
    ] {
        if !not_negative(price) {
            return fail(field, "expected a number from 0, in dollars a million tokens");
        }
    }
    for (index, key) in script.keys.iter().flatten().enumerate() {
        if key.until.is_some_and(|until| until.0 <= key.from.0) {
            return fail(&format!("keys[{index}].until"), "it must come after `from`");
        }
    }
    if script.http2 && script.tls.is_none() {
        return fail("http2", "it needs `tls`, in whose handshake it is agreed on");
    }
    for (index, one) in script.steps.iter().enumerate() {
        step(&format!("{path}.steps[{index}]"), one, script, Place::Steps)?;
    }
    for (index, phase) in script.phases.iter().enumerate() {
        let at = format!("{path}.phases[{index}]");
        during(&at, phase.from.0, phase.until, &phase.step, script)?;
    }
    for (index, random) in script.random.iter().enumerate() {
        let at = format!("{path}.random[{index}]");
        if !(0.0..=1.0).contains(&random.probability) {
            let problem = "expected a number from 0 to 1";
            return Err(ScriptError::new(format!("{at}.probability"), problem));
        }
        step(&format!("{at}.step"), &random.step, script, Place::Random)?;
    }
    Ok(())
}

fn not_negative(number: f64) -> bool {
    number.is_finite() && number >= 0.0
}

fn limits(path: &str, limits: &Limits) -> Result<(), ScriptError> {
    let fail = |field: &str, problem: &str| Err(ScriptError::new(format!("{path}.limits.{field}"), problem));
    for (field, value) in [
        ("requests_per_minute", limits.requests_per_minute),
        ("tokens_per_minute", limits.tokens_per_minute),
        ("burst", limits.burst),
        ("acceleration.from", limits.acceleration.map(|one| one.from)),
    ] {
        if value == Some(0) {
            return fail(field, "expected a number above 0");
        }
    }
    if limits.acceleration.is_some_and(|one| one.doubling.0.is_zero()) {
        return fail("acceleration.doubling", "expected a time above 0");
    }
    if limits.burst.is_some() && limits.requests_per_minute.is_none() {
        let problem = "it is the depth of `requests_per_minute`, which is not given";
        return fail("burst", problem);
    }
    Ok(())
}

/// Where a step is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Steps,
    Phase,
    Random,
}

fn step(path: &str, step: &Step, script: &ProviderScript, place: Place) -> Result<(), ScriptError> {
    let fail = |field: &str, problem: &str| Err(ScriptError::new(format!("{path}.{field}"), problem));
    match step.repeat {
        Some(0) => return fail("repeat", "expected a number above 0"),
        Some(_) if place != Place::Steps => return fail("repeat", "only an entry of `steps` is repeated"),
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
    if step.probe && place != Place::Phase {
        return fail("probe", "only the step of a phase or an outage meets probes");
    }
    match step.fault {
        Some(Fault::TlsHandshakeClose) if script.tls.is_none() => {
            return fail("fault", "it needs the provider's `tls`");
        }
        Some(Fault::Goaway | Fault::RstStream) if !script.http2 => {
            return fail("fault", "it needs the provider's `http2`");
        }
        _ => {}
    }
    if step.code.is_some() && step.fault != Some(Fault::RstStream) {
        return fail("code", "it needs the fault rst_stream");
    }
    if step.code == Some(StreamCode::RefusedStream) && step.after_chunks.is_some() {
        let problem = "a refused stream was never answered: leave out `after_chunks`";
        return fail("code", problem);
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
    if step.after_chunks.is_some() && !cuts && !inserts && step.fault != Some(Fault::RstStream) {
        let problem = "it needs one of the faults cut, clean_cut, stall, reset_mid_body, malformed_event, \
                       error_event, rst_stream";
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
