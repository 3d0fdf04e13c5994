//! Keeping keys out of what providers say: most mask the key they refuse, none promises to.

use bytes::Bytes;
use memchr::memmem;

use crate::provider::Target;
use crate::transport::{HeaderValue, HttpAnswer};

/// What is shorter is no key but a placeholder for a server that wants none (`ollama`, `EMPTY`): it stands in errors by
/// chance, and taking it out would spoil their codes.
const SHORTEST_KEY: usize = 8;

/// The keys that went with a request.
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    pub(super) fn of(target: &Target<'_>) -> Self {
        let all = target.api_key.into_iter().chain(target.token).chain(target.headers.values());
        // As a provider would quote it: without the scheme before it (`Bearer …`).
        let keys = all.map(|secret| secret.expose()).map(|text| text.rsplit(' ').next().unwrap_or(text).as_bytes());
        Self(keys.filter(|key| key.len() >= SHORTEST_KEY).map(<[u8]>::to_vec).collect())
    }

    /// Takes every secret out of a failed answer, and tells whether there was one. What a model said stays as it came.
    pub(super) fn conceal(&self, answer: &mut HttpAnswer) -> bool {
        let mut found = false;
        for key in &self.0 {
            for value in answer.headers.values_mut().filter(|value| memmem::find(value.as_bytes(), key).is_some()) {
                *value = HeaderValue::from_static("[secret]");
                found = true;
            }
        }
        if let Some(body) = self.without(&answer.body) {
            answer.body = Bytes::from(body);
            found = true;
        }
        found
    }

    /// `text` with its secrets taken out, if there are any.
    pub(super) fn without(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut clean: Option<Vec<u8>> = None;
        for key in &self.0 {
            let found = clean.as_deref().unwrap_or(text);
            if memmem::find(found, key).is_some() {
                clean = Some(replace(found, key));
            }
        }
        clean
    }
}

fn replace(text: &[u8], key: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = 0;
    for at in memmem::find_iter(text, key) {
        clean.extend_from_slice(text.get(rest..at).unwrap_or_default());
        clean.extend_from_slice(b"[secret]");
        rest = at + key.len();
    }
    clean.extend_from_slice(text.get(rest..).unwrap_or_default());
    clean
}
