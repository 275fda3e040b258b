use std::time::Duration;

use hotspare::types::{Attempt, Completion, Trail};
use hotspare::{ChatRequest, Client, Error, Reply, StreamEvent};
use hotspare_simulator::JournalEntry;
use serde_json::json;

use crate::scenario::{Call, Expect, Mode, Scenario};

/// How much longer than said a call may take in real time: the machine may be busy.
const GRACE: f64 = 3.0;

macro_rules! same {
    ($what:expr, $found:expr, $expected:expr) => {
        if $found != $expected {
            return Err(format!("{}: expected {:?}, found {:?}", $what, $expected, $found));
        }
    };
}

/// What a call came to.
enum Came {
    Reply(Box<Reply>),
    Error(Error),
    Cancelled,
}

/// Makes the calls in turn and compares.
pub(crate) async fn calls(
    scenario: &Scenario,
    mode: Mode,
    virtual_time: bool,
    client: &Client,
) -> Result<(), String> {
    for (number, call) in scenario.calls.iter().enumerate() {
        one(call, mode, virtual_time, client)
            .await
            .map_err(|problem| format!("call {number}: {problem}"))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test measures the call from outside")]
async fn one(call: &Call, mode: Mode, virtual_time: bool, client: &Client) -> Result<(), String> {
    tokio::time::sleep(Duration::from_secs_f64(call.after)).await;
    let request = call
        .request
        .clone()
        .unwrap_or_else(|| json!({"messages": "Say hi"}));
    let request =
        ChatRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let expect = call.expect(mode);
    let began = tokio::time::Instant::now();
    let made = make(mode, client, request);
    let came = match call.cancel_after {
        None => made.await?,
        Some(after) => match tokio::time::timeout(Duration::from_secs_f64(after), made).await {
            Ok(came) => came?,
            Err(_) => Came::Cancelled,
        },
    };
    let took = began.elapsed().as_secs_f64();
    if let Some((least, most)) = expect.elapsed {
        let most = if virtual_time { most } else { most + GRACE };
        if took < least - 0.002 || took > most + 0.002 {
            return Err(format!("it took {took:.3} s, not {least}–{most}"));
        }
    }
    compare(&came, &expect)
}

async fn make(mode: Mode, client: &Client, request: ChatRequest) -> Result<Came, String> {
    if mode == Mode::Chat {
        return Ok(match client.send(request).await {
            Ok(reply) => Came::Reply(Box::new(reply)),
            Err(error) => Came::Error(error),
        });
    }
    let mut stream = match client.open(request).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Came::Error(error)),
    };
    let mut text = String::new();
    let mut finished = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(_) if finished.is_some() => return Err("an event came after the last".to_owned()),
            Ok(StreamEvent::Finish { reply }) => finished = Some(reply),
            Ok(event) => text.push_str(event.text()),
            Err(error) => {
                let partial = error.partial().map_or("", |partial| partial.text.as_str());
                same!("the partial beside what was delivered", partial, text);
                if stream.next().await.is_some() {
                    return Err("an event came after the error".to_owned());
                }
                return Ok(Came::Error(error));
            }
        }
    }
    let reply = finished.ok_or("the stream ended without a finish event or an error")?;
    same!("the events' text beside the reply's", text, reply.completion.text);
    same!(
        "stream.reply()",
        stream.reply().map(Reply::text),
        Some(reply.text())
    );
    Ok(Came::Reply(reply))
}

fn compare(came: &Came, expect: &Expect) -> Result<(), String> {
    match came {
        Came::Cancelled if expect.cancelled => Ok(()),
        Came::Cancelled => Err("it was cancelled".to_owned()),
        Came::Reply(reply) => {
            if expect.cancelled || expect.error.is_some() {
                return Err(format!("it was answered by {}: {:?}", reply.target, reply.text()));
            }
            compare_completion(&reply.completion, expect)?;
            if let Some(target) = &expect.target {
                same!("target", reply.target, *target);
            }
            compare_trail(&reply.trail, expect)
        }
        Came::Error(error) => {
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
            compare_trail(error.trail(), expect)
        }
    }
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

fn seen(scenario: &Scenario, journal: &[JournalEntry]) -> Result<(), String> {
    for (provider, wanted) in &scenario.server {
        let mine: Vec<_> = journal
            .iter()
            .filter(|entry| entry.chat && entry.provider == *provider)
            .collect();
        if let Some(requests) = wanted.requests {
            same!(format!("requests at {provider}"), mine.len(), requests);
        }
        if let Some(disconnected) = wanted.disconnected {
            let found = mine
                .iter()
                .filter(|entry| serde_json::to_value(entry.end).is_ok_and(|end| end == "client_disconnected"))
                .count();
            same!(format!("disconnects at {provider}"), found, disconnected);
        }
    }
    Ok(())
}
