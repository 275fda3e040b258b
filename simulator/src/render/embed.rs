//! Vectors of texts: the same text and model give the same vector, whoever is asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::journal::hash;
use crate::script::Dialect;

/// Most texts of a request, as at OpenAI, and most numbers of a vector.
const TEXTS: usize = 2048;
const DIMENSIONS: usize = 8192;

/// What a request for vectors holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    texts: Vec<String>,
    dimensions: usize,
    form: Form,
}

/// How the vectors are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Numbers,
    /// Little-endian floats.
    Base64,
    /// Gemini's answer to `:embedContent`, which takes one text.
    One,
}

impl Texts {
    /// None: the vendor would not take it.
    pub(crate) fn read(dialect: Dialect, body: &Value) -> Option<Self> {
        match dialect {
            Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                let form = match body.get("encoding_format").and_then(Value::as_str) {
                    None | Some("float") => Form::Numbers,
                    Some("base64") => Form::Base64,
                    Some(_) => return None,
                };
                Self::new(inputs(body.get("input")?)?, body.get("dimensions"), 1536, form)
            }
            Dialect::Gemini => gemini(body),
            Dialect::CohereChat => {
                let types = body.get("embedding_types").and_then(Value::as_array);
                let form = match types.map(Vec::as_slice) {
                    None => Form::Numbers,
                    Some([one]) if one == "float" => Form::Numbers,
                    Some([one]) if one == "base64" => Form::Base64,
                    Some(_) => return None,
                };
                // Without it Cohere does not know how a vector is going to be used.
                body.get("input_type").and_then(Value::as_str)?;
                let texts = match (body.get("texts"), body.get("inputs")) {
                    (Some(texts), None) => inputs(texts)?,
                    (None, Some(Value::Array(inputs))) => inputs
                        .iter()
                        .map(|input| joined(input, "/content"))
                        .collect::<Option<_>>()?,
                    _ => return None,
                };
                Self::new(texts, body.get("output_dimension"), 1536, form)
            }
            Dialect::OllamaChat => {
                let texts = inputs(body.get("input")?)?;
                Self::new(texts, body.get("dimensions"), 768, Form::Numbers)
            }
            Dialect::AnthropicMessages | Dialect::BedrockConverse => None,
        }
    }

    fn new(texts: Vec<String>, dimensions: Option<&Value>, usual: usize, form: Form) -> Option<Self> {
        let dimensions = match dimensions.filter(|value| !value.is_null()) {
            Some(wanted) => usize::try_from(wanted.as_u64()?).ok()?,
            None => usual,
        };
        let fits = (1..=TEXTS).contains(&texts.len()) && (1..=DIMENSIONS).contains(&dimensions);
        fits.then_some(Self {
            texts,
            dimensions,
            form,
        })
    }

    /// Tokens of all texts: their words.
    pub(crate) fn tokens(&self) -> u64 {
        let words = self
            .texts
            .iter()
            .map(|text| text.split_whitespace().count().max(1));
        words.sum::<usize>() as u64
    }

    pub(crate) fn reply(&self, dialect: Dialect, model: &str) -> Value {
        let vectors = self.texts.iter().map(|text| vector(model, text, self.dimensions));
        let tokens = self.tokens();
        match dialect {
            Dialect::Gemini => {
                let usage = json!({"promptTokenCount": tokens, "totalTokenCount": tokens});
                let mut values = vectors.map(|vector| json!({"values": vector}));
                if self.form == Form::One {
                    json!({"embedding": values.next(), "usageMetadata": usage})
                } else {
                    let embeddings: Vec<Value> = values.collect();
                    json!({"embeddings": embeddings, "usageMetadata": usage})
                }
            }
            Dialect::CohereChat => {
                let name = if self.form == Form::Base64 {
                    "base64"
                } else {
                    "float"
                };
                let vectors: Vec<Value> = vectors.map(|vector| self.written(&vector)).collect();
                json!({
                    "id": "00000000-0000-4000-8000-000000000000",
                    "embeddings": {name: vectors},
                    "texts": self.texts,
                    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
                    "response_type": "embeddings_by_type",
                })
            }
            Dialect::OllamaChat => {
                let vectors: Vec<_> = vectors.collect();
                json!({
                    "model": model,
                    "embeddings": vectors,
                    "total_duration": 14_143_917,
                    "load_duration": 1_019_500,
                    "prompt_eval_count": tokens,
                })
            }
            _ => {
                let data: Vec<Value> = vectors
                    .enumerate()
                    .map(|(index, vector)| {
                        json!({"object": "embedding", "index": index, "embedding": self.written(&vector)})
                    })
                    .collect();
                // OpenAI gives no id; others of its family do, and Mistral's SDK wants one.
                json!({
                    "id": "embd-simulated",
                    "object": "list",
                    "data": data,
                    "model": model,
                    "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
                })
            }
        }
    }

    fn written(&self, vector: &[f32]) -> Value {
        if self.form == Form::Base64 {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            STANDARD.encode(bytes).into()
        } else {
            json!(vector)
        }
    }
}

/// A text, a list of texts, or what stands for a text: the numbers of its tokens.
fn inputs(input: &Value) -> Option<Vec<String>> {
    match input {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_u64) => Some(vec![numbers(list)]),
        Value::Array(list) => {
            let texts = list.iter().map(|one| match one {
                Value::String(text) => Some(text.clone()),
                Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_u64) => {
                    Some(numbers(list))
                }
                _ => None,
            });
            texts.collect()
        }
        _ => None,
    }
}

fn numbers(tokens: &[Value]) -> String {
    let tokens: Vec<String> = tokens.iter().map(Value::to_string).collect();
    tokens.join(" ")
}

/// The texts among a content's parts.
fn joined(content: &Value, at: &str) -> Option<String> {
    let parts = content.pointer(at)?.as_array()?;
    let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
    Some(texts.collect::<Vec<_>>().join(" "))
}

fn gemini(body: &Value) -> Option<Texts> {
    let usual = 3072;
    let Some(requests) = body.get("requests") else {
        let text = joined(body, "/content/parts")?;
        return Texts::new(vec![text], dimensionality(body), usual, Form::One);
    };
    let requests = requests.as_array()?;
    let texts = requests.iter().map(|one| joined(one, "/content/parts"));
    let dimensions = requests.first().and_then(dimensionality);
    Texts::new(texts.collect::<Option<_>>()?, dimensions, usual, Form::Numbers)
}

/// Google's servers read a name in camelCase and in snake_case.
fn dimensionality(request: &Value) -> Option<&Value> {
    let snake = || request.get("output_dimensionality");
    request.get("outputDimensionality").or_else(snake)
}

/// A vector of length one, drawn from the text's hash.
fn vector(model: &str, text: &str, dimensions: usize) -> Vec<f32> {
    let mut rng = Rng::with_seed(hash(format!("{model}\n{text}").as_bytes()));
    let drawn: Vec<f32> = (0..dimensions).map(|_| rng.f32() * 2.0 - 1.0).collect();
    let length = drawn.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        drawn.iter().map(|number| number / length).collect()
    } else {
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_vector_of_length_one() {
        for dimensions in [1, 2, 1536] {
            let one = vector("m", "hello", dimensions);
            assert_eq!(one, vector("m", "hello", dimensions));
            let length: f32 = one.iter().map(|number| number * number).sum();
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
        assert_ne!(vector("m", "hello", 3), vector("m", "hallo", 3));
        assert_ne!(vector("m", "hello", 3), vector("n", "hello", 3));
    }

    #[test]
    fn what_the_vendors_refuse_is_not_read() {
        for (dialect, body) in [
            (Dialect::OpenaiChat, json!({"input": []})),
            (Dialect::OpenaiChat, json!({"input": [{"text": "a"}]})),
            (Dialect::OpenaiChat, json!({"input": "a", "dimensions": 0})),
            (
                Dialect::OpenaiChat,
                json!({"input": "a", "dimensions": 1_000_000}),
            ),
            (
                Dialect::OpenaiChat,
                json!({"input": "a", "encoding_format": "hex"}),
            ),
            (Dialect::CohereChat, json!({"texts": ["a"]})),
            (
                Dialect::CohereChat,
                json!({"texts": ["a"], "inputs": [], "input_type": "search_query"}),
            ),
            (Dialect::Gemini, json!({"requests": [{"content": {}}]})),
            (Dialect::OllamaChat, json!({"prompt": "a"})),
            (Dialect::AnthropicMessages, json!({"input": "a"})),
        ] {
            assert_eq!(Texts::read(dialect, &body), None, "{dialect:?} {body}");
        }
    }
}
