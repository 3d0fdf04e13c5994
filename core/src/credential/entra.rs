//! Tokens of Microsoft Entra ID, by the chain of Azure's own libraries as far as servers need it: a client's secret, a
//! workload's identity, the managed identity of an app or a machine. The first that is there decides.

use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::fetch::{Asked, file, private, query, token};
use super::{Grant, Source, Surroundings};
use crate::error::ErrorKind;
use crate::types::Failure;

/// Where tokens are given out in Azure's public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// Where machines in Azure find the service of their metadata.
const METADATA: &str = "http://169.254.169.254";
/// What a token is asked for where nothing else is said: the models of Azure OpenAI and Foundry.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// The chain.
pub struct Chain {
    around: Surroundings,
    scope: String,
}

impl Chain {
    /// Looks for an identity in these surroundings.
    pub fn new(around: Surroundings, scope: Option<String>) -> Self {
        Self { around, scope: scope.unwrap_or_else(|| SCOPE.to_owned()) }
    }
}

impl Source for Chain {
    fn fetch(&self, now: u64) -> BoxFuture<'static, Result<Grant, Failure>> {
        let (around, scope) = (self.around.clone(), self.scope.clone());
        async move {
            match client(&around, &scope)? {
                Some((who, asked)) => token(who, &around.ask_json(who, asked).await?, now),
                None => managed(&around, &scope, now).await,
            }
        }
        .boxed()
    }
}

/// The request of an application that is registered: with its secret, or with the token that its platform gave it.
fn client(around: &Surroundings, scope: &str) -> Result<Option<(&'static str, Asked)>, Failure> {
    let variables = (around.variable("AZURE_TENANT_ID"), around.variable("AZURE_CLIENT_ID"));
    let (Some(tenant), Some(client)) = variables else {
        return Ok(None);
    };
    let proof = match (around.variable("AZURE_CLIENT_SECRET"), around.variable("AZURE_FEDERATED_TOKEN_FILE")) {
        (Some(secret), _) => vec![("client_secret", secret)],
        (None, Some(path)) => vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion", file("the token file", Path::new(&path))?.trim().to_owned()),
        ],
        (None, None) => return Ok(None),
    };
    let authority = around.variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    let failed = |why| Err(Failure::new(ErrorKind::Auth, why));
    if !private(&authority) {
        return failed("AZURE_AUTHORITY_HOST is no https address");
    }
    if !tenant.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.')) {
        return failed("AZURE_TENANT_ID is no tenant");
    }
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let mut fields = vec![("grant_type", "client_credentials"), ("client_id", &client), ("scope", scope)];
    fields.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));
    Ok(Some(("Entra's token service", Asked::form(url, &fields))))
}

/// A token of the identity that the platform gave an app (App Service, Functions, Container Apps) or a machine.
async fn managed(around: &Surroundings, scope: &str, now: u64) -> Result<Grant, Failure> {
    let mut fields = vec![("resource", scope.trim_end_matches("/.default"))];
    // Which one, where it has several.
    let client = around.variable("AZURE_CLIENT_ID");
    fields.extend(client.as_deref().map(|client| ("client_id", client)));
    let app = around.variable("IDENTITY_ENDPOINT").zip(around.variable("IDENTITY_HEADER"));
    if let Some((endpoint, header)) = app {
        let who = "the app's identity service";
        fields.push(("api-version", "2019-08-01"));
        let asked = Asked::get(format!("{endpoint}?{}", query(&fields))).with("x-identity-header", header);
        return token(who, &around.ask_json(who, asked).await?, now);
    }
    let who = "the machine's metadata service";
    let base = around.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| METADATA.to_owned());
    fields.push(("api-version", "2018-02-01"));
    let url = format!("{}/metadata/identity/oauth2/token?{}", base.trim_end_matches('/'), query(&fields));
    let asked = Asked::get(url).with("metadata", "true");
    let answer = around.ask_json(who, asked).await.map_err(|failure| Failure {
        message: format!("no Entra client in variables, nor the identity of an app; {}", failure.message),
        ..failure
    })?;
    token(who, &answer, now)
}
