use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

fn endpoint(id: u32) -> Arc<WarmEndpoint> {
    let connect = Duration::from_secs(3);
    let free = Some("/models");
    let endpoint = WarmEndpoint::new(
        EndpointId(id),
        "https://a.example/v1/",
        free,
        HeaderMap::new(),
        connect,
    );
    Arc::new(endpoint.unwrap())
}

fn endpoints(ids: &[u32]) -> Vec<Arc<WarmEndpoint>> {
    ids.iter().copied().map(endpoint).collect()
}

/// What the schedule does until `until`, when every touch is answered at once as `answers` says: `second.endpoint`, `R` for
/// a renewal.
fn trace(standby: &mut Standby, from: u64, until: u64, answers: impl Fn(u32) -> bool) -> String {
    let mut now = at(from);
    let mut seen = Vec::new();
    loop {
        let second = now.since_start().as_secs();
        match standby.next(now) {
            Action::Touch(id) => {
                seen.push(format!("{second}.{}", id.0));
                standby.touched(id, answers(id.0), now);
            }
            Action::Renew => seen.push(format!("{second}.R")),
            Action::Sleep(wake) => {
                assert!(wake > now, "it sleeps until {wake:?} at {now:?}");
                if wake > at(until) {
                    return seen.join(" ");
                }
                now = wake;
            }
            Action::Idle => return seen.join(" "),
        }
    }
}

#[test]
fn the_one_in_use_and_its_spare_are_kept_warm_and_forgotten_when_nobody_asks() {
    let mut standby = Standby::new(StandbySettings::default());
    assert_eq!(standby.next(at(0)), Action::Idle);
    assert!(standby.want(&endpoints(&[1, 2, 3]), at(0)));
    assert!(!standby.want(&endpoints(&[1, 2, 3]), at(0)));
    assert_eq!(trace(&mut standby, 0, 100, |_| true), "0.2 45.1 45.2 90.1 90.2");
    assert_eq!(
        trace(&mut standby, 100, 9999, |_| true),
        "135.1 135.2 180.1 180.2 225.1 225.2 270.1 270.2 300.R 300.1 300.2 345.1 345.2 390.1 390.2 435.1 435.2 480.1 480.2 \
         525.1 525.2 570.1 570.2"
    );
    assert_eq!(standby.next(at(601)), Action::Idle);
}

#[test]
fn real_traffic_takes_the_place_of_touches() {
    let mut standby = Standby::new(StandbySettings::default());
    let _ = standby.want(&endpoints(&[1, 2]), at(0));
    for second in [20, 40, 60] {
        assert!(!standby.used(EndpointId(1), at(second)));
    }
    assert_eq!(trace(&mut standby, 60, 110, |_| true), "60.2 105.1 105.2");
    assert!(!standby.used(EndpointId(9), at(110)), "nobody keeps it warm");
}

#[test]
fn touches_that_are_not_answered_back_off_and_another_becomes_the_spare() {
    let mut standby = Standby::new(StandbySettings {
        resolve: Duration::from_secs(100_000),
        ..StandbySettings::default()
    });
    let _ = standby.want(&endpoints(&[1, 2]), at(0));
    let _ = standby.used(EndpointId(1), at(400));
    assert_eq!(
        trace(&mut standby, 0, 440, |id| id != 2),
        "0.2 15.2 45.2 105.2 225.2"
    );
    for second in [440, 900] {
        let _ = standby.want(&endpoints(&[1, 2, 3, 4]), at(second));
        let _ = standby.used(EndpointId(1), at(second));
    }
    assert!(standby.endpoint(EndpointId(3)).is_some());
    assert!(standby.endpoint(EndpointId(4)).is_none());
    let seen = trace(&mut standby, 900, 1400, |id| id != 2);
    let second: Vec<&str> = seen.split(' ').filter(|touch| touch.ends_with(".2")).collect();
    assert_eq!(second, ["900.2", "1200.2"], "{seen}");
    // An exchange that went well ends the backing off.
    assert!(standby.used(EndpointId(2), at(1250)));
}

#[test]
fn one_that_is_down_is_asked_whether_it_is_back() {
    let mut standby = Standby::new(StandbySettings::default());
    let _ = standby.want(&endpoints(&[1, 2, 3]), at(0));
    assert!(standby.set_down(EndpointId(1), true, at(1)));
    assert!(!standby.set_down(EndpointId(1), true, at(2)));
    let _ = standby.want(&endpoints(&[1, 2, 3]), at(2));
    assert_eq!(trace(&mut standby, 2, 31, |_| true), "2.2 2.3 16.1 31.1");
    assert!(
        !standby.used(EndpointId(1), at(32)),
        "being used is not being back"
    );
    assert!(!standby.set_down(EndpointId(1), false, at(33)));
    assert_eq!(trace(&mut standby, 33, 60, |_| true), "46.1 47.2 47.3");
    // It is remembered as down when it is forgotten as wanted.
    let _ = standby.set_down(EndpointId(1), true, at(60));
    assert_eq!(standby.next(at(700)), Action::Idle);
    let _ = standby.want(&endpoints(&[1, 2, 3]), at(700));
    assert_eq!(trace(&mut standby, 700, 715, |_| true), "700.1 700.3 715.1");
}

#[test]
fn a_pause_stops_touches_and_the_clock_of_forgetting() {
    let mut standby = Standby::new(StandbySettings::default());
    let _ = standby.want(&endpoints(&[1, 2]), at(0));
    standby.pause(at(1));
    standby.pause(at(50));
    assert_eq!(standby.next(at(60)), Action::Idle);
    standby.resume(at(50_000));
    standby.resume(at(50_001));
    assert_eq!(
        trace(&mut standby, 50_001, 50_010, |_| true),
        "50001.R 50001.1 50001.2"
    );
}

#[test]
fn a_changed_network_makes_everything_cold_and_nothing_failed() {
    let mut standby = Standby::new(StandbySettings::default());
    let _ = standby.want(&endpoints(&[1, 2]), at(0));
    assert_eq!(
        trace(&mut standby, 0, 100, |_| false),
        "0.2 15.2 45.1 45.2 60.1 90.1"
    );
    standby.renewed(at(101));
    assert_eq!(trace(&mut standby, 101, 120, |_| true), "101.1 101.2");
}

#[test]
fn a_renewal_waits_for_the_touches_under_way() {
    let mut standby = Standby::new(StandbySettings::default());
    let _ = standby.want(&endpoints(&[1, 2]), at(0));
    assert_eq!(standby.next(at(0)), Action::Touch(EndpointId(2)));
    assert_eq!(standby.next(at(0)), Action::Sleep(at(45)));
    assert_eq!(standby.next(at(301)), Action::Touch(EndpointId(1)));
    assert_eq!(standby.next(at(301)), Action::Idle);
    standby.touched(EndpointId(1), true, at(302));
    standby.touched(EndpointId(2), true, at(302));
    assert_eq!(standby.next(at(302)), Action::Renew);
    // The loop that was to tell how a touch went is gone.
    assert_eq!(standby.next(at(302)), Action::Touch(EndpointId(1)));
    standby.begin();
    assert_eq!(standby.next(at(302)), Action::Touch(EndpointId(1)));
}

#[test]
fn switched_off_it_does_nothing() {
    let mut standby = Standby::new(StandbySettings {
        enabled: false,
        ..StandbySettings::default()
    });
    assert!(!standby.want(&endpoints(&[1, 2]), at(0)));
    assert_eq!(standby.next(at(1000)), Action::Idle);
}

#[test]
fn a_vendor_with_no_free_request_is_asked_for_its_base_url_without_the_key() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", http::HeaderValue::from_static("Bearer canary"));
    let ask = |free| {
        let id = EndpointId(1);
        WarmEndpoint::new(id, "https://a.example/v1/", free, headers.clone(), Duration::ZERO).unwrap()
    };
    let free = ask(Some("/models?limit=1")).request();
    assert_eq!(
        (free.method, free.url.as_str()),
        (Method::GET, "https://a.example/v1/models?limit=1")
    );
    assert!(free.headers.contains_key("authorization"));
    let bare = ask(None).request();
    assert_eq!(
        (bare.method, bare.url.as_str()),
        (Method::GET, "https://a.example/v1")
    );
    assert!(!bare.headers.contains_key("authorization"));
    assert!(bare.headers.contains_key(USER_AGENT));
}

#[derive(Debug, Clone)]
enum Op {
    Pass(u64),
    Want(Vec<u32>),
    Used(u32),
    Down(u32, bool),
    Answer(u32, bool),
    Pause,
    Resume,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1_u64..120).prop_map(Op::Pass),
        1 => (500_u64..1500).prop_map(Op::Pass),
        3 => proptest::collection::vec(0_u32..5, 1..5).prop_map(Op::Want),
        2 => (0_u32..5).prop_map(Op::Used),
        1 => (0_u32..5, any::<bool>()).prop_map(|(id, down)| Op::Down(id, down)),
        6 => (0_u32..5, any::<bool>()).prop_map(|(id, ok)| Op::Answer(id, ok)),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
    ]
}

/// What is known of an endpoint by the rules alone.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    touching: bool,
    down: bool,
    /// No touch before this.
    not_before: Moment,
    /// When it was last wanted, in time that was not paused.
    wanted: Option<u64>,
}

proptest! {
    /// It never touches while paused, twice at once, more often than it may, or what nobody has wanted for ten minutes.
    #[test]
    fn no_touch_breaks_a_rule(ops in proptest::collection::vec(op(), 1..200)) {
        let settings = StandbySettings::default();
        let (refresh, probe) = (settings.refresh, settings.probe);
        let mut standby = Standby::new(settings);
        let mut known = [Known::default(); 5];
        let (mut now, mut awake, mut paused) = (0, 0, false);
        for op in ops {
            match op {
                Op::Pass(seconds) => {
                    now += seconds;
                    awake += if paused { 0 } else { seconds };
                }
                Op::Want(ids) => {
                    let _ = standby.want(&endpoints(&ids), at(now));
                    for id in ids {
                        // Whether it is kept is the tables' matter; here, it may be.
                        known[id as usize].wanted = Some(awake);
                    }
                }
                Op::Used(id) => {
                    let _ = standby.used(EndpointId(id), at(now));
                    let known = &mut known[id as usize];
                    if !known.down && standby.endpoint(EndpointId(id)).is_some() {
                        known.not_before = at(now) + refresh;
                    }
                }
                Op::Down(id, down) => {
                    let _ = standby.set_down(EndpointId(id), down, at(now));
                    let known = &mut known[id as usize];
                    if known.down != down {
                        let wait = if down { probe } else { refresh };
                        known.not_before = known.not_before.min(at(now) + wait);
                    }
                    known.down = down;
                }
                Op::Answer(id, ok) => {
                    if known[id as usize].touching {
                        standby.touched(EndpointId(id), ok, at(now));
                        let known = &mut known[id as usize];
                        known.touching = false;
                        known.not_before = at(now) + if ok && !known.down { refresh } else { probe };
                    }
                }
                Op::Pause => {
                    standby.pause(at(now));
                    paused = true;
                }
                Op::Resume => {
                    standby.resume(at(now));
                    paused = false;
                }
            }
            for asked in 0.. {
                prop_assert!(asked < 8, "it does not settle");
                match standby.next(at(now)) {
                    Action::Touch(id) => {
                        let known = &mut known[id.0 as usize];
                        prop_assert!(!paused && !known.touching);
                        prop_assert!(at(now) >= known.not_before, "{now}: {known:?}");
                        prop_assert!(known.wanted.is_some_and(|wanted| awake - wanted < FORGET.as_secs()));
                        known.touching = true;
                    }
                    Action::Renew => {
                        prop_assert!(!paused && known.iter().all(|known| !known.touching));
                        known.iter_mut().for_each(|known| known.not_before = at(now));
                    }
                    Action::Sleep(until) => {
                        prop_assert!(!paused && until > at(now));
                        break;
                    }
                    Action::Idle => break,
                }
            }
            for (id, known) in (0..).zip(&mut known) {
                if standby.endpoint(EndpointId(id)).is_none() {
                    known.not_before = at(now);
                    known.touching = false;
                }
            }
        }
    }
}
