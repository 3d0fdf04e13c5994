//! The fixed words of the file, and the values that are a number or a word.

use std::time::Duration;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;

use super::policy::{Api, Sharing};
use crate::types::{
    Concurrency, FallbackOn, Feature, FirstToken, HedgeAfter, OnBreak, OnExceeded, Period, Sticky, Strict, Upstream,
    Window,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident => $target:ident { $($(#[$word:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Deserialize, Clone, Copy)]
        #[cfg_attr(feature = "schema", derive(JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name { $($(#[$word])* $variant,)* }

        impl From<$name> for $target {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant,)* }
            }
        }
    };
}

words! {
    /// Something that not every model can do.
    LacksWord => Feature {
        /// Function calling.
        Tools,
        /// Image input.
        Vision,
        /// Answers that match a JSON Schema.
        JsonSchema,
        /// A choice of temperature. It is left out for such a model, with a warning.
        Temperature,
    }
}

words! {
    /// How long the time of a quota is.
    PeriodWord => Period {
        /// Of the calendar, from its first second.
        Minute,
        /// Of the calendar, from its first minute.
        Hour,
        /// Of the calendar, from midnight.
        Day,
        /// Of the calendar, from its first day; where it rolls, 30 days.
        Month,
    }
}

words! {
    /// Where the time of a quota begins.
    WindowWord => Window {
        /// With that of the calendar, in UTC.
        Calendar,
        /// So long ago, to a sixtieth.
        Rolling,
    }
}

words! {
    /// What becomes of a call that would exceed a quota.
    OnExceededWord => OnExceeded {
        /// Candidates with which it would are passed over; without any left it is refused.
        Skip,
        /// It is refused, as soon as its first candidate would.
        Refuse,
    }
}

words! {
    /// One of OpenAI's interfaces.
    ApiWord => Api {
        /// Chat completions.
        Chat,
        /// Responses.
        Responses,
    }
}

words! {
    /// A cause of fallback that a task opts in to.
    FallbackOnWord => FallbackOn {
        /// A filter refused prompt or answer.
        ContentFilter,
        /// The model declined.
        Refusal,
        /// The answer was not accepted.
        InvalidOutput,
        /// The answer was cut at the token limit.
        Length,
    }
}

words! {
    /// A failure that a task wants raised at once.
    StrictWord => Strict {
        /// The key was not accepted.
        Auth,
        /// The key may not do this.
        Permission,
    }
}

words! {
    /// How a provider is asked for a whole answer.
    UpstreamWord => Upstream {
        /// For the whole answer at once.
        Unary,
        /// For a stream: silence and stalls are noticed early, and a cut answer is known as one.
        Stream,
    }
}

words! {
    /// What follows when an answer breaks off after its first content.
    OnBreakWord => OnBreak {
        /// The error is raised, with what came so far.
        Error,
        /// The next candidate answers anew; a stream's caller is told to discard what it has.
        Restart,
        /// The next candidate continues the text; it answers anew where that is not safe.
        Resume,
    }
}

words! {
    /// Who shares what is learned of candidates.
    StateWord => Sharing {
        /// All routers of the process that use the same provider, model and key.
        Process,
        /// Nobody: this router keeps its own.
        Router,
    }
}

words! {
    /// What calls must share to be given the same primary.
    StickyWord => Sticky {
        /// The customer.
        Customer,
    }
}

/// A number that is found out while calls are made.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum AutoWord {
    Auto,
}

/// How long the first content may take.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum FirstTokenLimit {
    /// Milliseconds.
    Ms(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))] u64),
    /// Three times what nearly all streams of the candidate took.
    Auto(AutoWord),
}

impl From<FirstTokenLimit> for FirstToken {
    fn from(limit: FirstTokenLimit) -> Self {
        match limit {
            FirstTokenLimit::Ms(ms) => Self::After(Duration::from_millis(ms)),
            FirstTokenLimit::Auto(AutoWord::Auto) => Self::Auto,
        }
    }
}

/// How many calls a key may have at a time.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum ConcurrencyLimit {
    /// So many.
    Calls(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::MOST_CALLS)))] u32),
    /// As many as the provider takes.
    Auto(AutoWord),
}

impl From<ConcurrencyLimit> for Concurrency {
    fn from(limit: ConcurrencyLimit) -> Self {
        match limit {
            ConcurrencyLimit::Calls(calls) => Self::Fixed(calls),
            ConcurrencyLimit::Auto(AutoWord::Auto) => Self::Auto,
        }
    }
}

/// When a stand-in is started beside a slow candidate.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub(super) enum HedgeDelay {
    /// Milliseconds.
    Ms(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = super::defaults::LONGEST_MS)))] u64),
    /// A percentile of the candidate's own measured times.
    Percentile(Percentile),
}

impl From<HedgeDelay> for HedgeAfter {
    fn from(delay: HedgeDelay) -> Self {
        match delay {
            HedgeDelay::Ms(ms) => Self::After(Duration::from_millis(ms)),
            HedgeDelay::Percentile(Percentile(percent)) => Self::Percentile(percent),
        }
    }
}

/// `p1` to `p99`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", inline, extend("enum" = percentiles())))]
#[serde(try_from = "String")]
pub(super) struct Percentile(u8);

impl TryFrom<String> for Percentile {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.strip_prefix('p').and_then(|percent| percent.parse().ok()).map(Self).ok_or("no percentile")
    }
}

/// The words that name a percentile.
#[cfg(feature = "schema")]
fn percentiles() -> Vec<String> {
    (1..=99).map(|percent| format!("p{percent}")).collect()
}
