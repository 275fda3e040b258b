//! Tools and the choice of them: our words → `toolConfig`.

use serde_json::{Value, json};

use super::kept;
use super::messages::cache_point;
use crate::dialect::fit::Fit;
use crate::types::{ChatRequest, Failure, FunctionTool, JsonMap, Role, Tool, ToolChoice};

/// The `toolConfig`; None when there are no tools.
pub(super) fn tool_config(request: &ChatRequest, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    let called = request
        .messages
        .iter()
        .any(|message| !message.tool_calls.is_empty() || message.role == Role::Tool);
    let mut tools = tools(&request.tools, fit)?;
    if request.parallel_tool_calls == Some(false) && !tools.is_empty() {
        fit.lose(
            "parallel_tool_calls",
            "Converse cannot hold a model to one call at a time",
        )?;
    }
    let forbidden = request.tool_choice == Some(ToolChoice::None);
    if forbidden && !called && !tools.is_empty() {
        fit.note("tools: left out, since none may be called and the vendor has no word for that");
        return Ok(None);
    }
    if tools.is_empty() && called {
        tools = from_history(request);
        if !tools.is_empty() {
            fit.note(
                "tools: those called before were named again, since the vendor wants them beside their calls",
            );
        }
    }
    if forbidden && !tools.is_empty() {
        fit.lose(
            "tool_choice",
            "the vendor has no word for none, and wants the tools of earlier calls",
        )?;
    }
    let choice = choice(request, fit)?;
    if tools.is_empty() {
        if choice.is_some_and(|choice| choice.get("auto").is_none()) {
            fit.lose("tool_choice", "there is no tool to choose")?;
        }
        return Ok(None);
    }
    let mut config = JsonMap::new();
    config.insert("tools".to_owned(), Value::Array(tools));
    if let Some(choice) = choice {
        config.insert("toolChoice".to_owned(), choice);
    }
    Ok(Some(Value::Object(config)))
}

fn tools(tools: &[Tool], fit: &mut Fit) -> Result<Vec<Value>, Failure> {
    let mut out = Vec::with_capacity(tools.len());
    for (i, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function {
                function,
                cache_control,
            } => {
                out.push(tool_spec(function));
                if let Some(mark) = cache_control {
                    out.push(cache_point(mark, &format!("tools[{i}].cache_control"), fit));
                }
            }
            Tool::Other(other) => match kept(other) {
                Some(tool) => out.push(Value::Object(tool)),
                None => fit.lose(
                    &format!("tools[{i}]"),
                    "its type, or a field of it, is not known, so it cannot be translated",
                )?,
            },
        }
    }
    Ok(out)
}

fn tool_spec(function: &FunctionTool) -> Value {
    let schema = function.parameters.clone();
    let mut spec = JsonMap::new();
    spec.insert("name".to_owned(), json!(function.name));
    // The vendor refuses empty ones.
    if let Some(description) = function.description.as_ref().filter(|text| !text.is_empty()) {
        spec.insert("description".to_owned(), json!(description));
    }
    let schema = schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    spec.insert("inputSchema".to_owned(), json!({"json": schema}));
    if let Some(strict) = function.strict {
        spec.insert("strict".to_owned(), json!(strict));
    }
    json!({"toolSpec": spec})
}

/// The tools whose calls are in the history. Converse refuses calls where there are no tools.
fn from_history(request: &ChatRequest) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for call in request.messages.iter().flat_map(|message| &message.tool_calls) {
        if !names.contains(&call.name.as_str()) {
            names.push(&call.name);
        }
    }
    names
        .into_iter()
        .map(|name| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}))
        .collect()
}

fn choice(request: &ChatRequest, fit: &mut Fit) -> Result<Option<Value>, Failure> {
    Ok(match &request.tool_choice {
        None | Some(ToolChoice::None) => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Function(name)) => Some(json!({"tool": {"name": name}})),
        Some(ToolChoice::Other(_)) => {
            fit.lose("tool_choice", "Converse takes auto, required or one function")?;
            None
        }
    })
}
