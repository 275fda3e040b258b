use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A vector as vendors send it: a list of numbers, or base64 of little-endian 32-bit floats.
#[derive(Debug, Default)]
pub(super) struct Vector(pub(super) Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Vector;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, or base64 of 32-bit floats")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Vector, E> {
                let bytes = STANDARD
                    .decode(text)
                    .map_err(|_| E::custom("a vector is not base64"))?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(E::custom("a vector in base64 ends within a number"));
                }
                Ok(Vector(
                    numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
                ))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vector, A::Error> {
                let mut numbers = Vec::with_capacity(1024);
                while let Some(number) = seq.next_element()? {
                    numbers.push(number);
                }
                numbers.shrink_to_fit();
                Ok(Vector(numbers))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}
