use std::time::Duration;

use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::reqwest::chain;
use super::{HttpTransport, TransportError, TransportErrorKind};
use crate::config::Provider;
use crate::dialect::dialect;
use crate::types::DialectId;

impl HttpTransport {
    /// Asks a provider for its list of models, `GET {base_url}/models`. Costs nothing, and its status tells whether the
    /// provider can be reached and takes the key.
    ///
    /// # Errors
    /// No answer within `timeout`, or none at all.
    pub async fn probe(
        &self,
        provider: &Provider,
        key: Option<&SecretString>,
        timeout: Duration,
    ) -> Result<StatusCode, TransportError> {
        let failed = |message: String| TransportError {
            kind: TransportErrorKind::Connect,
            message,
        };
        let url = format!("{}/models", provider.base_url.as_str().trim_end_matches('/'));
        let mut request = self.client(timeout)?.get(url).timeout(timeout);
        if provider.dialect == DialectId::AnthropicMessages {
            request = request.header("anthropic-version", "2023-06-01");
        }
        if let Some(key) = key {
            let (name, prefix) = dialect(provider.dialect).auth();
            let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose_secret()))
                .map_err(|_| failed("the key holds a character that no header takes".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) if error.is_timeout() => Err(failed(format!("no answer within {timeout:?}"))),
            Err(error) => Err(failed(chain(&error.without_url()))),
        }
    }
}
