//! AWS keys, by the chain of AWS's own SDKs: variables, shared files, the container's service, the
//! instance's. The first that is there decides.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::fetch::{Asked, file, private, text};
use super::{AwsKeys, Grant, Pass, Source, Surroundings};
use crate::error::ErrorKind;
use crate::types::{Failure, Secret, time};

/// Where tasks of ECS find the service of their container, by AWS's documentation.
const CONTAINER: &str = "http://169.254.170.2";
/// Where instances find the service of their metadata.
const INSTANCE: &str = "http://169.254.169.254";

/// The chain.
pub struct Chain {
    around: Surroundings,
    profile: Option<String>,
}

impl Chain {
    /// Looks for keys in these surroundings. A `profile` that is named goes before the variables, as in the SDKs.
    pub fn new(around: Surroundings, profile: Option<String>) -> Self {
        Self { around, profile }
    }
}

impl Source for Chain {
    fn fetch(&self, _now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let (around, profile) = (self.around.clone(), self.profile.clone());
        async move {
            if profile.is_none()
                && let Some(grant) = variables(&around)
            {
                return Ok(grant);
            }
            if let Some(grant) = shared(&around, profile.as_deref())? {
                return Ok(grant);
            }
            if let Some(grant) = container(&around).await? {
                return Ok(grant);
            }
            instance(&around).await
        }
        .boxed()
    }
}

fn variables(around: &Surroundings) -> Option<Grant> {
    keys(
        around.variable("AWS_ACCESS_KEY_ID"),
        around.variable("AWS_SECRET_ACCESS_KEY"),
        around.variable("AWS_SESSION_TOKEN"),
    )
}

fn keys(id: Option<String>, secret: Option<String>, token: Option<String>) -> Option<Grant> {
    let pass = Pass::Aws(AwsKeys {
        access_key_id: id?,
        secret_access_key: Secret::new(secret?),
        session_token: token.map(Secret::new),
    });
    Some(Grant { pass, expires_at: None })
}

/// The keys of a profile, from the file of credentials, else from the file of settings.
fn shared(around: &Surroundings, named: Option<&str>) -> Result<Option<Grant>, Failure> {
    let asked = named.map(str::to_owned).or_else(|| around.variable("AWS_PROFILE"));
    let profile = asked.as_deref().unwrap_or("default");
    let path = |variable, below| around.variable(variable).map(PathBuf::from).or_else(|| around.home(below));
    let files = [
        (path("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), profile.to_owned()),
        (
            path("AWS_CONFIG_FILE", ".aws/config"),
            if profile == "default" { profile.to_owned() } else { format!("profile {profile}") },
        ),
    ];
    for (path, section) in files {
        let Some(path) = path.filter(|path| path.exists()) else {
            continue;
        };
        let written = file("the AWS file", &path)?;
        let value = |name| setting(&written, &section, name);
        if let Some(grant) =
            keys(value("aws_access_key_id"), value("aws_secret_access_key"), value("aws_session_token"))
        {
            return Ok(Some(grant));
        }
    }
    match asked {
        // A profile that was asked for and is not there must not end in somebody else's keys.
        Some(profile) => Err(Failure::new(ErrorKind::Auth, format!("the AWS profile {profile:?} holds no keys"))),
        None => Ok(None),
    }
}

/// The value of `name` in a section of an INI file.
fn setting(text: &str, section: &str, name: &str) -> Option<String> {
    let mut here = false;
    let mut found = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            here = title.split_whitespace().eq(section.split_whitespace());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| here)
            && key.trim().eq_ignore_ascii_case(name)
        {
            found = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    found
}

/// The service of a container, of ECS or EKS.
async fn container(around: &Surroundings) -> Result<Option<Grant>, Failure> {
    let who = "the container's credential service";
    let url = match around.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => format!("{CONTAINER}{path}"),
        None => match around.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            Some(url) if local(&url) => url,
            Some(_) => {
                let sentence = "AWS_CONTAINER_CREDENTIALS_FULL_URI names neither https nor an address of this machine";
                return Err(Failure::new(ErrorKind::Auth, sentence));
            }
            None => return Ok(None),
        },
    };
    let token = match around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file("the token file", &PathBuf::from(path))?.trim().to_owned()),
        None => around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let asked = match token {
        Some(token) => Asked::get(url).with("authorization", token),
        None => Asked::get(url),
    };
    given(who, &around.ask_json(who, asked).await?).map(Some)
}

/// Plain http is for this machine, and for the addresses at which ECS and EKS answer.
fn local(url: &str) -> bool {
    let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    private(url) || ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"].contains(&host.as_str())
}

/// The metadata of an EC2 instance, version 2: a token first, then the role's name, then its keys.
async fn instance(around: &Surroundings) -> Result<Grant, Failure> {
    let who = "the instance's metadata service";
    if around.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Failure::new(ErrorKind::Auth, "no AWS keys: neither in variables nor in a profile"));
    }
    let base = around.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| INSTANCE.to_owned());
    let base = base.trim_end_matches('/');
    let asked = Asked::put(format!("{base}/latest/api/token")).with("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let token = around.ask(who, asked).await.map_err(|failure| Failure {
        message: format!("no AWS keys in variables, a profile or a container's service; {}", failure.message),
        ..failure
    })?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let get = |url: String| Asked::get(url).with("x-aws-ec2-metadata-token", token.clone());
    let role = around.ask(who, get(roles.clone())).await?;
    let role = String::from_utf8_lossy(&role).lines().next().unwrap_or_default().trim().to_owned();
    given(who, &around.ask_json(who, get(format!("{roles}{role}"))).await?)
}

/// Keys as AWS's services on the machine give them out.
fn given(who: &str, answer: &Value) -> Result<Grant, Failure> {
    let member = |name| text(answer, name).map(str::to_owned);
    let grant = keys(member("AccessKeyId"), member("SecretAccessKey"), member("Token"));
    let mut grant = grant.ok_or_else(|| Failure::new(ErrorKind::Auth, format!("{who} gave no keys")))?;
    grant.expires_at = text(answer, "Expiration").and_then(time::seconds);
    Ok(grant)
}
