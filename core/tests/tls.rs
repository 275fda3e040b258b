//! Certificates: a server of an unknown authority is refused before anything is sent to it; one whose authority is in
//! `tls.extra_roots` is trusted; a wrong host name is not, whoever signed it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and runs its server beside itself"
)]

#[path = "support/tls.rs"]
mod tls;

use std::path::PathBuf;

use hotspare::types::{FailureClass, Sent};
use hotspare::{Client, Config};
use tls::{Tls, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const BODY: &str = r#"{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

struct Server {
    port: u16,
    authority: PathBuf,
}

/// A TLS server for `host`, whose authority's certificate is written to a file.
async fn server(host: &str) -> Server {
    let Tls { acceptor, authority } = tls(host, false, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up here.
                let Ok(mut tls) = acceptor.accept(socket).await else {
                    return;
                };
                let mut buffer = [0; 4096];
                let _ = tls.read(&mut buffer).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    BODY.len()
                );
                let _ = tls.write_all(format!("{head}{BODY}").as_bytes()).await;
                let _ = tls.shutdown().await;
            });
        }
    });
    Server { port, authority }
}

fn client(server: &Server, trusted: bool) -> Client {
    let roots = if trusted {
        format!("[tls]\nextra_roots = [{:?}]\n", server.authority)
    } else {
        String::new()
    };
    let text = format!(
        "{roots}[providers.a]\ndialect = \"openai_chat\"\nbase_url = \"https://localhost:{}/v1\"\nkeys = [\"canary-key\"]\n\
         [routes.default]\ntargets = [\"a/m\"]\n",
        server.port
    );
    Client::new(Config::from_toml(&text).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_is_trusted_when_the_config_says_so() {
    let server = server("localhost").await;
    let error = client(&server, false).chat("hi").send().await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Connect), "{error:?}");
    assert_eq!(error.failure().map(|failure| failure.sent), Some(Sent::No));
    assert!(error.message().contains("certificate"), "{error}");

    let reply = client(&server, true).chat("hi").send().await.unwrap();
    assert_eq!(reply.text(), "hi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_host_is_refused() {
    let server = server("elsewhere.example").await;
    let error = client(&server, true).chat("hi").send().await.unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Connect), "{error:?}");
}

#[test]
fn an_unreadable_root_is_a_config_error() {
    let text = "[tls]\nextra_roots = [\"/no/such/file.pem\"]\n[providers.a]\ndialect = \"openai_chat\"\n\
                base_url = \"https://localhost/v1\"\nkeys = [\"k\"]\n[routes.default]\ntargets = [\"a/m\"]\n";
    let error = Client::new(Config::from_toml(text).unwrap()).unwrap_err();
    assert!(error.message().contains("/no/such/file.pem"), "{error}");
}
