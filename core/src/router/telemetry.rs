//! What traces and metrics tell beside the records: who the providers are, and how the candidates' circuit breakers are.

use std::sync::Arc;

use super::health::{report, seats};
use crate::accounting::otlp::{Exporter, Server, Servers};
use crate::config::Policy;
use crate::observe::Notices;
use crate::state::Members;
use crate::types::{BreakerState, Otlp};

/// The way to the collector that `settings` name.
pub(super) fn exporter(settings: &Otlp, policy: &Policy, members: &Arc<Members>, notices: &Arc<Notices>) -> Exporter {
    let (seats, members, notices) = (seats(policy, members), Arc::clone(members), Arc::clone(notices));
    let breakers = move || {
        let report = report(seats.clone(), &members);
        report.into_iter().map(|candidate| (candidate.model, candidate.key, number(&candidate.breaker))).collect()
    };
    let warn = move |topic: &str, message: &str| notices.tell(topic, message);
    Exporter::new(settings.clone(), servers(policy), Box::new(breakers), Box::new(warn))
}

/// Closed is 0, so that anything above needs a look.
fn number(state: &BreakerState) -> i64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

/// All providers: also those that only a task names.
fn servers(policy: &Policy) -> Servers {
    let named = policy.tasks.values().flat_map(|task| &task.candidates).map(|model| &model.provider);
    let all = named.chain(policy.providers.values());
    let server = all.filter_map(|provider| {
        let uri = provider.base_url.parse::<http::Uri>().ok()?;
        let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let server = Server {
            kind: provider.kind.clone(),
            address: uri.host()?.to_owned(),
            port: uri.port_u16().unwrap_or(usual),
        };
        Some((provider.name.clone(), server))
    });
    server.collect()
}
