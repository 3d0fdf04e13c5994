//! One provider: its kind's preset, what the user set, and its key.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, Uri};

use super::defaults;
use super::place;
use super::policy::{Api, Auth, Credential, Format, Key, Provider};
use super::presets::{self, Preset};
use super::problem::{Findings, Places, join};
use super::schema::{AuthWord, ProviderConfig};
use super::secret::{Found, Sources, Unread};
use crate::types::Secret;
use crate::types::parse::did_you_mean;

/// Headers that the transport sets by itself; another value breaks the exchange.
const RESERVED: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// The remark on a key that stands in a file itself.
pub(super) const WRITTEN_OUT: &str = "a key written out in a file; use env:NAME or file:PATH";

/// What building providers, and whatever else has secrets, needs and adds to.
pub(super) struct Builder<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) places: &'a Places,
    pub(super) problems: &'a mut Findings,
    pub(super) lints: &'a mut Findings,
    /// Whether the configuration is a file, in which a key does not belong.
    pub(super) is_file: bool,
}

/// A provider that the configuration does not mention: its kind's address and the usual variables.
///
/// # Errors
/// The sentence saying which setting its address lacks, or why what the variable holds cannot be a key.
pub(super) fn implicit(preset: &Preset, sources: &Sources<'_>) -> Result<Provider, String> {
    let fetched = keyless(preset).and_then(|way| auth(way, None, None, None));
    let credential = match preset.key.map(|name| sources.variable(name)) {
        None => fetched.unwrap_or(Credential::None),
        Some(Found::Secret { secret, .. }) => Credential::Keys(vec![Key { secret, number: None }]),
        Some(Found::Missing(sentence)) => fetched.unwrap_or(Credential::Missing(sentence)),
        Some(Found::Unusable(sentence)) => return Err(sentence),
    };
    let template = preset.base_url.unwrap_or_default();
    let (base_url, values) = place::address(template, preset.settings, |_| None, sources.env)
        .map_err(|(key, why)| format!("kind {:?} needs {key:?}, which {why}", preset.kind))?;
    Ok(Provider {
        name: preset.kind.to_owned(),
        kind: preset.kind.to_owned(),
        format: preset.format,
        base_url,
        region: region(&values),
        api_version: None,
        credential,
        headers: BTreeMap::new(),
        connect_timeout: defaults::CONNECT_TIMEOUT,
        max_concurrency: None,
        discount: 0.0,
    })
}

/// Whether the requests of a kind may be signed with AWS keys.
fn signs(preset: &Preset) -> bool {
    preset.format == Format::BedrockConverse
}

/// The way in that a kind has where no key is there, if it has one.
fn keyless(preset: &Preset) -> Option<AuthWord> {
    match preset.kind {
        _ if signs(preset) => Some(AuthWord::Aws),
        "vertex" => Some(AuthWord::Google),
        _ => None,
    }
}

/// Where a credential is fetched, unless it is a key.
fn auth(
    way: AuthWord,
    profile: Option<String>,
    credentials: Option<Secret>,
    scope: Option<String>,
) -> Option<Credential> {
    let auth = match way {
        AuthWord::Key => return None,
        AuthWord::Aws => Auth::Aws { profile },
        AuthWord::Google => Auth::Google { credentials, scope },
        AuthWord::Entra => Auth::Entra { scope },
        AuthWord::Callback => Auth::Callback,
    };
    Some(Credential::Fetched(auth))
}

fn region(values: &[(&str, String)]) -> Option<String> {
    values.iter().find(|(key, _)| *key == place::REGION.key).map(|(_, value)| value.clone())
}

impl Builder<'_> {
    /// The provider, or nothing where it has problems.
    pub(super) fn build(&mut self, name: &str, mut config: ProviderConfig) -> Option<Provider> {
        let path = join("providers", name);
        if config.kind.is_none() && self.places.written(&join(&path, "kind")) {
            return None;
        }
        let Some(preset) = presets::find(config.kind.as_deref().unwrap_or(name)) else {
            let hint = did_you_mean(name, presets::words());
            let hint = if hint.is_empty() { "." } else { &hint };
            self.problem(
                &path,
                format!("{name:?} is no known kind{hint} Set kind (known: {})", presets::words().join(", ")),
            );
            return None;
        };
        let fetched = self.fetched(&path, preset, &mut config)?;
        let credential = match config.api_keys.take() {
            _ if fetched.is_some() => fetched,
            None => self.key(&path, preset, config.api_key.as_deref()),
            Some(_) if config.api_key.is_some() => {
                self.problem(&join(&path, "api_keys"), "api_key is given too; keep one of them");
                None
            }
            Some(references) => self.keys(&join(&path, "api_keys"), &references),
        };
        let headers = self.headers(&path, config.headers.take().unwrap_or_default());
        let (base_url, region) = self.location(&path, preset, &config)?;
        let format = self.format(&path, preset, config.api.map(Into::into));
        Some(Provider {
            name: name.to_owned(),
            kind: preset.kind.to_owned(),
            format: format?,
            base_url,
            region,
            api_version: config.api_version,
            credential: credential?,
            headers: headers?,
            connect_timeout: config.connect_timeout_ms.map_or(defaults::CONNECT_TIMEOUT, Duration::from_millis),
            max_concurrency: config.max_concurrency.map(Into::into),
            discount: config.discount.unwrap_or_default(),
        })
    }

    /// Where its credential is fetched, if it is. Where no key is there, a kind's other way in is open, unless a key was
    /// asked for.
    fn fetched(&mut self, path: &str, preset: &Preset, config: &mut ProviderConfig) -> Option<Option<Credential>> {
        let settings = [
            ("api_key", config.api_key.is_some()),
            ("api_keys", config.api_keys.is_some()),
            ("profile", config.profile.is_some()),
            ("credentials", config.credentials.is_some()),
            ("scope", config.scope.is_some()),
        ];
        let written = |key| settings.contains(&(key, true));
        let way = match config.auth {
            Some(way) => way,
            None if written("profile") => AuthWord::Aws,
            None if written("credentials") => AuthWord::Google,
            None if written("api_key") || written("api_keys") || self.has_key(preset) => AuthWord::Key,
            None => keyless(preset).unwrap_or(AuthWord::Key),
        };
        let (word, read): (_, &[&str]) = match way {
            AuthWord::Key => ("key", &["api_key", "api_keys"]),
            AuthWord::Aws => ("aws", &["profile"]),
            AuthWord::Google => ("google", &["credentials", "scope"]),
            AuthWord::Entra => ("entra", &["scope"]),
            AuthWord::Callback => ("callback", &[]),
        };
        if let Some((key, _)) = settings.iter().find(|(key, written)| *written && !read.contains(key)) {
            self.problem(&join(path, key), format!("is not read where auth is {word:?}"));
            return None;
        }
        if way == AuthWord::Aws && !signs(preset) {
            let named = if config.auth.is_some() { "auth" } else { "profile" };
            self.problem(&join(path, named), format!("kind {:?} takes no AWS keys", preset.kind));
            return None;
        }
        let here = join(path, "credentials");
        let reference = config.credentials.take();
        if self.is_file && reference.as_deref().is_some_and(|reference| reference.trim_start().starts_with('{')) {
            self.lints.add(self.places.find(&here), WRITTEN_OUT);
        }
        match reference.map(|reference| self.sources.document(&reference)).transpose() {
            Ok(credentials) => Some(auth(way, config.profile.take(), credentials, config.scope.take())),
            Err(Unread::Missing(sentence)) => Some(Some(Credential::Missing(sentence))),
            Err(Unread::Unusable(sentence)) => {
                self.problem(&here, sentence);
                None
            }
        }
    }

    /// Whether the kind's variable holds a key, or what should be one.
    fn has_key(&self, preset: &Preset) -> bool {
        preset.key.is_some_and(|name| !matches!(self.sources.variable(name), Found::Missing(_)))
    }

    /// The address, and the region it is in.
    fn location(&mut self, path: &str, preset: &Preset, config: &ProviderConfig) -> Option<(String, Option<String>)> {
        let written = |key: &str| {
            let value = match key {
                "region" => &config.region,
                "project" => &config.project,
                _ => &config.location,
            };
            value.clone()
        };
        let mut idle = ["region", "project", "location"]
            .into_iter()
            .filter(|key| written(key).is_some() && !preset.settings.iter().any(|setting| setting.key == *key));
        let idle =
            idle.next().or_else(|| (config.api_version.is_some() && preset.kind != "azure").then_some("api_version"));
        if let Some(key) = idle {
            self.problem(&join(path, key), format!("kind {:?} has no such setting", preset.kind));
            return None;
        }
        let settings = preset.settings;
        let made = match (config.base_url.as_deref(), preset.base_url) {
            (Some(url), _) => {
                let url = self.base_url(&join(path, "base_url"), url, preset, config.allow_http == Some(true))?;
                // The address is given; of the settings only the region counts beyond it.
                let beyond = settings.iter().copied().filter(|setting| *setting == place::REGION).collect::<Vec<_>>();
                place::address("", &beyond, written, self.sources.env).map(|(_, values)| (url, values))
            }
            (None, Some(template)) => place::address(template, settings, written, self.sources.env),
            (None, None) if self.places.written(&join(path, "base_url")) => return None,
            (None, None) => {
                let sentence = format!("\"base_url\" is missing; kind {:?} has no address of its own", preset.kind);
                self.problem(path, sentence);
                return None;
            }
        };
        match made {
            Ok((url, values)) => Some((url, region(&values))),
            Err((key, why)) => {
                self.problem(&join(path, key), why);
                None
            }
        }
    }

    /// The wire format: the kind's, or the interface that was asked for where it has several.
    pub(super) fn format(&mut self, path: &str, preset: &Preset, api: Option<Api>) -> Option<Format> {
        match api {
            None => Some(preset.format),
            Some(api) if preset.format == Format::OpenAiChat => Some(api.into()),
            Some(_) => {
                self.problem(&join(path, "api"), format!("kind {:?} has one interface only", preset.kind));
                None
            }
        }
    }

    pub(super) fn problem(&mut self, path: &str, sentence: impl Into<String>) {
        self.problems.add(self.places.find(path), sentence);
    }

    fn key(&mut self, path: &str, preset: &Preset, reference: Option<&str>) -> Option<Credential> {
        let found = match (reference, preset.key) {
            (Some(reference), _) => self.sources.resolve(reference),
            (None, Some(variable)) => self.sources.variable(variable),
            (None, None) => return Some(Credential::None),
        };
        let path = join(path, "api_key");
        match found {
            Found::Secret { secret, literal } => {
                if literal && self.is_file {
                    self.lints.add(self.places.find(&path), WRITTEN_OUT);
                }
                Some(Credential::Keys(vec![Key { secret, number: None }]))
            }
            Found::Missing(sentence) => Some(Credential::Missing(sentence)),
            Found::Unusable(sentence) => {
                self.problem(&path, sentence);
                None
            }
        }
    }

    /// The keys of a list. One that is missing leaves the work to the others.
    fn keys(&mut self, path: &str, references: &[String]) -> Option<Credential> {
        let (mut keys, mut missing, mut sound) = (Vec::<Key>::new(), Vec::new(), true);
        for (number, reference) in (1..).zip(references) {
            let here = format!("{path}[{}]", number - 1);
            let written = (1..number).zip(references).find(|(_, earlier)| *earlier == reference);
            let problem = match (written, self.sources.resolve(reference)) {
                (Some((earlier, _)), _) => same_key(Some(earlier)),
                (None, Found::Secret { secret, literal }) => {
                    if let Some(earlier) = keys.iter().find(|key| key.secret == secret) {
                        same_key(earlier.number)
                    } else {
                        if literal && self.is_file {
                            self.lints.add(self.places.find(&here), WRITTEN_OUT);
                        }
                        keys.push(Key { secret, number: Some(number) });
                        continue;
                    }
                }
                (None, Found::Missing(sentence)) => {
                    missing.push((number, here, sentence));
                    continue;
                }
                (None, Found::Unusable(sentence)) => sentence,
            };
            self.problem(&here, problem);
            sound = false;
        }
        if !sound {
            return None;
        }
        if keys.is_empty() {
            let sentences: Vec<_> = missing.into_iter().map(|(_, _, sentence)| sentence).collect();
            return Some(Credential::Missing(sentences.join(", ")));
        }
        for (number, here, sentence) in missing {
            self.lints.add(self.places.find(&here), format!("key {number} will be passed over: {sentence}"));
        }
        if let ([only], [_]) = (keys.as_mut_slice(), references) {
            only.number = None;
        }
        Some(Credential::Keys(keys))
    }

    fn headers(&mut self, path: &str, config: BTreeMap<String, String>) -> Option<BTreeMap<String, Secret>> {
        let mut headers = BTreeMap::new();
        let mut sound = true;
        for (name, reference) in config {
            let path = join(&join(path, "headers"), &name);
            let problem = match (HeaderName::from_bytes(name.as_bytes()), self.sources.resolve(&reference)) {
                (Err(_), _) => "is not a valid header name".to_owned(),
                (Ok(name), _) if RESERVED.contains(&name.as_str()) => "is set by the HTTP client".to_owned(),
                (_, Found::Missing(sentence) | Found::Unusable(sentence)) => sentence,
                (Ok(name), Found::Secret { secret, literal }) => {
                    let name = name.as_str();
                    let is_key = ["key", "token", "secret", "auth", "cookie"].iter().any(|word| name.contains(word));
                    if literal && is_key && self.is_file {
                        self.lints.add(
                            self.places.find(&path),
                            "looks like a key written out in a file; use env:NAME or file:PATH",
                        );
                    }
                    match headers.insert(name.to_owned(), secret) {
                        None => continue,
                        Some(_) => "is the same header in another spelling".to_owned(),
                    }
                }
            };
            self.problem(&path, problem);
            sound = false;
        }
        sound.then_some(headers)
    }

    /// The address without a trailing slash. It is never repeated in a problem: it might carry a password.
    fn base_url(&mut self, path: &str, url: &str, preset: &Preset, allow_http: bool) -> Option<String> {
        let trimmed = url.trim_end_matches('/');
        match address_problem(trimmed, allow_http) {
            Some(problem) => {
                self.problem(path, problem);
                None
            }
            // Anthropic's own SDKs leave the version out, other libraries name it: both mean the same.
            None if preset.format == Format::AnthropicMessages => {
                Some(trimmed.strip_suffix("/v1").unwrap_or(trimmed).to_owned())
            }
            None => Some(trimmed.to_owned()),
        }
    }
}

/// What to say of a key that is there already, as number `earlier`.
fn same_key(earlier: Option<u32>) -> String {
    format!("the same key as number {}", earlier.unwrap_or(1))
}

/// What is wrong with the address of an API.
pub(crate) fn address_problem(url: &str, allow_http: bool) -> Option<String> {
    let uri = url.parse::<Uri>().ok();
    let scheme = uri.as_ref().and_then(Uri::scheme_str);
    let (Some(uri), Some(scheme @ ("http" | "https"))) = (&uri, scheme) else {
        return Some("must be an address such as https://llm.example.com/v1".to_owned());
    };
    let host = uri.host().unwrap_or_default();
    let problem = if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        "must not hold a user or password; use api_key or headers"
    } else if host.is_empty() {
        "names no host"
    } else if uri.authority().is_some_and(|authority| authority.port_u16().is_none() && ends_in_port(authority)) {
        "names a port that does not exist"
    } else if uri.query().is_some() || url.contains('#') {
        "must not have a query or fragment"
    } else if ["/chat/completions", "/messages"].iter().any(|end| uri.path().ends_with(end)) {
        "must be where the API starts, without the path of a call (/chat/completions, /messages)"
    } else if scheme == "http" && !allow_http && !is_loopback(host) {
        "plain http would send the key in clear to another machine; use https, or set allow_http = true"
    } else {
        return None;
    };
    Some(problem.to_owned())
}

fn ends_in_port(authority: &Authority) -> bool {
    authority.as_str().len() > authority.host().len()
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
