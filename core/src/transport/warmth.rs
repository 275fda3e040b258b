use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::StatusCode;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Sleep;

use super::standby::{Action, Standby, WarmEndpoint};
use super::{Transport, TransportError, TransportErrorKind};
use crate::types::{EndpointId, Moment};

/// How long a touch's answer may take, after its connection was made.
const ANSWER: Duration = Duration::from_secs(10);
/// Most bytes of a touch's answer that are read, so that its connection can be used again. A longer one costs the
/// connection instead.
const MAX_ANSWER: usize = 4 << 20;

/// What [`keep_warm`] needs of a client.
pub trait Warmth: Send + Sync + 'static {
    /// The schedule.
    fn standby(&self) -> MutexGuard<'_, Standby>;

    /// What touches are sent with: the one that sends the attempts.
    fn transport(&self) -> Arc<dyn Transport>;

    /// The time.
    fn now(&self) -> Moment;

    /// Sleeps until then.
    fn sleep_until(&self, moment: Moment) -> Sleep;

    /// A touch ended: with the status of its answer, or with what became of it. It says whether the endpoint can be
    /// reached, and nothing of whether a model would answer.
    fn probed(&self, endpoint: EndpointId, answer: &Result<StatusCode, TransportError>);
}

type Answer = (EndpointId, Result<StatusCode, TransportError>);
type Touch = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Does what the schedule says until the client is gone. `wake` brings it to look again.
pub async fn keep_warm<W: Warmth>(client: Weak<W>, wake: Arc<Notify>) {
    let mut touches: Vec<Touch> = Vec::new();
    if let Some(client) = client.upgrade() {
        client.standby().begin();
    }
    loop {
        let Some(warmth) = client.upgrade() else {
            return;
        };
        let now = warmth.now();
        let action = warmth.standby().next(now);
        let sleep = match action {
            Action::Touch(id) => {
                let endpoint = warmth.standby().endpoint(id);
                if let Some(endpoint) = endpoint {
                    touches.push(Box::pin(touch(warmth.transport(), endpoint)));
                }
                continue;
            }
            Action::Renew => {
                warmth.transport().network_changed();
                continue;
            }
            Action::Sleep(until) => Some(warmth.sleep_until(until)),
            Action::Idle => None,
        };
        // While it waits, nothing here keeps the client alive.
        drop(warmth);
        let slept = async {
            match sleep {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            (id, answer) = ended(&mut touches) => {
                let Some(warmth) = client.upgrade() else {
                    return;
                };
                let now = warmth.now();
                warmth.standby().touched(id, answer.is_ok(), now);
                warmth.probed(id, &answer);
            }
            () = wake.notified() => {}
            () = slept => {}
        }
    }
}

/// The first touch that ends. Cancel-safe. They are few, and asked in order, so that a run in virtual time repeats.
async fn ended(touches: &mut Vec<Touch>) -> Answer {
    std::future::poll_fn(|cx| {
        let done = touches
            .iter_mut()
            .enumerate()
            .find_map(|(place, touch)| match touch.as_mut().poll(cx) {
                std::task::Poll::Ready(answer) => Some((place, answer)),
                std::task::Poll::Pending => None,
            });
        let Some((place, answer)) = done else {
            return std::task::Poll::Pending;
        };
        drop(touches.remove(place));
        std::task::Poll::Ready(answer)
    })
    .await
}

async fn touch(transport: Arc<dyn Transport>, endpoint: Arc<WarmEndpoint>) -> Answer {
    let exchange = async {
        let mut response = transport.send(endpoint.request()).await?;
        let mut read = 0_usize;
        while let Some(bytes) = response.body.next().await {
            read = read.saturating_add(bytes?.len());
            if read > MAX_ANSWER {
                break;
            }
        }
        Ok(response.status)
    };
    let limit = endpoint.connect_timeout + ANSWER;
    let answer = tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
        Err(TransportError {
            kind: TransportErrorKind::Reset,
            message: format!("no answer within {limit:?}"),
        })
    });
    (endpoint.id, answer)
}

/// The task that runs [`keep_warm`] for a client. Owned by the client; dropping it ends the task.
#[derive(Debug, Default)]
pub struct KeepWarm {
    wake: Arc<Notify>,
    task: Mutex<Option<(Id, AbortHandle)>>,
}

impl KeepWarm {
    /// Starts the task unless it runs. Called at every call: a client may be made outside a runtime, and outlive one (after
    /// a fork, the old one is still there and does nothing). Does nothing outside a runtime.
    pub fn start<W: Warmth>(&self, client: &Arc<W>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, running)) = &*task {
            if *id == runtime.id() && !running.is_finished() {
                return;
            }
            running.abort();
        }
        // Not detached: it holds the client weakly, and is aborted when the client goes.
        let running = runtime.spawn(keep_warm(Arc::downgrade(client), Arc::clone(&self.wake)));
        *task = Some((runtime.id(), running.abort_handle()));
    }

    /// Makes the task look at the schedule again. A wake-up that comes while it is busy is not lost.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Drop for KeepWarm {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, running)) = task.take() {
            running.abort();
        }
    }
}

#[cfg(test)]
mod tests;
