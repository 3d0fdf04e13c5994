//! Where a provider is: the settings that stand in an address, such as a region, and the address that they make.

use std::ffi::OsString;

/// A setting that a kind's address, or its requests, depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its key in the configuration.
    pub(super) key: &'static str,
    /// The variables that hold it where the configuration is silent, as the vendor's own libraries read them.
    pub(super) variables: &'static [&'static str],
    /// What counts where nothing is said.
    pub(super) default: Option<&'static str>,
}

/// AWS: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html>.
pub(super) const REGION: Setting =
    Setting { key: "region", variables: &["AWS_REGION", "AWS_DEFAULT_REGION"], default: None };
/// Google: <https://cloud.google.com/vertex-ai/generative-ai/docs/start/quickstarts/quickstart>.
pub(super) const PROJECT: Setting = Setting { key: "project", variables: &["GOOGLE_CLOUD_PROJECT"], default: None };
/// Google; its libraries ask the global endpoint where nothing is said.
pub(super) const LOCATION: Setting =
    Setting { key: "location", variables: &["GOOGLE_CLOUD_LOCATION"], default: Some("global") };

/// An address and the values that stand in it by their keys; else the key that an error is about, and the error.
type Placed = Result<(String, Vec<(&'static str, String)>), (&'static str, String)>;

/// A preset's address with the settings filled in: `{region}` stands for one, and `{location-}` for one in front of a host
/// name, which the global endpoint does without.
///
/// # Errors
/// Names the setting that is missing or is no word.
pub(super) fn address(
    template: &str,
    settings: &[Setting],
    written: impl Fn(&str) -> Option<String>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Placed {
    let mut address = template.to_owned();
    let mut values = Vec::new();
    for setting in settings {
        let Setting { key, variables, default } = setting;
        let variable = || {
            let held = variables.iter().find_map(|name| env(name).and_then(|value| value.into_string().ok()));
            held.filter(|value| !value.trim().is_empty()).map(|value| value.trim().to_owned())
        };
        let Some(value) = written(key).or_else(variable).or_else(|| default.map(str::to_owned)) else {
            return Err((key, format!("is missing; {} is not set either", variables.join(" or "))));
        };
        // It stands in a host name or a path, where a slash or a dot would lead elsewhere.
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if value.is_empty() || !value.chars().all(word) {
            return Err((key, "must be a word of letters, digits and hyphens".to_owned()));
        }
        let before = if value == "global" { String::new() } else { format!("{value}-") };
        address = address.replace(&format!("{{{key}}}"), &value).replace(&format!("{{{key}-}}"), &before);
        values.push((*key, value));
    }
    Ok((address, values))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const VERTEX: &str = "https://{location-}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}";

    fn made(written: &[(&str, &str)], env: &[(&str, &str)]) -> Result<String, String> {
        let find = |pairs: &[(&str, &str)], key: &str| {
            pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
        };
        let env = |name: &str| find(env, name).map(OsString::from);
        address(VERTEX, &[PROJECT, LOCATION], |key| find(written, key), &env)
            .map(|(address, _)| address)
            .map_err(|(key, why)| format!("{key}: {why}"))
    }

    #[test]
    fn settings_come_from_the_file_then_the_environment_then_the_default() {
        let address = made(&[("project", "p-1"), ("location", "europe-west4")], &[("GOOGLE_CLOUD_PROJECT", "other")]);
        assert_eq!(
            address.unwrap(),
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4"
        );
        let address = made(&[], &[("GOOGLE_CLOUD_PROJECT", " p-2 ")]);
        assert_eq!(address.unwrap(), "https://aiplatform.googleapis.com/v1/projects/p-2/locations/global");
    }

    #[test]
    fn what_is_missing_or_leads_elsewhere_is_named() {
        assert_eq!(made(&[], &[]).unwrap_err(), "project: is missing; GOOGLE_CLOUD_PROJECT is not set either");
        let led = made(&[("project", "p"), ("location", "evil.test/x")], &[]);
        assert_eq!(led.unwrap_err(), "location: must be a word of letters, digits and hyphens");
    }
}
