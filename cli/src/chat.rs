//! `hotspare chat`: one question, one answer, and a line on what it took.

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::types::Trail;
use hotspare::{ChatRequest, Client, Error, Message, Reply, StreamEvent};

use crate::open::{failed, open};

/// Ask once and print the answer; what it took goes to standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to ask
    prompt: String,
    /// A target such as openai/gpt-4o-mini; the first named is the one preferred [default: a small model of every
    /// provider whose key is in the environment]
    #[arg(long = "target", value_name = "PROVIDER/MODEL", conflicts_with = "config")]
    targets: Vec<String>,
    /// A config file, .toml or .json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A route of the config, or one target of its providers [default: the route named default]
    #[arg(long, value_name = "NAME", requires = "config")]
    route: Option<String>,
    /// Print the answer as it comes
    #[arg(long)]
    stream: bool,
    /// Print the whole reply as JSON; with --stream, each event as a line of JSON
    #[arg(long)]
    json: bool,
    /// A system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: Option<u32>,
}

/// True when an answer came.
pub(crate) async fn run(args: Args) -> io::Result<bool> {
    let client = match open(args.config.as_deref(), &args.targets).await {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let mut request = ChatRequest::of(args.prompt);
    if let Some(system) = args.system {
        request.messages.insert(0, Message::system(system));
    }
    request.route = args.route;
    request.max_tokens = args.max_tokens;
    let answer = if args.stream {
        stream(&client, request, args.json).await?
    } else {
        whole(&client, request, args.json).await?
    };
    match answer {
        Ok(reply) => {
            writeln!(io::stderr(), "{}", summary(&reply))?;
            Ok(true)
        }
        Err(error) => failed(&error),
    }
}

async fn whole(client: &Client, request: ChatRequest, json: bool) -> io::Result<hotspare::Result<Reply>> {
    let answer = client.send(request).await;
    if let Ok(reply) = &answer {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, reply)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", reply.text())?;
        }
    }
    Ok(answer)
}

async fn stream(client: &Client, request: ChatRequest, json: bool) -> io::Result<hotspare::Result<Reply>> {
    let mut stream = match client.open(request).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let mut out = io::stdout();
    let mut broken = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) if json => {
                serde_json::to_writer(&mut out, &event)?;
                writeln!(out)?;
            }
            Ok(StreamEvent::Restart { target }) => writeln!(out, "\n[{target} answers from the start]")?,
            Ok(event) => out.write_all(event.text().as_bytes())?,
            Err(error) => broken = Some(error),
        }
        out.flush()?;
    }
    if !json {
        writeln!(out)?;
    }
    Ok(match (broken, stream.reply()) {
        (Some(error), _) => Err(error),
        (None, Some(reply)) => Ok(reply.clone()),
        (None, None) => Err(Error::internal("the stream ended without a reply")),
    })
}

/// Who answered, what it took and what failed before.
fn summary(reply: &Reply) -> String {
    let usage = &reply.completion.usage;
    let tokens = if usage.reported {
        format!("{} + {} tokens", usage.input_tokens, usage.output_tokens)
    } else {
        "tokens unknown".to_owned()
    };
    let cost = reply
        .cost_usd
        .map_or_else(|| "cost unknown".to_owned(), |cost| format!("${cost:.6}"));
    let mut line = format!(
        "{} | {tokens} | {cost} | {:.0} ms",
        reply.target,
        reply.elapsed * 1e3
    );
    let failed = failures(&reply.trail);
    if !failed.is_empty() {
        line.push_str(" | failed before: ");
        line.push_str(&failed.join(", "));
    }
    line
}

fn failures(trail: &Trail) -> Vec<String> {
    let failed = trail.iter().filter(|attempt| attempt.failure().is_some());
    failed
        .map(|attempt| format!("{} {}", attempt.target, attempt.code()))
        .collect()
}
