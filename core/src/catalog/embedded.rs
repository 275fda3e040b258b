//! The facts of this build: a vendor's are unpacked when one of its models is first asked for.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use flate2::read::DeflateDecoder;

use super::Model;

pub(super) struct Vendor {
    name: &'static str,
    packed: &'static [u8],
    /// By id.
    models: OnceLock<Vec<Arc<Model>>>,
}

include!(concat!(env!("OUT_DIR"), "/vendors.rs"));

impl Vendor {
    const fn new(name: &'static str, packed: &'static [u8]) -> Self {
        Self {
            name,
            packed,
            models: OnceLock::new(),
        }
    }

    fn models(&self) -> &[Arc<Model>] {
        // The data is part of the build and a test unpacks it, so the default is never seen; without it a slip would be
        // a panic.
        self.models.get_or_init(|| self.unpack().unwrap_or_default())
    }

    pub(super) fn unpack(&self) -> Result<Vec<Arc<Model>>, Box<dyn std::error::Error>> {
        let mut text = String::new();
        DeflateDecoder::new(self.packed).read_to_string(&mut text)?;
        let models: BTreeMap<String, Model> = serde_json::from_str(&text)?;
        let named = models.into_iter().map(|(id, model)| {
            let provider = self.name.to_owned();
            Arc::new(Model {
                provider,
                id,
                ..model
            })
        });
        Ok(named.collect())
    }
}

/// Every model of this build, by provider and id. Unpacks all vendors.
pub fn models() -> impl Iterator<Item = &'static Model> {
    all().map(Arc::as_ref)
}

pub(super) fn all() -> impl Iterator<Item = &'static Arc<Model>> {
    VENDORS.iter().flat_map(Vendor::models)
}

/// The model of exactly this id.
pub(super) fn exact(provider: &str, id: &str) -> Option<&'static Arc<Model>> {
    let vendor = VENDORS.iter().find(|vendor| vendor.name == provider)?;
    let models = vendor.models();
    let place = models.binary_search_by(|model| model.id.as_str().cmp(id)).ok()?;
    models.get(place)
}

pub(super) fn find(provider: &str, id: &str) -> Option<&'static Arc<Model>> {
    forms(id).into_iter().find_map(|form| exact(provider, form))
}

/// The ids that an id may be listed under, the most exact first.
pub(super) fn forms(id: &str) -> Vec<&str> {
    let bare = id.rsplit_once('/').map_or(id, |(_, bare)| bare);
    let mut forms = Vec::new();
    for form in [id, bare] {
        let unpinned = form.split_once('@').map(|(stem, _)| stem);
        let readings = [
            Some(form),
            undated(form),
            unpinned,
            unprofiled(form),
            fine_tuned(form),
        ];
        for reading in readings.into_iter().flatten() {
            if !reading.is_empty() && !forms.contains(&reading) {
                forms.push(reading);
            }
        }
    }
    forms
}

/// `id` without `-YYYYMMDD`, `@YYYYMMDD` or `-YYYY-MM-DD`; None when it ends in none of them.
fn undated(id: &str) -> Option<&str> {
    ["-dddddddd", "@dddddddd", "-dddd-dd-dd"]
        .into_iter()
        .find_map(|form| {
            let (stem, tail) = id.split_at_checked(id.len().checked_sub(form.len())?)?;
            let fits = tail.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                mark => byte == mark,
            });
            fits.then_some(stem)
        })
}

/// The model of a Bedrock inference profile, which names the regions it runs in.
fn unprofiled(id: &str) -> Option<&str> {
    const REGIONS: [&str; 9] = ["us", "eu", "apac", "au", "jp", "global", "us-gov", "ca", "in"];
    let (region, model) = id.split_once('.')?;
    REGIONS.contains(&region).then_some(model)
}

/// The base of a fine-tune, as `ft:base`.
fn fine_tuned(id: &str) -> Option<&str> {
    let base = id.strip_prefix("ft:")?;
    let end = base.find(':')?;
    id.get(..end.saturating_add("ft:".len()))
}

#[cfg(test)]
pub(super) fn vendors() -> &'static [Vendor] {
    &VENDORS
}

#[cfg(test)]
impl Vendor {
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn packed(&self) -> usize {
        self.packed.len()
    }
}
