//! AWS Signature Version 4, in the `Authorization` header of a request.
//!
//! After AWS's "Create a signed AWS API request". The time is passed in.

use std::fmt::Write;

use http::Uri;
use ring::{digest, hmac};

use super::AwsKeys;
use crate::transport::{HeaderMap, HeaderValue, HttpRequest};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The region: `eu-central-1`.
    pub region: &'a str,
    /// The service's name in signatures: `bedrock`.
    pub service: &'a str,
}

/// Signs `request` at `now`, in seconds since the Unix epoch: sets `x-amz-date`, `authorization`, and
/// `x-amz-security-token` where the keys are temporary. Headers that proxies change are left out of the signature.
///
/// # Errors
/// What of the request or the keys cannot be signed, without repeating it.
pub fn sign(request: &mut HttpRequest, keys: &AwsKeys, scope: Scope<'_>, now: u64) -> Result<(), &'static str> {
    let uri: Uri = request.url.parse().map_err(|_| "the address cannot be signed")?;
    let host = host(&uri).ok_or("the address names no host")?;
    let stamp = stamp(now);
    let day = stamp.get(..8).unwrap_or_default();
    set(&mut request.headers, "x-amz-date", &stamp)?;
    if let Some(token) = &keys.session_token {
        set(&mut request.headers, "x-amz-security-token", token.expose())?;
    }
    let (canonical, names) = canonical_headers(&request.headers, &host);
    let message = format!(
        "{}\n{}\n{}\n{canonical}\n{names}\n{}",
        request.method,
        canonical_path(uri.path()),
        canonical_query(uri.query().unwrap_or_default()),
        hex(digest::digest(&digest::SHA256, &request.body).as_ref()),
    );
    let Scope { region, service } = scope;
    let within = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest::digest(&digest::SHA256, message.as_bytes()).as_ref());
    let text = format!("{ALGORITHM}\n{stamp}\n{within}\n{hashed}");
    let secret = format!("AWS4{}", keys.secret_access_key.expose());
    let key = [day, region, service, "aws4_request", &text]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{within}, SignedHeaders={names}, Signature={}",
        keys.access_key_id,
        hex(&key)
    );
    set(&mut request.headers, "authorization", &authorization)
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), &'static str> {
    let mut value =
        HeaderValue::try_from(value).map_err(|_| "the AWS keys hold characters that no header can carry")?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The host as the HTTP client will send it: without the scheme's own port.
fn host(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    let own = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    Some(match uri.port_u16().filter(|port| *port != own) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The headers that are signed, a line each, and their names.
fn canonical_headers(headers: &HeaderMap, host: &str) -> (String, String) {
    let mut lines = vec![("host", host.to_owned())];
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name == "host" || name == "content-type" || name.starts_with("x-amz-") {
            let values = headers.get_all(name).iter().map(|value| folded(value.as_bytes())).collect::<Vec<_>>();
            lines.retain(|(known, _)| *known != name);
            lines.push((name, values.join(",")));
        }
    }
    lines.sort_unstable();
    let names = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let text = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (text, names)
}

/// A header's value with its spaces trimmed, and runs of them made one.
fn folded(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path as it is sent, escaped once more, as every service but S3 wants it.
fn canonical_path(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(escaped(segment.bytes())),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// The parameters in the order of their names, then of their values, each escaped once.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let again = |text: &str| escaped(percent_encoding::percent_decode_str(text));
            (again(name), again(value))
        })
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn escaped(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// `20150830T123600Z`
fn stamp(now: u64) -> String {
    let (year, month, day) = crate::types::time::date(now / 86_400);
    let of_day = now % 86_400;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::indexing_slicing)]

    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::types::Secret;

    /// 2015-08-30T12:36:00Z, the time of AWS's test suite.
    const THEN: u64 = 1_440_938_160;
    const SUITE: Scope<'_> = Scope { region: "us-east-1", service: "service" };

    fn signed(
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &'static str,
        scope: Scope<'_>,
    ) -> String {
        let at = if scope.service == "iam" { "iam.amazonaws.com" } else { "example.amazonaws.com" };
        let mut request = HttpRequest {
            method,
            url: format!("https://{at}{path}"),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            connect_timeout: Duration::from_secs(1),
        };
        for (name, value) in headers {
            request.headers.append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        sign(&mut request, &keys, scope, THEN).expect("signed");
        request.headers["authorization"].to_str().expect("text").to_owned()
    }

    fn signature(authorization: &str) -> &str {
        authorization.rsplit("Signature=").next().unwrap_or_default()
    }

    #[test]
    fn the_documentations_example_is_signed_as_published() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let iam = Scope { region: "us-east-1", service: "iam" };
        let made = signed(Method::GET, "/?Action=ListUsers&Version=2010-05-08", &[("content-type", form)], "", iam);
        assert_eq!(
            made,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn the_test_suites_requests_are_signed_as_published() {
        let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(signature(&signed(Method::GET, "/", &[], "", SUITE)), vanilla);
        for path in ["//", "/./", "/example/..", "/example1/example2/../.."] {
            assert_eq!(signature(&signed(Method::GET, path, &[], "", SUITE)), vanilla, "{path}");
        }
        let posted = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(signature(&signed(Method::POST, "/", &[], "", SUITE)), posted);
        let ordered = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        assert_eq!(signature(&signed(Method::GET, "/?Param2=value2&Param1=value1", &[], "", SUITE)), ordered);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let written = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(signature(&signed(Method::POST, "/", &form, "Param1=value1", SUITE)), written);
    }

    #[test]
    fn escaped_paths_are_escaped_once_more() {
        assert_eq!(canonical_path("/model/a%3A0/converse"), "/model/a%253A0/converse");
        assert_eq!(canonical_path(""), "/");
    }

    #[test]
    fn a_port_of_ones_own_is_part_of_the_host() {
        let of = |url: &str| host(&url.parse().expect("an address"));
        assert_eq!(of("http://127.0.0.1:8080/x").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(of("https://a.example:443/x").as_deref(), Some("a.example"));
    }
}
