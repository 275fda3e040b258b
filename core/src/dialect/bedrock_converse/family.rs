//! What the models behind Converse take beside its own fields, in `additionalModelRequestFields`: each family by its own
//! words, since Bedrock hands them on as they are.

use serde_json::{Value, json};

use crate::types::JsonMap;

/// How a family is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Anthropic's `thinking`, and `output_config.effort`.
    Thinking,
    /// OpenAI's `reasoning_effort`, of three levels.
    Field,
}

/// Models of one maker.
#[derive(Debug)]
pub(super) struct Family {
    /// What their ids hold, in inference profiles and ARNs too.
    mark: &'static str,
    /// Where `top_k` goes.
    top_k: Option<&'static [&'static str]>,
    /// How effort is said; None when it is not known.
    pub(super) effort: Option<Effort>,
}

/// From AWS's user guides: "Inference request parameters and response fields" of each maker, and for Nova "Complete
/// request schema".
const FAMILIES: &[Family] = &[
    Family {
        mark: "anthropic.",
        top_k: Some(&["top_k"]),
        effort: Some(Effort::Thinking),
    },
    Family {
        mark: "openai.",
        top_k: None,
        effort: Some(Effort::Field),
    },
    Family {
        mark: "amazon.nova",
        top_k: Some(&["inferenceConfig", "topK"]),
        effort: None,
    },
    Family {
        mark: "cohere.",
        top_k: Some(&["k"]),
        effort: None,
    },
    Family {
        mark: "mistral.",
        top_k: Some(&["top_k"]),
        effort: None,
    },
];

/// The family of a model; None when its id does not tell, as an ARN of an application's own inference profile.
pub(super) fn family(model: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| model.contains(family.mark))
}

impl Family {
    /// Writes `top_k`. False when the family has no place for it.
    pub(super) fn set_top_k(&self, top_k: u32, fields: &mut JsonMap) -> bool {
        match self.top_k {
            Some([name]) => fields.insert((*name).to_owned(), json!(top_k)),
            Some([group, name]) => fields.insert((*group).to_owned(), json!({*name: top_k})),
            _ => return false,
        };
        true
    }

    /// The other direction of [`Self::set_top_k`]: takes `top_k` out of the fields.
    pub(super) fn take_top_k(&self, fields: &mut JsonMap) -> Option<u32> {
        let number = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
        match self.top_k? {
            [name] => {
                let top_k = fields.get(*name).and_then(number)?;
                fields.shift_remove(*name);
                Some(top_k)
            }
            [group, name] => {
                let inner = fields.get_mut(*group)?.as_object_mut()?;
                let top_k = inner.get(*name).and_then(number)?;
                inner.shift_remove(*name);
                if inner.is_empty() {
                    fields.shift_remove(*group);
                }
                Some(top_k)
            }
            _ => None,
        }
    }
}
