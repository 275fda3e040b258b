//! Credentials of clouds in the engine: tokens that are got once, kept, renewed and refused, and signatures. In virtual
//! time, with a transport that plays the vendor and whoever gives tokens.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hotspare::transport::{Body, Exchange, HttpRequest, HttpResponse, Transport};
use hotspare::types::{ChatRequest, FailureClass, Reply};
use hotspare::{Client, ErrorKind, config::Config};
use http::{HeaderMap, StatusCode};
use serde_json::json;

const KEY: &str = include_str!("../src/secrets/testing/service-account-key.pem");
const ANSWER: &str =
    r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

/// A status that stands for no answer at all.
const SILENT: u16 = 0;

/// What is answered, by the place that is asked.
type Answers = dyn Fn(&HttpRequest, usize) -> (u16, String) + Send + Sync;

/// Every request there was, and what answers it.
struct World {
    seen: Mutex<Vec<HttpRequest>>,
    answers: Box<Answers>,
}

impl World {
    fn new(answers: impl Fn(&HttpRequest, usize) -> (u16, String) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            answers: Box::new(answers),
        })
    }

    fn asked(&self, place: &str) -> Vec<HttpRequest> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|request| request.url.as_str().contains(place))
            .cloned()
            .collect()
    }
}

struct Net(Arc<World>);

impl Transport for Net {
    fn send(&self, request: HttpRequest) -> Exchange {
        let world = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let host = request.url.host_str().unwrap().to_owned();
            let before = world.asked(&host).len();
            let (status, body) = (world.answers)(&request, before);
            world.seen.lock().unwrap().push(request);
            if status == SILENT {
                std::future::pending::<()>().await;
            }
            let mut body = Some(Ok(Bytes::from(body)));
            Ok(HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Body::new(Once(std::iter::from_fn(move || body.take()).collect())),
            })
        })
    }
}

struct Once(Vec<Result<Bytes, hotspare::transport::TransportError>>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, hotspare::transport::TransportError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop())
    }
}

fn account(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("hotspare-credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    let file = json!({"type": "service_account", "client_email": "app@p.iam.gserviceaccount.com", "private_key": KEY,
        "token_uri": "https://tokens.example/token"});
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

fn client(world: &Arc<World>, keys: &str, backup: bool) -> Client {
    let targets = if backup {
        json!(["cloud/m", "backup/m"])
    } else {
        json!(["cloud/m"])
    };
    let config = json!({
        "providers": {
            "cloud": {"dialect": "openai_chat", "base_url": "https://vendor.example/v1", "keys": [keys]},
            "backup": {"dialect": "openai_chat", "base_url": "https://backup.example/v1", "keys": ["static-key"]},
        },
        "routes": {"default": {"targets": targets}},
    });
    let config = Config::from_json(&config.to_string()).unwrap();
    Client::with_transport(config, Arc::new(Net(Arc::clone(world))), Some(1))
}

fn token(name: &str, seconds: u64) -> (u16, String) {
    (
        200,
        json!({"access_token": name, "expires_in": seconds, "token_type": "Bearer"}).to_string(),
    )
}

fn bearer(request: &HttpRequest) -> String {
    request.headers["authorization"].to_str().unwrap().to_owned()
}

fn source(name: &str) -> String {
    format!("gcp:service-account:{}", account(name).display())
}

async fn chat(client: &Client) -> hotspare::Result<Reply> {
    client.send(ChatRequest::of("hi")).await
}

#[tokio::test(start_paused = true)]
async fn a_token_is_got_once_and_renewed_before_it_ends() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" => token(&format!("token-{before}"), 3600),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("once.json"), false);
    let (one, two, three) = tokio::join!(chat(&client), chat(&client), chat(&client));
    for reply in [one, two, three] {
        assert!(!format!("{:?}", reply.unwrap().trail).contains("token-0"));
    }
    assert_eq!(world.asked("tokens.example").len(), 1);
    let sent = world.asked("vendor.example");
    assert!(
        sent.iter().all(|request| bearer(request) == "Bearer token-0"),
        "{sent:?}"
    );
    assert!(
        sent.iter()
            .all(|request| request.headers["authorization"].is_sensitive())
    );

    tokio::time::advance(Duration::from_secs(3000)).await;
    chat(&client).await.unwrap();
    assert_eq!(
        world.asked("tokens.example").len(),
        1,
        "it holds for five minutes and more"
    );
    tokio::time::advance(Duration::from_secs(320)).await;
    chat(&client).await.unwrap();
    assert_eq!(
        bearer(world.asked("vendor.example").last().unwrap()),
        "Bearer token-1"
    );
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "a test measures the call from outside")]
async fn a_token_that_is_good_is_used_while_no_other_comes() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" if before > 0 => (SILENT, String::new()),
        "tokens.example" => token("token-0", 3600),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("silent.json"), false);
    chat(&client).await.unwrap();
    tokio::time::advance(Duration::from_secs(3400)).await;
    let before = tokio::time::Instant::now();
    let (one, two) = tokio::join!(chat(&client), chat(&client));
    assert!(one.is_ok() && two.is_ok());
    chat(&client).await.unwrap();
    assert!(
        before.elapsed() < Duration::from_secs(3),
        "{:?}",
        before.elapsed()
    );
    assert_eq!(
        world.asked("tokens.example").len(),
        2,
        "it is not asked by every call"
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    chat(&client).await.unwrap();
    assert_eq!(world.asked("tokens.example").len(), 3);
    let sent = world.asked("vendor.example");
    assert!(sent.iter().all(|request| bearer(request) == "Bearer token-0"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_soon_is_not_asked_for_by_every_call() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" => token(&format!("token-{before}"), 60),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("soon.json"), false);
    for _ in 0..5 {
        chat(&client).await.unwrap();
    }
    assert_eq!(world.asked("tokens.example").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_token_shares_that_none_came() {
    let world = World::new(|request, _| match request.url.host_str().unwrap() {
        "tokens.example" => (400, "{}".to_owned()),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("shared.json"), false);
    let (one, two, three) = tokio::join!(chat(&client), chat(&client), chat(&client));
    for outcome in [one, two, three] {
        assert!(outcome.unwrap_err().to_string().contains("400"));
    }
    assert_eq!(world.asked("tokens.example").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_for_a_token_is_taken_out_of_the_answer() {
    let world = World::new(|request, _| match request.url.host_str().unwrap() {
        "tokens.example" => {
            let body = std::str::from_utf8(&request.body).unwrap();
            let assertion = body.split_once("assertion=").unwrap().1;
            (400, json!({"error_description": assertion}).to_string())
        }
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("echo.json"), false);
    let error = chat(&client).await.unwrap_err();
    let shown = format!("{error} {:?}", error.trail());
    assert!(shown.contains("[key]"), "{shown}");
    assert!(!shown.contains("eyJ"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_taken_out_of_the_answer_while_another_one_is_got() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" if before > 0 => (SILENT, String::new()),
        "tokens.example" => token("token-number-0", 3600),
        _ if before == 1 => (400, r#"{"error":{"message":"bad: token-number-0"}}"#.to_owned()),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("while.json"), false);
    chat(&client).await.unwrap();
    tokio::time::advance(Duration::from_millis(3_299_860)).await;
    let renewing = async {
        tokio::time::sleep(Duration::from_millis(45)).await;
        chat(&client).await
    };
    let (refused, renewed) = tokio::join!(chat(&client), renewing);
    let error = refused.unwrap_err();
    assert_eq!(world.asked("tokens.example").len(), 2);
    let shown = format!("{error} {:?}", error.trail());
    assert!(
        shown.contains("bad: [key]") && !shown.contains("token-number-0"),
        "{shown}"
    );
    renewed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_got_anew_once() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" => token(&format!("token-{before}"), 3600),
        _ if before >= 1 && bearer(request) == "Bearer token-0" => (
            401,
            r#"{"error":{"message":"token-0 has expired","code":401}}"#.to_owned(),
        ),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("anew.json"), false);
    chat(&client).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    let reply = chat(&client).await.unwrap();
    assert_eq!(reply.trail.len(), 2, "{:?}", reply.trail);
    assert_eq!(
        reply.trail[0].failure().unwrap().class,
        FailureClass::Authentication
    );
    assert!(
        !format!("{:?}", reply.trail).contains("token-0"),
        "{:?}",
        reply.trail
    );
    assert_eq!(world.asked("tokens.example").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_gives_no_tokens_fails_over_and_who_refuses_does_not() {
    for (status, class) in [(503, FailureClass::Connect), (400, FailureClass::Authentication)] {
        let world = World::new(move |request, _| match request.url.host_str().unwrap() {
            "tokens.example" => (
                status,
                r#"{"error":"invalid_grant","error_description":"no such account"}"#.to_owned(),
            ),
            _ => (200, ANSWER.to_owned()),
        });
        let client = client(&world, &source("none.json"), true);
        let trail = match chat(&client).await {
            Ok(reply) => {
                assert_eq!((reply.target.as_str(), status), ("backup/m", 503));
                reply.trail
            }
            Err(error) => {
                assert_eq!(status, 400, "{error}");
                assert_eq!(error.kind(), ErrorKind::Failed);
                error.trail().to_vec()
            }
        };
        let failure = trail[0].failure().unwrap();
        assert_eq!(failure.class, class);
        assert!(failure.message.contains("no such account"), "{}", failure.message);
        assert!(world.asked("vendor.example").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_to_aws_are_signed_with_what_the_instance_was_given() {
    let world = World::new(
        |request, before| {
            match (request.url.host_str().unwrap(), before) {
        ("169.254.169.254", 0) => (200, "session".to_owned()),
        ("169.254.169.254", 1) => (200, "my-role".to_owned()),
        ("169.254.169.254", 2) => (
            200,
            json!({"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "the-secret", "Token": "the-session"}).to_string(),
        ),
        _ => (200, ANSWER.to_owned()),
    }
        },
    );
    let config = json!({
        "providers": {"aws": {"dialect": "openai_chat",
            "base_url": "https://bedrock-mantle.eu-west-1.api.aws/openai/v1", "keys": ["aws:role"]}},
        "routes": {"default": {"targets": ["aws/m"]}},
    });
    let config = Config::from_json(&config.to_string()).unwrap();
    let client = Client::with_transport(config, Arc::new(Net(Arc::clone(&world))), Some(1));
    chat(&client).await.unwrap();
    chat(&client).await.unwrap();
    assert_eq!(world.asked("169.254.169.254").len(), 3);
    let sent = world.asked("bedrock-mantle");
    assert_eq!(sent.len(), 2);
    for request in sent {
        let signature = request.headers["authorization"].to_str().unwrap();
        assert!(
            signature.starts_with("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/"),
            "{signature}"
        );
        assert!(
            signature.contains("/eu-west-1/bedrock-mantle/aws4_request"),
            "{signature}"
        );
        assert!(
            signature.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"),
            "{signature}"
        );
        assert_eq!(request.headers["x-amz-security-token"], "the-session");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_for_good_are_parked() {
    let world = World::new(|request, before| match request.url.host_str().unwrap() {
        "tokens.example" => token(&format!("token-{before}"), 3600),
        "vendor.example" => (401, r#"{"error":{"message":"no","code":401}}"#.to_owned()),
        _ => (200, ANSWER.to_owned()),
    });
    let client = client(&world, &source("parked.json"), false);
    chat(&client).await.unwrap_err();
    tokio::time::advance(Duration::from_secs(20)).await;
    let error = chat(&client).await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Authentication), "{error}");
    let sent = world.asked("vendor.example").len();
    assert!(sent <= 3, "{sent}");
    chat(&client).await.unwrap_err();
    assert_eq!(world.asked("vendor.example").len(), sent);
    // They may have been given more rights meanwhile.
    tokio::time::advance(Duration::from_secs(61)).await;
    chat(&client).await.unwrap_err();
    assert_eq!(world.asked("vendor.example").len(), sent + 1);
}
