//! What a router stands on besides its configuration.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::Router;
use super::credentials::{Credentials, unasked};
use crate::config::Policy;
use crate::credential::Credential;
use crate::error::Error;
use crate::transport::{Http, Transport};

/// A router to be, with what its program gives it. By [`Router::builder`].
#[derive(Default)]
#[must_use]
pub struct Builder {
    transport: Option<Arc<dyn Transport>>,
    credentials: Credentials,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Builder {
    /// Sends requests by this instead of the built-in HTTP transport.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Lets in the requests to a provider whose `auth` is `callback`.
    pub fn credential(mut self, provider: impl Into<String>, credential: Credential) -> Self {
        self.credentials.insert(provider.into(), Arc::new(credential));
        self
    }

    /// A router for a checked policy.
    ///
    /// # Errors
    /// Kind `config`: a credential was given for a provider that asks for none.
    pub fn build(self, policy: Policy) -> Result<Router, Error> {
        let unasked = unasked(&policy, &self.credentials);
        if !unasked.is_empty() {
            return Err(Error::config("credentials", unasked));
        }
        let transport = self.transport.unwrap_or_else(|| Arc::new(Http::new()));
        Ok(Router::of(policy, transport, self.credentials))
    }

    /// Reads `locum.toml`, or the same as `.json`.
    ///
    /// # Errors
    /// As [`Router::from_file`] and [`Builder::build`].
    pub fn from_file(self, path: impl AsRef<Path>) -> Result<Router, Error> {
        self.build(Policy::from_file(path)?)
    }

    /// Reads the configuration from a plain object.
    ///
    /// # Errors
    /// As [`Router::from_value`] and [`Builder::build`].
    pub fn from_value(self, config: Value) -> Result<Router, Error> {
        self.build(Policy::from_value(config)?)
    }

    /// Reads the file that `LOCUM_CONFIG` names, else `./locum.toml`.
    ///
    /// # Errors
    /// As [`Router::from_default`] and [`Builder::build`].
    pub fn from_default(self) -> Result<Router, Error> {
        self.build(Policy::from_file(Policy::find_default()?)?)
    }
}
