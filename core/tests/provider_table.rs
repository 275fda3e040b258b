//! The guide's table of providers is the catalog's.

use std::fmt::Write;

use hotspare::catalog::{Auth, Provider, providers};

const GUIDE: &str = include_str!("../../docs/guides/providers.md");

fn code<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

fn key(provider: &Provider) -> String {
    match (&provider.auth, provider.key_env.as_slice()) {
        (Some(Auth::Gcp), []) => "Google credentials".to_owned(),
        (_, []) => "–".to_owned(),
        (_, names) => code(names.iter().map(String::as_str)),
    }
}

fn variables(provider: &Provider) -> String {
    let names = provider.variables().into_iter().filter(|name| *name != "region");
    let names: Vec<String> = names
        .map(|name| match provider.variables.get(name) {
            Some(usual) => format!("`{name}` ({usual})"),
            None => format!("`{name}`"),
        })
        .collect();
    names.join(", ")
}

fn regions(provider: &Provider) -> String {
    if !provider.variables().contains(&"region") {
        return String::new();
    }
    let mut text = match (provider.variables.get("region"), provider.takes_any_region()) {
        (Some(usual), _) => format!("{usual}; "),
        (None, true) => "to be given; ".to_owned(),
        (None, false) => "none; ".to_owned(),
    };
    let known = code(provider.hosts.keys().map(String::as_str));
    text.push_str(&match (provider.takes_any_region(), known.is_empty()) {
        (true, true) => "any".to_owned(),
        (true, false) => format!("any, {known}"),
        (false, _) => known,
    });
    text
}

/// In the usual region.
fn host(provider: &Provider) -> &str {
    let usual = provider.variables.get("region");
    let own = usual.and_then(|region| provider.hosts.get(region));
    own.or(provider.host.as_ref()).map_or("{host}", String::as_str)
}

fn table() -> String {
    let mut out = String::from(
        "| provider | name | base URL | key | region (usual; others) | variables | endpoints | speaks | also speaks |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for provider in providers() {
        let mut also: Vec<&str> = Vec::new();
        for surface in &provider.surfaces {
            let dialect = surface.dialect.as_str();
            if !also.contains(&dialect) && surface.dialect != provider.dialect {
                also.push(dialect);
            }
        }
        let _ = writeln!(
            out,
            "| {} | `{}` | `{}` | {} | {} | {} | {} | {} | {} |",
            provider.title,
            provider.name,
            provider.base_url.replace("{host}", host(provider)),
            key(provider),
            regions(provider),
            variables(provider),
            code(provider.endpoints.keys().map(String::as_str)),
            provider.dialect,
            also.join(", "),
        );
    }
    out
}

#[test]
fn the_guide_has_the_catalogs_table() {
    let (before, rest) = GUIDE.split_once("checked by a test -->\n").unwrap();
    let (written, after) = rest.split_once("<!-- end of table -->").unwrap();
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let page = format!("{before}checked by a test -->\n{table}<!-- end of table -->{after}");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guides/providers.md");
        std::fs::write(path, page).unwrap();
        return;
    }
    assert!(
        written == table,
        "docs/guides/providers.md is out of date (`make gen`); it should hold:\n{table}"
    );
}
