//! Futures that run on the shared runtime and can be waited for from anywhere.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use hotspare::types::{Failure, FailureClass, Phase, Trail};
use hotspare::{Error, Result};
use tokio::task::JoinHandle;

use crate::fork::ForkGuard;
use crate::runtime;

/// A call that runs on the shared runtime. Any executor can poll it; dropping it aborts the call, which closes its
/// connection. A panic in it is an [`ErrorKind::Internal`](hotspare::ErrorKind::Internal) error.
#[derive(Debug)]
pub struct Task<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    Running(ForkGuard<JoinHandle<Result<T>>>),
    NeverRan(Option<Error>),
}

impl<T> Task<T> {
    /// Stops the call now. It ends as cancelled, unless it had ended already.
    pub fn abort(&self) {
        if let State::Running(handle) = &self.0
            && let Ok(handle) = handle.get()
        {
            handle.abort();
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.0 {
            State::Running(handle) => {
                let handle = handle.get_mut()?;
                Pin::new(handle).poll(cx).map(|joined| {
                    joined.unwrap_or_else(|error| match error.try_into_panic() {
                        Ok(panic) => Err(panicked(&*panic)),
                        Err(_) => Err(cancelled()),
                    })
                })
            }
            State::NeverRan(error) => Poll::Ready(Err(error.take().unwrap_or_else(cancelled))),
        }
    }
}

/// Starts `future` on the shared runtime.
pub fn spawn<T, F>(future: F) -> Task<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    Task(match runtime::handle() {
        Ok(handle) => State::Running(ForkGuard::new(handle.spawn(future))),
        Err(error) => State::NeverRan(Some(error)),
    })
}

/// Starts `future` on the shared runtime and gives what it comes to, a panic included, to `deliver`, on a worker
/// thread. An aborted call delivers nothing.
pub fn spawn_then<T, F, D>(future: F, deliver: D) -> Task<()>
where
    F: Future<Output = Result<T>> + Send + 'static,
    D: FnOnce(Result<T>) + Send + 'static,
    T: Send + 'static,
{
    match runtime::handle() {
        Ok(handle) => Task(State::Running(ForkGuard::new(handle.spawn(async move {
            deliver(Caught(Box::pin(future)).await);
            Ok(())
        })))),
        Err(error) => {
            deliver(Err(error));
            Task(State::NeverRan(None))
        }
    }
}

/// Runs `call`, turning a panic into an internal error. For what the host calls without a task.
///
/// # Errors
/// Those of `call`.
pub fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

struct Caught<F>(Pin<Box<F>>);

impl<T, F: Future<Output = Result<T>>> Future for Caught<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("a bug in hotspare, please report it: {what}"))
}

fn cancelled() -> Error {
    let failure = Failure::new(FailureClass::Cancelled, Phase::Encode, "the call was stopped");
    Error::failed(failure, Trail::new())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use hotspare::ErrorKind;

    use super::*;

    struct SaysWhenDropped(mpsc::Sender<()>);

    impl Drop for SaysWhenDropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_task_gives_its_result_to_any_executor() {
        assert_eq!(spawn(async { Ok(7) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let error = spawn::<(), _>(async { panic!("boom {}", 1) }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.message().ends_with("boom 1"), "{error}");

        let (send, receive) = mpsc::channel();
        spawn_then::<(), _, _>(async { panic!("boom") }, move |result| send.send(result).unwrap())
            .await
            .unwrap();
        assert_eq!(receive.recv().unwrap().unwrap_err().kind(), ErrorKind::Internal);

        assert_eq!(
            guarded::<()>(|| panic!("boom")).unwrap_err().kind(),
            ErrorKind::Internal
        );
    }

    #[test]
    fn dropping_a_task_drops_its_future() {
        let (send, receive) = mpsc::channel();
        let guard = SaysWhenDropped(send);
        let task = spawn::<(), _>(async move {
            let _guard = guard;
            std::future::pending().await
        });
        drop(task);
        receive.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn an_aborted_call_delivers_nothing() {
        let (send, receive) = mpsc::channel::<Result<()>>();
        let task = spawn_then::<(), _, _>(std::future::pending(), move |result| send.send(result).unwrap());
        drop(task);
        assert!(
            receive
                .recv_timeout(std::time::Duration::from_secs(5))
                .is_err_and(|e| e == mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
