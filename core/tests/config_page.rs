//! The page of every key of a config lists what the reader knows, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic outside its own function, too"
)]

use std::collections::{BTreeMap, BTreeSet};

use hotspare::Config;

const PAGE: &str = include_str!("../../docs/config.md");

/// Each section of the page, by its title, and a config with a key in it that no reader knows.
const SECTIONS: [(&str, &str); 12] = [
    ("[providers.NAME]", "[providers.openai]\nzz = 1"),
    (
        "[[providers.NAME.keys]]",
        "[providers.openai]\nkeys = [{ key = \"a\", zz = 1 }]",
    ),
    ("[providers.NAME.limits]", "[providers.openai.limits]\nzz = 1"),
    (
        "[routes.NAME]",
        "[routes.a]\ntargets = [\"openai/gpt-4o\"]\nzz = 1",
    ),
    ("[routes.NAME.timeouts]", "[routes.a.timeouts]\nzz = 1"),
    ("[routes.NAME.backoff]", "[routes.a.backoff]\nzz = 1"),
    ("[routes.NAME.hold_back]", "[routes.a.hold_back]\nzz = 1"),
    ("[routes.NAME.hedge]", "[routes.a.hedge]\nzz = 1"),
    ("[standby]", "[standby]\nzz = 1"),
    ("[catalog]", "[catalog]\nzz = 1"),
    ("[ingress]", "[ingress]\nzz = 1"),
    ("[tls]", "[tls]\nzz = 1"),
];

/// The keys in the first column of each section's table.
fn written() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut sections: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut title = "";
    for line in PAGE.lines() {
        if let Some(found) = line.strip_prefix('#').and_then(|_| line.split('`').nth(1)) {
            title = found;
            sections.insert(title, BTreeSet::new());
        }
        let keys = line.strip_prefix("| `").and_then(|row| row.split(" | ").next());
        let keys = keys.into_iter().flat_map(|keys| keys.split(['`', ' ']));
        for key in keys.filter(|key| !key.is_empty()) {
            sections.entry(title).or_default().insert(key.to_owned());
        }
    }
    sections
}

/// What the reader says that it knows in place of the unknown key.
fn known(config: &str) -> BTreeSet<String> {
    let problems = Config::from_toml(config).unwrap_err().problems;
    let unknown = problems
        .iter()
        .find(|problem| problem.path.ends_with("zz"))
        .unwrap();
    let hint = unknown.hint.as_deref().unwrap();
    let names = hint.strip_prefix("known: ").unwrap().split(", ");
    names.map(str::to_owned).collect()
}

#[test]
fn the_page_lists_every_key() {
    let page = written();
    let titles: BTreeSet<&str> = page.keys().copied().collect();
    assert_eq!(titles, SECTIONS.iter().map(|(title, _)| *title).collect());
    for (title, config) in SECTIONS {
        assert_eq!(page[title], known(config), "in {title} of docs/config.md");
    }
}
