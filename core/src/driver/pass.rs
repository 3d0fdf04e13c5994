//! What a credential that was fetched does to a request, and what a refusal does to it.

use std::sync::Arc;

use crate::credential::{Credential, Grant, Pass, sigv4};
use crate::error::ErrorKind;
use crate::transport::HttpRequest;
use crate::types::{Amend, Failure, Secret};

/// The token to send.
pub(super) fn token(grant: &Grant) -> Option<&Secret> {
    match &grant.pass {
        Pass::Bearer(token) => Some(token),
        Pass::Aws(_) => None,
    }
}

/// Signs a request, where the grant is keys for that.
pub(super) fn sign(
    request: &mut HttpRequest,
    grant: &Grant,
    scope: Option<sigv4::Scope<'_>>,
    now: u64,
) -> Result<(), Failure> {
    let Pass::Aws(keys) = &grant.pass else {
        return Ok(());
    };
    let config = |why: &str| Failure::new(ErrorKind::Config, format!("the request cannot be signed: {why}"));
    let scope = scope.ok_or_else(|| config("no region is known"))?;
    sigv4::sign(request, keys, scope, now).map_err(config)
}

/// A credential that the provider refused is forgotten, and the candidate may be asked once more with a new one, unless
/// this was that time.
pub(super) fn refused(failure: Failure, credential: &Credential, grant: &Arc<Grant>, again: bool) -> Failure {
    if failure.kind != ErrorKind::Auth {
        return failure;
    }
    credential.reject(grant);
    Failure { amend: (!again).then_some(Amend::Refresh), ..failure }
}
