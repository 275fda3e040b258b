//! What only one vendor can read, carried in the opaque field of another vendor's format: the reasoning and the marks of
//! calls that a client hands back with the history.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::types::{ReasoningBlock, ToolCall};

/// Vendors' own signatures are base64, which has no dot.
const PREFIX: &str = "hotspare.";

/// A call's mark, with the call it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallMark {
    /// The call's id.
    pub(crate) call: String,
    /// Its [`ToolCall::signature`].
    pub(crate) signature: String,
}

impl CallMark {
    /// Gives the call its mark.
    pub(crate) fn sign(self, calls: &mut [ToolCall]) {
        if let Some(call) = calls.iter_mut().find(|call| call.id == self.call) {
            call.signature = Some(self.signature);
        }
    }
}

/// A block of any format as one word of letters, digits, `-`, `_` and one dot.
pub(crate) fn pack(block: &ReasoningBlock) -> String {
    seal(block)
}

/// The block that [`pack`] made this of; None for anything else.
pub(crate) fn unpack(text: &str) -> Option<ReasoningBlock> {
    open(text)
}

/// The mark of a signed call, likewise; None when it has none.
pub(crate) fn pack_mark(call: &ToolCall) -> Option<String> {
    let signature = call.signature.clone()?;
    Some(seal(&CallMark {
        call: call.id.clone(),
        signature,
    }))
}

/// The mark that [`pack_mark`] made this of; None for anything else.
pub(crate) fn unpack_mark(text: &str) -> Option<CallMark> {
    open(text)
}

fn seal<T: Serialize>(value: &T) -> String {
    let json = serde_json::json!(value).to_string();
    let mut out = PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string(json, &mut out);
    out
}

fn open<T: DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::DialectId;

    fn block() -> impl Strategy<Value = ReasoningBlock> {
        let word = || proptest::option::of(".{0,20}");
        (0..DialectId::ALL.len(), word(), ".{0,40}", word(), word()).prop_map(
            |(dialect, id, text, signature, redacted)| ReasoningBlock {
                dialect: DialectId::ALL[dialect],
                id,
                text,
                signature,
                redacted,
            },
        )
    }

    #[test]
    fn a_mark_is_no_block_and_a_block_no_mark() {
        let call = ToolCall {
            id: "c".to_owned(),
            signature: Some("s".to_owned()),
            ..ToolCall::default()
        };
        let mark = pack_mark(&call).unwrap();
        let read = unpack_mark(&mark).unwrap();
        assert_eq!((read.call.as_str(), read.signature.as_str()), ("c", "s"));
        assert_eq!(unpack(&mark), None);
        assert_eq!(pack_mark(&ToolCall::default()), None);
        let block = ReasoningBlock {
            dialect: DialectId::Gemini,
            id: None,
            text: String::new(),
            signature: Some("s".to_owned()),
            redacted: None,
        };
        assert_eq!(unpack_mark(&pack(&block)), None);
    }

    #[test]
    fn a_vendors_own_signature_is_left_alone() {
        for text in [
            "",
            "ErUBCkYICRgC==",
            "hotspare.",
            "hotspare.%",
            "hotspare.e30",
            "hotspare.bnVsbA",
        ] {
            assert_eq!(unpack(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn comes_out_as_it_went_in(block in block()) {
            let packed = pack(&block);
            prop_assert!(packed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
            prop_assert_eq!(unpack(&packed), Some(block));
        }

        #[test]
        fn takes_whatever_comes(text in ".{0,60}") {
            prop_assert_eq!(unpack(&format!("hotspare.{text}!")), None);
        }
    }
}
