//! JSON values to Python's, and the little that all frozen classes share.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::Serialize;
use serde_json::Value;

/// `value` as dicts, lists, strings, numbers, bools and None.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(flag) => flag.into_bound_py_any(py),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into_bound_py_any(py),
            (None, Some(number)) => number.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            Ok(list.into_any())
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, to_python(py, value)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

/// What serde makes of `value`, as a dict.
pub(crate) fn to_dict<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    to_python(py, &value)
}

/// The stable code of an enum's variant.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// `text` quoted for a `repr`, at most 60 characters of it.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// Adds `restored`, and the arguments `__reduce__` gives to `_native.restore`, to a class that wraps a serde type.
macro_rules! picklable {
    ($class:ident, |$self:ident| $inner:expr, |$value:ident: $type:ty| $new:expr) => {
        impl $class {
            pub(crate) fn restored(
                py: pyo3::Python<'_>,
                json: &str,
            ) -> pyo3::PyResult<pyo3::Py<pyo3::PyAny>> {
                use pyo3::IntoPyObjectExt;
                let $value: $type = serde_json::from_str(json)
                    .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
                $new.into_py_any(py)
            }

            fn reduced(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<$crate::convert::Reduced> {
                let $self = self;
                let json = serde_json::to_string($inner)
                    .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
                let restore = py.import("hotspare._native")?.getattr("restore")?;
                Ok((restore.unbind(), (stringify!($class), json)))
            }
        }
    };
}
pub(crate) use picklable;

/// What `__reduce__` returns: `_native.restore` and its arguments.
pub(crate) type Reduced = (Py<PyAny>, (&'static str, String));
