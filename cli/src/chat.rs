//! `hotspare chat`: one question, one answer, and a line on what it took.

use std::io::{self, Write};
use std::path::PathBuf;

use hotspare::types::{Attempt, Trail};
use hotspare::{ChatRequest, Client, Error, Message, Reply, StreamEvent, catalog};

/// What is asked of each provider whose key is in the environment when no target is named: a small, cheap model.
const SMALL: [(&str, &str); 3] = [
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-3.5-flash-lite"),
];

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
    let client = match client(&args).await {
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

async fn client(args: &Args) -> hotspare::Result<Client> {
    if let Some(path) = &args.config {
        return Client::from_file(path).await;
    }
    let targets = if args.targets.is_empty() {
        usual_targets(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    } else {
        args.targets.clone()
    };
    if targets.is_empty() {
        let names: Vec<&str> = catalog::providers()
            .iter()
            .flat_map(|provider| provider.key_env.iter().map(String::as_str))
            .collect();
        return Err(Error::config(format!(
            "no key in the environment: set one of {}, or give --config",
            names.join(", ")
        )));
    }
    let builder = targets
        .into_iter()
        .fold(Client::builder(), |builder, target| builder.target(target));
    builder.build()
}

fn usual_targets(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    SMALL
        .into_iter()
        .filter(|(provider, _)| {
            catalog::provider(provider).is_some_and(|known| known.key_env.iter().any(|name| is_set(name)))
        })
        .map(|(provider, model)| format!("{provider}/{model}"))
        .collect()
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

fn failed(error: &Error) -> io::Result<bool> {
    let mut err = io::stderr().lock();
    writeln!(err, "hotspare: {error}")?;
    for attempt in error.trail() {
        writeln!(err, "  {}", told(attempt))?;
    }
    Ok(false)
}

fn told(attempt: &Attempt) -> String {
    let why = attempt.failure().map_or("", |failure| failure.message.as_str());
    let ms = (attempt.ended - attempt.started) * 1e3;
    format!("{} {} after {ms:.0} ms: {why}", attempt.target, attempt.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_targets_are_those_with_a_key() {
        assert!(usual_targets(|_| false).is_empty());
        assert_eq!(usual_targets(|_| true).len(), catalog::providers().len());
        assert_eq!(
            usual_targets(|name| name == "GOOGLE_API_KEY"),
            ["gemini/gemini-3.5-flash-lite"]
        );
        for (provider, model) in SMALL {
            assert!(catalog::model(provider, model).is_some(), "{provider}/{model}");
        }
    }
}
