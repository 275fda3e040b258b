//! The Python extension module `hotspare._native`: convert, call, convert. The typed package around it is `python/`.
//!
//! Results are made on the thread that asked. No Tokio task holds a Python object, so none has to be dropped on a thread
//! that Python does not know; but for the call that stands for the pipe where a loop cannot watch one (`ready`).

mod client;
mod convert;
mod embeddings;
mod errors;
mod event;
mod feed;
mod ready;
mod reply;
mod serve;
mod simulator;
mod stream;
mod trail;
mod wait;

use pyo3::prelude::*;

/// The native half of the package; use `hotspare` itself.
#[pymodule(gil_used = false)]
mod _native {
    use std::ffi::OsString;
    use std::time::Duration;

    use pyo3::exceptions::{PyImportError, PyValueError};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::embeddings::Embeddings;
    #[pymodule_export]
    use crate::event::{StreamEvent, ToolCallDelta};
    #[pymodule_export]
    use crate::feed::EventFeed;
    #[pymodule_export]
    use crate::ready::{Call, ReadyQueue};
    #[pymodule_export]
    use crate::reply::{Partial, Reply, Span, ToolCall, Usage};
    #[pymodule_export]
    use crate::serve::Served;
    #[pymodule_export]
    use crate::simulator::Simulator;
    #[pymodule_export]
    use crate::stream::Events;
    #[pymodule_export]
    use crate::trail::Attempt;

    /// How long the interpreter's exit waits for the runtime's threads.
    const SHUTDOWN: Duration = Duration::from_secs(2);

    /// Every error code with the name of its exception class.
    #[pyfunction]
    fn exceptions() -> Vec<(&'static str, &'static str)> {
        hotspare_bridge::EXCEPTIONS.to_vec()
    }

    /// Stops the runtime, which closes every connection; then lets callbacks have the last events. Registered with
    /// `atexit`.
    #[pyfunction]
    fn shutdown(py: Python<'_>) -> PyResult<()> {
        py.detach(|| hotspare_bridge::shutdown(SHUTDOWN));
        let modules = py.import("sys")?.getattr("modules")?;
        // It is imported by the first callback.
        let delivery = modules.call_method1("get", ("hotspare._delivery",))?;
        if !delivery.is_none() {
            delivery.call_method0("finish")?;
        }
        Ok(())
    }

    /// Tells `sys.unraisablehook` of an error that nobody can catch, met while calling `callback`.
    #[pyfunction]
    fn unraisable(error: &Bound<'_, PyAny>, callback: &Bound<'_, PyAny>) {
        PyErr::from_value(error.clone()).write_unraisable(error.py(), Some(callback));
    }

    /// Runs the `hotspare` command, the program's name first, and gives its exit code.
    #[pyfunction]
    fn cli_main(py: Python<'_>, args: Vec<OsString>) -> u8 {
        py.detach(|| hotspare_cli::main_with_args(args))
    }

    /// Unpickles.
    #[pyfunction]
    fn restore(py: Python<'_>, class: &str, json: &str) -> PyResult<Py<PyAny>> {
        match class {
            "Reply" => Reply::restored(py, json),
            "Embeddings" => Embeddings::restored(py, json),
            "Partial" => Partial::restored(py, json),
            "ToolCall" => ToolCall::restored(py, json),
            "Span" => Span::restored(py, json),
            "Usage" => Usage::restored(py, json),
            "Attempt" => Attempt::restored(py, json),
            "StreamEvent" => StreamEvent::restored(py, json),
            "ToolCallDelta" => ToolCallDelta::restored(py, json),
            _ => Err(PyValueError::new_err(format!("hotspare has no class {class}"))),
        }
    }

    /// Panics inside a call, as a bug would.
    #[pyfunction]
    #[expect(clippy::panic, reason = "to test that a panic does not cross")]
    fn panic_for_test(py: Python<'_>) -> PyResult<()> {
        crate::wait::block_on(py, hotspare_bridge::spawn(async { panic!("as asked") }))
    }

    /// Whether this is the interpreter the process began with.
    fn is_main_interpreter(_attached: Python<'_>) -> bool {
        // SAFETY: the thread is attached, so there is a current interpreter, and reading its number changes nothing.
        unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) == 0 }
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        if !is_main_interpreter(module.py()) {
            // The runtime is the process's, and another interpreter's end would stop it under the main one.
            return Err(PyImportError::new_err(
                "hotspare does not work in subinterpreters",
            ));
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        let atexit = module.py().import("atexit")?;
        atexit.call_method1("register", (module.getattr("shutdown")?,))?;
        Ok(())
    }
}
