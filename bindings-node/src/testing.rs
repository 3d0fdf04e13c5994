//! Scripted providers on loopback, for `locum/testing`.

use std::time::Duration;

use locum::testkit::{Mock, Script, Seen};
use napi::bindgen_prelude::Either;
use napi::{Error, Result, Status};
use napi_derive::napi;
use serde_json::Value;

use crate::router::parse;
use crate::runtime::runtime;

/// Providers that play a script until they are closed.
#[napi(js_name = "Mock")]
pub struct MockHandle {
    inner: Option<Mock>,
}

#[napi]
impl MockHandle {
    /// The base URL of a provider; none after [`MockHandle::close`].
    #[napi]
    #[allow(clippy::needless_pass_by_value)]
    pub fn url(&self, name: String) -> Option<String> {
        self.inner.as_ref().map(|mock| mock.url(&name))
    }

    /// The requests seen so far, as JSON; none after [`MockHandle::close`].
    #[napi]
    pub fn log(&self) -> Option<String> {
        let mock = self.inner.as_ref()?;
        Some(mock.log().iter().map(Seen::to_value).collect::<Value>().to_string())
    }

    /// Closes the port and every connection, before it returns.
    #[napi]
    pub fn close(&mut self) -> Result<()> {
        if let Some(mock) = self.inner.take() {
            runtime()?.block_on(mock.stop(Duration::ZERO));
        }
        Ok(())
    }
}

/// Plays a script given as JSON; a string is the error as JSON.
#[napi]
#[allow(clippy::needless_pass_by_value)]
pub fn start_mock(script: String) -> Result<Either<MockHandle, String>> {
    let read = parse("script", &script).and_then(|script| Script::from_value(script).map_err(locum::Error::from));
    match read {
        Ok(script) => {
            let started = runtime()?.block_on(Mock::start(script));
            let mock =
                started.map_err(|error| Error::new(Status::GenericFailure, format!("no port for a mock: {error}")))?;
            Ok(Either::A(MockHandle { inner: Some(mock) }))
        }
        Err(error) => Ok(Either::B(error.to_value().to_string())),
    }
}
