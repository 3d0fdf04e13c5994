//! Chat completions: `POST /v1/chat/completions`.

mod answer;
mod request;

pub(super) use self::request::read;
