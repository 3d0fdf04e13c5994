//! The credentials that a policy has fetched: one for each provider, kept as long as the router.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, Auth, Policy};
use crate::credential::{Credential, Surroundings, aws};
use crate::transport::Transport;

/// By provider. Nothing is looked for before the first call.
pub(super) fn configured(policy: &Policy, transport: &Arc<dyn Transport>) -> BTreeMap<String, Arc<Credential>> {
    let fetched = policy.providers.values().filter_map(|provider| match &provider.credential {
        config::Credential::Fetched(Auth::Aws { profile }) => {
            let chain = aws::Chain::new(Surroundings::new(transport.clone()), profile.clone());
            Some((provider.name.clone(), Arc::new(Credential::new(chain))))
        }
        _ => None,
    });
    fetched.collect()
}
