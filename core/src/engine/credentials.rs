//! Credentials of clouds: tokens got in time, kept until shortly before they end, and requests signed.

use std::sync::Mutex as Plain;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use super::keys::{Renewed, take_out};
use super::lock;
use super::world::World;
use crate::catalog::Auth;
use crate::config::CloudKey;
use crate::secrets::aws::{self, Variables};
use crate::secrets::token::{NoToken, Token, TokenRequest, checked, read_token};
use crate::secrets::{self, AwsCredentials, SigningRequest, azure, cloud, gcp};
use crate::transport::HttpRequest;
use crate::types::{Failure, FailureClass, Moment, Phase};

/// A token is renewed when so much of its life is left, so that none ends on its way. Google's and Azure's libraries
/// renew four to five minutes before the end.
const EARLY: Duration = Duration::from_secs(300);
/// Longest answer read from whoever gives tokens.
const MOST: usize = 1 << 20;
/// Longest wait for a token. They come from the machine itself or from a login service that is quick.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited for a new token while the old one is good: less than any call has time for.
const ASIDE: Duration = Duration::from_secs(2);
/// While the old one is good, a new one is asked for so often at most: whoever gives tokens may be ill, or hand out the
/// old one until shortly before it ends, as metadata servers do.
const PAUSE: Duration = Duration::from_secs(10);
/// Secrets remembered, to be taken out of a vendor's words: those of the last two grants.
const REMEMBERED: usize = 4;
/// A token that is refused when it is as new as this is not the trouble.
const FRESH: Duration = Duration::from_secs(10);
/// How long credentials that are refused are left alone: they may be given more rights, which nothing here can see.
const REST: Duration = Duration::from_secs(60);
/// The metadata services are one hop away.
const CONNECT: Duration = Duration::from_secs(2);

/// What requests to one provider are signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// The service that the provider's table names, in the region of the config; else what AWS's own host names say:
    /// `bedrock-runtime.eu-west-1.amazonaws.com`.
    pub(super) fn of(auth: Option<&Auth>, region: Option<&str>, url: &Url) -> Option<Self> {
        let mut labels = url.host_str().unwrap_or_default().split('.');
        let service = match labels.next() {
            Some("bedrock-runtime" | "bedrock-runtime-fips") => Some("bedrock"),
            Some("bedrock-mantle") => Some("bedrock-mantle"),
            _ => None,
        };
        let there = labels.next().filter(|_| service.is_some());
        let service = match auth {
            Some(Auth::Aws(service)) => service,
            _ => service?,
        };
        Some(Self {
            region: region.or(there)?.to_owned(),
            service: service.to_owned(),
        })
    }
}

/// One credential of a cloud, and what it last gave.
pub(super) struct Cloud {
    source: CloudKey,
    state: Mutex<State>,
    /// What has been given of late. Apart from the rest, which is locked while another one is got.
    shown: Plain<Vec<SecretString>>,
}

/// Locked while another grant is got.
#[derive(Default)]
struct State {
    held: Option<Held>,
    /// When one was last asked for.
    tried: Option<Moment>,
    /// What the last one that was asked for failed with, and when it did.
    failed: Option<(Moment, NoToken)>,
}

struct Held {
    grant: Grant,
    fingerprint: String,
    since: Moment,
    until: Moment,
}

#[derive(Clone)]
enum Grant {
    Token(SecretString),
    Aws(AwsCredentials),
}

impl Grant {
    const fn secret(&self) -> &SecretString {
        match self {
            Self::Token(token) => token,
            Self::Aws(credentials) => &credentials.secret_access_key,
        }
    }

    /// What a vendor may repeat of it.
    fn secrets(&self) -> Vec<SecretString> {
        match self {
            Self::Token(token) => vec![token.clone()],
            Self::Aws(credentials) => {
                let token = credentials.session_token.clone();
                token
                    .into_iter()
                    .chain([credentials.secret_access_key.clone()])
                    .collect()
            }
        }
    }
}

impl Cloud {
    pub(super) fn new(source: CloudKey) -> Self {
        Self {
            source,
            state: Mutex::default(),
            shown: Plain::default(),
        }
    }

    /// The vendor refused what has this fingerprint: whether asking for another one may help. It is asked for anew.
    /// Without a fingerprint nothing was sent: none was to be had, or the key is parked since the last was refused.
    pub(super) fn refuse(&self, fingerprint: Option<&str>, now: Moment) -> Renewed {
        let Ok(mut state) = self.state.try_lock() else {
            // Who holds the lock is getting another one, which will not be the one that was refused.
            return fingerprint.map_or(Renewed::No, |_| Renewed::Before);
        };
        let tried = state.tried;
        let helps = match (&state.held, fingerprint) {
            (None, Some(_)) => return Renewed::Before,
            (Some(held), Some(refused)) if refused != held.fingerprint => return Renewed::Before,
            (Some(held), Some(_)) => now - held.since >= FRESH,
            (_, None) => tried.is_none_or(|tried| now - tried >= REST),
        };
        if !helps {
            return Renewed::No;
        }
        state.held = None;
        Renewed::Now
    }

    /// What a vendor may repeat of it, to be taken out of its words.
    pub(super) fn shown(&self) -> Vec<SecretString> {
        lock(&self.shown).clone()
    }

    /// Makes the request one that the vendor takes; gives the fingerprint of what it is made with.
    ///
    /// # Errors
    /// `authentication` when the credentials are refused or cannot be used; `connect` when no token could be got, so that
    /// the plan goes on.
    pub(super) async fn authorize(
        &self,
        world: &World,
        scope: Option<&Scope>,
        request: &mut HttpRequest,
    ) -> Result<String, Failure> {
        let (grant, fingerprint) = self.grant(world).await.map_err(|problem| self.failure(problem))?;
        match grant {
            Grant::Token(token) => {
                let mut value =
                    HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                        self.failure(NoToken::Refused("the token cannot stand in a header".to_owned()))
                    })?;
                value.set_sensitive(true);
                request.headers.insert(AUTHORIZATION, value);
            }
            Grant::Aws(credentials) => self.sign(&credentials, scope, request, world.clock.wall())?,
        }
        Ok(fingerprint)
    }

    fn failure(&self, problem: NoToken) -> Failure {
        let (class, phase, why) = match problem {
            NoToken::Refused(why) => (FailureClass::Authentication, Phase::Encode, why),
            NoToken::Unavailable(why) => (FailureClass::Connect, Phase::Connect, why),
        };
        Failure::new(class, phase, format!("{} gives no token: {why}", self.source))
    }

    fn sign(
        &self,
        credentials: &AwsCredentials,
        scope: Option<&Scope>,
        request: &mut HttpRequest,
        now: SystemTime,
    ) -> Result<(), Failure> {
        let Some(scope) = scope else {
            let why = "this provider takes no AWS signatures".to_owned();
            return Err(self.failure(NoToken::Refused(why)));
        };
        // Of the headers only what says how the body is read: a proxy may change the others on the way.
        let named = request.headers.get(CONTENT_TYPE);
        let headers = named
            .map(|value| (CONTENT_TYPE, value.clone()))
            .into_iter()
            .collect();
        let unsigned = SigningRequest {
            method: &request.method,
            url: &request.url,
            headers: &headers,
            body: &request.body,
        };
        let signed = secrets::sign(&unsigned, credentials, &scope.region, &scope.service, now)
            .map_err(|why| self.failure(NoToken::Refused(why)))?;
        for (name, value) in signed {
            request.headers.insert(name, value);
        }
        Ok(())
    }

    /// What is held, or a new one. Whoever comes while one is got waits for it, and shares what comes of it: they are not
    /// all asked for.
    async fn grant(&self, world: &World) -> Result<(Grant, String), NoToken> {
        let came = world.clock.now();
        let mut state = self.state.lock().await;
        let now = world.clock.now();
        let old = state
            .held
            .as_ref()
            .filter(|held| now < held.until)
            .map(|held| (held.until, held.grant.clone(), held.fingerprint.clone()));
        if let Some((until, grant, fingerprint)) = &old {
            let lately = state.tried.is_some_and(|tried| now - tried < PAUSE);
            if now + EARLY < *until || lately {
                return Ok((grant.clone(), fingerprint.clone()));
            }
        }
        if let Some((_, problem)) = state.failed.as_ref().filter(|(at, _)| came < *at) {
            return Err(problem.clone());
        }
        // Noted beforehand: who asks may go away while it waits.
        state.tried = Some(now);
        let patience = if old.is_some() { ASIDE } else { PATIENCE };
        let got = tokio::select! {
            biased;
            got = self.get(world) => got,
            () = world.clock.sleep_until(now + patience) => {
                Err(NoToken::Unavailable(format!("no answer within {patience:?}")))
            }
        };
        match (got, old) {
            (Ok((grant, holds)), _) => {
                let fingerprint = secrets::fingerprint(grant.secret());
                self.remember(&grant);
                state.failed = None;
                state.held = Some(Held {
                    grant: grant.clone(),
                    fingerprint: fingerprint.clone(),
                    since: world.clock.now(),
                    until: now + holds,
                });
                Ok((grant, fingerprint))
            }
            // The old one is good for a while yet.
            (Err(_), Some((_, grant, fingerprint))) => Ok((grant, fingerprint)),
            (Err(problem), None) => {
                state.failed = Some((world.clock.now(), problem.clone()));
                Err(problem)
            }
        }
    }

    fn remember(&self, grant: &Grant) {
        let mut shown = lock(&self.shown);
        shown.extend(grant.secrets());
        let beyond = shown.len().saturating_sub(REMEMBERED);
        shown.drain(..beyond);
    }

    async fn get(&self, world: &World) -> Result<(Grant, Duration), NoToken> {
        let variable: Variables<'_> = &|name| std::env::var_os(name);
        let now = world.clock.wall();
        let refused = NoToken::Refused;
        match &self.source {
            CloudKey::GcpServiceAccount(path) => from_account(world, path, now).await,
            CloudKey::GcpDefault => match cloud::named_file(variable) {
                Some(path) => from_account(world, path.as_ref(), now).await,
                None => token(world, gcp_metadata(variable)).await,
            },
            CloudKey::GcpMetadata => token(world, gcp_metadata(variable)).await,
            CloudKey::AzureEntra => {
                let entra = azure::Entra::from_variables(variable).map_err(refused)?;
                token(world, entra.token_request()).await
            }
            CloudKey::AzureManagedIdentity => {
                token(world, azure::managed_identity_request(variable).map_err(refused)?).await
            }
            CloudKey::AwsEnv => aws::from_variables(variable).map(kept).map_err(refused),
            CloudKey::AwsProfile(name) => cloud::profile(variable, name).map(kept).map_err(refused),
            CloudKey::AwsRole => role(world, variable, now).await,
            CloudKey::AwsDefault => {
                if let Ok(credentials) = aws::from_variables(variable) {
                    return Ok(kept(credentials));
                }
                let name = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
                match cloud::profile(variable, &name) {
                    Ok(credentials) => Ok(kept(credentials)),
                    Err(_) => role(world, variable, now).await,
                }
            }
        }
    }
}

/// What is written down is read again every quarter of an hour, so that a renewed one is seen.
fn kept(credentials: AwsCredentials) -> (Grant, Duration) {
    (Grant::Aws(credentials), Duration::from_secs(900))
}

fn gcp_metadata(variable: Variables<'_>) -> TokenRequest {
    let host = variable("GCE_METADATA_HOST").and_then(|host| host.into_string().ok());
    gcp::metadata_request(host.as_deref())
}

async fn from_account(
    world: &World,
    path: &std::path::Path,
    now: SystemTime,
) -> Result<(Grant, Duration), NoToken> {
    let account = cloud::service_account(path).map_err(NoToken::Refused)?;
    token(world, account.token_request(now).map_err(NoToken::Refused)?).await
}

async fn token(world: &World, request: TokenRequest) -> Result<(Grant, Duration), NoToken> {
    let (status, body) = ask(world, request).await?;
    let Token { secret, expires_in } = read_token(status, &body)?;
    Ok((Grant::Token(secret), expires_in))
}

/// The credentials of the container, or else of the instance.
async fn role(world: &World, variable: Variables<'_>, now: SystemTime) -> Result<(Grant, Duration), NoToken> {
    if let Some(request) = aws::container_request(variable).map_err(NoToken::Refused)? {
        let (status, body) = ask(world, request).await?;
        let (credentials, holds) = aws::read_credentials(status, &body, now)?;
        return Ok((Grant::Aws(credentials), holds));
    }
    let text = |(_, bytes): (StatusCode, Bytes)| String::from_utf8_lossy(&bytes).into_owned();
    let session = text(ask(world, aws::session_request()).await?);
    let request = aws::role_request(&session, None).map_err(NoToken::Refused)?;
    let name = text(ask(world, request).await?);
    let request = aws::role_request(&session, Some(&name)).map_err(NoToken::Refused)?;
    let (status, body) = ask(world, request).await?;
    let (credentials, holds) = aws::read_credentials(status, &body, now)?;
    Ok((Grant::Aws(credentials), holds))
}

/// Asks for a token, or for what leads to one: a success and its body.
async fn ask(world: &World, request: TokenRequest) -> Result<(StatusCode, Bytes), NoToken> {
    let url =
        Url::parse(&request.url).map_err(|error| NoToken::Refused(format!("{}: {error}", request.url)))?;
    let secrets = request.secrets();
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        headers.insert(HeaderName::from_static(name), value);
    }
    let unavailable =
        |error: crate::transport::TransportError| NoToken::Unavailable(Failure::clean(&error.message));
    let mut response = world
        .transport
        .send(HttpRequest {
            method: request.method,
            url,
            headers,
            body: request.body,
            connect_timeout: CONNECT,
        })
        .await
        .map_err(unavailable)?;
    let mut all = BytesMut::new();
    while let Some(chunk) = response.body.next().await {
        let chunk = chunk.map_err(unavailable)?;
        if all.len().saturating_add(chunk.len()) > MOST {
            return Err(NoToken::Unavailable("the answer is longer than 1 MiB".to_owned()));
        }
        all.extend_from_slice(&chunk);
    }
    // Some repeat what they were sent.
    checked(response.status, &all).map_err(|problem| {
        let without = |mut text: String| {
            secrets.iter().for_each(|secret| take_out(secret, &mut text));
            text
        };
        match problem {
            NoToken::Refused(why) => NoToken::Refused(without(why)),
            NoToken::Unavailable(why) => NoToken::Unavailable(without(why)),
        }
    })?;
    Ok((response.status, all.freeze()))
}
