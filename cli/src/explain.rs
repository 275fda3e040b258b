//! `hotspare explain`: what would be done with a question, and why.

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::types::{CostRange, ExplainedTarget, Explanation};
use hotspare::{ChatRequest, Message};

use crate::open::{failed, open};
use crate::table::table;

/// Say which targets a question would go to, in which order, why, and for how much; nothing is sent.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What would be asked
    prompt: String,
    /// A config file, .toml or .json [default: a small model of every provider whose key is in the environment]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A route of the config, or one target of its providers [default: the route named default]
    #[arg(long, value_name = "NAME", requires = "config")]
    route: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// A system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
}

/// True when a target would be called.
pub(crate) async fn run(args: Args) -> io::Result<bool> {
    let client = match open(args.config.as_deref(), &[]).await {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let mut request = ChatRequest::of(args.prompt);
    if let Some(system) = args.system {
        request.messages.insert(0, Message::system(system));
    }
    request.route = args.route;
    request.max_tokens = args.max_tokens;
    let explanation = match client.explain(request) {
        Ok(explanation) => explanation,
        Err(error) => return failed(&error),
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &explanation)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", told(&explanation))?;
    }
    Ok(explanation.targets.iter().any(|target| target.included))
}

fn told(explanation: &Explanation) -> String {
    let mut text = format!(
        "route {}: about {} input tokens, at most {} attempts within {} s\n",
        explanation.route, explanation.input_tokens, explanation.max_attempts, explanation.timeout
    );
    let mut turn = 0;
    let rows: Vec<[String; 5]> = explanation
        .targets
        .iter()
        .map(|target| {
            turn += usize::from(target.included);
            let place = if target.included {
                turn.to_string()
            } else {
                "-".to_owned()
            };
            [
                place,
                target.target.clone(),
                cost(target.cost),
                target.key.clone().unwrap_or_else(|| "-".to_owned()),
                why(target),
            ]
        })
        .collect();
    for (line, target) in table(&rows).iter().zip(&explanation.targets) {
        text.push_str(&format!("  {line}\n"));
        for change in &target.adapted {
            text.push_str(&format!("       adapted: {change}\n"));
        }
    }
    text
}

fn cost(cost: CostRange) -> String {
    match cost.max {
        Some(max) => format!("${:.6} to ${max:.6}", cost.min),
        None => "cost unknown".to_owned(),
    }
}

fn why(target: &ExplainedTarget) -> String {
    match target.opens_in {
        Some(seconds) => format!("{}; open in {seconds:.0} s", target.reason),
        None => target.reason.clone(),
    }
}
