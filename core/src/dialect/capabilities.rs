//! How a request is fitted to one model by the catalog, alike for every format: before the format writes it.

use std::borrow::Cow;

use super::fit::Fit;
use crate::catalog::{Capabilities, Reasoning};
use crate::types::{ChatRequest, Content, Failure, PartBody, ReasoningEffort, ResponseFormat};

/// The request as the model takes it; borrowed where nothing had to change.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported), naming the field, for what the model cannot do. Images,
/// documents and audio are refused even where a loss is taken: an answer about a picture that the model never saw is
/// worse than none.
pub(crate) fn fit_model<'a>(
    mut request: Cow<'a, ChatRequest>,
    model: &Capabilities<'_>,
    fit: &mut Fit,
) -> Result<Cow<'a, ChatRequest>, Failure> {
    check_media(&request, model)?;
    if model.sampling == Some(false) {
        drop_sampling(&mut request, "the model takes no sampling parameters", fit);
    }
    if let (Some(asked), Some(most)) = (request.max_tokens, model.max_output)
        && asked > most
    {
        fit.note(format!("max_tokens: {asked} lowered to {most}, the model's most"));
        request.to_mut().max_tokens = Some(most);
    }
    if model.tools == Some(false) && !request.tools.is_empty() {
        fit.lose("tools", "the model calls no functions")?;
        let request = request.to_mut();
        request.tools.clear();
        request.parallel_tool_calls = None;
        if request.tool_choice.take().is_some() {
            fit.lose("tool_choice", "the model calls no functions")?;
        }
    }
    if model.parallel_tools == Some(false) && request.parallel_tool_calls.is_some() {
        fit.note("parallel_tool_calls: left out; the model makes one call at a time");
        request.to_mut().parallel_tool_calls = None;
    }
    if model.json_schema == Some(false)
        && matches!(request.response_format, Some(ResponseFormat::JsonSchema { .. }))
    {
        fit.lose("response_format", "the model does not answer by a schema")?;
        request.to_mut().response_format = None;
    }
    if let Some(asked) = request.reasoning_effort {
        let level = effort(asked, model, fit)?;
        if level != Some(asked) {
            request.to_mut().reasoning_effort = level;
        }
    }
    Ok(request)
}

/// Takes the sampling parameters out.
pub(crate) fn drop_sampling(request: &mut Cow<'_, ChatRequest>, why: &str, fit: &mut Fit) {
    let given = [
        ("temperature", request.temperature.is_some()),
        ("top_p", request.top_p.is_some()),
        ("top_k", request.top_k.is_some()),
    ];
    for (field, _) in given.iter().filter(|(_, given)| *given) {
        fit.note(format!("{field}: left out; {why}"));
        let request = request.to_mut();
        match *field {
            "temperature" => request.temperature = None,
            "top_p" => request.top_p = None,
            _ => request.top_k = None,
        }
    }
}

fn check_media(request: &ChatRequest, model: &Capabilities<'_>) -> Result<(), Failure> {
    if [model.vision, model.documents, model.audio]
        .iter()
        .all(|known| *known != Some(false))
    {
        return Ok(());
    }
    for (i, message) in request.messages.iter().enumerate() {
        let Content::Parts(parts) = &message.content else {
            continue;
        };
        for (j, part) in parts.iter().enumerate() {
            let (taken, what) = match &part.body {
                PartBody::ImageUrl { .. } => (model.vision, "images"),
                PartBody::File { .. } => (model.documents, "documents"),
                PartBody::InputAudio { .. } => (model.audio, "audio"),
                _ => continue,
            };
            if taken == Some(false) {
                return Err(Failure::unsupported(
                    &format!("messages[{i}].content[{j}]"),
                    &format!("the model takes no {what}"),
                ));
            }
        }
    }
    Ok(())
}

fn effort(
    asked: ReasoningEffort,
    model: &Capabilities<'_>,
    fit: &mut Fit,
) -> Result<Option<ReasoningEffort>, Failure> {
    if model.reasoning == Reasoning::None {
        if asked == ReasoningEffort::None {
            fit.note("reasoning_effort: left out; the model does not reason");
        } else {
            fit.lose("reasoning_effort", "the model does not reason")?;
        }
        return Ok(None);
    }
    if model.efforts.is_empty() {
        return Ok(Some(asked));
    }
    nearest(asked, model.efforts, fit)
}

/// The level of `levels` nearest to the one asked for; of two, the lesser, which costs less. To think at all, and not
/// to think, are no neighbours: the one in the other's place is a loss.
///
/// # Errors
/// [`Unsupported`](crate::types::FailureClass::Unsupported) when there is only such a level, and no loss is taken; where
/// it is, the least level stands for `none`, and nothing for thinking.
pub(crate) fn nearest(
    asked: ReasoningEffort,
    levels: &[ReasoningEffort],
    fit: &mut Fit,
) -> Result<Option<ReasoningEffort>, Failure> {
    if levels.contains(&asked) {
        return Ok(Some(asked));
    }
    let thinking = || {
        levels
            .iter()
            .copied()
            .filter(|level| *level != ReasoningEffort::None)
    };
    if asked == ReasoningEffort::None {
        let least = thinking().min_by_key(|level| rank(*level));
        if let Some(least) = least {
            let why = format!("the model cannot stop thinking; its least is {}", least.as_str());
            fit.lose("reasoning_effort", &why)?;
        }
        return Ok(least);
    }
    let near = thinking().min_by_key(|level| (rank(*level).abs_diff(rank(asked)), rank(*level)));
    match near {
        Some(level) => fit.note(format!(
            "reasoning_effort: {} is sent as {}, the nearest there is",
            asked.as_str(),
            level.as_str()
        )),
        None => fit.lose("reasoning_effort", "the model cannot think")?,
    }
    Ok(near)
}

const fn rank(level: ReasoningEffort) -> u8 {
    match level {
        ReasoningEffort::None => 0,
        ReasoningEffort::Minimal => 1,
        ReasoningEffort::Low => 2,
        ReasoningEffort::Medium => 3,
        ReasoningEffort::High => 4,
        ReasoningEffort::Xhigh => 5,
        ReasoningEffort::Max => 6,
    }
}

/// The level that a number of thinking tokens stands for: where the tables that turn a level into tokens would put it,
/// at the nearest of 1024, 2048, 8192, 16384, 24576 and 32000.
pub(crate) fn level_of_budget(tokens: u64) -> ReasoningEffort {
    use ReasoningEffort as E;
    const LEVELS: [(u64, E); 6] = [
        (1024, E::Minimal),
        (2048, E::Low),
        (8192, E::Medium),
        (16_384, E::High),
        (24_576, E::Xhigh),
        (32_000, E::Max),
    ];
    if tokens == 0 {
        return E::None;
    }
    LEVELS
        .iter()
        .min_by_key(|(budget, _)| budget.abs_diff(tokens))
        .map_or(E::Medium, |(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fitted(request: Value, model: Capabilities<'_>, lossy: bool) -> Result<(Value, Vec<String>), String> {
        let request: ChatRequest = serde_json::from_value(request).unwrap();
        let mut fit = Fit::new(lossy);
        let out =
            fit_model(Cow::Borrowed(&request), &model, &mut fit).map_err(|failure| failure.code.unwrap())?;
        let mut out = serde_json::to_value(&*out).unwrap();
        out.as_object_mut().unwrap().shift_remove("messages");
        let fields = fit.adapted.iter().map(|line| line.split(':').next().unwrap());
        Ok((out, fields.map(str::to_owned).collect()))
    }

    #[test]
    fn an_unknown_model_changes_nothing() {
        let request = json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}],
            "temperature": 1.0, "max_tokens": 9, "reasoning_effort": "max"});
        let read: ChatRequest = serde_json::from_value(request).unwrap();
        let out = fit_model(
            Cow::Borrowed(&read),
            &Capabilities::default(),
            &mut Fit::new(false),
        )
        .unwrap();
        assert!(matches!(out, Cow::Borrowed(_)));
    }

    #[test]
    fn settings_are_fitted() {
        let tool = json!({"type": "function", "function": {"name": "f"}});
        let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}}});
        let none = Capabilities::default;
        let efforts = [ReasoningEffort::Low, ReasoningEffort::High];
        type Case<'a> = (
            Value,
            Capabilities<'a>,
            Result<Value, &'a str>,
            Value,
            &'a [&'a str],
        );
        // What is asked, of what model: what goes out, or what is refused; what goes out with a loss; the fields named.
        let cases: Vec<Case<'_>> = vec![
            (
                json!({"temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 1}),
                Capabilities {
                    sampling: Some(false),
                    ..none()
                },
                Ok(json!({"seed": 1})),
                json!({"seed": 1}),
                &["temperature", "top_p", "top_k"],
            ),
            (
                json!({"max_tokens": 100}),
                Capabilities {
                    max_output: Some(64),
                    ..none()
                },
                Ok(json!({"max_tokens": 64})),
                json!({"max_tokens": 64}),
                &["max_tokens"],
            ),
            (
                json!({"tools": [tool], "tool_choice": "required", "parallel_tool_calls": false}),
                Capabilities {
                    tools: Some(false),
                    ..none()
                },
                Err("tools"),
                json!({}),
                &["tools", "tool_choice"],
            ),
            (
                json!({"parallel_tool_calls": false}),
                Capabilities {
                    parallel_tools: Some(false),
                    ..none()
                },
                Ok(json!({})),
                json!({}),
                &["parallel_tool_calls"],
            ),
            (
                json!({"response_format": schema}),
                Capabilities {
                    json_schema: Some(false),
                    ..none()
                },
                Err("response_format"),
                json!({}),
                &["response_format"],
            ),
            (
                json!({"reasoning_effort": "low"}),
                Capabilities {
                    reasoning: Reasoning::None,
                    ..none()
                },
                Err("reasoning_effort"),
                json!({}),
                &["reasoning_effort"],
            ),
            (
                json!({"reasoning_effort": "none"}),
                Capabilities {
                    reasoning: Reasoning::None,
                    ..none()
                },
                Ok(json!({})),
                json!({}),
                &["reasoning_effort"],
            ),
            (
                json!({"reasoning_effort": "medium"}),
                Capabilities {
                    efforts: &efforts,
                    ..none()
                },
                Ok(json!({"reasoning_effort": "low"})),
                json!({"reasoning_effort": "low"}),
                &["reasoning_effort"],
            ),
            (
                json!({"reasoning_effort": "none"}),
                Capabilities {
                    efforts: &efforts,
                    ..none()
                },
                Err("reasoning_effort"),
                json!({"reasoning_effort": "low"}),
                &["reasoning_effort"],
            ),
        ];
        for (mut request, model, strict, lossy, fields) in cases {
            request["messages"] = json!("hi");
            let found = fitted(request.clone(), model, false);
            assert_eq!(
                found.map(|(out, _)| out),
                strict.map_err(str::to_owned),
                "{request}"
            );
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!(
                fitted(request.clone(), model, true),
                Ok((lossy, fields)),
                "{request}"
            );
        }
    }

    #[test]
    fn media_are_never_left_out() {
        let parts = [
            json!({"type": "image_url", "image_url": {"url": "https://a/b.png"}}),
            json!({"type": "file", "file": {"file_id": "f"}}),
            json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
        ];
        let models = [
            Capabilities {
                vision: Some(false),
                ..Capabilities::default()
            },
            Capabilities {
                documents: Some(false),
                ..Capabilities::default()
            },
            Capabilities {
                audio: Some(false),
                ..Capabilities::default()
            },
        ];
        for (i, part) in parts.iter().enumerate() {
            for (j, model) in models.iter().enumerate() {
                let request =
                    json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]});
                let refused = fitted(request, *model, true).err();
                let expected = (i == j).then(|| "messages[0].content[1]".to_owned());
                assert_eq!(refused, expected, "{part} {j}");
            }
        }
    }

    #[test]
    fn levels() {
        use ReasoningEffort as E;
        let all = [E::None, E::Minimal, E::Low, E::Medium, E::High, E::Xhigh, E::Max];
        for (levels, expected) in [
            (
                &[E::Low, E::Medium, E::High][..],
                [
                    None,
                    Some(E::Low),
                    Some(E::Low),
                    Some(E::Medium),
                    Some(E::High),
                    Some(E::High),
                    Some(E::High),
                ],
            ),
            (
                &[E::None, E::High],
                [
                    Some(E::None),
                    Some(E::High),
                    Some(E::High),
                    Some(E::High),
                    Some(E::High),
                    Some(E::High),
                    Some(E::High),
                ],
            ),
            (&[E::None], [Some(E::None), None, None, None, None, None, None]),
        ] {
            for (asked, expected) in all.into_iter().zip(expected) {
                let found = nearest(asked, levels, &mut Fit::new(false)).ok();
                assert_eq!(found, expected.map(Some), "{asked:?} of {levels:?}");
            }
        }
        let budgets = [
            (0, E::None),
            (1, E::Minimal),
            (1024, E::Minimal),
            (3000, E::Low),
            (8000, E::Medium),
            (20_000, E::High),
            (24_576, E::Xhigh),
            (100_000, E::Max),
        ];
        for (tokens, level) in budgets {
            assert_eq!(level_of_budget(tokens), level, "{tokens}");
        }
    }
}
