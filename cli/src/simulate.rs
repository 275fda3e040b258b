//! `hotspare simulate`: fake providers on loopback ports.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;

use hotspare_simulator::{Script, ScriptError, Simulator};
use tokio::io::AsyncReadExt as _;

/// Play a script of fake LLM providers on loopback ports, until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The script, a JSON file.
    script: PathBuf,
    /// First of the consecutive ports of the providers, in order of name, that name no port themselves. Default: any
    /// free ports.
    #[arg(long, value_name = "N")]
    port_base: Option<u16>,
    /// First print one line of JSON with every provider's URL.
    #[arg(long)]
    json: bool,
    /// Also end when standard input does, so that it never outlives the program that started it.
    #[arg(long)]
    stdin: bool,
}

/// Why a simulation did not run.
#[derive(Debug)]
pub(crate) enum SimulateError {
    /// The script could not be read.
    Read(PathBuf, io::Error),
    /// The script is wrong.
    Script(PathBuf, ScriptError),
    /// A port could not be had.
    Start(io::Error),
    /// The URLs could not be printed, or the end not awaited.
    Io(io::Error),
}

impl fmt::Display for SimulateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, problem) => write!(f, "cannot read `{}`: {problem}", path.display()),
            Self::Script(path, problem) => write!(f, "`{}`: {problem}", path.display()),
            Self::Start(problem) => write!(f, "cannot listen on 127.0.0.1: {problem}"),
            Self::Io(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for SimulateError {}

/// Starts the providers, prints a line for each, and plays until Ctrl-C or, if asked, the end of standard input.
pub(crate) async fn run(args: Args) -> Result<(), SimulateError> {
    let path = args.script;
    let wrong = |problem| SimulateError::Script(path.clone(), problem);
    let text =
        std::fs::read_to_string(&path).map_err(|problem| SimulateError::Read(path.clone(), problem))?;
    let mut script = Script::from_json(&text).map_err(wrong)?;
    if let Some(base) = args.port_base {
        script.assign_ports(base).map_err(wrong)?;
    }
    let mut simulator = Simulator::start(script).await.map_err(SimulateError::Start)?;
    announce(&simulator, args.json).map_err(SimulateError::Io)?;
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal.map_err(SimulateError::Io)?,
        () = input_ends(), if args.stdin => {}
    }
    simulator.shutdown().await;
    Ok(())
}

fn announce(simulator: &Simulator, json: bool) -> io::Result<()> {
    let mut output = io::stdout().lock();
    if json {
        let urls: serde_json::Map<String, serde_json::Value> = simulator
            .urls()
            .map(|(name, url)| (name.to_owned(), url.into()))
            .collect();
        writeln!(output, "{}", serde_json::Value::Object(urls))?;
    }
    for (name, url) in simulator.urls() {
        writeln!(output, "{name}  {url}")?;
    }
    output.flush()
}

async fn input_ends() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 256];
    while matches!(input.read(&mut ignored).await, Ok(1..)) {}
}
