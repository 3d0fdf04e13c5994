//! Responses, OpenAI's newer API: `POST /v1/responses`. Nothing is stored, so every request brings the whole conversation.

mod answer;
mod input;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use self::request::read;
