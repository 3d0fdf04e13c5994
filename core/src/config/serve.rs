//! The section `[serve]`: an address, limits, and the tokens that let clients in.

use std::time::Duration;

use super::defaults;
use super::policy::{Serve, Token};
use super::problem::join;
use super::provider::{Builder, WRITTEN_OUT};
use super::schema::{ServeConfig, TokenConfig};
use super::secret::Found;

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: defaults::LISTEN,
            tokens: Vec::new(),
            missing: Vec::new(),
            max_body_bytes: defaults::MAX_BODY_BYTES,
            max_connections: defaults::MAX_CONNECTIONS,
            header_timeout: defaults::HEADER_TIMEOUT,
            body_timeout: defaults::BODY_TIMEOUT,
            idle_timeout: defaults::IDLE_TIMEOUT,
            shutdown: defaults::SHUTDOWN,
        }
    }
}

impl Builder<'_> {
    /// The settings of a server. Where something is wrong, a problem says so and its default stands in.
    pub(super) fn serve(&mut self, config: ServeConfig) -> Serve {
        let mut serve = Serve::default();
        if let Some(address) = config.listen {
            match address.parse() {
                Ok(address) => serve.listen = address,
                Err(_) => self.problem("serve.listen", "must be an IP address and a port, such as 127.0.0.1:4100"),
            }
        }
        for (index, token) in config.tokens.into_iter().flatten().enumerate() {
            self.token(&format!("serve.tokens[{index}]"), token, &mut serve);
        }
        let size = |own: Option<u64>, default| own.map_or(default, |own| usize::try_from(own).unwrap_or(usize::MAX));
        serve.max_body_bytes = size(config.max_body_bytes, serve.max_body_bytes);
        serve.max_connections = size(config.max_connections, serve.max_connections);
        for (ms, time) in [
            (config.header_timeout_ms, &mut serve.header_timeout),
            (config.body_timeout_ms, &mut serve.body_timeout),
            (config.idle_timeout_ms, &mut serve.idle_timeout),
            (config.shutdown_ms, &mut serve.shutdown),
        ] {
            *time = ms.map_or(*time, Duration::from_millis);
        }
        serve
    }

    fn token(&mut self, path: &str, config: TokenConfig, serve: &mut Serve) {
        let (place, reference, customer) = match config {
            TokenConfig::Bare(reference) => (path.to_owned(), reference, None),
            TokenConfig::Named(named) => (join(path, "token"), named.token, named.customer),
        };
        // It stands in for a header of the client, which holds nothing else.
        let nameable = |name: &String| {
            !name.is_empty() && name.trim() == name && name.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        };
        if customer.as_ref().is_some_and(|name| !nameable(name)) {
            self.problem(&join(path, "customer"), "must be a name of printable ASCII characters");
        }
        let problem = match self.sources.resolve(&reference) {
            Found::Secret { secret, .. } if serve.tokens.iter().any(|token| token.secret == secret) => {
                "the same token is there already".to_owned()
            }
            Found::Secret { secret, literal } => {
                if literal && self.is_file {
                    self.lints.add(self.places.find(&place), WRITTEN_OUT);
                }
                serve.tokens.push(Token { secret, customer });
                return;
            }
            // Programs that read the same file for its tasks alone need no tokens.
            Found::Missing(sentence) => {
                self.lints.add(self.places.find(&place), format!("locum serve will not start: {sentence}"));
                serve.missing.push(format!("{place}: {sentence}"));
                return;
            }
            Found::Unusable(sentence) => sentence,
        };
        self.problem(&place, problem);
    }
}
