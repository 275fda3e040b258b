//! Facts on models that change while a client runs, in virtual time.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic outside its own function, too"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport, TransportError};
use hotspare::types::What;
use hotspare::{Client, config::Config};
use http::{HeaderMap, Method, StatusCode};

const REPLY: &str = r#"{"id": "r", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000000, "completion_tokens": 0}}"#;

struct Text(Option<Bytes>);

impl futures_core::Stream for Text {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(Ok))
    }
}

/// Answers calls at once, and fetches of the catalog by their script: status and text, or silence.
#[derive(Default)]
struct Network {
    pages: Mutex<VecDeque<Option<(u16, String)>>>,
    fetched: Mutex<Vec<String>>,
}

impl Transport for Network {
    fn send(&self, request: HttpRequest) -> Exchange {
        let page = if request.method == Method::GET {
            self.fetched.lock().unwrap().push(request.url.to_string());
            assert!(request.headers.get("authorization").is_none());
            self.pages.lock().unwrap().pop_front().unwrap()
        } else {
            Some((200, REPLY.to_owned()))
        };
        Box::pin(async move {
            let Some((status, text)) = page else {
                return std::future::pending().await;
            };
            Ok(HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Body::new(Text(Some(Bytes::from(text)))),
            })
        })
    }
}

type Told = Arc<Mutex<Vec<(String, Option<String>)>>>;

fn client(catalog: &str, pages: Vec<Option<(u16, String)>>) -> (Client, Arc<Network>, Told) {
    let config = format!(
        r#"{{"providers": {{"openai": {{"keys": ["sk-made-up"]}}}},
            "catalog": {catalog},
            "routes": {{"default": {{"targets": ["openai/gpt-4o-mini"]}}}}}}"#
    );
    let network = Arc::new(Network {
        pages: Mutex::new(pages.into()),
        ..Network::default()
    });
    let transport: Arc<dyn Transport> = Arc::<Network>::clone(&network);
    let client = Client::with_transport(Config::from_json(&config).unwrap(), transport, Some(1));
    let told = Told::default();
    let heard = Arc::clone(&told);
    client.on_event(move |event| {
        if let What::Catalog { layer, problem } = &event.what {
            heard.lock().unwrap().push((layer.clone(), problem.clone()));
        }
    });
    (client, network, told)
}

async fn cost(client: &Client) -> f64 {
    client.chat("hi").send().await.unwrap().cost_usd.unwrap()
}

fn priced(input: f64) -> String {
    format!(r#"{{"openai": {{"gpt-4o-mini": {{"input": {input}}}}}}}"#)
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[tokio::test(start_paused = true)]
async fn the_next_call_goes_by_what_the_app_said_last() {
    let (client, _, told) = client("{}", Vec::new());
    assert!(close(cost(&client).await, 0.15));
    client.update_catalog(&priced(2.0)).unwrap();
    assert!(close(cost(&client).await, 2.0));
    let bad = client
        .update_catalog(r#"{"openai": {"gpt-4o-mini": {"input": 3, "output": -1}}}"#)
        .unwrap_err();
    assert_eq!(bad.misfits.len(), 1);
    assert!(
        hotspare::Error::from(bad)
            .to_string()
            .contains("`openai.gpt-4o-mini.output`")
    );
    assert!(close(cost(&client).await, 2.0), "half of it was taken");
    assert_eq!(
        client.catalog().model("openai", "gpt-4o-mini").unwrap().output,
        Some(0.6)
    );
    client.update_catalog("").unwrap();
    assert!(close(cost(&client).await, 0.15));
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(layer, _)| layer == "app"));
    let told: Vec<bool> = told.iter().map(|(_, problem)| problem.is_some()).collect();
    assert_eq!(told, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_page_is_fetched_anew_and_what_fails_changes_nothing() {
    let long = format!("{{{}}}", " ".repeat(9 << 20));
    let pages = vec![
        Some((200, priced(1.0))),
        Some((200, priced(2.0))),
        Some((404, priced(3.0))),
        Some((200, "{".to_owned())),
        Some((200, long)),
        None,
        Some((200, priced(4.0))),
        None,
    ];
    let catalog = r#"{"url": "https://facts.sim/models.json?v=1", "refresh": "1h"}"#;
    let (client, network, told) = client(catalog, pages);
    // A call never waits for it: the first goes by what is there.
    assert!(close(cost(&client).await, 0.15));
    // (seconds to wait, fetches by then, the price then): an hour after a success, five minutes after a failure.
    for (number, (wait, fetches, price)) in [
        (1, 1, 1.0),
        (3590, 1, 1.0),
        (10, 2, 2.0),
        (3600, 3, 2.0),
        (300, 4, 2.0),
        (300, 5, 2.0),
        (300, 6, 2.0),
        (330, 7, 4.0),
    ]
    .into_iter()
    .enumerate()
    {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert!(close(cost(&client).await, price), "step {number}");
        assert_eq!(network.fetched.lock().unwrap().len(), fetches, "step {number}");
    }
    assert!(
        network
            .fetched
            .lock()
            .unwrap()
            .iter()
            .all(|url| url == "https://facts.sim/models.json?v=1")
    );
    let told = told.lock().unwrap();
    let problems: Vec<&str> = told
        .iter()
        .map(|(layer, problem)| {
            assert_eq!(layer, "url");
            problem.as_deref().unwrap_or("changed")
        })
        .collect();
    assert_eq!(
        problems[..3],
        ["changed", "changed", "expected status 200, found 404"]
    );
    assert!(problems[3].contains("not JSON"), "{problems:?}");
    assert_eq!(
        problems[4..],
        [
            "it is longer than 8388608 bytes",
            "no whole answer within 30 s",
            "changed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_client_fetches_nothing() {
    let pages = vec![Some((200, priced(1.0)))];
    let catalog = r#"{"url": "https://facts.sim/models.toml", "refresh": "1h"}"#;
    let (client, network, _) = client(catalog, pages);
    client.pause();
    assert!(close(cost(&client).await, 0.15));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(network.fetched.lock().unwrap().is_empty());
    client.resume();
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert!(close(cost(&client).await, 1.0));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_client() {
    let pages = vec![Some((200, priced(1.0)))];
    let (client, network, _) = client(r#"{"url": "https://facts.sim/a"}"#, pages);
    cost(&client).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(client);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&network), 1);
}
