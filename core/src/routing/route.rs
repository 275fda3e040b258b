use crate::config::{Config, Embedding, Route, RouteKind, SAME_MODEL, Target, did_you_mean, other_model};
use crate::error::Error;
use crate::types::Failure;

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
            kind: RouteKind::default(),
            embedding: Embedding::default(),
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

/// The name of the route that a request for vectors means.
///
/// # Errors
/// An invalid-request error that tells what to write, when there is none.
pub fn embed_route<'a>(config: &Config, name: Option<&'a str>) -> Result<&'a str, Error> {
    if let Some(name) = name {
        return Ok(name);
    }
    let kind = |name| config.routes.get(name).map(|route: &Route| route.kind);
    match (kind("embed"), kind("default")) {
        (Some(_), _) => Ok("embed"),
        (None, Some(RouteKind::Embed)) => Ok("default"),
        (None, _) => Err(Error::invalid_request(
            "`route`: there is no route named `embed`; add [routes.embed] with kind = \"embed\" and \
             targets = [\"openai/text-embedding-3-small\"], or name a route or a target",
        )),
    }
}

/// The route or target that the model name in a client's request means.
///
/// # Errors
/// An invalid-request error that tells what to write, when there is no route for it.
pub fn meant<'a>(config: &'a Config, model: Option<&'a str>, kind: RouteKind) -> Result<&'a str, Error> {
    if let Some(model) = model {
        if config.routes.contains_key(model) {
            return Ok(model);
        }
        if let Some(meant) = config.ingress.find(model) {
            return Ok(meant);
        }
        if let Some((provider, of)) = model.split_once('/')
            && config.providers.contains_key(provider)
            && !of.is_empty()
        {
            return Ok(model);
        }
    }
    let names = &config.ingress;
    match kind {
        RouteKind::Embed => match &names.embed_route {
            Some(route) => Ok(route),
            None => embed_route(config, None),
        },
        RouteKind::Chat => match &names.default_route {
            Some(route) => Ok(route),
            None if config.routes.contains_key("default") => Ok("default"),
            None => Err(Error::invalid_request(format!(
                "`model`: no route is named {:?}, and there is none named `default`; name a route ({}), a target \
                 (provider/model), or set [ingress] default_route",
                Failure::clean(model.unwrap_or_default()),
                config
                    .routes
                    .keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        },
    }
}

/// Refuses a route whose targets are not one model.
///
/// # Errors
/// An invalid-request error that names two that differ.
pub fn check_one_model(route: &Route) -> Result<(), Error> {
    if route.kind == RouteKind::Embed {
        // The config was refused if they are not.
        return Ok(());
    }
    match (route.targets.first(), other_model(&route.targets)) {
        (Some(first), Some((_, other))) => Err(Error::invalid_request(format!(
            "`route`: \"{}\" has both \"{first}\" and \"{other}\": {SAME_MODEL}",
            route.name
        ))),
        _ => Ok(()),
    }
}
