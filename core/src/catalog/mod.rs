//! Facts on models and vendors: prices, windows, what a model takes. Each with its source.

mod capabilities;
mod embed;
mod embedded;
mod model;
mod overlay;
mod places;
mod providers;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

pub use capabilities::Capabilities;
pub use embed::EmbedQuirks;
pub use embedded::models;
pub use model::{Kind, Model, Prices, Reasoning, Responses, Source, Tier};
pub use overlay::{BadCatalog, Layer, Misfit};
use overlay::{Fields, Overlay};
pub use places::{Lost, Place, Variables};
pub(crate) use providers::fits;
pub use providers::{Auth, Endpoint, Provider, Quirks, ReasoningBack, ReasoningField, Surface};

/// The vendor named `name` in configs and targets.
#[must_use]
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// Every vendor known by name.
#[must_use]
pub fn providers() -> &'static [Provider] {
    &PROVIDERS
}

/// What is known of a provider's model without any overlay.
///
/// An id that is not listed is read as the nearest one that is: dated ids (`gpt-4o-mini-2024-07-18`,
/// `claude-haiku-4-5-20251001`) as their undated form, Gemini's and Vertex AI's full names
/// (`publishers/google/models/gemini-2.5-flash`) as their last part, Bedrock's inference profiles (`us.anthropic.…`, an
/// ARN of one) as the model itself, and a fine-tune (`ft:gpt-4o-2024-08-06:org::id`) as that of its base.
#[must_use]
pub fn model(provider: &str, id: &str) -> Option<&'static Model> {
    embedded::find(provider, id).map(Arc::as_ref)
}

/// What a client knows of models: the facts of this build, and what a file, a URL and the app say over them.
#[derive(Debug, Default)]
pub struct Catalog {
    layers: BTreeMap<Layer, Overlay>,
    /// The models that a layer speaks of, made whole.
    changed: BTreeMap<String, BTreeMap<String, Arc<Model>>>,
}

impl Catalog {
    /// What is known of a provider's model; ids are read as [`model`] reads them.
    #[must_use]
    pub fn model(&self, provider: &str, id: &str) -> Option<Arc<Model>> {
        let changed = self.changed.get(provider);
        embedded::forms(id).into_iter().find_map(|form| {
            changed
                .and_then(|models| models.get(form))
                .or_else(|| embedded::exact(provider, form))
                .cloned()
        })
    }

    /// Every model, by provider and id.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<Model>> {
        let mut all: BTreeMap<(&str, &str), &Arc<Model>> = BTreeMap::new();
        for model in embedded::all() {
            all.insert((&model.provider, &model.id), model);
        }
        for model in self.changed.values().flat_map(BTreeMap::values) {
            all.insert((&model.provider, &model.id), model);
        }
        all.into_values().cloned().collect()
    }

    /// This catalog with a layer put in, or in place of what the layer said before. `text` is JSON or TOML: a table of
    /// providers, each a table of model ids, each a table of fields as in [`Model`]. Fields that are not there keep what
    /// lies below; a JSON null takes a fact away.
    ///
    /// # Errors
    /// Every problem, each with its place; nothing of the text is used then.
    pub fn with(&self, layer: Layer, text: &str) -> Result<Self, BadCatalog> {
        let mut layers = self.layers.clone();
        layers.insert(layer, overlay::parse(text)?);
        let mut fields: BTreeMap<(&str, &str), Vec<&Fields>> = BTreeMap::new();
        for overlay in layers.values() {
            for (provider, models) in overlay {
                for (id, said) in models {
                    fields.entry((provider, id)).or_default().push(said);
                }
            }
        }
        let mut changed: BTreeMap<String, BTreeMap<String, Arc<Model>>> = BTreeMap::new();
        let mut misfits = Vec::new();
        for ((provider, id), said) in fields {
            match overlay::merged(provider, id, model(provider, id), &said) {
                Ok(model) => {
                    let models = changed.entry(provider.to_owned()).or_default();
                    models.insert(id.to_owned(), Arc::new(model));
                }
                Err(problems) => misfits.extend(problems),
            }
        }
        if misfits.is_empty() {
            Ok(Self { layers, changed })
        } else {
            Err(BadCatalog { misfits })
        }
    }
}

const PROVIDERS_TOML: &str = include_str!("providers.toml");

fn parse_providers(text: &str) -> Result<Vec<Provider>, toml::de::Error> {
    #[derive(Deserialize)]
    struct Providers {
        provider: Vec<Provider>,
    }
    Ok(toml::from_str::<Providers>(text)?.provider)
}

// The data is part of the build and a test parses it, so the default is never seen; without it a slip would be a panic.
static PROVIDERS: LazyLock<Vec<Provider>> =
    LazyLock::new(|| parse_providers(PROVIDERS_TOML).unwrap_or_default());

#[cfg(test)]
mod tests;
