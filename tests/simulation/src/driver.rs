//! The callers of one seed: they come in bursts and silences, read slowly, leave early, and write down what they get.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotspare::types::{Reply, StreamEvent};
use hotspare::{ChatRequest, Client, Config, Error};
use tokio::task::JoinSet;

use crate::invariants;
use crate::ledger::{Books, Call, Delivered, Ledger, Outcome, Violation, open};
use crate::servers::Vendors;
use crate::watch;
use crate::world::{HEALING, Ms, PROMPT, World, key_file};

/// What a seed came to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) calls: u64,
    pub(crate) hash: u64,
    pub(crate) violations: Vec<Violation>,
    pub(crate) faults: std::collections::BTreeMap<String, u64>,
    pub(crate) outcomes: std::collections::BTreeMap<String, u64>,
}

/// How long one call may hang before it counts as lost: longer than any deadline.
const LOST: Duration = Duration::from_secs(3_600);
/// The time between two calls after the healing: the tightest limit of any vendor is 30 a minute.
const HEALED_GAP: Duration = Duration::from_millis(2_500);
/// Calls to each route and each target then.
const HEALED_CALLS: usize = 12;

/// Runs a seed.
///
/// # Errors
/// What this machine would not do: no runtime, no directory for the keys.
pub(crate) fn run(seed: u64, calls: u64, verbose: bool) -> Result<Report, String> {
    let world = World::new(seed, calls);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    let keys = KeyFiles::make(seed)?;
    let watched = seed.is_multiple_of(4).then(watch::Watch::default);
    let seen = watched.clone();
    let drive = || runtime.block_on(drive(world, calls, verbose, &keys.0, seen));
    match watched {
        Some(watch) => tracing::subscriber::with_default(watch, drive),
        None => drive(),
    }
}

/// The directory of a seed's keys, gone when it is dropped.
struct KeyFiles(PathBuf);

impl KeyFiles {
    fn make(seed: u64) -> Result<Self, String> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("hotspare-simulation-{}-{seed}-{run}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for KeyFiles {
    fn drop(&mut self) {
        // What is left of it is rubbish in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn drive(
    world: World,
    calls: u64,
    verbose: bool,
    keys: &Path,
    watched: Option<watch::Watch>,
) -> Result<Report, String> {
    let seed = world.seed;
    for (vendor, of) in world.vendors.iter().enumerate() {
        for slot in 0..of.groups.len() {
            write_key(keys, vendor, slot, &world.secret(vendor, slot, 0))?;
        }
    }
    let config = Config::from_json(&world.config(keys)).map_err(|error| error.to_string())?;
    let books = Books::new(std::sync::Mutex::new(Ledger::new(world, verbose)));
    let transport = Arc::new(Vendors(Arc::clone(&books)));
    let client = Client::with_transport(config, transport, Some(seed));
    let (listening, scan) = (Arc::clone(&books), watched.clone());
    client.on_event(move |event| {
        if let Some(watch) = &scan {
            watch.look(&format!("{event:?}"));
        }
        open(&listening).heard(event);
    });
    let mut crowd = Crowd {
        books: Arc::clone(&books),
        client,
        keys: keys.to_owned(),
        rng: fastrand::Rng::with_seed(seed ^ 0x0ca1_1e25),
        running: JoinSet::new(),
        burst: 0,
    };
    for _ in 0..calls {
        crowd.pause().await?;
        crowd.operate();
        crowd.call(None).await;
        if !open(&books).violations.is_empty() {
            break;
        }
    }
    crowd.gather().await;
    if open(&books).violations.is_empty() {
        crowd.heal().await?;
    }
    let status = crowd.client.status();
    let mut books = open(&books);
    invariants::finished(&mut books, &status);
    if let Some(found) = watched.and_then(|watch| watch.found()) {
        books.judge(found.0, None, Err(found.1));
    }
    Ok(Report {
        calls: books.calls.len() as u64,
        hash: books.log.hash,
        violations: std::mem::take(&mut books.violations),
        faults: std::mem::take(&mut books.faults),
        outcomes: std::mem::take(&mut books.outcomes),
    })
}

fn write_key(directory: &Path, vendor: usize, slot: usize, secret: &str) -> Result<(), String> {
    let path = key_file(directory, vendor, slot);
    std::fs::write(&path, secret).map_err(|error| format!("{}: {error}", path.display()))
}

/// All callers.
struct Crowd {
    books: Books,
    client: Client,
    keys: PathBuf,
    rng: fastrand::Rng,
    running: JoinSet<()>,
    /// Calls that come at once with the one before.
    burst: u32,
}

/// What one caller is like.
struct Caller {
    /// It leaves after so long.
    patience: Option<Ms>,
    /// It takes up to so long over each event.
    slow: Ms,
}

impl Crowd {
    /// The time between two calls, in which a person may put new keys in place.
    async fn pause(&mut self) -> Result<(), String> {
        let (gap, burst, silence, most) = {
            let books = open(&self.books);
            let callers = &books.world.callers;
            (callers.gap, callers.burst, callers.silence, callers.most)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an exponential gap of milliseconds, small and not negative"
        )]
        let mut wait = (-(1.0 - self.rng.f64()).ln() * gap) as Ms;
        if self.rng.f64() < burst {
            self.burst = self.rng.u32(20..200);
        }
        if self.burst > 0 {
            self.burst -= 1;
            wait = 0;
        }
        if self.rng.f64() < silence {
            // The whole house goes quiet, and comes back hours later.
            self.gather().await;
            wait = self.rng.u64(60_000..14_400_000);
        }
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        while self.running.len() >= most && self.running.join_next().await.is_some() {}
        while self.running.try_join_next().is_some() {}
        self.rotate(false)
    }

    /// An operator holds a target, or lets one go.
    fn operate(&mut self) {
        let (target, name, held) = {
            let books = open(&self.books);
            if self.rng.f64() >= books.world.callers.holds {
                return;
            }
            // Targets that no route names are not known before someone asks for them.
            let named = &books.world.routes[self.rng.usize(..books.world.routes.len())].targets;
            let target = named[self.rng.usize(..named.len())];
            let name = books.world.targets[target].name.clone();
            (target, name, books.said.held.contains(&target))
        };
        // The books are closed meanwhile: the client tells of what it does.
        let done = match held {
            true => self.client.release(&name),
            false => self.client.hold(&name),
        };
        let mut books = open(&self.books);
        match held {
            true => books.said.held.remove(&target),
            false => books.said.held.insert(target),
        };
        books.judge(5, None, done.map(drop).map_err(|error| error.to_string()));
    }

    /// Replaces the keys whose time has come, or all that a client knows to be refused.
    fn rotate(&mut self, all: bool) -> Result<(), String> {
        let mut books = open(&self.books);
        let now = books.now();
        let mut due: Vec<(usize, usize)> = Vec::new();
        books.rotations.retain(|(at, vendor, slot)| {
            let is_due = *at <= now;
            if is_due {
                due.push((*vendor, *slot));
            }
            !is_due
        });
        if all {
            let refused = books.refused.keys();
            due = refused
                .filter(|(vendor, slot, generation)| books.generations[*vendor][*slot] == *generation)
                .map(|(vendor, slot, _)| (*vendor, *slot))
                .collect();
        }
        for (vendor, slot) in due {
            books.generations[vendor][slot] += 1;
            let generation = books.generations[vendor][slot];
            write_key(
                &self.keys,
                vendor,
                slot,
                &books.world.secret(vendor, slot, generation),
            )?;
            books.note(&format!("key {vendor}/{slot} is now of generation {generation}"));
        }
        Ok(())
    }

    /// Makes a call; to a target by name, where one is given.
    async fn call(&mut self, healed: Option<Healed>) {
        let (number, request, stream, caller) = self.draw(healed);
        let body = make(
            self.client.clone(),
            Arc::clone(&self.books),
            number,
            request,
            stream,
            caller.slow,
        );
        let books = Arc::clone(&self.books);
        self.running.spawn(async move {
            let Some(patience) = caller.patience else {
                return body.await;
            };
            // The future is gone when this returns, and with it everything the call holds.
            if tokio::time::timeout(Duration::from_millis(patience), body)
                .await
                .is_err()
            {
                invariants::left(&mut open(&books), number);
            }
        });
        if healed.is_some() {
            self.gather().await;
            tokio::time::sleep(HEALED_GAP).await;
        }
    }

    /// Draws a call and its caller, and opens its page in the books.
    fn draw(&mut self, healed: Option<Healed>) -> (u32, ChatRequest, bool, Caller) {
        let mut books = open(&self.books);
        let rng = &mut self.rng;
        let callers = &books.world.callers;
        let stream = match healed {
            Some(healed) => healed.stream,
            None => rng.f64() < callers.stream,
        };
        let direct = match healed {
            Some(healed) => healed.target,
            None => (rng.f64() < callers.direct).then(|| rng.usize(..books.world.targets.len())),
        };
        let route = match (direct, healed) {
            (Some(_), _) => None,
            (None, Some(healed)) => Some(healed.route),
            (None, None) => Some(rng.usize(..books.world.routes.len())),
        };
        // A target named by hand is used with the default route's timers.
        let timers = &books.world.routes[route.unwrap_or(0)];
        let mut total = timers.total;
        let number = u32::try_from(books.calls.len()).unwrap_or(u32::MAX);
        let mut request = ChatRequest::of(format!("{PROMPT} {number} tell me a story"));
        request.route = Some(match direct {
            Some(target) => books.world.targets[target].name.clone(),
            None => timers.name.clone(),
        });
        let mut caller = Caller {
            patience: None,
            slow: 0,
        };
        if healed.is_none() {
            if rng.f64() < callers.own_deadline {
                total = rng.u64(50..20_000);
                request.timeout = Some(Duration::from_millis(total).as_secs_f64());
            }
            if rng.f64() < callers.leaves {
                caller.patience = Some(rng.u64(..5_000));
            }
            if rng.f64() < callers.slow {
                caller.slow = rng.u64(1..3_000);
            }
        }
        let now = books.now();
        books.calls.push(Call {
            route,
            stream,
            deadline: now + total,
            outcome: Outcome::Running,
            ends: 0,
            attempts: Vec::new(),
            open: 0,
            hedged: false,
            healed: healed.is_some(),
            delivered: Delivered::default(),
        });
        books.note(&format!(
            "call {number} begins: {} stream {stream} total {total} ms",
            request.route.as_deref().unwrap_or_default()
        ));
        (number, request, stream, caller)
    }

    /// Waits until nobody is under way.
    async fn gather(&mut self) {
        loop {
            match tokio::time::timeout(LOST, self.running.join_next()).await {
                Ok(None) => return,
                Ok(Some(_)) => {}
                Err(_) => {
                    self.running.abort_all();
                    invariants::lost(&mut open(&self.books));
                }
            }
        }
    }

    /// Heals every fault, waits, and asks everything of everyone.
    async fn heal(&mut self) -> Result<(), String> {
        open(&self.books).healed = true;
        self.rotate(true)?;
        let held: Vec<String> = {
            let mut books = open(&self.books);
            let held = std::mem::take(&mut books.said.held);
            held.iter()
                .map(|target| books.world.targets[*target].name.clone())
                .collect()
        };
        for name in held {
            self.client.release(&name).map_err(|error| error.to_string())?;
        }
        tokio::time::sleep(Duration::from_millis(HEALING)).await;
        let (routes, targets) = {
            let books = open(&self.books);
            (books.world.routes.len(), books.world.targets.len())
        };
        for n in 0..HEALED_CALLS {
            let stream = n.is_multiple_of(2);
            for route in 0..routes {
                self.call(Some(Healed {
                    route,
                    target: None,
                    stream,
                }))
                .await;
            }
            for target in 0..targets {
                self.call(Some(Healed {
                    route: 0,
                    target: Some(target),
                    stream,
                }))
                .await;
            }
        }
        Ok(())
    }
}

/// A call after the healing.
#[derive(Debug, Clone, Copy)]
struct Healed {
    route: usize,
    target: Option<usize>,
    stream: bool,
}

/// One call, from its caller's side.
fn make(
    client: Client,
    books: Books,
    number: u32,
    request: ChatRequest,
    stream: bool,
    slow: Ms,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    if stream {
        Box::pin(read(client, books, number, request, slow))
    } else {
        Box::pin(async move {
            let asked = begin(&books, number);
            let answer = client.send(request).await;
            invariants::ended_call(&mut open(&books), number, answer.as_ref(), asked);
        })
    }
}

/// The call begins: the next request the core numbers is its.
fn begin(books: &Books, number: u32) -> Ms {
    let mut books = open(books);
    books.said.beginning = Some(number);
    books.now()
}

async fn read(client: Client, books: Books, number: u32, request: ChatRequest, slow: Ms) {
    let asked = begin(&books, number);
    let mut stream = match client.open(request).await {
        Ok(stream) => stream,
        Err(error) => return invariants::ended_call(&mut open(&books), number, Err(&error), asked),
    };
    let mut rng = fastrand::Rng::with_seed(u64::from(number));
    loop {
        let asked = open(&books).now();
        let end: Result<Box<Reply>, Error> = match stream.next().await {
            Some(Ok(StreamEvent::Finish { reply })) => Ok(reply),
            Some(Ok(event)) => {
                invariants::event(&mut open(&books), number, &event);
                if slow > 0 && rng.u8(..4) == 0 {
                    tokio::time::sleep(Duration::from_millis(rng.u64(..slow))).await;
                }
                continue;
            }
            Some(Err(error)) => Err(error),
            None => {
                invariants::silent_end(&mut open(&books), number);
                return;
            }
        };
        let answer = end.as_ref().map(|reply| &**reply);
        invariants::ended_call(&mut open(&books), number, answer, asked);
        let more = (stream.next().await, stream.next().await);
        invariants::after_the_end(&mut open(&books), number, more.0.is_some() || more.1.is_some());
        return;
    }
}
