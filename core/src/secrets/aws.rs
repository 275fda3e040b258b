//! AWS credentials: variables, a profile of the shared file, or those of the container or instance.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;

use super::AwsCredentials;
use super::token::{NoToken, TokenRequest, checked};

/// The addresses ECS and EKS give credentials at; nothing else is asked in the clear.
const CONTAINER_HOSTS: [&str; 4] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1"];
const INSTANCE: &str = "http://169.254.169.254";

/// Reads the environment.
pub(crate) type Variables<'a> = &'a (dyn Fn(&str) -> Option<OsString> + Sync);

fn read(variable: Variables<'_>, name: &str) -> Option<String> {
    let value = variable(name)?.into_string().ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where set, `AWS_SESSION_TOKEN`.
///
/// # Errors
/// The variable that is not set.
pub fn from_variables(variable: Variables<'_>) -> Result<AwsCredentials, String> {
    let need = |name: &str| {
        read(variable, name).ok_or_else(|| format!("the environment variable {name} is not set"))
    };
    Ok(AwsCredentials {
        access_key_id: need("AWS_ACCESS_KEY_ID")?,
        secret_access_key: need("AWS_SECRET_ACCESS_KEY")?.into(),
        session_token: read(variable, "AWS_SESSION_TOKEN").map(Into::into),
    })
}

/// Where the shared credentials are: `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`.
///
/// # Errors
/// When there is no home directory either.
pub fn shared_file(variable: Variables<'_>) -> Result<PathBuf, String> {
    if let Some(path) = read(variable, "AWS_SHARED_CREDENTIALS_FILE") {
        return Ok(PathBuf::from(path));
    }
    let home = read(variable, "HOME").or_else(|| read(variable, "USERPROFILE"));
    home.map(|home| PathBuf::from(home).join(".aws").join("credentials"))
        .ok_or_else(|| "neither AWS_SHARED_CREDENTIALS_FILE nor HOME is set".to_owned())
}

/// The credentials of a profile in the text of a shared file.
///
/// # Errors
/// When the profile, or a part of it, is not there. Profiles that assume a role or run a program are not followed.
pub fn from_profile(text: &str, profile: &str) -> Result<AwsCredentials, String> {
    let mut inside = false;
    let mut found = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == profile;
            found |= inside;
            continue;
        }
        let Some((name, value)) = line
            .split_once('=')
            .filter(|_| inside && !line.starts_with(['#', ';']))
        else {
            continue;
        };
        let value = value.trim().to_owned();
        if value.is_empty() {
            continue;
        }
        match name.trim() {
            "aws_access_key_id" => id = Some(value),
            "aws_secret_access_key" => secret = Some(SecretString::from(value)),
            "aws_session_token" => token = Some(SecretString::from(value)),
            _ => {}
        }
    }
    if !found {
        return Err(format!("has no profile named {profile:?}"));
    }
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(AwsCredentials {
            access_key_id,
            secret_access_key,
            session_token: token,
        }),
        _ => Err(format!(
            "has no aws_access_key_id and aws_secret_access_key in the profile {profile:?}"
        )),
    }
}

/// The request for a container's credentials (ECS, EKS); None where the variables that name it are not set.
///
/// # Errors
/// When the address is in the clear and none of AWS's own, or a variable cannot stand in a header.
pub fn container_request(variable: Variables<'_>) -> Result<Option<TokenRequest>, String> {
    let url = match (
        read(variable, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        read(variable, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ) {
        (Some(path), _) => format!("http://169.254.170.2{path}"),
        (None, Some(url)) => url,
        (None, None) => return Ok(None),
    };
    let parsed =
        url::Url::parse(&url).map_err(|error| format!("AWS_CONTAINER_CREDENTIALS_FULL_URI: {error}"))?;
    let known = parsed
        .host_str()
        .is_some_and(|host| CONTAINER_HOSTS.contains(&host));
    if parsed.scheme() != "https" && !known {
        return Err(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of AWS's own".to_owned(),
        );
    }
    let token = match read(variable, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => {
            Some(std::fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"))?)
        }
        None => read(variable, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let headers = match token {
        None => Vec::new(),
        Some(token) => vec![("authorization", sensitive(token.trim())?)],
    };
    Ok(Some(TokenRequest::get(url, headers)))
}

/// The first of the three requests for an instance's credentials: a session of the metadata service (version 2).
#[must_use]
pub fn session_request() -> TokenRequest {
    TokenRequest {
        method: Method::PUT,
        url: format!("{INSTANCE}/latest/api/token"),
        headers: vec![(
            "x-aws-ec2-metadata-token-ttl-seconds",
            HeaderValue::from_static("300"),
        )],
        body: Bytes::new(),
    }
}

/// The second and third: the name of the instance's role, then, with that, its credentials.
///
/// # Errors
/// When the service gave a session, or a role, that cannot be used.
pub fn role_request(session: &str, role: Option<&str>) -> Result<TokenRequest, String> {
    let role = role.unwrap_or_default().lines().next().unwrap_or_default().trim();
    if role.contains(|c: char| !c.is_ascii_graphic() || c == '?' || c == '#') {
        return Err("the metadata service named a role that is none".to_owned());
    }
    Ok(TokenRequest::get(
        format!("{INSTANCE}/latest/meta-data/iam/security-credentials/{role}"),
        vec![("x-aws-ec2-metadata-token", sensitive(session.trim())?)],
    ))
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "a token cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Credentials that a container or an instance was given, and how long they hold after `now`.
///
/// # Errors
/// As [`read_token`](super::token::read_token).
pub fn read_credentials(
    status: StatusCode,
    body: &[u8],
    now: SystemTime,
) -> Result<(AwsCredentials, Duration), NoToken> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        access_key_id: String,
        secret_access_key: SecretString,
        token: Option<SecretString>,
        expiration: Option<String>,
    }
    checked(status, body)?;
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| NoToken::Unavailable("the answer holds no credentials".to_owned()))?;
    let ends = answer
        .expiration
        .as_deref()
        .and_then(crate::dialect::retry_after::rfc3339);
    let holds = ends.map_or(Duration::from_secs(3600), |ends| {
        ends.duration_since(now).unwrap_or_default()
    });
    let credentials = AwsCredentials {
        access_key_id: answer.access_key_id,
        secret_access_key: answer.secret_access_key,
        session_token: answer.token,
    };
    Ok((credentials, holds))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn variables<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        }
    }

    fn shown(credentials: &AwsCredentials) -> (&str, &str, Option<&str>) {
        (
            &credentials.access_key_id,
            credentials.secret_access_key.expose_secret(),
            credentials
                .session_token
                .as_ref()
                .map(|token| token.expose_secret()),
        )
    }

    #[test]
    fn variables_and_profiles() {
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", " secret "),
            ("AWS_SESSION_TOKEN", ""),
        ];
        assert_eq!(
            shown(&from_variables(&variables(&pairs)).unwrap()),
            ("id", "secret", None)
        );
        let error = from_variables(&variables(&pairs[..1])).unwrap_err();
        assert_eq!(error, "the environment variable AWS_SECRET_ACCESS_KEY is not set");
        let file = "[default]\naws_access_key_id = a\n# aws_access_key_id = x\naws_secret_access_key=b\n\n[other]\n\
                    aws_access_key_id=c\naws_secret_access_key=d=e\naws_session_token = t\n[role]\nrole_arn = x\n\
                    aws_access_key_id = e\naws_secret_access_key =";
        assert_eq!(shown(&from_profile(file, "default").unwrap()), ("a", "b", None));
        assert_eq!(
            shown(&from_profile(file, "other").unwrap()),
            ("c", "d=e", Some("t"))
        );
        assert!(
            from_profile(file, "role")
                .unwrap_err()
                .contains("aws_access_key_id")
        );
        assert!(from_profile(file, "none").unwrap_err().contains("no profile"));
        let path = shared_file(&variables(&[("HOME", "/home/me")])).unwrap();
        assert_eq!(path, PathBuf::from("/home/me/.aws/credentials"));
    }

    #[test]
    fn containers_are_asked_at_aws_own_addresses_only() {
        let ask = |pairs: &[(&str, &str)]| container_request(&variables(pairs));
        assert!(ask(&[]).unwrap().is_none());
        let request = ask(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")])
            .unwrap()
            .unwrap();
        assert_eq!(request.url, "http://169.254.170.2/v2/x");
        let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
        let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t");
        let request = ask(&[(full, "http://169.254.170.23/v1/credentials"), token])
            .unwrap()
            .unwrap();
        assert!(request.headers[0].1.is_sensitive());
        assert!(
            ask(&[(full, "http://evil.example/x")])
                .unwrap_err()
                .contains("neither https")
        );
        assert!(ask(&[(full, "https://good.example/x")]).unwrap().is_some());
    }

    #[test]
    fn an_instance_is_asked_in_three_steps() {
        assert_eq!(session_request().method, Method::PUT);
        let request = role_request("session", Some("my-role\n")).unwrap();
        assert!(request.url.ends_with("/security-credentials/my-role"));
        assert!(role_request("session", Some("a b")).is_err());
        let body = br#"{"AccessKeyId": "i", "SecretAccessKey": "s", "Token": "t", "Expiration": "1970-01-01T01:00:00Z"}"#;
        let (credentials, holds) = read_credentials(StatusCode::OK, body, UNIX_EPOCH).unwrap();
        assert_eq!(shown(&credentials), ("i", "s", Some("t")));
        assert_eq!(holds, Duration::from_secs(3600));
        let none = read_credentials(StatusCode::NOT_FOUND, b"", UNIX_EPOCH).unwrap_err();
        assert!(matches!(none, NoToken::Refused(_)));
    }
}
