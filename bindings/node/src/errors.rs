//! Errors that are thrown at once cross as the JSON text of their fields, in the message of a plain error, from which the
//! package makes its own.

use hotspare::Error;

use crate::wire;

/// What to throw for `error`.
pub(crate) fn thrown(error: Error) -> napi::Error {
    napi::Error::from_reason(wire::error_text(&error))
}
