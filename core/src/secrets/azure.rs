//! Microsoft Entra: an app's client secret, or the machine's managed identity → a token for Azure's AI services.

use std::ffi::OsString;

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::token::TokenRequest;

/// What the token is for (reference: Azure OpenAI's own documentation).
const RESOURCE: &str = "https://cognitiveservices.azure.com";

/// An app that may call Azure, by the variables Azure's own libraries read.
pub struct Entra {
    tenant: String,
    client: String,
    secret: SecretString,
    authority: String,
}

impl std::fmt::Debug for Entra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entra")
            .field("tenant", &self.tenant)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Entra {
    /// Reads `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and, where set, `AZURE_AUTHORITY_HOST`.
    ///
    /// # Errors
    /// The first that is not set.
    pub fn from_variables(variable: &(dyn Fn(&str) -> Option<OsString> + Sync)) -> Result<Self, String> {
        let read = |name: &str| {
            let value = variable(name).and_then(|value| value.into_string().ok());
            let value = value.map(|value| value.trim().to_owned());
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("the environment variable {name} is not set"))
        };
        let authority =
            read("AZURE_AUTHORITY_HOST").unwrap_or_else(|_| "https://login.microsoftonline.com".to_owned());
        // The secret goes nowhere in the clear. Read as a URL, since what comes before an `@` is no host.
        let safe = Url::parse(&authority).is_ok_and(|url| {
            url.scheme() == "https" || url.scheme() == "http" && url.host_str() == Some("127.0.0.1")
        });
        if !safe {
            return Err("the environment variable AZURE_AUTHORITY_HOST is not an https URL".to_owned());
        }
        Ok(Self {
            tenant: read("AZURE_TENANT_ID")?,
            client: read("AZURE_CLIENT_ID")?,
            secret: read("AZURE_CLIENT_SECRET")?.into(),
            authority,
        })
    }

    /// The app's id.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The request that gets a token.
    #[must_use]
    pub fn token_request(&self) -> TokenRequest {
        let tenant = utf8_percent_encode(&self.tenant, NON_ALPHANUMERIC)
            .to_string()
            .replace("%2D", "-")
            .replace("%2E", ".");
        let url = format!(
            "{}/{tenant}/oauth2/v2.0/token",
            self.authority.trim_end_matches('/')
        );
        TokenRequest::form(
            url,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client),
                ("client_secret", self.secret.expose_secret()),
                ("scope", &format!("{RESOURCE}/.default")),
            ],
        )
    }
}

/// The request that gets a token of the machine's own identity: App Service's endpoint where its variables are set, else
/// the metadata server. `AZURE_CLIENT_ID` names one identity of several.
///
/// # Errors
/// When a variable holds what no header or URL takes.
pub fn managed_identity_request(
    variable: &(dyn Fn(&str) -> Option<OsString> + Sync),
) -> Result<TokenRequest, String> {
    let read = |name: &str| {
        variable(name)
            .and_then(|value| value.into_string().ok())
            .filter(|value| !value.is_empty())
    };
    let resource = utf8_percent_encode(RESOURCE, NON_ALPHANUMERIC);
    let client = read("AZURE_CLIENT_ID").map_or_else(String::new, |id| {
        format!("&client_id={}", utf8_percent_encode(&id, NON_ALPHANUMERIC))
    });
    let (Some(endpoint), Some(secret)) = (read("IDENTITY_ENDPOINT"), read("IDENTITY_HEADER")) else {
        let url = format!(
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}{client}"
        );
        return Ok(TokenRequest::get(
            url,
            vec![("metadata", HeaderValue::from_static("true"))],
        ));
    };
    let mut secret = HeaderValue::from_str(&secret)
        .map_err(|_| "the environment variable IDENTITY_HEADER cannot stand in a header".to_owned())?;
    secret.set_sensitive(true);
    let url = format!("{endpoint}?api-version=2019-08-01&resource={resource}{client}");
    Ok(TokenRequest::get(url, vec![("x-identity-header", secret)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        |name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        }
    }

    #[test]
    fn an_apps_secret_is_posted_to_its_tenant() {
        let entra = Entra::from_variables(&variables(&[
            ("AZURE_TENANT_ID", "1-2"),
            ("AZURE_CLIENT_ID", "app"),
            ("AZURE_CLIENT_SECRET", "s&cret"),
        ]))
        .unwrap();
        let request = entra.token_request();
        assert_eq!(
            request.url,
            "https://login.microsoftonline.com/1-2/oauth2/v2.0/token"
        );
        let body = std::str::from_utf8(&request.body).unwrap();
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=app&client_secret=s%26cret\
             &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
        );
        for shown in [format!("{entra:?}"), format!("{request:?}")] {
            assert!(!shown.contains("cret\"") && !shown.contains("s%26"), "{shown}");
        }
        for (host, taken) in [
            ("https://login.microsoftonline.us", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.0.0.1:8080@evil.example", false),
            ("http://login.example", false),
        ] {
            let read = Entra::from_variables(&move |name: &str| match name {
                "AZURE_AUTHORITY_HOST" => Some(host.into()),
                _ => Some("x".into()),
            });
            assert_eq!(read.is_ok(), taken, "{host}");
        }
        let error = Entra::from_variables(&variables(&[("AZURE_TENANT_ID", "a")])).unwrap_err();
        assert_eq!(error, "the environment variable AZURE_CLIENT_ID is not set");
    }

    #[test]
    fn a_machine_asks_whoever_is_there() {
        let request = managed_identity_request(&variables(&[("AZURE_CLIENT_ID", "me")])).unwrap();
        assert!(request.url.starts_with("http://169.254.169.254/") && request.url.ends_with("&client_id=me"));
        let request = managed_identity_request(&variables(&[
            ("IDENTITY_ENDPOINT", "http://localhost:4141/token"),
            ("IDENTITY_HEADER", "h"),
        ]))
        .unwrap();
        assert!(
            request
                .url
                .starts_with("http://localhost:4141/token?api-version=2019-08-01&resource=")
        );
        assert_eq!(request.headers[0].0, "x-identity-header");
    }
}
