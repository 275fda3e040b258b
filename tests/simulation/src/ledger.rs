//! The books of one seed: what the vendors saw, what the callers saw, and what was found wrong. Shared by vendors and
//! callers; it knows nothing of the core's own books.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotspare::types::DialectId;

use crate::events::Said;
use crate::faults::{Fault, Lesson};
use crate::world::{LimitScope, Ms, World};

/// A key as a vendor tells it apart: vendor, place in its pool, and which secret in that place.
pub(crate) type Key = (usize, usize, u32);

/// How an exchange ended, as the vendor saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// The connection was never made.
    Unmade,
    /// Lost before the head.
    Reset,
    /// Cut in the body.
    Cut,
    /// The client read the body to its end.
    Complete,
    /// The client left.
    Left,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) call: u32,
    pub(crate) target: usize,
    pub(crate) key: Option<Key>,
    pub(crate) at: Ms,
    pub(crate) fault: Option<Fault>,
    pub(crate) stream: bool,
    /// It came to the vendor.
    pub(crate) reached: bool,
    pub(crate) status: u16,
    /// The wait that was asked for.
    pub(crate) asked: Option<Ms>,
    /// What the client knows, once `end` is complete or a refusal was read.
    pub(crate) lesson: Lesson,
    /// The client knows it.
    pub(crate) learnt: bool,
    pub(crate) ended: Ms,
    pub(crate) end: End,
    /// Tokens of the whole answer.
    pub(crate) tokens: u32,
    /// Tokens sent of the present beginning.
    pub(crate) sent: u32,
    /// Tokens sent of all beginnings.
    pub(crate) generated: u32,
    /// How often the answer began anew.
    pub(crate) generation: u32,
    /// The terminal marker was sent.
    pub(crate) terminal: bool,
    /// Token counts were sent.
    pub(crate) counted: bool,
    pub(crate) bytes: u64,
    pub(crate) input: u64,
    /// What the vendor charges: exact where there is a price.
    pub(crate) bill: f64,
}

/// How a call ended, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    Answered,
    Failed,
    Interrupted,
    /// The caller left.
    Left,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// None: it names one target.
    pub(crate) route: Option<usize>,
    pub(crate) stream: bool,
    pub(crate) deadline: Ms,
    pub(crate) outcome: Outcome,
    pub(crate) ends: u32,
    pub(crate) attempts: Vec<u32>,
    pub(crate) open: u32,
    /// A second attempt raced a first.
    pub(crate) hedged: bool,
    /// It must succeed: every fault has healed.
    pub(crate) healed: bool,
    pub(crate) delivered: Delivered,
}

/// What has been given to a caller of the present beginning of its answer.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Delivered {
    /// The attempt, and which beginning of it.
    pub(crate) from: Option<(u32, u32)>,
    pub(crate) tokens: u32,
    /// Tokens of earlier attempts that this one goes on from.
    pub(crate) before: u32,
}

/// Requests that reached one quota group of a vendor for one model.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// When, for the last minute.
    pub(crate) sends: VecDeque<Ms>,
    /// When the last takeover from another target began, when it was last needed, the pace it began at, and how many
    /// came by it in its first ten seconds.
    pub(crate) takeover: Option<(Ms, Ms, u64, u64)>,
}

/// Something that must never be.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: u8,
    pub(crate) seed: u64,
    pub(crate) call: Option<u32>,
    pub(crate) at: Ms,
    pub(crate) what: String,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) world: World,
    pub(crate) rng: fastrand::Rng,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) calls: Vec<Call>,
    /// Which secret stands in each place now, and from when on: by vendor and place.
    pub(crate) generations: Vec<Vec<u32>>,
    /// Keys to be replaced, and when.
    pub(crate) rotations: Vec<(Ms, usize, usize)>,
    /// Secrets whose refusal a client has read.
    pub(crate) refused: BTreeMap<Key, Ms>,
    /// Secrets the vendor no longer takes.
    pub(crate) revoked: BTreeMap<Key, Ms>,
    /// Until when a client was told to wait, and of which secret: a new one in a group of one key may be another
    /// account's.
    pub(crate) gates: BTreeMap<(LimitScope, u32), Ms>,
    /// The vendors' own limiters, by vendor, quota group and target: requests left, and when that was.
    pub(crate) buckets: BTreeMap<(usize, usize, usize), (f64, Ms)>,
    /// Limits that clients were told, and since when.
    pub(crate) learnt: BTreeMap<LimitScope, (u64, Ms)>,
    /// What reached each vendor, for the last minute.
    pub(crate) traffic: BTreeMap<LimitScope, Traffic>,
    /// What the core says of itself.
    pub(crate) said: Said,
    pub(crate) healed: bool,
    pub(crate) violations: Vec<Violation>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) log: Log,
    start: tokio::time::Instant,
}

/// The books, shared.
pub(crate) type Books = Arc<Mutex<Ledger>>;

/// Opens the books. No holder panics with them half written.
pub(crate) fn open(books: &Books) -> MutexGuard<'_, Ledger> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the vendors' own clock: what the core says of time is not believed here"
)]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

impl Ledger {
    pub(crate) fn new(world: World, verbose: bool) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(world.seed ^ 0x05ee_d0f5_e41e_5000),
            attempts: Vec::new(),
            calls: Vec::new(),
            generations: world
                .vendors
                .iter()
                .map(|vendor| vec![0; vendor.groups.len()])
                .collect(),
            rotations: Vec::new(),
            refused: BTreeMap::new(),
            revoked: BTreeMap::new(),
            gates: BTreeMap::new(),
            buckets: BTreeMap::new(),
            learnt: BTreeMap::new(),
            traffic: BTreeMap::new(),
            said: Said::default(),
            healed: false,
            violations: Vec::new(),
            faults: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            log: Log {
                hash: 0xcbf2_9ce4_8422_2325,
                verbose,
            },
            start: now(),
            world,
        }
    }

    /// Milliseconds since the seed began.
    pub(crate) fn now(&self) -> Ms {
        u64::try_from((now() - self.start).as_millis()).unwrap_or(Ms::MAX)
    }

    /// Where a wait holds that a vendor asked of a key.
    pub(crate) fn gate(&self, key: Key, target: usize) -> (LimitScope, u32) {
        let (vendor, slot, generation) = key;
        let group = self.world.group(vendor, Some(slot));
        let groups = &self.world.vendors[vendor].groups;
        let alone = groups.iter().filter(|other| **other == group).count() == 1;
        ((vendor, group, target), if alone { generation } else { 0 })
    }

    pub(crate) fn dialect(&self, target: usize) -> DialectId {
        self.world.vendors[self.world.targets[target].vendor].dialect
    }

    /// What tokens cost at a target; nothing where the catalog has no price.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub(crate) fn price(&self, target: usize, input: u64, output: u64) -> f64 {
        let price = self.world.targets[target].price;
        price.map_or(0.0, |(per_input, per_output)| {
            (input as f64 * per_input + output as f64 * per_output) / 1e6
        })
    }

    /// Writes down what was found, if anything was.
    pub(crate) fn judge(&mut self, invariant: u8, call: Option<u32>, found: Result<(), String>) {
        if let Err(what) = found {
            let at = self.now();
            if self.log.verbose {
                crate::say(&format!("{at:>9} VIOLATION of {invariant}: {what}"));
            }
            self.violations.push(Violation {
                invariant,
                seed: self.world.seed,
                call,
                at,
                what,
            });
        }
    }

    /// Adds a line to the event log.
    pub(crate) fn note(&mut self, line: &str) {
        let at = self.now();
        self.log.add(at, line);
    }
}

/// The event log: its hash, so that two runs can be compared, and its lines, when one is looked at.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) hash: u64,
    verbose: bool,
}

impl Log {
    fn add(&mut self, at: Ms, line: &str) {
        // FNV-1a, 64 bits.
        for byte in at.to_le_bytes().iter().chain(line.as_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.verbose {
            crate::say(&format!("{at:>9} {line}"));
        }
    }
}
