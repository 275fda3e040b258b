//! Routes that make embeddings. Vectors of two models do not mix: a search for one among the other finds nothing of use,
//! and no error tells. So all targets of such a route are one model.

use super::field;
use super::problem::did_you_mean;
use super::section::{At, Reader, Section, join};
use super::{Route, Target};
use crate::catalog;

/// What a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouteKind {
    /// Answers, whole or streamed.
    #[default]
    Chat,
    /// Vectors of texts.
    Embed,
}

/// What a route says of its vectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Embedding {
    /// The model that all its targets are, whatever each provider calls it. None: all targets have one name of it.
    pub same_model: Option<String>,
    /// Numbers in a vector. None: what a request asks for, else the model's own.
    pub dimensions: Option<u32>,
    /// Most texts in one exchange. None: what the vendor takes.
    pub batch: Option<u32>,
}

/// How one says that two names are one model.
pub(crate) const SAME_MODEL: &str = "vectors of two models do not mix, so a failover would spoil what is stored or searched; \
     give each model a route, or, if they are one model under two names, say so with kind = \"embed\" and same_model = \"NAME\"";

/// Most numbers in a vector: above any model's, and a mistake beyond that.
const MOST_DIMENSIONS: u32 = 65_536;
/// Most texts in one exchange: OpenAI's own limit, the highest there is.
const MOST_BATCH: u32 = 2048;

/// The first target that is another model than the first of all, by name; None when all are one.
pub(crate) fn other_model(targets: &[Target]) -> Option<(usize, &Target)> {
    let first = name(targets.first()?);
    targets
        .iter()
        .enumerate()
        .find(|(_, target)| name(target) != first)
}

fn name(target: &Target) -> &str {
    target.model.strip_prefix("models/").unwrap_or(&target.model)
}

/// Two targets of one provider that the catalog knows as two models: no word of the user's makes them one.
fn known_apart(targets: &[Target]) -> Option<(usize, &Target, &Target)> {
    let known: Vec<_> = targets
        .iter()
        .map(|target| catalog::model(&target.provider, &target.model))
        .collect();
    targets.iter().enumerate().find_map(|(index, target)| {
        let facts = known.get(index).copied().flatten()?;
        let earlier = targets.iter().zip(&known).take(index);
        earlier
            .filter_map(|(earlier, known)| Some((earlier, (*known)?)))
            .find(|(earlier, known)| earlier.provider == target.provider && known.id != facts.id)
            .map(|(earlier, _)| (index, earlier, target))
    })
}

impl Reader<'_> {
    /// What a route says of embeddings.
    pub(super) fn embedding(&mut self, section: &Section<'_>, route: &mut Route) {
        if let Some(at) = section.get("kind") {
            match self.take(&at, field::text(at.node)) {
                Some("embed") => route.kind = RouteKind::Embed,
                Some("chat") | None => {}
                Some(other) => {
                    let hint = did_you_mean(other, ["chat", "embed"])
                        .unwrap_or_else(|| "known: chat, embed".to_owned());
                    self.problem(
                        &at.path,
                        at.node.line,
                        format!("unknown kind of route {other:?}"),
                        Some(hint),
                    );
                }
            }
        }
        for key in ["same_model", "dimensions", "batch"] {
            if let Some(at) = section.get(key)
                && route.kind != RouteKind::Embed
            {
                let hint = "add kind = \"embed\"".to_owned();
                let message = "only routes of kind `embed` have it".to_owned();
                self.problem(&at.path, at.node.line, message, Some(hint));
            }
        }
        let said = &mut route.embedding;
        said.same_model = self.name(section, "same_model");
        said.dimensions = section
            .get("dimensions")
            .and_then(|at| self.take(&at, field::count(at.node, MOST_DIMENSIONS)));
        said.batch = section
            .get("batch")
            .and_then(|at| self.take(&at, field::count(at.node, MOST_BATCH)));
        if route.kind == RouteKind::Embed {
            self.one_model(section, route);
        }
    }

    fn one_model(&mut self, section: &Section<'_>, route: &Route) {
        let at = section.get("targets");
        let line = at.as_ref().and_then(|at: &At<'_>| at.node.line);
        let path = |index: usize| format!("{}[{index}]", join(&section.path, "targets"));
        if let Some((index, earlier, target)) = known_apart(&route.targets) {
            let message = format!(
                "\"{target}\" is another model than \"{earlier}\", and vectors of two models do not mix"
            );
            let hint = "give each model a route of its own".to_owned();
            self.problem(&path(index), line, message, Some(hint));
        } else if route.embedding.same_model.is_none()
            && let (Some(first), Some((index, target))) = (route.targets.first(), other_model(&route.targets))
        {
            let message = format!(
                "\"{target}\" is another model than \"{first}\", by its name, and vectors of two models do not mix"
            );
            let hint = format!(
                "if it is one model under two names, add same_model = {:?}; else give each a route of its own",
                name(first)
            );
            self.problem(&path(index), line, message, Some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, RouteKind};

    fn route(text: &str) -> Result<Config, String> {
        Config::from_toml(&format!("[providers.local]\ndialect = \"openai_chat\"\nbase_url = \"http://localhost:1\"\n\n[routes.embed]\n{text}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_model_under_any_name() {
        for text in [
            r#"kind = "embed"
targets = ["openai/text-embedding-3-small", "local/text-embedding-3-small"]"#,
            r#"kind = "embed"
targets = ["gemini/models/gemini-embedding-001", "local/gemini-embedding-001"]"#,
            r#"kind = "embed"
same_model = "text-embedding-3-small"
targets = ["openai/text-embedding-3-small", "local/my-deployment"]
dimensions = 512
batch = 32"#,
        ] {
            let config = route(text).unwrap();
            assert_eq!(config.routes["embed"].kind, RouteKind::Embed, "{text}");
        }
        let config =
            route("kind = \"embed\"\ntargets = [\"local/a\"]\ndimensions = 512\nbatch = 32").unwrap();
        let said = &config.routes["embed"].embedding;
        assert_eq!(
            (said.dimensions, said.batch, said.same_model.as_deref()),
            (Some(512), Some(32), None)
        );
    }

    #[test]
    fn what_would_mix_vectors_is_refused() {
        for (text, wanted) in [
            (
                r#"kind = "embed"
targets = ["openai/text-embedding-3-small", "local/other"]"#,
                r#"line 7: routes.embed.targets[1]: "local/other" is another model than "openai/text-embedding-3-small", by its name, and vectors of two models do not mix; if it is one model under two names, add same_model = "text-embedding-3-small"; else give each a route of its own"#,
            ),
            (
                r#"kind = "embed"
same_model = "x"
targets = ["openai/gpt-4o", "local/other", "openai/gpt-4o-mini"]"#,
                r#"line 8: routes.embed.targets[2]: "openai/gpt-4o-mini" is another model than "openai/gpt-4o", and vectors of two models do not mix; give each model a route of its own"#,
            ),
            (
                "kind = \"embeds\"\ntargets = [\"local/a\"]",
                r#"line 6: routes.embed.kind: unknown kind of route "embeds"; did you mean "embed"?"#,
            ),
            (
                "dimensions = 512\ntargets = [\"local/a\"]",
                r#"line 6: routes.embed.dimensions: only routes of kind `embed` have it; add kind = "embed""#,
            ),
            (
                "kind = \"embed\"\ndimensions = 0\ntargets = [\"local/a\"]",
                "line 7: routes.embed.dimensions: expected a whole number from 1 to 65536, found 0",
            ),
            (
                "kind = \"embed\"\nbatch = 4096\nsame_model = \"\"\ntargets = [\"local/a\"]",
                "line 7: routes.embed.batch: expected a whole number from 1 to 2048, found 4096\n\
                 line 8: routes.embed.same_model: the name is empty",
            ),
        ] {
            assert_eq!(route(text).unwrap_err(), wanted);
        }
    }
}
