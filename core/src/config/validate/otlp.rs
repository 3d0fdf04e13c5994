//! The section `[accounting.otlp]`: the collector, and what OpenTelemetry's own variables say where a key is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderName;
use percent_encoding::percent_decode_str;

use super::Check;
use crate::config::defaults;
use crate::config::problem::{Findings, join};
use crate::config::provider::is_loopback;
use crate::config::schema::{OtlpConfig, OtlpWord};
use crate::config::secret::Found;
use crate::types::{Otlp, OtlpProtocol, Secret};

/// Headers that say how the body is to be read, or that the HTTP client sets.
const RESERVED: [&str; 7] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// The attribute that names the service.
const SERVICE: &str = "service.name";

impl Check<'_> {
    /// The settings, where all of them are sound.
    pub(super) fn otlp(&mut self, config: OtlpConfig, lints: &mut Findings) -> Option<Otlp> {
        let path = "accounting.otlp";
        if !cfg!(feature = "otlp") {
            self.problem(path, "this build of Locum sends nothing over OTLP: it lacks the feature \"otlp\"");
            return None;
        }
        let protocol = self.protocol(path, config.protocol)?;
        let endpoint = self.endpoint(path, config.endpoint, protocol);
        let headers = match config.headers {
            Some(headers) => self.otlp_headers(&join(path, "headers"), headers),
            None => self.headers_of_the_environment(path),
        };
        let resource = self.resource(path, config.service_name, config.resource);
        let (traces, metrics) = (config.traces.unwrap_or(true), config.metrics.unwrap_or(true));
        if !traces && !metrics {
            self.problem(path, "sends nothing: traces and metrics are both false");
        }
        let (endpoint, headers, resource) = (endpoint?, headers?, resource?);
        let host = endpoint.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        if endpoint.starts_with("http://") && !headers.is_empty() && !is_loopback(&host) {
            lints.add(
                self.places.find(&join(path, "endpoint")),
                "plain http sends its headers in clear to another machine",
            );
        }
        Some(Otlp {
            endpoint,
            protocol,
            headers,
            resource,
            traces,
            metrics,
            metrics_interval: config.metrics_interval_ms.map_or(defaults::METRICS_INTERVAL, Duration::from_millis),
            timeout: config.timeout_ms.map_or(defaults::OTLP_TIMEOUT, Duration::from_millis),
        })
    }

    /// What a variable of OpenTelemetry says; an empty one counts as not set, as its specification has it.
    fn variable(&self, name: &str) -> Option<String> {
        (self.sources.env)(name)?.into_string().ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn protocol(&mut self, path: &str, word: Option<OtlpWord>) -> Option<OtlpProtocol> {
        match word {
            Some(OtlpWord::Http) => return Some(OtlpProtocol::Http),
            Some(OtlpWord::Grpc) => return Some(OtlpProtocol::Grpc),
            None => {}
        }
        match self.variable(PROTOCOL).as_deref() {
            None | Some("http/protobuf") => Some(OtlpProtocol::Http),
            Some("grpc") => Some(OtlpProtocol::Grpc),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                let problem = format!("{PROTOCOL} is {other:?}; spoken are \"http/protobuf\" and \"grpc\"");
                self.problem(&join(path, "protocol"), problem);
                None
            }
        }
    }

    /// The address without a trailing slash. It is never repeated in a problem: it might carry a password.
    fn endpoint(&mut self, path: &str, own: Option<String>, protocol: OtlpProtocol) -> Option<String> {
        let (url, whence) = match (own, self.variable(ENDPOINT), protocol) {
            (Some(own), ..) => (own, String::new()),
            (None, Some(url), _) => (url, format!("{ENDPOINT} ")),
            (None, None, OtlpProtocol::Http) => ("http://localhost:4318".to_owned(), String::new()),
            (None, None, OtlpProtocol::Grpc) => ("http://localhost:4317".to_owned(), String::new()),
        };
        let url = url.trim_end_matches('/');
        match problem_of(url, protocol) {
            None => Some(url.to_owned()),
            Some(problem) => {
                self.problem(&join(path, "endpoint"), format!("{whence}{problem}"));
                None
            }
        }
    }

    fn otlp_headers(&mut self, path: &str, config: BTreeMap<String, String>) -> Option<BTreeMap<String, Secret>> {
        let mut headers = BTreeMap::new();
        let mut sound = true;
        for (name, reference) in config {
            let problem = match (header_name(&name), self.sources.resolve(&reference)) {
                (Err(problem), _) => problem,
                (_, Found::Missing(sentence) | Found::Unusable(sentence)) => sentence,
                (Ok(name), Found::Secret { secret, .. }) => match headers.insert(name, secret) {
                    None => continue,
                    Some(_) => "is the same header in another spelling".to_owned(),
                },
            };
            self.problem(&join(path, &name), problem);
            sound = false;
        }
        sound.then_some(headers)
    }

    /// `key=value,key=value`, with values percent-encoded. They are never repeated in a problem.
    fn headers_of_the_environment(&mut self, path: &str) -> Option<BTreeMap<String, Secret>> {
        let mut headers = BTreeMap::new();
        for pair in pairs(&self.variable(HEADERS).unwrap_or_default()) {
            let read = pair.and_then(|(name, value)| {
                let sound = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
                let name = header_name(&name).ok().filter(|_| sound)?;
                Some((name, Secret::new(value)))
            });
            let Some((name, secret)) = read else {
                let problem =
                    format!("{HEADERS} must be name=value, several with commas between, values percent-encoded");
                self.problem(&join(path, "headers"), problem);
                return None;
            };
            headers.insert(name, secret);
        }
        Some(headers)
    }

    fn resource(
        &mut self,
        path: &str,
        service_name: Option<String>,
        own: Option<BTreeMap<String, String>>,
    ) -> Option<BTreeMap<String, String>> {
        let mut resource = BTreeMap::new();
        for pair in pairs(&self.variable(RESOURCE).unwrap_or_default()) {
            let Some((name, value)) = pair else {
                self.problem(
                    &join(path, "resource"),
                    format!("{RESOURCE} must be name=value, several with commas between"),
                );
                return None;
            };
            resource.insert(name, value);
        }
        if let Some(name) = self.variable(SERVICE_NAME) {
            resource.insert(SERVICE.to_owned(), name);
        }
        let mut sound = true;
        for (name, value) in own.unwrap_or_default() {
            if name.is_empty() || name.chars().any(char::is_control) {
                self.problem(&join(&join(path, "resource"), &name), "is no name of an attribute");
                sound = false;
            } else if name == SERVICE && service_name.is_some() {
                self.problem(&join(&join(path, "resource"), &name), "is what service_name says; one of them is enough");
                sound = false;
            }
            resource.insert(name, value);
        }
        match service_name {
            Some(name) if name.trim().is_empty() => {
                self.problem(&join(path, "service_name"), "must not be empty");
                sound = false;
            }
            Some(name) => drop(resource.insert(SERVICE.to_owned(), name)),
            None => drop(resource.entry(SERVICE.to_owned()).or_insert_with(|| defaults::SERVICE_NAME.to_owned())),
        }
        sound.then_some(resource)
    }
}

fn header_name(name: &str) -> Result<String, String> {
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is not a valid header name".to_owned())?;
    let name = header.as_str();
    if RESERVED.contains(&name) || name.starts_with("grpc-") {
        return Err("is set by Locum itself".to_owned());
    }
    Ok(name.to_owned())
}

/// What a list of a variable holds; nothing for an item that is none.
fn pairs(list: &str) -> impl Iterator<Item = Option<(String, String)>> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| {
        let (name, value) = item.split_once('=')?;
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
        Some((decoded(name).filter(|name| !name.is_empty())?, decoded(value)?))
    })
}

/// What is wrong with the address of a collector.
fn problem_of(url: &str, protocol: OtlpProtocol) -> Option<String> {
    let uri = url.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
    let (Some(uri), Some("http" | "https")) = (&uri, scheme) else {
        return Some("must be an address such as http://localhost:4318".to_owned());
    };
    let path = uri.path();
    let problem = if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        "must not hold a user or password; use headers"
    } else if uri.host().unwrap_or_default().is_empty() {
        "names no host"
    } else if uri.query().is_some() || url.contains('#') {
        "must not have a query or fragment"
    } else if path.ends_with("/v1/traces") || path.ends_with("/v1/metrics") {
        "must be the address of the collector, without /v1/traces or /v1/metrics, which are appended"
    } else if protocol == OtlpProtocol::Grpc && path.len() > 1 {
        "must not have a path where grpc is spoken"
    } else {
        return None;
    };
    Some(problem.to_owned())
}
