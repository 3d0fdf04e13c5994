//! What the user wrote → a checked, immutable [`Policy`].
//!
//! The way of a configuration: `load` reads text or an object into a tree that knows its lines (`located`),
//! `shape` holds that tree against the JSON Schema of `schema`, `validate` follows references and checks values, and
//! `lint` remarks on what is allowed but unwise. Every problem is collected and reported at once.

pub mod defaults;
mod lint;
mod load;
mod located;
mod place;
mod policy;
mod presets;
mod problem;
mod provider;
mod schema;
mod secret;
mod serve;
mod shape;
mod validate;
mod words;

pub use policy::{Auth, Credential, Format, Key, Model, Policy, Provider, Serve, Sharing, Task, Token};
#[cfg(feature = "cli")]
pub(crate) use presets::{PRESETS, find as find_preset};
#[cfg(feature = "cli")]
pub(crate) use provider::{address_problem, is_loopback};
pub use shape::JSON_SCHEMA;
