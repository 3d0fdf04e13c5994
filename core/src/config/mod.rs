//! What the user wrote → a checked, immutable [`Policy`].

mod policy;
mod secret;

pub use policy::{Credential, Format, Model, Policy, Provider, Task};
pub use secret::Secret;
