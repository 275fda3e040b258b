use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::catalog::{BadCatalog, Catalog, Layer};
use crate::config::Config;
use crate::engine::{self, ChatStream, World};
use crate::error::{Error, Result};
use crate::ingress::{self, HttpAsk, Served};
use crate::transport::{HttpTransport, Transport};
use crate::types::{
    ChatRequest, EmbedReply, EmbedRequest, Event, Explanation, InputType, Message, Reply, Status, Tool,
};

/// The client: many providers behind one call. Cheap to clone; clones share connections, keys and what is known of them.
///
/// ```no_run
/// # async fn example() -> hotspare::Result<()> {
/// let client = hotspare::Client::builder()
///     .target("openai/gpt-4o-mini")
///     .target("anthropic/claude-haiku-4-5")
///     .build()?;
/// let reply = client.chat("Say hi").send().await?;
/// println!("{} ({})", reply.text(), reply.target);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    world: Arc<World>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("routes", &self.world.config.routes.keys().collect::<Vec<_>>())
            .field(
                "providers",
                &self.world.config.providers.keys().collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl Client {
    /// A client of a TOML or JSON file, told apart by the file's ending.
    ///
    /// # Errors
    /// A config error that lists every problem with its key path and line.
    #[expect(
        clippy::unused_async,
        reason = "secrets of later stores are fetched over the network"
    )]
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(Config::from_file(path.as_ref())?)
    }

    /// A client of a TOML text.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::new(Config::from_toml(text)?)
    }

    /// A client of a JSON text.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn from_json(text: &str) -> Result<Self> {
        Self::new(Config::from_json(text)?)
    }

    /// A client of a config.
    ///
    /// # Errors
    /// A config error when a file of `extra_roots` cannot be read.
    pub fn new(config: Config) -> Result<Self> {
        let transport = Arc::new(HttpTransport::new(&config.extra_roots)?);
        Ok(Self::with_transport(config, transport, None))
    }

    /// A client over another transport. `seed` fixes the jitter; None draws it.
    #[must_use]
    pub fn with_transport(config: Config, transport: Arc<dyn Transport>, seed: Option<u64>) -> Self {
        Self {
            world: Arc::new(World::new(config, transport, seed)),
        }
    }

    /// A client of nothing but targets; keys come from their providers' usual environment variables.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The config it was made of.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.world.config
    }

    /// What is known now of targets and keys: breakers, limits, latencies, errors, money. Changes nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        engine::status(&self.world)
    }

    /// What would be done with a request, with a reason for every target in or out. Nothing is sent.
    ///
    /// # Errors
    /// An invalid-request error, as [`Self::send`] would give.
    pub fn explain(&self, request: impl Into<ChatRequest>) -> Result<Explanation> {
        engine::explain(&self.world, &request.into())
    }

    /// Takes targets out of use until [`Self::release`]: a target (`openai/gpt-4o-mini`), or all of a provider
    /// (`openai`, `openai/*`). Calls under way go on. How many targets that are.
    ///
    /// # Errors
    /// An invalid-request error when no target of that name is known.
    pub fn hold(&self, name: &str) -> Result<usize> {
        self.world
            .operate(name, |health, name, now| health.hold(name, now))
    }

    /// Keeps targets in use whatever they do, until [`Self::release`]: their breakers stay closed.
    ///
    /// # Errors
    /// As [`Self::hold`].
    pub fn force_closed(&self, name: &str) -> Result<usize> {
        self.world
            .operate(name, |health, name, now| health.force_closed(name, now))
    }

    /// Gives targets back to their breakers.
    ///
    /// # Errors
    /// As [`Self::hold`].
    pub fn release(&self, name: &str) -> Result<usize> {
        self.world
            .operate(name, |health, name, now| health.release(name, now))
    }

    /// Stops background requests (warm standby, free probes) until [`Self::resume`]: for an app that goes to the
    /// background, or a device on low power. Calls go on.
    pub fn pause(&self) {
        self.world.pause();
    }

    /// Lets background requests go on.
    pub fn resume(&self) {
        self.world.resume();
    }

    /// Says that the machine is on another network: connections are made anew, host names are resolved again, and no
    /// provider is blamed for what failed before.
    pub fn network_changed(&self) {
        self.world.network_changed();
    }

    /// Calls `listener` with every attempt, decision and change of state from now on. It runs where the event happens,
    /// between two steps of a call: it must be quick, and must not wait for a call of the same client. It may call
    /// [`Self::status`], [`Self::hold`] and the like, and begin calls. Should it panic, the calls go on.
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.world.listeners.add(Arc::new(listener));
    }

    /// The facts on models that calls go by now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.world.catalog()
    }

    /// Puts facts on models over those of the build, the config's file and its URL: prices, windows, what a model takes.
    /// JSON or TOML, as for [`Catalog::with`]; it stands in place of what an earlier call of this said. Calls that begin
    /// from now on go by it; nothing is ever seen half changed.
    ///
    /// # Errors
    /// Every problem, each with its place; the facts stay what they were.
    pub fn update_catalog(&self, text: &str) -> Result<(), BadCatalog> {
        self.world.update_catalog(Layer::App, text)
    }

    /// Begins a call: a prompt, a list of messages, or a whole request.
    pub fn chat(&self, request: impl Into<ChatRequest>) -> ChatCall {
        ChatCall {
            client: self.clone(),
            request: request.into(),
        }
    }

    /// Begins a request for vectors: of a text, a list of texts, or a whole request. It goes to the route named `embed`.
    ///
    /// ```no_run
    /// # async fn example(client: hotspare::Client) -> hotspare::Result<()> {
    /// let reply = client.embed(["a text", "another"]).send().await?;
    /// println!("{} × {}", reply.embeddings.len(), reply.dimensions());
    /// # Ok(())
    /// # }
    /// ```
    pub fn embed(&self, request: impl Into<EmbedRequest>) -> EmbedCall {
        EmbedCall {
            client: self.clone(),
            request: request.into(),
        }
    }

    /// Makes the vectors of texts. More texts than a vendor takes at once go out in parts, one after the other and within
    /// one deadline; parts may be answered by different targets of the route, which are all one model. Dropping the
    /// future closes the connection to the vendor at once.
    ///
    /// # Errors
    /// The failure that ended the request, or all of them, with the trail. What other parts had made is not given.
    pub fn send_embed(
        &self,
        request: EmbedRequest,
    ) -> impl Future<Output = Result<EmbedReply>> + Send + 'static {
        engine::embed(Arc::clone(&self.world), request)
    }

    /// Answers a request whole. Dropping the future closes the connection to the vendor at once.
    ///
    /// # Errors
    /// The failure that ended the request, or all of them, with the trail.
    pub fn send(&self, request: ChatRequest) -> impl Future<Output = Result<Reply>> + Send + 'static {
        engine::chat(Arc::clone(&self.world), request)
    }

    /// Answers a request as a vendor's SDK sends it, in that vendor's own format: whichever target answers, and errors
    /// too. So an SDK can have this client in place of its HTTP transport. Dropping the future, or the stream that comes
    /// of it, closes the connection to the vendor at once.
    pub fn serve(&self, ask: HttpAsk) -> impl Future<Output = Served> + Send + 'static {
        ingress::serve(Arc::clone(&self.world), ask)
    }

    /// Opens a stream. It is given once its first content is there: until then failures are silent.
    ///
    /// # Errors
    /// Every target failed before first content, or a failure ended the request; with the trail.
    pub fn open(&self, request: ChatRequest) -> impl Future<Output = Result<ChatStream>> + Send + 'static {
        engine::open(Arc::clone(&self.world), request)
    }
}

/// Collects targets for a [`Client`].
#[derive(Debug, Default)]
pub struct ClientBuilder {
    targets: Vec<String>,
}

impl ClientBuilder {
    /// Adds a target, `provider/model`; the first is the one preferred.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.targets.push(target.into());
        self
    }

    /// The client.
    ///
    /// # Errors
    /// A config error that lists every problem.
    pub fn build(self) -> Result<Client> {
        Client::new(Config::from_targets(self.targets)?)
    }
}

/// A call being put together.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is sent or streamed"]
pub struct ChatCall {
    client: Client,
    request: ChatRequest,
}

impl ChatCall {
    /// The route, or one target as `provider/model`. Default: the route named `default`.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.request.route = Some(route.into());
        self
    }

    /// The whole request's deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(timeout.as_secs_f64());
        self
    }

    /// Most output tokens.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.request.max_tokens = Some(tokens);
        self
    }

    /// Adds a function the model may call.
    pub fn tool(mut self, tool: Tool) -> Self {
        self.request.tools.push(tool);
        self
    }

    /// The whole reply.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send(self) -> Result<Reply> {
        self.client.send(self.request).await
    }

    /// The reply as a stream.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn stream(self) -> Result<ChatStream> {
        self.client.open(self.request).await
    }
}

/// A request for vectors being put together.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is sent"]
pub struct EmbedCall {
    client: Client,
    request: EmbedRequest,
}

impl EmbedCall {
    /// The route, or one target as `provider/model`. Default: the route named `embed`.
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.request.route = Some(route.into());
        self
    }

    /// The whole request's deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(timeout.as_secs_f64());
        self
    }

    /// Numbers in a vector.
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.request.dimensions = Some(dimensions);
        self
    }

    /// What the vectors are for.
    pub fn input_type(mut self, input_type: InputType) -> Self {
        self.request.input_type = Some(input_type);
        self
    }

    /// The vectors.
    ///
    /// # Errors
    /// As [`Client::send_embed`].
    pub async fn send(self) -> Result<EmbedReply> {
        self.client.send_embed(self.request).await
    }
}

impl From<&str> for EmbedRequest {
    fn from(text: &str) -> Self {
        Self::of([text])
    }
}

impl From<String> for EmbedRequest {
    fn from(text: String) -> Self {
        Self::of([text])
    }
}

impl<T: Into<String>> From<Vec<T>> for EmbedRequest {
    fn from(texts: Vec<T>) -> Self {
        Self::of(texts)
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for EmbedRequest {
    fn from(texts: [T; N]) -> Self {
        Self::of(texts)
    }
}

impl From<&str> for ChatRequest {
    fn from(prompt: &str) -> Self {
        Self::of(prompt)
    }
}

impl From<String> for ChatRequest {
    fn from(prompt: String) -> Self {
        Self::of(prompt)
    }
}

impl From<Vec<Message>> for ChatRequest {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }
}

impl ChatRequest {
    /// Reads a request from JSON, as the bindings hand it over.
    ///
    /// # Errors
    /// An invalid-request error that names the place.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        from_json(bytes)
    }
}

impl EmbedRequest {
    /// Reads a request from JSON, as the bindings hand it over.
    ///
    /// # Errors
    /// An invalid-request error that names the place.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        from_json(bytes)
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let request = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        Error::invalid_request(format!("`{path}`: {}", error.into_inner()))
    })?;
    json.end()
        .map_err(|error| Error::invalid_request(format!("after the request: {error}")))?;
    Ok(request)
}
