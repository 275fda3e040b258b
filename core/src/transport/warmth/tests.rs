use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use super::*;
use crate::transport::{Body, Exchange, HttpRequest, HttpResponse, StandbySettings};

const MIB: usize = 1 << 20;

/// What a host does when it is touched.
#[derive(Clone, Copy)]
enum Host {
    Answers,
    Hangs,
    /// Answers with so many MiB.
    Talks(usize),
    /// Answers, and breaks off.
    Breaks,
}

struct Chunks(Vec<Result<Bytes, TransportError>>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop())
    }
}

/// Hosts by endpoint: `https://2.example` is endpoint 2.
struct Network(Vec<(u32, Host)>);

impl Transport for Network {
    fn send(&self, request: HttpRequest) -> Exchange {
        let id = request.url.host_str().unwrap().split('.').next().unwrap().parse();
        let host = self.0.iter().find(|(known, _)| Ok(*known) == id).unwrap().1;
        Box::pin(async move {
            let chunks = match host {
                Host::Answers => vec![Ok(Bytes::from_static(b"{}"))],
                Host::Hangs => std::future::pending().await,
                Host::Talks(mib) => (0..mib).map(|_| Ok(Bytes::from(vec![0; MIB]))).collect(),
                Host::Breaks => vec![Err(TransportError {
                    kind: TransportErrorKind::Body,
                    message: "cut".to_owned(),
                })],
            };
            Ok(HttpResponse {
                status: StatusCode::UNAUTHORIZED,
                headers: HeaderMap::new(),
                body: Body::new(Chunks(chunks)),
            })
        })
    }
}

struct Client {
    standby: Mutex<Standby>,
    network: Arc<Network>,
    start: Instant,
    keep: KeepWarm,
    /// `second.endpoint` with `+` or `-`.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Warmth for Client {
    fn standby(&self) -> MutexGuard<'_, Standby> {
        self.standby.lock().unwrap()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::<Network>::clone(&self.network)
    }

    fn now(&self) -> Moment {
        Moment::new(self.start.elapsed())
    }

    fn sleep_until(&self, moment: Moment) -> Sleep {
        tokio::time::sleep_until(self.start + moment.since_start())
    }

    fn probed(&self, endpoint: EndpointId, answer: &Result<StatusCode, TransportError>) {
        let second = self.start.elapsed().as_secs();
        let sign = if answer.is_ok() { '+' } else { '-' };
        self.seen
            .lock()
            .unwrap()
            .push(format!("{second}.{}{sign}", endpoint.0));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's clock is Tokio's, which is paused"
)]
fn client(hosts: &[(u32, Host)]) -> Arc<Client> {
    Arc::new(Client {
        standby: Mutex::new(Standby::new(StandbySettings {
            spares: 9,
            ..StandbySettings::default()
        })),
        network: Arc::new(Network(hosts.to_vec())),
        start: Instant::now(),
        keep: KeepWarm::default(),
        seen: Arc::default(),
    })
}

fn want(client: &Client) {
    let endpoints: Vec<_> = client
        .network
        .0
        .iter()
        .map(|(id, _)| {
            let url = format!("https://{id}.example");
            let connect = Duration::from_secs(3);
            Arc::new(WarmEndpoint::new(EndpointId(*id), &url, None, HeaderMap::new(), connect).unwrap())
        })
        .collect();
    let wake = client.standby().want(&endpoints, client.now());
    if wake {
        client.keep.wake();
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_that_hangs_holds_up_no_other() {
    let client = client(&[(1, Host::Answers), (2, Host::Hangs), (3, Host::Answers)]);
    client.keep.start(&client);
    pass(1).await;
    assert!(client.seen.lock().unwrap().is_empty());
    // The task sleeps with nothing to do; wanting something wakes it.
    want(&client);
    pass(60).await;
    let seen = client.seen.lock().unwrap().join(" ");
    // 13 s to the limit of a touch, and 15 s to the next.
    assert_eq!(seen, "1.3+ 14.2- 42.2- 46.1+ 46.3+");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_or_never_ends_is_no_trouble() {
    let client = client(&[
        (1, Host::Answers),
        (2, Host::Breaks),
        (3, Host::Talks(3)),
        (4, Host::Talks(100)),
    ]);
    client.keep.start(&client);
    want(&client);
    pass(1).await;
    assert_eq!(client.seen.lock().unwrap().join(" "), "0.2- 0.3+ 0.4+");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_client_and_begins_again_in_another_runtime() {
    let client = client(&[(1, Host::Answers), (2, Host::Hangs)]);
    let elsewhere = Arc::clone(&client);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            elsewhere.keep.start(&elsewhere);
            want(&elsewhere);
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
    })
    .join()
    .unwrap();
    // The touch of 2 was under way when its runtime ended.
    assert!(client.seen.lock().unwrap().is_empty());
    client.keep.start(&client);
    client.keep.start(&client);
    pass(44).await;
    assert_eq!(client.seen.lock().unwrap().join(" "), "13.2- 41.2-");

    let (seen, left) = (Arc::clone(&client.seen), Arc::downgrade(&client));
    drop(client);
    pass(1000).await;
    assert!(left.upgrade().is_none());
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn outside_a_runtime_nothing_is_started() {
    let keep = KeepWarm::default();
    let client = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async { client(&[]) });
    keep.start(&client);
    assert!(keep.task.lock().unwrap().is_none());
}
