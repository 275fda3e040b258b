use std::collections::BTreeMap;
use std::time::Duration;

use hotspare::Client;
use hotspare::types::{Attempt, Completion, CostRange, Reply, Trail};
use hotspare_simulator::JournalEntry;

use crate::make::{Came, Ended};
use crate::scenario::{Call, Cost, Expect, Scenario};

/// How much longer than said a call may take in real time: the machine may be busy.
const GRACE: f64 = 3.0;

macro_rules! same {
    ($what:expr, $found:expr, $expected:expr) => {
        if $found != $expected {
            return Err(format!("{}: expected {:?}, found {:?}", $what, $expected, $found));
        }
    };
}
pub(crate) use same;

/// Compares what a call came to, and how long that took.
pub(crate) fn one(came: &Came, took: f64, virtual_time: bool, expect: &Expect) -> Result<(), String> {
    if let Some((least, most)) = expect.elapsed {
        let most = if virtual_time { most } else { most + GRACE };
        if took < least - 0.002 || took > most + 0.002 {
            return Err(format!("it took {took:.3} s, not {least}–{most}"));
        }
    }
    same_number("restart events", came.restarts, expect.restarts)?;
    same_number("continue events", came.continues, expect.continues)?;
    compare(&came.ended, expect)
}

fn same_number(what: &str, found: usize, expected: Option<usize>) -> Result<(), String> {
    same!(what, found, expected.unwrap_or(found));
    Ok(())
}

/// What the client knows of its targets after a call.
pub(crate) fn status(call: &Call, virtual_time: bool, client: &Client) -> Result<(), String> {
    let grace = if virtual_time { 0.0 } else { GRACE };
    let status = client.status();
    for (name, wanted) in &call.status {
        let found = status.targets.iter().find(|target| target.target == *name);
        let found = found.ok_or_else(|| format!("the status has no {name}"))?;
        if let Some(state) = &wanted.state {
            same!(format!("state of {name}"), found.state, *state);
        }
        if let Some((least, most)) = wanted.next_probe
            && found
                .next_probe
                .is_none_or(|next| next < least - grace || next > most)
        {
            let found = found.next_probe;
            return Err(format!(
                "next probe of {name}: expected {least}–{most}, found {found:?}"
            ));
        }
        if wanted.concurrency.is_some() {
            same!(
                format!("concurrency of {name}"),
                found.concurrency,
                wanted.concurrency
            );
        }
    }
    Ok(())
}

fn same_cost(what: &str, found: CostRange, expected: Option<Cost>) -> Result<(), String> {
    /// Sums of decimal fractions are not exact; a token costs more than this.
    const CLOSE: f64 = 1e-9;
    let Some((min, max)) = expected else {
        return Ok(());
    };
    let close = |one: f64, two: f64| (one - two).abs() < CLOSE;
    let most = match (found.max, max) {
        (Some(found), Some(expected)) => close(found, expected),
        (found, expected) => found.is_none() && expected.is_none(),
    };
    match close(found.min, min) && most {
        true => Ok(()),
        false => Err(format!("cost of {what}: expected {min}–{max:?}, found {found:?}")),
    }
}

fn compare(ended: &Ended, expect: &Expect) -> Result<(), String> {
    match ended {
        Ended::Cancelled if expect.cancelled => Ok(()),
        Ended::Cancelled => Err("it was cancelled".to_owned()),
        Ended::Reply(reply) => {
            if expect.cancelled || expect.error.is_some() {
                return Err(format!("it was answered by {}: {:?}", reply.target, reply.text()));
            }
            compare_completion(&reply.completion, expect)?;
            if let Some(target) = &expect.target {
                same!("target", reply.target, *target);
            }
            if let Some(spans) = &expect.spans {
                same!("spans", spans_of(reply), *spans);
            }
            let cost = CostRange {
                min: reply.cost_min_usd,
                max: reply.cost_max_usd,
            };
            same_cost("the request", cost, expect.cost)?;
            compare_trail(&reply.trail, expect)
        }
        Ended::Error(error) => {
            let Some(wanted) = &expect.error else {
                return Err(format!("it failed: {error}"));
            };
            same!("error kind", error.kind().as_str(), wanted.kind);
            if let Some(class) = &wanted.class {
                same!(
                    "error class",
                    error.class().map(|class| class.as_str()),
                    Some(class.as_str())
                );
            }
            if wanted.status.is_some() {
                same!("error status", error.status(), wanted.status);
            }
            if let Some((least, most)) = wanted.retry_after {
                let found = error.retry_after().map(|after| after.as_secs_f64());
                if found.is_none_or(|found| found < least || found > most) {
                    return Err(format!("retry_after: expected {least}–{most}, found {found:?}"));
                }
            }
            if let Some(partial) = &wanted.partial {
                same!(
                    "partial",
                    error.partial().map(|partial| partial.text.as_str()),
                    Some(partial.as_str())
                );
            }
            if let Some(word) = &wanted.names
                && !error.message().contains(word.as_str())
            {
                return Err(format!("the message does not name {word:?}: {error}"));
            }
            same_cost("the request", error.cost(), expect.cost)?;
            compare_trail(error.trail(), expect)
        }
    }
}

/// Each target's part of the text.
fn spans_of(reply: &Reply) -> Vec<(String, String)> {
    let part = |start: usize, end: usize| reply.text().chars().skip(start).take(end - start).collect();
    let spans = reply.spans.iter();
    spans
        .map(|span| (span.target.clone(), part(span.start, span.end)))
        .collect()
}

fn compare_completion(found: &Completion, expect: &Expect) -> Result<(), String> {
    if let Some(text) = &expect.text {
        same!("text", found.text, *text);
    }
    if let Some(reasoning) = &expect.reasoning {
        same!("reasoning", found.reasoning, *reasoning);
    }
    if let Some(refusal) = &expect.refusal {
        same!("refusal", found.refusal.as_deref(), Some(refusal.as_str()));
    }
    if let Some(finish) = &expect.finish {
        same!(
            "finish",
            found.finish_reason.map(|reason| reason.as_str()),
            Some(finish.as_str())
        );
    }
    if let Some(calls) = &expect.tool_calls {
        let found: Vec<_> = found
            .tool_calls
            .iter()
            .map(|call| (&call.name, &call.arguments))
            .collect();
        let wanted: Vec<_> = calls.iter().map(|call| (&call.name, &call.arguments)).collect();
        same!("tool calls", found, wanted);
    }
    let usage = serde_json::to_value(found.usage).map_err(|error| error.to_string())?;
    for (name, count) in &expect.usage {
        same!(format!("usage.{name}"), usage[name].as_u64(), Some(*count));
    }
    Ok(())
}

fn compare_trail(trail: &Trail, expect: &Expect) -> Result<(), String> {
    let Some(wanted) = &expect.attempts else {
        return Ok(());
    };
    let show = |attempt: &Attempt| format!("{} {}", attempt.target, attempt.code());
    let found: Vec<String> = trail.iter().map(show).collect();
    let expected: Vec<String> = wanted
        .iter()
        .map(|one| format!("{} {}", one.target, one.code))
        .collect();
    same!("attempts", found, expected);
    for (number, (attempt, wanted)) in trail.iter().zip(wanted).enumerate() {
        if wanted.status.is_some() {
            same!(format!("attempt {number} status"), attempt.status, wanted.status);
        }
        if let Some(next) = &wanted.next {
            let found = serde_json::to_value(attempt.next).map_err(|error| error.to_string())?;
            same!(
                format!("attempt {number} next"),
                found.as_str(),
                Some(next.as_str())
            );
        }
        if let Some((least, most)) = wanted.wait
            && !(least..=most).contains(&attempt.wait)
        {
            return Err(format!(
                "attempt {number} wait: expected {least}–{most}, found {}",
                attempt.wait
            ));
        }
        if let Some(billing) = &wanted.billing {
            let found = serde_json::to_value(attempt.billing).map_err(|error| error.to_string())?;
            same!(
                format!("attempt {number} billing"),
                found.as_str(),
                Some(billing.as_str())
            );
        }
        same_cost(&format!("attempt {number}"), attempt.cost(), wanted.cost)?;
    }
    Ok(())
}

/// What the providers saw. A disconnect is noticed a moment later.
pub(crate) async fn server(
    scenario: &Scenario,
    journal: impl Fn() -> Vec<JournalEntry>,
) -> Result<(), String> {
    let mut result = Ok(());
    for _ in 0..100 {
        result = seen(scenario, &journal());
        if result.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    result
}

/// Only what may cost money: a free request keeps a connection warm, and no scenario counts on it.
fn seen(scenario: &Scenario, journal: &[JournalEntry]) -> Result<(), String> {
    for (provider, wanted) in &scenario.server {
        let mine: Vec<_> = journal
            .iter()
            .filter(|entry| (entry.chat || entry.embed) && entry.provider == *provider)
            .collect();
        if let Some(requests) = wanted.requests
            && !requests.holds(mine.len())
        {
            let found = mine.len();
            return Err(format!(
                "requests at {provider}: expected {requests:?}, found {found}"
            ));
        }
        if let Some(disconnected) = wanted.disconnected {
            let left = |entry: &JournalEntry| {
                serde_json::to_value(entry.end).is_ok_and(|end| end == "client_disconnected")
            };
            let found = mine.iter().filter(|entry| left(entry)).count();
            if !disconnected.holds(found) {
                return Err(format!(
                    "disconnects at {provider}: expected {disconnected:?}, found {found}"
                ));
            }
        }
        if let Some(at_once) = wanted.at_once {
            same!(
                format!("requests at once at {provider}"),
                most_at_once(&mine),
                at_once
            );
        }
        for entry in mine.iter().filter(|entry| entry.chat) {
            let asked = serde_json::to_value(entry.asked).map_err(|error| error.to_string())?;
            for (name, value) in &wanted.asked {
                let what = format!("`{name}` of request {} as {provider} reads it", entry.n);
                same!(what, asked.get(name), Some(value));
            }
        }
        if let Some(keys) = &wanted.keys {
            let mut found: BTreeMap<String, usize> = keys.keys().map(|key| (key.clone(), 0)).collect();
            for entry in &mine {
                let shown = entry.key.clone().unwrap_or_default();
                let named = keys.keys().find(|key| short_hash(key) == shown);
                *found.entry(named.cloned().unwrap_or(shown)).or_default() += 1;
            }
            same!(format!("requests by key at {provider}"), found, *keys);
        }
    }
    Ok(())
}

/// The most requests that were under way together.
fn most_at_once(entries: &[&JournalEntry]) -> usize {
    let under_way = |at: u64| {
        let began = entries.iter().filter(|entry| entry.at_ms <= at);
        began
            .filter(|entry| entry.ended_ms.is_none_or(|ended| ended > at))
            .count()
    };
    let counts = entries.iter().map(|entry| under_way(entry.at_ms));
    counts.max().unwrap_or_default()
}

/// A key as the journal shows it: the upper half of its FNV-1a hash.
fn short_hash(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}
