//! Google Cloud: a service account's signed assertion, or the metadata server of the machine → an OAuth token.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use url::Url;

use super::token::TokenRequest;

/// What the token may do: everything of Google Cloud that the account may, as Google's own libraries ask for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Google takes assertions of an hour at most.
const LIFETIME: u64 = 3600;
/// The metadata server, where `GCE_METADATA_HOST` names no other.
const METADATA: &str = "metadata.google.internal";

/// A service account, as its key file tells it.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    /// PKCS #8, DER.
    key: SecretSlice<u8>,
    token_uri: String,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// Reads a key file's JSON.
    ///
    /// # Errors
    /// What is missing or wrong, never with a secret in it.
    pub fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct File {
            r#type: String,
            client_email: Option<String>,
            private_key_id: Option<String>,
            private_key: Option<SecretString>,
            token_uri: Option<String>,
        }
        let file: File = serde_json::from_str(json)
            .map_err(|error| format!("is no service-account file (line {})", error.line()))?;
        if file.r#type != "service_account" {
            return Err(format!(
                "is of type {:?}; expected a key file of a service account",
                file.r#type
            ));
        }
        let missing = |field: &str| format!("has no `{field}`");
        let pem = file.private_key.ok_or_else(|| missing("private_key"))?;
        let token_uri = file
            .token_uri
            .unwrap_or_else(|| "https://oauth2.googleapis.com/token".to_owned());
        // The assertion is worth a token, so it goes nowhere in the clear.
        let safe = Url::parse(&token_uri).is_ok_and(|url| {
            url.scheme() == "https" || matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
        });
        if !safe {
            return Err("has a `token_uri` that is not https".to_owned());
        }
        Ok(Self {
            email: file.client_email.ok_or_else(|| missing("client_email"))?,
            key_id: file.private_key_id,
            key: der(pem.expose_secret()).ok_or("has a `private_key` that is no PEM of PKCS #8")?,
            token_uri,
        })
    }

    /// The account's name.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The request that gets a token: an assertion that `now` holds, signed with RS256.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn token_request(&self, now: SystemTime) -> Result<TokenRequest, String> {
        let assertion = self.assertion(now)?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        Ok(TokenRequest::form(&self.token_uri, &fields))
    }

    fn assertion(&self, now: SystemTime) -> Result<SecretString, String> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued + LIFETIME,
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let key = RsaKeyPair::from_pkcs8(self.key.expose_secret())
            .map_err(|error| format!("the private key cannot be used: {error}"))?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_| "the private key does not sign".to_owned())?;
        Ok(SecretString::from(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

/// The request that gets a token of the machine's own account. `host`: what `GCE_METADATA_HOST` says.
#[must_use]
pub fn metadata_request(host: Option<&str>) -> TokenRequest {
    let host = host.filter(|host| !host.is_empty()).unwrap_or(METADATA);
    TokenRequest::get(
        format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"),
        vec![("metadata-flavor", HeaderValue::from_static("Google"))],
    )
}

/// The bytes of the first private key in a PEM.
fn der(pem: &str) -> Option<SecretSlice<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).ok().map(SecretSlice::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;

    /// A key made for this test, with `openssl genpkey`; it opens nothing.
    const KEY: &str = include_str!("testing/service-account-key.pem");

    fn account(token_uri: &str) -> Result<ServiceAccount, String> {
        let file = json!({"type": "service_account", "client_email": "app@project.iam.gserviceaccount.com",
            "private_key_id": "abc", "private_key": KEY, "token_uri": token_uri});
        ServiceAccount::parse(&file.to_string())
    }

    #[test]
    fn the_assertion_is_signed_and_says_who_asks_for_what() {
        let account = account("https://oauth2.googleapis.com/token").unwrap();
        let request = account
            .token_request(UNIX_EPOCH + Duration::from_secs(1_000_000))
            .unwrap();
        let fields: std::collections::HashMap<_, _> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        assert_eq!(
            fields["grant_type"],
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        );
        let (signed, signature) = fields["assertion"].rsplit_once('.').unwrap();
        let key = RsaKeyPair::from_pkcs8(der(KEY).unwrap().expose_secret()).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read =
            |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(read(header), json!({"alg": "RS256", "typ": "JWT", "kid": "abc"}));
        assert_eq!(
            read(claims),
            json!({"iss": "app@project.iam.gserviceaccount.com", "scope": SCOPE,
                   "aud": "https://oauth2.googleapis.com/token", "iat": 1_000_000, "exp": 1_003_600})
        );
    }

    #[test]
    fn files_that_are_none_are_refused_without_their_secrets() {
        for (file, why) in [
            (
                json!({"type": "authorized_user", "private_key": KEY}),
                "is of type \"authorized_user\"",
            ),
            (
                json!({"type": "service_account", "client_email": "a"}),
                "has no `private_key`",
            ),
            (
                json!({"type": "service_account", "private_key": KEY}),
                "has no `client_email`",
            ),
            (
                json!({"type": "service_account", "client_email": "a", "private_key": "secret"}),
                "that is no PEM of PKCS #8",
            ),
        ] {
            let error = ServiceAccount::parse(&file.to_string()).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret\""), "{error}");
        }
        assert!(
            account("http://evil.example/token")
                .unwrap_err()
                .contains("not https")
        );
        assert!(account("http://127.0.0.1:9/token").is_ok());
        assert!(!format!("{:?}", account("https://a/b").unwrap()).contains("MII"));
    }

    #[test]
    fn the_metadata_server_can_be_named() {
        assert!(
            metadata_request(None)
                .url
                .starts_with("http://metadata.google.internal/")
        );
        assert!(
            metadata_request(Some("127.0.0.1:80"))
                .url
                .starts_with("http://127.0.0.1:80/")
        );
    }
}
