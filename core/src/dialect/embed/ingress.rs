//! `/embeddings` as clients of OpenAI's format speak it: their requests, and what they are answered with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;

use crate::dialect::asked::{Fields, wrong, wrong_at};
use crate::types::{EmbedReply, EmbedRequest, Failure};

/// What a client asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedVectors {
    /// The request.
    pub request: EmbedRequest,
    /// The model it names.
    pub model: Option<String>,
    /// Whether it wants vectors as base64 of little-endian 32-bit floats, which OpenAI's SDKs ask for by themselves.
    pub base64: bool,
}

/// Reads a client's request.
///
/// # Errors
/// `invalid_request`, naming the place.
pub fn ask(body: &[u8]) -> Result<AskedVectors, Failure> {
    let mut fields = Fields::of_body(body)?;
    let model = fields.read("model")?;
    let base64 = match fields.read::<String>("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(wrong("encoding_format", "expected \"float\" or \"base64\"")),
    };
    let input: Value = fields.need("input")?;
    if is_tokens(&input) {
        return Err(wrong(
            "input",
            "it is a list of tokens, which mean another text to every model but one: send the text itself \
             (LangChain does with `check_embedding_ctx_length=False`)",
        ));
    }
    let mut body = fields.rest();
    body.insert("input".to_owned(), input);
    let request: EmbedRequest = serde_path_to_error::deserialize(Value::Object(body))
        .map_err(|error| wrong_at(error.path(), error.inner()))?;
    Ok(AskedVectors {
        request,
        model,
        base64,
    })
}

/// Whether it is tokens, or lists of them.
fn is_tokens(input: &Value) -> bool {
    let first = |list: &Value| list.get(0).cloned();
    match first(input) {
        Some(inner @ Value::Array(_)) => first(&inner).is_some_and(|token| token.is_number()),
        Some(token) => token.is_number(),
        None => false,
    }
}

/// The reply as OpenAI would send it. Its type has no word for counts that no vendor told: they are 0.
#[must_use]
pub fn answer(reply: &EmbedReply, base64: bool) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        object: &'static str,
        data: Vec<Item<'a>>,
        model: &'a str,
        usage: Counts,
    }
    #[derive(Serialize)]
    struct Item<'a> {
        object: &'static str,
        index: usize,
        embedding: Written<'a>,
    }
    #[derive(Serialize)]
    struct Counts {
        prompt_tokens: u64,
        total_tokens: u64,
    }
    let data = reply.embeddings.iter().enumerate().map(|(index, vector)| Item {
        object: "embedding",
        index,
        embedding: Written { vector, base64 },
    });
    let named = reply.model.as_deref();
    let body = Body {
        object: "list",
        data: data.collect(),
        model: named.unwrap_or_else(|| reply.target.split_once('/').map_or("", |(_, model)| model)),
        usage: Counts {
            prompt_tokens: reply.usage.input_tokens,
            total_tokens: reply.usage.total_tokens(),
        },
    };
    // Texts and numbers can always be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

struct Written<'a> {
    vector: &'a [f32],
    base64: bool,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.base64 {
            return self.vector.serialize(serializer);
        }
        let bytes: Vec<u8> = self
            .vector
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::embedder;
    use crate::types::{DialectId, FailureClass, Usage};

    fn asked(body: &Value) -> Result<AskedVectors, Failure> {
        ask(body.to_string().as_bytes())
    }

    #[test]
    fn reads_a_request() {
        let body = json!({"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "base64",
            "dimensions": 5, "user": "u", "new": 1, "old": null});
        let AskedVectors {
            request,
            model,
            base64,
        } = asked(&body).unwrap();
        assert_eq!((model.as_deref(), base64), (Some("text-embedding-3-small"), true));
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            json!({"input": ["a", "b"], "dimensions": 5, "user": "u", "new": 1})
        );
        let plain = asked(&json!({"input": "a"})).unwrap();
        assert_eq!(
            (plain.request.input, plain.model, plain.base64),
            (vec!["a".to_owned()], None, false)
        );
    }

    #[test]
    fn names_what_is_wrong() {
        for (body, at, says) in [
            (json!({"model": "m"}), "input", "missing"),
            (
                json!({"input": [1, 2]}),
                "input",
                "check_embedding_ctx_length=False",
            ),
            (
                json!({"input": [[1], [2]]}),
                "input",
                "check_embedding_ctx_length=False",
            ),
            (json!({"input": 3}), "input", "a text, or a list of texts"),
            (json!({"input": ["a", 3]}), "input[1]", "expected a string"),
            (
                json!({"input": "a", "encoding_format": "hex"}),
                "encoding_format",
                "base64",
            ),
            (
                json!({"input": "a", "dimensions": "many"}),
                "dimensions",
                "expected u32",
            ),
            (json!([]), "body", "an object"),
        ] {
            let failure = asked(&body).unwrap_err();
            assert_eq!(failure.class, FailureClass::InvalidRequest, "{body}");
            assert_eq!(failure.code.as_deref(), Some(at), "{body}");
            assert!(failure.message.contains(says), "{body}: {failure:?}");
        }
    }

    #[test]
    fn either_form_is_read_again() {
        let reply = EmbedReply {
            target: "p/m".to_owned(),
            embeddings: vec![vec![0.1, -2.5, f32::MIN_POSITIVE], vec![1e30, 0.0, -0.0]],
            usage: Usage {
                reported: true,
                input_tokens: 7,
                ..Usage::default()
            },
            model: None,
            cost_usd: None,
            cost_min_usd: 0.0,
            cost_max_usd: None,
            elapsed: 0.1,
            created: 1,
            trail: Vec::new(),
        };
        for base64 in [false, true] {
            let body = answer(&reply, base64);
            let again = embedder(DialectId::OpenaiChat).unwrap().decode(&body).unwrap();
            assert_eq!(again.vectors, reply.embeddings);
            assert_eq!((again.model.as_deref(), again.usage), (Some("m"), reply.usage));
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["data"][1]["embedding"].is_string(), base64);
            assert_eq!(
                (&value["object"], &value["data"][1]["index"]),
                (&json!("list"), &json!(1))
            );
            assert_eq!(value["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
        }
    }
}
