use std::time::Duration;

use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::reqwest::chain;
use super::{HttpTransport, TransportError, TransportErrorKind};
use crate::catalog::Auth;
use crate::config::Provider;
use crate::dialect::dialect;
use crate::secrets;

impl HttpTransport {
    /// Asks a provider by its free request, its list of models where none is known of. Costs nothing, and its status tells
    /// whether the provider can be reached and takes the key. A vendor known to have no such request is asked for its base
    /// URL without the key, so that the status tells only whether it can be reached.
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
        let path = match (&provider.probe, &provider.vendor) {
            (Some(path), _) => path,
            (None, None) => "/models",
            (None, Some(_)) => "",
        };
        let url = format!("{}{path}", provider.base_url.as_str().trim_end_matches('/'));
        let mut request = self.client(timeout)?.get(url).timeout(timeout);
        let codec = dialect(provider.dialect);
        for (name, value) in codec.headers() {
            request = request.header(*name, value);
        }
        let sensitive = |text: &str| {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| failed("the key holds a character that no header takes".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let fixed = provider.headers.iter().filter(|_| !path.is_empty());
        for (name, source) in fixed {
            let secret = secrets::resolve(source).map_err(failed)?;
            request = request.header(name, sensitive(secret.expose_secret())?);
        }
        if let Some(key) = key.filter(|_| !path.is_empty()) {
            let (name, prefix) = provider.auth.as_ref().map_or_else(|| codec.auth(), Auth::header);
            let value = sensitive(&format!("{prefix}{}", key.expose_secret()))?;
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) if error.is_timeout() => Err(failed(format!("no answer within {timeout:?}"))),
            Err(error) => Err(failed(chain(&error.without_url()))),
        }
    }
}
