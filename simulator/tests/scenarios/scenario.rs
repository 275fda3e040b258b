use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Chat,
    Stream,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Stream => "stream",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    #[expect(dead_code, reason = "for the reader of the file")]
    pub(crate) title: String,
    pub(crate) modes: Vec<Mode>,
    pub(crate) config: Value,
    pub(crate) script: Value,
    /// Files before the first call, by name.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) calls: Vec<Call>,
    #[serde(default)]
    pub(crate) server: BTreeMap<String, Server>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) requests: Option<Count>,
    pub(crate) disconnected: Option<Count>,
    pub(crate) at_once: Option<usize>,
    pub(crate) keys: Option<BTreeMap<String, usize>>,
    /// What every chat request must have held, as the vendor reads it, by the name of the journal.
    #[serde(default)]
    pub(crate) asked: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(crate) enum Count {
    Exactly(usize),
    Between(usize, usize),
}

impl Count {
    pub(crate) const fn holds(self, found: usize) -> bool {
        match self {
            Self::Exactly(count) => found == count,
            Self::Between(least, most) => least <= found && found <= most,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    #[serde(default)]
    pub(crate) after: f64,
    #[serde(default = "one")]
    pub(crate) repeat: usize,
    #[serde(default = "one")]
    pub(crate) concurrent: usize,
    pub(crate) hold: Option<String>,
    pub(crate) keep_closed: Option<String>,
    pub(crate) release: Option<String>,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) request: Option<Value>,
    pub(crate) cancel_after: Option<f64>,
    expect: Value,
    expect_chat: Option<Value>,
    expect_stream: Option<Value>,
    #[serde(default)]
    pub(crate) status: BTreeMap<String, ExpectStatus>,
}

const fn one() -> usize {
    1
}

impl Call {
    pub(crate) fn expect(&self, mode: Mode) -> Expect {
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
pub(crate) struct Expect {
    pub(crate) text: Option<String>,
    pub(crate) reasoning: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) tool_calls: Option<Vec<ExpectCall>>,
    #[serde(default)]
    pub(crate) usage: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) cancelled: bool,
    pub(crate) error: Option<ExpectError>,
    pub(crate) attempts: Option<Vec<ExpectAttempt>>,
    pub(crate) restarts: Option<usize>,
    pub(crate) continues: Option<usize>,
    pub(crate) spans: Option<Vec<(String, String)>>,
    pub(crate) cost: Option<Cost>,
    pub(crate) elapsed: Option<(f64, f64)>,
}

/// US dollars at least and at most; None: nobody knows the most.
pub(crate) type Cost = (f64, Option<f64>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectStatus {
    pub(crate) state: Option<String>,
    pub(crate) next_probe: Option<(f64, f64)>,
    pub(crate) concurrency: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectCall {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectError {
    pub(crate) kind: String,
    pub(crate) class: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<(f64, f64)>,
    pub(crate) partial: Option<String>,
    pub(crate) names: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectAttempt {
    pub(crate) target: String,
    pub(crate) code: String,
    pub(crate) status: Option<u16>,
    pub(crate) next: Option<String>,
    pub(crate) wait: Option<(f64, f64)>,
    pub(crate) billing: Option<String>,
    pub(crate) cost: Option<Cost>,
}

impl Scenario {
    /// Every scenario of a folder, by file name.
    pub(crate) fn all(folder: &Path) -> Vec<(String, Self)> {
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

    /// The config with each `"$name"` replaced by that provider's URL, and each `"file:$name"` by that file in `folder`.
    pub(crate) fn config(&self, folder: &Path, url: impl Fn(&str) -> String) -> Result<String, String> {
        fn replace(value: &mut Value, folder: &Path, url: &dyn Fn(&str) -> String) {
            match value {
                Value::String(text) => {
                    if let Some(name) = text.strip_prefix("file:$") {
                        *text = format!("file:{}", folder.join(name).display());
                    } else if let Some(name) = text.strip_prefix('$') {
                        *text = url(name);
                    }
                }
                Value::Array(list) => list.iter_mut().for_each(|value| replace(value, folder, url)),
                Value::Object(map) => map.values_mut().for_each(|value| replace(value, folder, url)),
                _ => {}
            }
        }
        let mut config = self.config.clone();
        replace(&mut config, folder, &url);
        serde_json::to_string_pretty(&config).map_err(|error| error.to_string())
    }
}
