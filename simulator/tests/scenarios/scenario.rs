use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Chat,
    Stream,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Stream => "stream",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[expect(dead_code, reason = "for the reader of the file")]
    pub title: String,
    pub modes: Vec<Mode>,
    pub config: Value,
    pub script: Value,
    pub calls: Vec<Call>,
    #[serde(default)]
    pub server: BTreeMap<String, Server>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub requests: Option<usize>,
    pub disconnected: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    #[serde(default)]
    pub after: f64,
    pub request: Option<Value>,
    pub cancel_after: Option<f64>,
    expect: Value,
    expect_chat: Option<Value>,
    expect_stream: Option<Value>,
}

impl Call {
    pub fn expect(&self, mode: Mode) -> Expect {
        let mut expect = self.expect.clone();
        let more = match mode {
            Mode::Chat => &self.expect_chat,
            Mode::Stream => &self.expect_stream,
        };
        if let Some(Value::Object(more)) = more {
            for (name, value) in more {
                expect[name] = value.clone();
            }
        }
        serde_json::from_value(expect).expect("`expect` has its shape")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub text: Option<String>,
    pub reasoning: Option<String>,
    pub refusal: Option<String>,
    pub finish: Option<String>,
    pub target: Option<String>,
    pub tool_calls: Option<Vec<ExpectCall>>,
    #[serde(default)]
    pub usage: BTreeMap<String, u64>,
    #[serde(default)]
    pub cancelled: bool,
    pub error: Option<ExpectError>,
    pub attempts: Option<Vec<ExpectAttempt>>,
    pub elapsed: Option<(f64, f64)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCall {
    pub name: String,
    pub arguments: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectError {
    pub kind: String,
    pub class: Option<String>,
    pub status: Option<u16>,
    pub retry_after: Option<(f64, f64)>,
    pub partial: Option<String>,
    pub names: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectAttempt {
    pub target: String,
    pub code: String,
    pub status: Option<u16>,
    pub next: Option<String>,
    pub wait: Option<(f64, f64)>,
}

impl Scenario {
    /// Every scenario of a folder, by file name.
    pub fn all(folder: &Path) -> Vec<(String, Self)> {
        let mut all: Vec<(String, Self)> = std::fs::read_dir(folder)
            .expect("the folder of scenarios")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(|path| {
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
                (name, scenario)
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The config with each `"$name"` replaced by that provider's URL.
    pub fn config(&self, url: impl Fn(&str) -> String) -> Result<String, String> {
        fn replace(value: &mut Value, url: &dyn Fn(&str) -> String) {
            match value {
                Value::String(text) => {
                    if let Some(name) = text.strip_prefix('$') {
                        *text = url(name);
                    }
                }
                Value::Array(list) => list.iter_mut().for_each(|value| replace(value, url)),
                Value::Object(map) => map.values_mut().for_each(|value| replace(value, url)),
                _ => {}
            }
        }
        let mut config = self.config.clone();
        replace(&mut config, &url);
        serde_json::to_string_pretty(&config).map_err(|error| error.to_string())
    }
}
