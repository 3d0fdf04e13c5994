//! Google's tokens, by the chain of its own libraries (application default credentials): the file that a variable names, the
//! one that gcloud keeps, the metadata of the machine. The first that is there decides.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::fetch::{Asked, file, private, query, text, token};
use super::{Grant, Source, Surroundings};
use crate::error::ErrorKind;
use crate::types::{Failure, Secret};

/// Where Google exchanges what it knows somebody by for a token.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// Where machines in Google's cloud find the service of their metadata.
const METADATA: &str = "metadata.google.internal";
/// What a token is asked for where nothing else is said: all of Google Cloud that its owner may do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an assertion is good, in seconds; Google takes none that is good for longer.
const LIFETIME: u64 = 3600;

/// The chain.
pub struct Chain {
    around: Surroundings,
    given: Option<Secret>,
    scope: String,
}

impl Chain {
    /// Looks for credentials in these surroundings, unless they are `given`: the text of a file of Google's.
    pub fn new(around: Surroundings, given: Option<Secret>, scope: Option<String>) -> Self {
        Self { around, given, scope: scope.unwrap_or_else(|| SCOPE.to_owned()) }
    }
}

impl Source for Chain {
    fn fetch(&self, now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let (around, given, scope) = (self.around.clone(), self.given.clone(), self.scope.clone());
        async move {
            let written = match given {
                Some(given) => Some(("the credentials".to_owned(), given.expose().to_owned())),
                None => found(&around)?,
            };
            match written {
                Some((what, written)) => exchanged(&around, &what, &written, &scope, now).await,
                None => machine(&around, &scope, now).await,
            }
        }
        .boxed()
    }
}

/// The file that is there, as what it is called and what is in it.
fn found(around: &Surroundings) -> Result<Option<(String, String)>, Failure> {
    let named = around.variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let kept = || {
        let folder = around.variable("CLOUDSDK_CONFIG").map(PathBuf::from);
        let windows = || around.variable("APPDATA").map(|folder| Path::new(&folder).join("gcloud"));
        let folder = folder.or_else(windows).or_else(|| around.home(".config/gcloud"))?;
        Some(folder.join("application_default_credentials.json")).filter(|path| path.exists())
    };
    let read = |path: PathBuf| Ok((format!("the file {}", path.display()), file("the credentials file", &path)?));
    named.or_else(kept).map(read).transpose()
}

/// A token for what a file says somebody is.
async fn exchanged(around: &Surroundings, what: &str, written: &str, scope: &str, now: u64) -> Result<Grant, Failure> {
    let who = "Google's token service";
    let failed = |why: &str| Failure::new(ErrorKind::Auth, format!("{what}: {why}"));
    let written: Value = serde_json::from_str(written).map_err(|_| failed("is no JSON"))?;
    let member = |name: &str| text(&written, name).ok_or_else(|| failed(&format!("{name:?} is missing")));
    let asked = match text(&written, "type") {
        Some("service_account") => {
            let url = text(&written, "token_uri").unwrap_or(TOKENS);
            if !private(url) {
                return Err(failed("\"token_uri\" is no https address"));
            }
            let head = json!({"alg": "RS256", "typ": "JWT", "kid": text(&written, "private_key_id")});
            let claims = json!({
                "iss": member("client_email")?, "scope": scope, "aud": url, "iat": now, "exp": now + LIFETIME,
            });
            let assertion = signed(&head, &claims, member("private_key")?).map_err(failed)?;
            Asked::form(
                url,
                &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)],
            )
        }
        Some("authorized_user") => Asked::form(
            TOKENS,
            &[
                ("grant_type", "refresh_token"),
                ("client_id", member("client_id")?),
                ("client_secret", member("client_secret")?),
                ("refresh_token", member("refresh_token")?),
            ],
        ),
        _ => return Err(failed("is of a type that is not read (read are service_account and authorized_user)")),
    };
    token(who, &around.ask_json(who, asked).await?, now)
}

/// A JSON Web Token (RFC 7519), signed by RS256.
fn signed(head: &Value, claims: &Value, pem: &str) -> Result<String, &'static str> {
    let lines: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let unusable = "\"private_key\" is no RSA key in PKCS #8";
    let der = STANDARD.decode(lines).map_err(|_| unusable)?;
    let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| unusable)?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let content = format!("{}.{}", part(head), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature)
        .map_err(|_| "\"private_key\" cannot sign")?;
    Ok(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A token of the account that the machine runs as.
async fn machine(around: &Surroundings, scope: &str, now: u64) -> Result<Grant, Failure> {
    let who = "the machine's metadata service";
    let host = around.variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA.to_owned());
    let url = format!(
        "http://{host}/computeMetadata/v1/instance/service-accounts/default/token?{}",
        query(&[("scopes", scope)])
    );
    let asked = Asked::get(url).with("metadata-flavor", "Google");
    let answer = around.ask_json(who, asked).await.map_err(|failure| Failure {
        message: format!("no Google credentials in a file; {}", failure.message),
        ..failure
    })?;
    token(who, &answer, now)
}
