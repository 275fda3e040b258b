//! What stands behind each of the credentials a config may name.

use std::ffi::OsString;
use std::path::Path;

use super::aws::{self, Variables};
use super::{AwsCredentials, azure, gcp};
use crate::config::CloudKey;

/// What the credentials lack, as far as can be told without asking anyone: variables and files are looked at.
///
/// # Errors
/// The variable or file, and what is wrong with it; never a secret.
pub fn check(source: &CloudKey) -> Result<(), String> {
    check_with(source, &|name| std::env::var_os(name))
}

fn check_with(source: &CloudKey, variable: Variables<'_>) -> Result<(), String> {
    match source {
        CloudKey::GcpServiceAccount(path) => service_account(path).map(drop),
        CloudKey::GcpDefault => match named_file(variable) {
            Some(path) => service_account(path.as_ref()).map(drop),
            None => Ok(()),
        },
        CloudKey::AzureEntra => azure::Entra::from_variables(variable).map(drop),
        CloudKey::AwsEnv => aws::from_variables(variable).map(drop),
        CloudKey::AwsProfile(name) => profile(variable, name).map(drop),
        CloudKey::GcpMetadata | CloudKey::AzureManagedIdentity | CloudKey::AwsRole | CloudKey::AwsDefault => {
            Ok(())
        }
    }
}

/// The file that `GOOGLE_APPLICATION_CREDENTIALS` names.
pub(crate) fn named_file(variable: Variables<'_>) -> Option<OsString> {
    variable("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty())
}

pub(crate) fn service_account(path: &Path) -> Result<gcp::ServiceAccount, String> {
    let place = || format!("the key file {}", path.display());
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", place()))?;
    gcp::ServiceAccount::parse(&text).map_err(|why| format!("{} {why}", place()))
}

pub(crate) fn profile(variable: Variables<'_>, name: &str) -> Result<AwsCredentials, String> {
    let path = aws::shared_file(variable)?;
    let place = || format!("the credentials file {}", path.display());
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", place()))?;
    aws::from_profile(&text, name).map_err(|why| format!("{} {why}", place()))
}
