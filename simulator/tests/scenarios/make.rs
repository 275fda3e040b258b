use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hotspare::{ChatRequest, Client, Error, Reply, StreamEvent};
use serde_json::json;

use crate::check::{self, same};
use crate::scenario::{Call, Mode, Scenario};

/// What a call came to.
pub(crate) struct Came {
    pub(crate) ended: Ended,
    pub(crate) restarts: usize,
    pub(crate) continues: usize,
}

pub(crate) enum Ended {
    Reply(Box<Reply>),
    Error(Error),
    Cancelled,
}

impl From<Ended> for Came {
    fn from(ended: Ended) -> Self {
        Self {
            ended,
            restarts: 0,
            continues: 0,
        }
    }
}

/// Writes files, by name.
pub(crate) fn write(files: &BTreeMap<String, String>, folder: &Path) -> Result<(), String> {
    for (name, content) in files {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        std::fs::write(folder.join(name), content).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Makes the calls in turn and compares.
pub(crate) async fn calls(
    scenario: &Scenario,
    (mode, virtual_time, folder): (Mode, bool, &Path),
    client: &Client,
) -> Result<(), String> {
    for (number, call) in scenario.calls.iter().enumerate() {
        let of = |problem| format!("call {number}: {problem}");
        tokio::time::sleep(Duration::from_secs_f64(call.after)).await;
        prepare(call, folder, client).map_err(of)?;
        for round in 0..call.repeat {
            let of = |problem| format!("call {number}, round {round}: {problem}");
            at_once(call, mode, virtual_time, client).await.map_err(of)?;
        }
        check::status(call, virtual_time, client).map_err(of)?;
    }
    Ok(())
}

/// What happens before a call.
fn prepare(call: &Call, folder: &Path, client: &Client) -> Result<(), String> {
    write(&call.files, folder)?;
    let told = [
        call.hold.as_ref().map(|name| client.hold(name)),
        call.keep_closed.as_ref().map(|name| client.force_closed(name)),
        call.release.as_ref().map(|name| client.release(name)),
    ];
    for told in told.into_iter().flatten() {
        told.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// As many calls at once as wanted; each must meet what is expected.
async fn at_once(call: &Call, mode: Mode, virtual_time: bool, client: &Client) -> Result<(), String> {
    let request = call
        .request
        .clone()
        .unwrap_or_else(|| json!({"messages": "Say hi"}));
    let request =
        ChatRequest::from_json(request.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..call.concurrent {
        running.spawn(timed(mode, client.clone(), request.clone(), call.cancel_after));
    }
    let expect = call.expect(mode);
    while let Some(ended) = running.join_next().await {
        let (came, took) = ended.map_err(|error| error.to_string())??;
        check::one(&came, took, virtual_time, &expect)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test measures the call from outside")]
async fn timed(
    mode: Mode,
    client: Client,
    request: ChatRequest,
    cancel_after: Option<f64>,
) -> Result<(Came, f64), String> {
    let began = tokio::time::Instant::now();
    let made = make(mode, &client, request);
    let came = match cancel_after {
        None => made.await?,
        Some(after) => match tokio::time::timeout(Duration::from_secs_f64(after), made).await {
            Ok(came) => came?,
            Err(_) => Ended::Cancelled.into(),
        },
    };
    Ok((came, began.elapsed().as_secs_f64()))
}

async fn make(mode: Mode, client: &Client, request: ChatRequest) -> Result<Came, String> {
    if mode == Mode::Chat {
        return Ok(match client.send(request).await {
            Ok(reply) => Ended::Reply(Box::new(reply)).into(),
            Err(error) => Ended::Error(error).into(),
        });
    }
    let mut stream = match client.open(request).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Ended::Error(error).into()),
    };
    let mut text = String::new();
    let mut finished = None;
    let (mut restarts, mut continues) = (0, 0);
    while let Some(event) = stream.next().await {
        match event {
            Ok(_) if finished.is_some() => return Err("an event came after the last".to_owned()),
            Ok(StreamEvent::Finish { reply }) => finished = Some(reply),
            Ok(StreamEvent::Restart { target }) => {
                same!("the target of the restart event", target, stream.target());
                restarts += 1;
                text.clear();
            }
            Ok(StreamEvent::Continue { target }) => {
                same!("the target of the continue event", target, stream.target());
                continues += 1;
            }
            Ok(event) => text.push_str(event.text()),
            Err(error) => {
                let partial = error.partial().map_or("", |partial| partial.text.as_str());
                same!("the partial beside what was delivered", partial, text);
                if stream.next().await.is_some() {
                    return Err("an event came after the error".to_owned());
                }
                return Ok(Came {
                    ended: Ended::Error(error),
                    restarts,
                    continues,
                });
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
    Ok(Came {
        ended: Ended::Reply(reply),
        restarts,
        continues,
    })
}
