//! TLS and HTTP/2 on sockets, as reqwest and hotspare's own transport meet them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, and says what it met"
)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use hotspare::transport::{HttpRequest, HttpTransport, Transport, TransportErrorKind};
use hotspare_simulator::{End, SimTransport, Simulator};
use http::HeaderMap;
use serde_json::{Value, json};
use support::{chat, in_process_request, script, settled};

/// How an exchange went: its body, or how it broke.
type Met = Result<String, TransportErrorKind>;

async fn met(transport: &impl Transport, request: HttpRequest) -> Met {
    let mut response = transport.send(request).await.map_err(|error| error.kind)?;
    let mut body = Vec::new();
    while let Some(part) = response.body.next().await {
        body.extend_from_slice(&part.map_err(|error| error.kind)?);
    }
    Ok(String::from_utf8(body).unwrap())
}

struct Running {
    simulator: Simulator,
    ca: PathBuf,
}

impl Running {
    async fn start(json: &Value) -> Self {
        let simulator = Simulator::start(script(json.clone())).await.unwrap();
        let port = support::address(&simulator, "p").replace(':', "-");
        let ca = std::env::temp_dir().join(format!("hotspare-simulator-{port}.pem"));
        std::fs::write(&ca, simulator.ca_pem().unwrap()).unwrap();
        Self { simulator, ca }
    }

    fn transport(&self) -> HttpTransport {
        HttpTransport::new(std::slice::from_ref(&self.ca)).unwrap()
    }

    fn request(&self, stream: bool) -> HttpRequest {
        let (path, body) = chat("openai_chat", stream);
        HttpRequest {
            url: url::Url::parse(&format!("{}{path}", self.simulator.url("p").unwrap())).unwrap(),
            method: http::Method::POST,
            headers: HeaderMap::new(),
            body: body.into(),
            connect_timeout: Duration::from_secs(5),
        }
    }

    fn reqwest(&self) -> reqwest::Client {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = self.simulator.ca_pem().unwrap();
        let ca = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca]).build().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca);
    }
}

fn provider(http2: bool, more: &Value) -> Value {
    let mut all = json!({
        "dialect": "openai_chat", "tls": {}, "http2": http2,
        "reply": {"chunks": ["one ", "two ", "three"]},
        "latency": {"gap": "1ms"},
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({"providers": {"p": all}})
}

#[tokio::test]
async fn a_good_certificate_serves_both_versions() {
    for (http2, version) in [
        (false, reqwest::Version::HTTP_11),
        (true, reqwest::Version::HTTP_2),
    ] {
        let running = Running::start(&provider(http2, &json!({}))).await;
        let client = running.reqwest();
        let base = running.simulator.url("p").unwrap();
        assert!(base.starts_with("https://localhost:"), "{base}");
        for stream in [false, true] {
            let (path, body) = chat("openai_chat", stream);
            let reply = client
                .post(format!("{base}{path}"))
                .body(body)
                .send()
                .await
                .unwrap();
            assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
            assert!(reply.text().await.unwrap().contains("three"));
        }
        let models = client.get(format!("{base}/models")).send().await.unwrap();
        assert_eq!(models.status(), 200);
        let root = base.trim_end_matches("/v1");
        let journal = client
            .get(format!("{root}/_hotspare/journal"))
            .send()
            .await
            .unwrap();
        let journal: Value = serde_json::from_str(&journal.text().await.unwrap()).unwrap();
        assert_eq!(journal.as_array().unwrap().len(), 3);
        assert_eq!(journal[2]["chat"], false);
        let ends = settled(&running.simulator).await;
        assert!(
            ends.iter().all(|entry| entry.end == Some(End::Complete)),
            "{ends:?}"
        );
    }
}

#[tokio::test]
async fn http1_is_spoken_where_the_client_wants_it() {
    let running = Running::start(&provider(true, &json!({}))).await;
    let pem = running.simulator.ca_pem().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()])
        .http1_only()
        .build()
        .unwrap();
    let (path, body) = chat("openai_chat", false);
    let url = format!("{}{path}", running.simulator.url("p").unwrap());
    let reply = client.post(url).body(body).send().await.unwrap();
    assert_eq!(reply.version(), reqwest::Version::HTTP_11);
}

#[tokio::test]
async fn a_bad_certificate_is_a_failed_connection() {
    for certificate in ["expired", "wrong_host", "unknown_ca"] {
        let json = provider(true, &json!({"tls": {"certificate": certificate}}));
        let running = Running::start(&json).await;
        let far = met(&running.transport(), running.request(false)).await;
        let (path, body) = chat("openai_chat", false);
        let near = SimTransport::new(script(json));
        let near = met(&near, in_process_request("p", &path, &[], &body)).await;
        assert_eq!(
            (far, near),
            (Err(TransportErrorKind::Connect), Err(TransportErrorKind::Connect)),
            "{certificate}"
        );
        assert!(running.simulator.journal().is_empty());
    }
}

#[tokio::test]
async fn a_handshake_closed_in_a_phase_is_one_until_it_ends() {
    let phase = json!({"until": "300ms", "step": {"fault": "tls_handshake_close"}});
    let running = Running::start(&provider(true, &json!({"phases": [phase]}))).await;
    let transport = running.transport();
    assert_eq!(
        met(&transport, running.request(false)).await,
        Err(TransportErrorKind::Connect)
    );
    let back = async {
        while met(&transport, running.request(false)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(support::LONG, back).await.unwrap();
}

/// Each fault over HTTP/2: what hotspare's transport makes of it, that the virtual one says the same, what the journal
/// has, and that the next request is served.
#[tokio::test]
async fn faults_over_http2() {
    let normal = {
        let running = Running::start(&provider(true, &json!({}))).await;
        met(&running.transport(), running.request(true)).await.unwrap()
    };
    let reset = || Err(TransportErrorKind::Reset);
    let refused = || Err(TransportErrorKind::Refused);
    let body = || Err(TransportErrorKind::Body);
    for (step, expected, end) in [
        (json!({"fault": "goaway"}), refused(), End::Refused),
        (
            json!({"fault": "rst_stream", "code": "refused_stream"}),
            refused(),
            End::Refused,
        ),
        (json!({"fault": "rst_stream"}), reset(), End::Reset),
        (
            json!({"fault": "rst_stream", "code": "enhance_your_calm"}),
            reset(),
            End::Reset,
        ),
        (
            json!({"fault": "rst_stream", "code": "cancel", "after_chunks": 2}),
            body(),
            End::Cut,
        ),
        (json!({"fault": "reset_before_head"}), reset(), End::Reset),
        (json!({"fault": "reset_in_head"}), reset(), End::Reset),
        (json!({"fault": "cut", "after_chunks": 1}), body(), End::Cut),
        (json!({"fault": "wrong_content_length"}), body(), End::Cut),
        (json!({"split": 7}), Ok(normal.clone()), End::Complete),
        (json!({"fault": "empty"}), Ok(String::new()), End::Complete),
    ] {
        let json = provider(true, &json!({"steps": [{}, step]}));
        let running = Running::start(&json).await;
        let transport = running.transport();
        let virtual_one = SimTransport::new(script(json));
        for expected in [Ok(normal.clone()), expected, Ok(normal.clone())] {
            let (path, body) = chat("openai_chat", true);
            let far = tokio::time::timeout(support::LONG, met(&transport, running.request(true)))
                .await
                .unwrap();
            let near = met(&virtual_one, in_process_request("p", &path, &[], &body)).await;
            assert_eq!((&far, &near), (&expected, &expected), "{step}");
        }
        let journal = settled(&running.simulator).await;
        assert_eq!(
            (journal.len(), journal[1].end, journal[2].end),
            (3, Some(end), Some(End::Complete)),
            "{step}"
        );
        assert_eq!(virtual_one.journal()[1].end, Some(end), "{step}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_an_http2_stream_is_noticed() {
    let steps = json!([{"fault": "hang"}, {"fault": "stall", "after_chunks": 1}, {"fault": "ping_only"}]);
    let running = Running::start(&provider(true, &json!({"steps": steps}))).await;
    let transport = running.transport();
    for n in 1..=3 {
        // Not by the clock alone: a busy machine may take long to connect.
        let begun = async {
            while running.simulator.journal().len() < n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! {
            _ = met(&transport, running.request(true)) => panic!("request {n} was answered"),
            () = begun => {}
        }
    }
    let journal = settled(&running.simulator).await;
    let ends: Vec<_> = journal.iter().map(|entry| entry.end).collect();
    assert_eq!(ends, [Some(End::ClientDisconnected); 3]);
    assert_eq!((journal[0].output_tokens, journal[1].output_tokens), (0, 1));
    drop(transport);
}

#[tokio::test]
async fn a_refusing_provider_closes_its_http2_connections() {
    let phase = json!({"from": "200ms", "step": {"fault": "refuse"}});
    let running = Running::start(&provider(true, &json!({"phases": [phase]}))).await;
    let transport = running.transport();
    met(&transport, running.request(false)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(met(&transport, running.request(false)).await.is_err());
}
