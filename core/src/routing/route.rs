use crate::config::{Config, Route, Target, did_you_mean};
use crate::error::Error;

/// The route a request means: one of the config's, or one made of a single named target.
///
/// # Errors
/// An invalid-request error that lists the names there are, and the nearest one.
pub fn route(config: &Config, name: Option<&str>) -> Result<Route, Error> {
    let wanted = name.unwrap_or("default");
    if let Some(route) = config.routes.get(wanted) {
        return Ok(route.clone());
    }
    if let Some((provider, model)) = wanted.split_once('/')
        && config.providers.contains_key(provider)
        && !model.is_empty()
    {
        // A target named by hand is used with the default route's timers, when there is one.
        let base = config.routes.get("default");
        return Ok(Route {
            name: wanted.to_owned(),
            targets: vec![Target {
                provider: provider.to_owned(),
                model: model.to_owned(),
            }],
            ..base.cloned().unwrap_or_default()
        });
    }
    let names: Vec<&str> = config.routes.keys().map(String::as_str).collect();
    let near = did_you_mean(wanted, names.iter().copied())
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    Err(Error::invalid_request(format!(
        "`route`: no route or target is named \"{wanted}\"{near} (routes: {}; a target is written provider/model, \
         with a provider of the config)",
        names.join(", ")
    )))
}
