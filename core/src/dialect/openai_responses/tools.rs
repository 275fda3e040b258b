//! Tools and the choice of one, whose shapes are flat here and nested in Chat Completions.

use serde_json::{Value, json};

use crate::dialect::fit::Fit;
use crate::dialect::foreign::marked;
use crate::types::{DialectId, FunctionTool, JsonMap, Tool, ToolChoice};

/// The fields of a function tool that every dialect knows.
const FUNCTION: [&str; 5] = ["type", "name", "description", "parameters", "strict"];

/// What Chat Completions has in an object that is called like its type.
const NESTED: [&str; 4] = ["function", "custom", "allowed_tools", "json_schema"];

/// `{"type": "custom", "custom": {…}}` → `{"type": "custom", …}`; what is flat already stays as it is.
pub(super) fn flat(map: &JsonMap) -> JsonMap {
    let mut out = map.clone();
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    if !NESTED.contains(&kind) {
        return out;
    }
    if let Some(Value::Object(inner)) = out.shift_remove(kind) {
        out.extend(inner);
    } else {
        out.clone_from(map);
    }
    // The grammar of a custom tool's input is nested there too.
    if let Some(format) = out.get_mut("format").and_then(Value::as_object_mut)
        && let Some(Value::Object(grammar)) = format.get("grammar").cloned()
    {
        format.shift_remove("grammar");
        format.extend(grammar);
    }
    out
}

/// The `tools`.
pub(super) fn tools(tools: &[Tool], fit: &mut Fit) -> Value {
    let mut out = Vec::with_capacity(tools.len());
    for (i, tool) in tools.iter().enumerate() {
        let entry = match tool {
            Tool::Function {
                function,
                cache_control,
            } => {
                if cache_control.is_some() {
                    fit.note(format!(
                        "tools[{i}].cache_control: left out; the vendor caches by itself"
                    ));
                }
                function_tool(function)
            }
            Tool::Other(map) => flat(map),
        };
        out.push(Value::Object(entry));
    }
    Value::Array(out)
}

fn function_tool(function: &FunctionTool) -> JsonMap {
    let mut entry = JsonMap::new();
    entry.insert("type".to_owned(), json!("function"));
    entry.insert("name".to_owned(), json!(function.name));
    if let Some(description) = &function.description {
        entry.insert("description".to_owned(), json!(description));
    }
    let none = || json!({"type": "object", "properties": {}});
    entry.insert(
        "parameters".to_owned(),
        function.parameters.clone().unwrap_or_else(none),
    );
    // Left out it means yes here, and no in Chat Completions, whose words a request is in.
    entry.insert("strict".to_owned(), json!(function.strict.unwrap_or(false)));
    entry
}

/// The `tool_choice`.
pub(super) fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({"type": "function", "name": name}),
        ToolChoice::Other(map) => {
            let mut out = flat(map);
            if let Some(Value::Array(allowed)) = out.get_mut("tools") {
                for tool in allowed.iter_mut().filter_map(Value::as_object_mut) {
                    *tool = flat(tool);
                }
            }
            Value::Object(out)
        }
    }
}

/// An entry of a client's `tools`.
pub(super) fn read_tool(map: JsonMap) -> Tool {
    let known = map.get("type").and_then(Value::as_str) == Some("function")
        && map
            .iter()
            .all(|(field, value)| value.is_null() || FUNCTION.contains(&field.as_str()));
    let function = known.then(|| serde_json::from_value(Value::Object(map.clone())));
    match function {
        Some(Ok(function)) => Tool::Function {
            function,
            cache_control: None,
        },
        _ => Tool::Other(marked(DialectId::OpenaiResponses, map)),
    }
}

/// A client's `tool_choice`; None when it is none this format has.
pub(super) fn read_choice(choice: &Value) -> Option<ToolChoice> {
    match choice {
        Value::String(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        Value::Object(map) => {
            let kind = map.get("type").and_then(Value::as_str);
            let name = map.get("name").and_then(Value::as_str);
            Some(match (kind, name) {
                (Some("function"), Some(name)) if map.len() == 2 => ToolChoice::Function(name.to_owned()),
                _ => ToolChoice::Other(marked(DialectId::OpenaiResponses, map.clone())),
            })
        }
        _ => None,
    }
}
