//! `hotspare models`: what is known of models.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use hotspare::Config;
use hotspare::catalog::{Catalog, Kind, Model, Reasoning};

use crate::open::failed;
use crate::table::table;

/// List models: their windows, prices in dollars for a million tokens, what they take, and when they retire.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Part of `provider/model`, or a pattern with `*`, such as `anthropic/*` or `*gpt-5*`; case does not matter
    filter: Option<String>,
    /// A config file, .toml or .json, whose `catalog.file` has the last word
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print all facts as JSON
    #[arg(long)]
    json: bool,
}

/// True when there is such a model.
pub(crate) fn run(args: Args) -> io::Result<bool> {
    let catalog = match args.config.map(Config::from_file) {
        Some(Ok(config)) => config.catalog.facts,
        Some(Err(error)) => return failed(&error.into()),
        None => Arc::new(Catalog::default()),
    };
    let filter = args.filter.unwrap_or_default().to_lowercase();
    let mut models = catalog.models();
    models.retain(|model| {
        fits(
            &filter,
            &format!("{}/{}", model.provider, model.id).to_lowercase(),
        )
    });
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &models)?;
        writeln!(out)?;
        return Ok(!models.is_empty());
    }
    if models.is_empty() {
        writeln!(
            out,
            "no model fits {filter:?}; `hotspare models` lists all of them"
        )?;
        return Ok(false);
    }
    let head = [
        "model", "context", "answer", "input", "output", "cached", "takes", "effort", "retires",
    ];
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned))
        .chain(models.iter().map(|model| row(model)))
        .collect();
    for line in table(&rows) {
        writeln!(out, "{line}")?;
    }
    let marks = [
        (
            models.iter().any(|model| !model.tiers.is_empty()),
            "+ long prompts cost more",
        ),
        (
            models
                .iter()
                .any(|model| disputed(model, "input") || disputed(model, "output")),
            "? the sources differ",
        ),
    ];
    let marks: Vec<&str> = marks
        .into_iter()
        .filter(|(any, _)| *any)
        .map(|(_, mark)| mark)
        .collect();
    let count = models.len();
    writeln!(
        out,
        "{count} model{}; $ for a million tokens; – not known{}",
        if count == 1 { "" } else { "s" },
        marks.iter().map(|mark| format!("; {mark}")).collect::<String>()
    )?;
    Ok(true)
}

/// Whether `name` holds `filter`, or is what it is a pattern of. Both in lower case.
fn fits(filter: &str, name: &str) -> bool {
    let mut parts = filter.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else {
        return name.contains(filter);
    };
    let inner = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inner else {
        return false;
    };
    for part in parts {
        match rest
            .find(part)
            .and_then(|at| rest.get(at.saturating_add(part.len())..))
        {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

fn disputed(model: &Model, field: &str) -> bool {
    model.disputed.iter().any(|name| name == field)
}

fn row(model: &Model) -> [String; 9] {
    let tiered = if model.tiers.is_empty() { "" } else { "+" };
    let price = |field: &str, price: Option<f64>, tiered: &str| {
        let mark = if disputed(model, field) { "?" } else { "" };
        price.map_or_else(unknown, |price| format!("{price}{tiered}{mark}"))
    };
    let tokens = |count: Option<u64>| count.map_or_else(unknown, short);
    [
        format!("{}/{}", model.provider, model.id),
        tokens(model.context_window.or(model.max_input)),
        tokens(model.max_output.map(u64::from)),
        price("input", model.input, tiered),
        price("output", model.output, tiered),
        price("cache_read", model.cache_read, ""),
        takes(model),
        effort(model),
        model.retires.clone().unwrap_or_default(),
    ]
}

fn unknown() -> String {
    "–".to_owned()
}

/// A count as people say it: 128k, 1.05M.
fn short(count: u64) -> String {
    let rounded = |unit: u64, digits: u64, name: &str| {
        let scale = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        let parts = count.saturating_mul(scale).saturating_add(unit / 2) / unit;
        let (whole, rest) = (parts / scale, parts % scale);
        let width = usize::try_from(digits).unwrap_or(0);
        let rest = format!("{rest:0width$}");
        let rest = rest.trim_end_matches('0');
        if rest.is_empty() {
            format!("{whole}{name}")
        } else {
            format!("{whole}.{rest}{name}")
        }
    };
    match count {
        1_000_000.. => rounded(1_000_000, 2, "M"),
        10_000.. => rounded(1000, 0, "k"),
        1000.. => rounded(1000, 1, "k"),
        _ => count.to_string(),
    }
}

fn takes(model: &Model) -> String {
    if model.kind == Kind::Embedding {
        return model
            .dimensions
            .map_or_else(|| "embeds".to_owned(), |length| format!("embeds in {length}"));
    }
    let words = [
        (model.vision, "images"),
        (model.documents, "PDF"),
        (model.audio, "sound"),
        (model.tools, "tools"),
        (model.json_schema, "schema"),
        (model.prefill, "prefill"),
    ];
    let known: Vec<&str> = words
        .iter()
        .filter(|(takes, _)| *takes == Some(true))
        .map(|(_, word)| *word)
        .collect();
    let open = model.vision.is_none() && model.tools.is_none();
    match (known.is_empty(), open) {
        (false, _) => known.join(" "),
        (true, true) => unknown(),
        (true, false) => "text".to_owned(),
    }
}

fn effort(model: &Model) -> String {
    match model.reasoning {
        Reasoning::None => "none".to_owned(),
        Reasoning::Budget => "tokens".to_owned(),
        Reasoning::Unknown if model.efforts.is_empty() => unknown(),
        Reasoning::Effort if model.efforts.is_empty() => "levels".to_owned(),
        Reasoning::Effort | Reasoning::Unknown => {
            let words = [model.efforts.first(), model.efforts.last()];
            let words: Vec<&str> = words.into_iter().flatten().map(|level| level.as_str()).collect();
            match words.as_slice() {
                [one, other] if one != other => format!("{one}–{other}"),
                _ => words.first().copied().unwrap_or_default().to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_part_or_a_pattern() {
        for (filter, name, expected) in [
            ("", "openai/gpt-5", true),
            ("gpt", "openai/gpt-5", true),
            ("gpt-4", "openai/gpt-5", false),
            ("openai/*", "openai/gpt-5", true),
            ("openai/*", "azure/openai/gpt-5", false),
            ("*gpt*5", "openai/gpt-5", true),
            ("*gpt*5", "openai/gpt-5-mini", false),
            ("o*i/*-*-m*", "openai/gpt-5-mini", true),
            ("a*a", "a", false),
            ("*", "openai/gpt-5", true),
        ] {
            assert_eq!(fits(filter, name), expected, "{filter} {name}");
        }
    }

    #[test]
    fn counts_are_short() {
        for (count, expected) in [
            (512, "512"),
            (4096, "4.1k"),
            (8000, "8k"),
            (128_000, "128k"),
            (131_072, "131k"),
            (1_000_000, "1M"),
            (1_047_576, "1.05M"),
            (2_100_000, "2.1M"),
        ] {
            assert_eq!(short(count), expected);
        }
    }
}
