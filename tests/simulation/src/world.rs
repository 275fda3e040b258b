//! What one seed is about: its vendors, targets, keys, routes, callers and outages. Every knob is drawn anew for each
//! seed ("swarm"), so that no two seeds try the same corner.

use hotspare::catalog;
use hotspare::types::DialectId;
use serde_json::{Value, json};

use crate::faults::Fault;

/// A span of virtual time, or a moment since the seed's start, in milliseconds.
pub(crate) type Ms = u64;

/// Where a key's text begins, so that one search finds every key.
pub(crate) const CANARY: &str = "sk-canary+";
/// What every prompt holds, so that one search finds every prompt.
pub(crate) const PROMPT: &str = "prompt-canary";
/// Longest `Retry-After` a vendor gives.
pub(crate) const LONGEST_WAIT: Ms = 600_000;
/// How long after the last fault everything must work again: the longest rest the core gives anything (a model that
/// was not found rests an hour), and something over.
pub(crate) const HEALING: Ms = 3_700_000;

/// One vendor.
#[derive(Debug)]
pub(crate) struct Vendor {
    pub(crate) name: String,
    pub(crate) dialect: DialectId,
    /// What it shares its fate with.
    pub(crate) domain: usize,
    /// The quota group of each key.
    pub(crate) groups: Vec<usize>,
    /// Keys stand in files, and so can be replaced while the client runs.
    pub(crate) renewable: bool,
    /// Requests a minute each quota group may send for each model, and how many at once. The vendor enforces it.
    pub(crate) limit: Option<(u64, u64)>,
    /// The config names that limit.
    pub(crate) limit_written: bool,
    /// Replies tell of that limit.
    pub(crate) limit_told: bool,
    /// It goes on generating, and billing, when the client has left.
    pub(crate) burns: bool,
    /// It says how many tokens it used.
    pub(crate) counts: bool,
}

/// A vendor's model.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) vendor: usize,
    pub(crate) model: String,
    /// `vendor/model`.
    pub(crate) name: String,
    /// US dollars a million tokens, in and out; None where the catalog does not know.
    pub(crate) price: Option<(f64, f64)>,
    /// Tokens its window holds, where the catalog knows.
    pub(crate) window: Option<u64>,
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) targets: Vec<usize>,
    pub(crate) total: Ms,
    pub(crate) first_token: Ms,
    pub(crate) idle: Ms,
    pub(crate) connect: Ms,
    pub(crate) attempt: Option<Ms>,
    pub(crate) reserve: Ms,
    pub(crate) max_attempts: usize,
    pub(crate) rate_limit_wait: Ms,
    pub(crate) auth_goes_on: bool,
    pub(crate) filter_goes_on: bool,
    /// `error`, `restart` or `continue`.
    pub(crate) recovery: &'static str,
    /// Characters, and milliseconds.
    pub(crate) hold_back: Option<(u64, Ms)>,
    pub(crate) via_stream: bool,
    /// Milliseconds a first attempt is given before another may race it, and the share of requests that may.
    pub(crate) hedge: Option<(Ms, f64)>,
}

/// Who a fault episode strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Everyone,
    Domain(usize),
    Vendor(usize),
    Target(usize),
    Key(usize, usize),
}

/// A time in which something fails in some ways.
#[derive(Debug)]
pub(crate) struct Episode {
    pub(crate) scope: Scope,
    pub(crate) from: Ms,
    pub(crate) until: Ms,
    /// The share of exchanges it strikes.
    pub(crate) share: f64,
    pub(crate) faults: Vec<Fault>,
}

/// How calls come and who makes them.
#[derive(Debug)]
pub(crate) struct Callers {
    /// Milliseconds between two calls, on average.
    pub(crate) gap: f64,
    /// The chance that a call is the first of a burst.
    pub(crate) burst: f64,
    /// The chance of a long silence before a call.
    pub(crate) silence: f64,
    /// The share that streams.
    pub(crate) stream: f64,
    /// The share that gives up at a random moment.
    pub(crate) leaves: f64,
    /// The share of streams that are read slowly.
    pub(crate) slow: f64,
    /// The share with a deadline of their own.
    pub(crate) own_deadline: f64,
    /// Most calls under way.
    pub(crate) most: usize,
    /// The chance that a call names one target and no route.
    pub(crate) direct: f64,
    /// The chance, at each call, that an operator holds a target or lets one go.
    pub(crate) holds: f64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) vendors: Vec<Vendor>,
    pub(crate) targets: Vec<Target>,
    pub(crate) routes: Vec<Route>,
    pub(crate) episodes: Vec<Episode>,
    /// The share of exchanges that fail outside all episodes.
    pub(crate) background: f64,
    pub(crate) callers: Callers,
    /// Milliseconds to the response head, least and most.
    pub(crate) head: (Ms, Ms),
    /// Most milliseconds between two chunks; 0: all at once.
    pub(crate) pace: Ms,
}

fn chance(rng: &mut fastrand::Rng, share: f64) -> bool {
    rng.f64() < share
}

fn pick<T: Copy>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

impl World {
    /// The world of a seed, for so many calls.
    pub(crate) fn new(seed: u64, calls: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rng = &mut rng;
        let vendors = vendors(rng);
        let targets = targets(rng, &vendors);
        let routes = routes(rng, targets.len());
        let callers = callers(rng);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a span of milliseconds, far below 2^52 and not negative"
        )]
        let span = (callers.gap * calls as f64).max(60_000.0) as Ms;
        let episodes = episodes(rng, span, &vendors, targets.len());
        let mut world = Self {
            seed,
            episodes,
            background: pick(rng, &[0.0, 0.0, 0.01, 0.05, 0.15]),
            callers,
            head: pick(rng, &[(1, 5), (20, 300), (100, 2_000)]),
            pace: pick(rng, &[0, 0, 5, 40]),
            vendors,
            targets,
            routes,
        };
        if chance(rng, 0.05) {
            world.hurry();
        }
        world
    }

    /// A good day with too many hedges in it: breakers keep retries few on bad ones, so that the retry budget is hardly
    /// ever used up there.
    fn hurry(&mut self) {
        self.episodes.clear();
        self.background = 0.0;
        self.head = (20, 300);
        self.callers = Callers {
            gap: 5.0,
            stream: 1.0,
            most: 300,
            ..callers(&mut fastrand::Rng::with_seed(self.seed))
        };
        for vendor in &mut self.vendors {
            vendor.limit = None;
        }
        for route in &mut self.routes {
            route.hedge = Some((5, 1.0));
            route.max_attempts = 4;
        }
    }

    /// The text of a vendor's key, the so-many-th that has stood in its place.
    pub(crate) fn secret(&self, vendor: usize, slot: usize, generation: u32) -> String {
        format!("{CANARY}{}/{vendor}/{slot}/{generation}", self.seed)
    }

    /// The quota group of a key; vendors without keys have one.
    pub(crate) fn group(&self, vendor: usize, slot: Option<usize>) -> usize {
        slot.map_or(0, |slot| self.vendors[vendor].groups[slot])
    }

    /// Most sends to one target in a call: the first, one at once, one after a wait, and one for each further key.
    pub(crate) fn most_sends(&self, target: usize) -> usize {
        let keys = self.vendors[self.targets[target].vendor].groups.len();
        2 + keys.max(1)
    }

    /// The config of the client. `keys`: where files with keys stand.
    pub(crate) fn config(&self, keys: &std::path::Path) -> String {
        let providers: serde_json::Map<String, Value> = self
            .vendors
            .iter()
            .enumerate()
            .map(|(index, vendor)| (vendor.name.clone(), self.provider(index, vendor, keys)))
            .collect();
        let routes: serde_json::Map<String, Value> = self
            .routes
            .iter()
            .map(|route| (route.name.clone(), self.route(route)))
            .collect();
        json!({"providers": providers, "routes": routes, "standby": false}).to_string()
    }

    fn provider(&self, index: usize, vendor: &Vendor, keys: &std::path::Path) -> Value {
        let sources: Vec<Value> = (0..vendor.groups.len())
            .map(|slot| {
                let key = match vendor.renewable {
                    true => format!("file:{}", key_file(keys, index, slot).display()),
                    false => self.secret(index, slot, 0),
                };
                json!({"key": key, "group": format!("account-{}", vendor.groups[slot])})
            })
            .collect();
        let mut provider = json!({
            "dialect": vendor.dialect.as_str(),
            "base_url": format!("http://{}.sim/v1", vendor.name),
            "keys": sources,
            "domains": [format!("cloud:{}", vendor.domain)],
        });
        if let (Some((limit, burst)), true) = (vendor.limit, vendor.limit_written) {
            provider["limits"] = json!({"requests_per_minute": limit, "burst": burst});
        }
        provider
    }

    fn route(&self, route: &Route) -> Value {
        let targets: Vec<&str> = route
            .targets
            .iter()
            .map(|target| self.targets[*target].name.as_str())
            .collect();
        let ms = |ms: Ms| format!("{ms}ms");
        let mut timeouts = json!({
            "total": ms(route.total),
            "first_token": ms(route.first_token),
            "idle": ms(route.idle),
            "connect": ms(route.connect),
            "reserve": ms(route.reserve),
        });
        if let Some(attempt) = route.attempt {
            timeouts["attempt"] = json!(ms(attempt));
        }
        let mut goes_on = Vec::new();
        if route.auth_goes_on {
            goes_on.push("authentication");
        }
        if route.filter_goes_on {
            goes_on.push("content_filtered");
        }
        let mut config = json!({
            "targets": targets,
            "timeouts": timeouts,
            "max_attempts": route.max_attempts,
            "rate_limit_wait": ms(route.rate_limit_wait),
            "failover_on": goes_on,
            "stream_recovery": route.recovery,
            "via_stream": route.via_stream,
        });
        if let Some((chars, time)) = route.hold_back {
            config["hold_back"] = json!({"chars": chars, "time": ms(time)});
        }
        if let Some((after, share)) = route.hedge {
            config["hedge"] = json!({"after": ms(after), "share": share});
        }
        config
    }
}

/// Where a rate limit holds: vendor, quota group, target.
pub(crate) type LimitScope = (usize, usize, usize);

/// Where a renewable key stands.
pub(crate) fn key_file(directory: &std::path::Path, vendor: usize, slot: usize) -> std::path::PathBuf {
    directory.join(format!("{vendor}-{slot}"))
}

fn vendors(rng: &mut fastrand::Rng) -> Vec<Vendor> {
    // The first three are the catalog's, so that their prices are known; the others are servers of one's own.
    let mut all = [
        ("openai", DialectId::OpenaiChat),
        ("anthropic", DialectId::AnthropicMessages),
        ("gemini", DialectId::Gemini),
        ("alpha", DialectId::OpenaiChat),
        ("beta", DialectId::AnthropicMessages),
        ("delta", DialectId::Gemini),
    ];
    rng.shuffle(&mut all);
    let domains = rng.usize(1..=3);
    let limited = chance(rng, 0.5);
    all.iter()
        .take(rng.usize(1..=6))
        .map(|(name, dialect)| {
            let keys = if chance(rng, 0.1) {
                0
            } else {
                pick(rng, &[1, 1, 2, 3, 10])
            };
            let groups = rng.usize(1..=4);
            Vendor {
                name: (*name).to_owned(),
                dialect: *dialect,
                domain: rng.usize(..domains),
                groups: (0..keys).map(|_| rng.usize(..groups)).collect(),
                renewable: chance(rng, 0.8),
                limit: (limited && chance(rng, 0.6))
                    .then(|| (pick(rng, &[30, 300, 3_000]), pick(rng, &[1, 10, 50]))),
                limit_written: chance(rng, 0.5),
                limit_told: chance(rng, 0.5),
                // The catalog knows of two vendors that they stop; a bill would prove it wrong.
                burns: !matches!(*name, "openai" | "anthropic") && chance(rng, 0.6),
                counts: chance(rng, 0.9),
            }
        })
        .collect()
}

fn targets(rng: &mut fastrand::Rng, vendors: &[Vendor]) -> Vec<Target> {
    let mut all = Vec::new();
    for (vendor, of) in vendors.iter().enumerate() {
        let models: &[&str] = match of.name.as_str() {
            "openai" => &["gpt-4o-mini", "gpt-4.1"],
            "anthropic" => &["claude-haiku-4-5", "claude-sonnet-4-6"],
            "gemini" => &["gemini-2.5-flash", "gemini-2.5-pro"],
            _ => &["large", "small"],
        };
        for model in &models[..rng.usize(1..=2)] {
            let facts = catalog::model(&of.name, model);
            all.push(Target {
                vendor,
                model: (*model).to_owned(),
                name: format!("{}/{model}", of.name),
                price: facts.and_then(|facts| Some((facts.input?, facts.output?))),
                window: facts.and_then(|facts| facts.context_window),
            });
        }
    }
    rng.shuffle(&mut all);
    all.truncate(8);
    all
}

fn routes(rng: &mut fastrand::Rng, targets: usize) -> Vec<Route> {
    let names = ["default", "second", "third"];
    names[..rng.usize(1..=3)]
        .iter()
        .map(|name| {
            let mut order: Vec<usize> = (0..targets).collect();
            rng.shuffle(&mut order);
            order.truncate(rng.usize(1..=targets));
            let total = pick(rng, &[3_000, 20_000, 60_000, 120_000]);
            let within = |ms: Ms| ms.min(total);
            Route {
                name: (*name).to_owned(),
                targets: order,
                total,
                first_token: within(pick(rng, &[1_000, 5_000, 30_000])),
                idle: within(pick(rng, &[500, 5_000, 30_000])),
                connect: within(pick(rng, &[500, 3_000])),
                attempt: chance(rng, 0.4).then(|| within(pick(rng, &[2_000, 20_000]))),
                reserve: within(pick(rng, &[0, 1_000, 10_000])),
                max_attempts: pick(rng, &[1, 2, 4, 4, 4, 10]),
                rate_limit_wait: pick(rng, &[0, 2_000, 10_000]),
                auth_goes_on: chance(rng, 0.3),
                filter_goes_on: chance(rng, 0.3),
                recovery: pick(rng, &["error", "restart", "continue"]),
                hold_back: chance(rng, 0.2).then(|| (rng.u64(1..500), rng.u64(1..2_000))),
                via_stream: chance(rng, 0.3),
                hedge: chance(rng, 0.6)
                    .then(|| (pick(rng, &[5, 20, 200, 2_000]), pick(rng, &[0.05, 1.0, 1.0]))),
            }
        })
        .collect()
}

fn callers(rng: &mut fastrand::Rng) -> Callers {
    Callers {
        gap: pick(rng, &[5.0, 20.0, 100.0, 1_000.0, 4_000.0]),
        burst: pick(rng, &[0.0, 0.002, 0.01]),
        silence: pick(rng, &[0.0, 0.0, 0.001]),
        stream: pick(rng, &[0.0, 0.5, 0.5, 1.0]),
        leaves: pick(rng, &[0.0, 0.05, 0.2]),
        slow: pick(rng, &[0.0, 0.1]),
        own_deadline: pick(rng, &[0.0, 0.2]),
        most: pick(rng, &[1, 30, 300]),
        direct: pick(rng, &[0.0, 0.1]),
        holds: pick(rng, &[0.0, 0.0, 0.01]),
    }
}

fn episodes(rng: &mut fastrand::Rng, span: Ms, vendors: &[Vendor], targets: usize) -> Vec<Episode> {
    (0..pick(rng, &[0, 2, 5, 12, 25]))
        .map(|_| {
            let vendor = rng.usize(..vendors.len());
            let keys = vendors[vendor].groups.len();
            let scope = match rng.u8(..10) {
                0 => Scope::Everyone,
                1 | 2 => Scope::Domain(vendors[vendor].domain),
                3 | 4 if keys > 0 => Scope::Key(vendor, rng.usize(..keys)),
                5..=7 => Scope::Target(rng.usize(..targets)),
                _ => Scope::Vendor(vendor),
            };
            let from = rng.u64(..span);
            let length = (span / pick(rng, &[4, 20, 200])).max(1_000);
            Episode {
                scope,
                from,
                until: from + length,
                share: pick(rng, &[0.2, 0.6, 1.0]),
                faults: (0..rng.usize(1..=4)).map(|_| pick(rng, &Fault::ALL)).collect(),
            }
        })
        .collect()
}
