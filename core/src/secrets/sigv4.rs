//! AWS Signature Version 4: what stands in for a key at AWS. Pure: the time is passed in.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. The rules are those of
//! every service but S3: the path is normalized and its escapes are escaped once more.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use ring::{digest, hmac};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What a path part is escaped by: all but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What AWS knows a caller by.
#[derive(Clone)]
pub struct AwsCredentials {
    /// The access key's id, `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The access key itself.
    pub secret_access_key: SecretString,
    /// What temporary credentials come with.
    pub session_token: Option<SecretString>,
}

impl std::fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsCredentials").finish_non_exhaustive()
    }
}

/// A request to be signed, as it will go over the wire.
#[derive(Debug, Clone, Copy)]
pub struct SigningRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URL. Its path must be escaped already, `:` in a model's id included.
    pub url: &'a Url,
    /// The headers to sign, which nothing on the way may change; `host` and the signer's own are signed without being
    /// among them.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// Signs a request for a service in a region: the headers to add to it, `x-amz-date`, `x-amz-security-token` where there
/// is a session token, and `authorization`. AWS takes the signature for 5 minutes from `now`.
///
/// # Errors
/// What of the credentials, the region or the URL cannot stand in a header, without its content.
pub fn sign(
    request: &SigningRequest<'_>,
    credentials: &AwsCredentials,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let stamp = timestamp(now);
    let day = stamp.split('T').next().unwrap_or_default();
    let mut added = vec![(DATE, value(&stamp, "the date")?)];
    if let Some(token) = &credentials.session_token {
        let mut token = value(token.expose_secret(), "the AWS session token")?;
        token.set_sensitive(true);
        added.push((TOKEN, token));
    }

    let mut headers: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    headers.insert(HOST.as_str(), host(request.url)?.into_bytes());
    for name in request.headers.keys() {
        let values: Vec<Vec<u8>> = request.headers.get_all(name).iter().map(trimmed).collect();
        headers.insert(name.as_str(), values.join(&b','));
    }
    for (name, value) in &added {
        headers.insert(name.as_str(), trimmed(value));
    }
    let signed = headers.keys().copied().collect::<Vec<_>>().join(";");

    let mut canonical = [
        request.method.as_str(),
        &path(request.url.path()),
        &query(request.url.query().unwrap_or_default()),
        "",
    ]
    .join("\n")
    .into_bytes();
    for (name, value) in headers {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        canonical.extend_from_slice(&value);
        canonical.push(b'\n');
    }
    canonical.extend_from_slice(format!("\n{signed}\n{}", sha256(request.body)).as_bytes());

    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(&canonical));
    let secret = SecretString::from(format!("AWS4{}", credentials.secret_access_key.expose_secret()));
    let mut key = hmac_sha256(secret.expose_secret().as_bytes(), day);
    for part in [region, service, "aws4_request"] {
        key = hmac_sha256(key.as_ref(), part);
    }
    let signature = hex(hmac_sha256(key.as_ref(), &to_sign).as_ref());
    let id = &credentials.access_key_id;
    let mut authorization = value(
        &format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}"),
        "the AWS access key id, or the region,",
    )?;
    authorization.set_sensitive(true);
    added.push((AUTHORIZATION, authorization));
    Ok(added)
}

fn value(text: &str, what: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{what} holds a character that cannot stand in a header"))
}

/// The `host` header as HTTP clients send it: without the port when it is the scheme's own.
fn host(url: &Url) -> Result<String, String> {
    let host = url
        .host_str()
        .ok_or_else(|| "the URL to sign has no host".to_owned())?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// A header's value without white space around it, and with one space where it holds several.
fn trimmed(value: &HeaderValue) -> Vec<u8> {
    value
        .as_bytes()
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(&b' ')
}

/// The path without empty, `.` and `..` parts, escaped once more.
fn path(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(percent_encode(part.as_bytes(), RESERVED).to_string()),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

/// The query, sorted by name and then by value. It is escaped already.
fn query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20250102T030405Z`. Years have more digits after 9999, and what is before 1970 is 1970.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a number of days since 1970, by the Gregorian calendar. Reckoned in years that begin in March,
/// so that the leap day is the last; the calendar repeats every 400 years, which are 146 097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    // From the 1st of March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in every five.
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + carried, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn credentials(token: Option<&str>) -> AwsCredentials {
        AwsCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SecretString::from(SECRET),
            session_token: token.map(SecretString::from),
        }
    }

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    /// Two vectors of others: the vanilla GET of AWS's own test suite, and openai-python's (Apache-2.0) for Bedrock.
    #[test]
    fn equals_published_signatures() {
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let request = SigningRequest {
            method: &Method::GET,
            url: &url,
            headers: &HeaderMap::new(),
            body: b"",
        };
        // 2015-08-30T12:36:00Z.
        let now = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let signed = sign(&request, &credentials(None), "us-east-1", "service", now).unwrap();
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(
            signed,
            [
                (DATE, HeaderValue::from_static("20150830T123600Z")),
                (AUTHORIZATION, HeaderValue::from_static(authorization)),
            ]
        );

        let url = Url::parse("https://bedrock-mantle.us-east-1.api.aws/openai/v1/responses").unwrap();
        let body = br#"{"model":"gpt-4o","input":"hello"}"#;
        let request = SigningRequest {
            method: &Method::POST,
            url: &url,
            headers: &headers(&[
                ("content-type", "application/json"),
                (
                    "x-amz-content-sha256",
                    "50329e51ad520f21b77bad0b01999930ff556cd1bf18434701251ba6c9f877bc",
                ),
            ]),
            body,
        };
        // 2025-01-02T03:04:05Z.
        let now = UNIX_EPOCH + Duration::from_secs(1_735_787_045);
        let credentials = credentials(Some("fixture-session-token"));
        let signed = sign(&request, &credentials, "us-east-1", "bedrock-mantle", now).unwrap();
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250102/us-east-1/bedrock-mantle/aws4_request, \
            SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, \
            Signature=dc20c8fbe516daf0ccae7e5b7a78fc2936870413a9f1af6e1b2d44b970ce411f";
        assert_eq!(
            signed,
            [
                (DATE, HeaderValue::from_static("20250102T030405Z")),
                (TOKEN, HeaderValue::from_static("fixture-session-token")),
                (AUTHORIZATION, HeaderValue::from_static(authorization)),
            ]
        );
        assert!(signed[1].1.is_sensitive() && signed[2].1.is_sensitive());
    }

    #[test]
    fn canonical_forms() {
        for (from, to) in [
            ("/", "/"),
            ("", "/"),
            ("/model/a.b-v1%3A0/converse", "/model/a.b-v1%253A0/converse"),
            ("/model/a:b", "/model/a%3Ab"),
            ("//a/./b/../c//", "/a/c/"),
            ("/../a", "/a"),
            ("/~a_b", "/~a_b"),
        ] {
            assert_eq!(path(from), to, "{from}");
        }
        for (from, to) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&A=3", "A=3&a=1&a=2"),
            ("flag&x=%20", "flag=&x=%20"),
            ("a==b", "a==b"),
        ] {
            assert_eq!(query(from), to, "{from}");
        }
        assert_eq!(trimmed(&HeaderValue::from_static("  a \t b  c ")), b"a b c");
        let port = |url: &str| host(&Url::parse(url).unwrap());
        assert_eq!(port("https://a:443/").as_deref(), Ok("a"));
        assert_eq!(port("https://a:8443/").as_deref(), Ok("a:8443"));
        assert!(port("data:,a").is_err());
    }

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_868_799, "20000229T235959Z"),
            (951_868_800, "20000301T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(5)), "19700101T000000Z");
    }

    #[test]
    fn nothing_is_shown() {
        let credentials = credentials(Some("canary-token"));
        assert_eq!(format!("{credentials:?}"), "AwsCredentials { .. }");
        let url = Url::parse("https://a/").unwrap();
        let request = SigningRequest {
            method: &Method::GET,
            url: &url,
            headers: &HeaderMap::new(),
            body: b"",
        };
        let signed = sign(&request, &credentials, "r", "s", UNIX_EPOCH).unwrap();
        let shown = format!("{signed:?}");
        assert!(!shown.contains("canary") && !shown.contains("AKID"), "{shown}");
        let broken = AwsCredentials {
            session_token: Some(SecretString::from("canary\n")),
            ..credentials
        };
        assert_eq!(
            sign(&request, &broken, "r", "s", UNIX_EPOCH).unwrap_err(),
            "the AWS session token holds a character that cannot stand in a header"
        );
    }
}
