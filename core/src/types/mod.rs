//! The nouns a caller holds: messages and options on the way in, replies, usage and attempts on the way out.
//!
//! Nothing here decides or performs anything; every other module may use these types.

mod accounting;
pub(crate) mod attempt;
mod call;
mod call_record;
mod cause;
mod completion;
mod event;
mod explanation;
mod failure;
mod flow;
mod health;
mod hidden;
mod message;
mod options;
mod otlp;
mod pace;
pub(crate) mod parse;
mod price;
mod quota;
mod reply;
mod router_event;
mod secret;
pub(crate) mod time;
mod trace_parent;
mod usage_report;

pub use accounting::{Accounting, Lines};
pub use attempt::{Attempt, Next, Outcome};
pub use call::{Amend, Feature, Params, Request};
pub use call_record::{AttemptRecord, CallRecord};
pub use cause::{FallbackOn, Strict};
pub use completion::{Completion, Finish, FinishReason, Flaw, Usage};
pub use event::{Event, ToolCallDelta};
pub use explanation::{Explanation, Prospect};
pub use failure::Failure;
pub use flow::{OnBreak, Upstream};
pub use health::{BreakerState, CandidateHealth, Cooldown, LastError, Percentiles};
pub use message::{Content, Message, Messages, Part, Role, ToolCall};
pub use options::{Options, ResponseFormat, Tool, ToolChoice, Variables};
pub use otlp::{Otlp, OtlpProtocol};
pub use pace::{Breaker, Concurrency, FirstToken, HedgeAfter, Sticky};
pub use parse::ParseError;
pub use price::{Price, Tier};
pub use quota::{OnExceeded, Period, Quota, Window};
pub use reply::Reply;
pub use router_event::{Happening, Level, RouterEvent};
pub use secret::Secret;
pub use trace_parent::TraceParent;
#[cfg(feature = "cli")]
pub(crate) use usage_report::Currency;
pub(crate) use usage_report::Days;
pub use usage_report::{UsageBy, UsageReport, UsageRow};
