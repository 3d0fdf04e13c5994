//! The script: what each upstream does, request by request.
//!
//! This file reads and checks it; playing it is the server's work.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use super::answer::Answer;
use super::errors::ErrorBody;
use super::fields::Fields;
use super::shape::Shape;
use crate::types::{ParseError, Secret, parse};

const STEP: &[&str] = &[
    "status",
    "headers",
    "answer",
    "error",
    "body",
    "html",
    "empty",
    "garbage",
    "delay_ms",
    "silence",
    "reset",
    "close_after",
    "rst",
    "slow_body_ms",
    "truncate",
    "stream",
    "refuse_prefill",
    "times",
];
/// Of these a step has at most one: they say what comes.
const CONTENT: &[&str] = &["answer", "error", "body", "html", "empty", "garbage", "silence", "reset"];
/// These shape an HTTP response, so they mean nothing beside `garbage`, `silence` and `reset`.
const RESPONSE: &[&str] = &["status", "headers", "close_after", "rst", "slow_body_ms", "truncate", "stream"];

/// What the upstreams of a [`Mock`](super::Mock) do. The language is described in `docs/testing.md`.
#[derive(Clone, Default)]
pub struct Script {
    pub(super) upstreams: BTreeMap<String, Upstream>,
}

#[derive(Clone)]
pub(super) struct Upstream {
    /// The key a request must bring.
    pub(super) key: Option<Secret>,
    pub(super) steps: Vec<Step>,
    /// After the last step the first one follows again.
    cycle: bool,
    outage: Option<Outage>,
}

/// A time in which every request gets the same step.
#[derive(Clone)]
struct Outage {
    /// From the upstream's first request.
    after: Duration,
    lasts: Duration,
    step: Step,
}

#[derive(Clone)]
pub(super) struct Step {
    /// How many requests it serves before the next step's turn.
    times: u64,
    pub(super) delay: Duration,
    /// A request that ends with the assistant's words is refused.
    pub(super) refuse_prefill: bool,
    pub(super) act: Act,
}

#[derive(Clone)]
pub(super) enum Act {
    /// Never answer.
    Silence,
    /// Close with an RST before any byte.
    Reset,
    /// Send bytes that are not HTTP, and close.
    Garbage,
    Respond(Box<Respond>),
}

#[derive(Clone, Default)]
pub(super) struct Respond {
    /// Absent: what the content implies.
    pub(super) status: Option<u16>,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) truncate: Option<usize>,
    pub(super) close_after: Option<usize>,
    pub(super) rst: bool,
    pub(super) slow_body: Duration,
    /// How an answer comes to a request that wants it as a stream.
    pub(super) shape: Shape,
}

#[derive(Clone, Default)]
pub(super) enum Content {
    /// Nothing was said: a greeting, or for an error status the provider's error.
    #[default]
    Implied,
    Answer(Answer),
    Error(ErrorBody),
    Json(Value),
    Text(String),
    Html,
    Empty,
}

impl Script {
    /// Reads a script: an object of upstream names, each with an array of steps or `{key, steps}`.
    ///
    /// # Errors
    /// Names the place that is wrong; for an unknown key, the known one that is near.
    pub fn from_value(value: Value) -> Result<Self, ParseError> {
        let upstreams = parse::object(value, "script")?
            .into_iter()
            .map(|(name, value)| {
                check_name(&name)?;
                let upstream = Upstream::from_value(value, &name)?;
                Ok((name, upstream))
            })
            .collect::<Result<_, ParseError>>()?;
        Ok(Self { upstreams })
    }

    /// The upstreams' names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.upstreams.keys().map(String::as_str)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.upstreams.iter().map(|(name, upstream)| {
                let steps = upstream.steps.len();
                (name, format!("{steps} steps"))
            }))
            .finish()
    }
}

/// A name is a path segment: no escaping, and `_` in front is the control endpoints'.
fn check_name(name: &str) -> Result<(), ParseError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with(['_', '.']) || !name.chars().all(plain) {
        return Err(ParseError::new(
            name,
            "an upstream's name is made of letters, digits, '-', '_' and '.', and starts with a letter, a digit or '-'",
        ));
    }
    Ok(())
}

impl Upstream {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut this = Self { key: None, steps: Vec::new(), cycle: false, outage: None };
        let steps = match value {
            Value::Array(_) => value,
            Value::Object(_) => {
                let mut fields = Fields::new(value, path, &["key", "steps", "cycle", "outage"])?;
                let place = fields.place("outage");
                this.outage = fields.take("outage").map(|outage| Outage::from_value(outage, &place)).transpose()?;
                this.cycle = fields.flag("cycle")?;
                this.key = fields.text("key")?.map(Secret::new);
                fields.take("steps").unwrap_or_else(|| Value::Array(Vec::new()))
            }
            other => {
                return Err(ParseError::expected(path, "an array of steps, or an object with steps and a key", &other));
            }
        };
        this.steps = parse::array(steps, path)?
            .into_iter()
            .enumerate()
            .map(|(i, step)| Step::from_value(step, &format!("{path}[{i}]")))
            .collect::<Result<_, _>>()?;
        Ok(this)
    }

    /// The step of an outage that goes on at this time since the first request.
    pub(super) fn outage(&self, age: Duration) -> Option<&Step> {
        let outage = self.outage.as_ref()?;
        (age >= outage.after && age - outage.after < outage.lasts).then_some(&outage.step)
    }

    /// The step for the `turn`-th request; after the last one it repeats, or all do. None when the list is empty.
    pub(super) fn step(&self, turn: u64) -> Option<&Step> {
        let round = self.steps.iter().fold(0_u64, |sum, step| sum.saturating_add(step.times));
        let turn = if self.cycle { turn.checked_rem(round).unwrap_or(turn) } else { turn };
        let mut served = 0_u64;
        self.steps
            .iter()
            .find(|step| {
                served = served.saturating_add(step.times);
                turn < served
            })
            .or(self.steps.last())
    }
}

impl Outage {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut fields = Fields::new(value, path, &["after_ms", "for_ms", "step"])?;
        let (after, lasts) = (fields.wait("after_ms")?, fields.wait("for_ms")?);
        if lasts.is_zero() {
            return Err(fields.wrong("for_ms", "an outage lasts 1 ms or more"));
        }
        let place = fields.place("step");
        let step = fields.take("step").ok_or_else(|| fields.wrong("step", "says what happens meanwhile"))?;
        Ok(Self { after, lasts, step: Step::from_value(step, &place)? })
    }
}

impl Step {
    fn from_value(value: Value, path: &str) -> Result<Self, ParseError> {
        let mut fields = Fields::new(value, path, STEP)?;
        let content = fields.only_one(CONTENT)?;
        let delay = fields.wait("delay_ms")?;
        let times = fields.whole("times")?.unwrap_or(1);
        if times == 0 {
            return Err(fields.wrong("times", "a step serves at least 1 request"));
        }
        let act = match content {
            Some("silence") => Act::Silence,
            Some("reset") => Act::Reset,
            Some("garbage") => Act::Garbage,
            _ => Act::Respond(Box::new(Respond::from_fields(&mut fields, content)?)),
        };
        if let (Some(what), false) = (content, matches!(act, Act::Respond(_))) {
            if let Some(idle) = RESPONSE.iter().find(|key| fields.has(key)) {
                return Err(fields.wrong(idle, &format!("has no meaning beside {what}")));
            }
            if matches!(act, Act::Silence) && delay > Duration::ZERO {
                return Err(fields.wrong("delay_ms", "has no meaning beside silence"));
            }
        }
        Ok(Self { times, delay, refuse_prefill: fields.flag("refuse_prefill")?, act })
    }
}

impl Respond {
    fn from_fields(fields: &mut Fields<'_>, content: Option<&str>) -> Result<Self, ParseError> {
        let status = match fields.whole("status")? {
            None => None,
            Some(code @ 200..=599) => u16::try_from(code).ok(),
            Some(_) => return Err(fields.wrong("status", "a final HTTP status is 200 to 599")),
        };
        let shape = fields.take("stream");
        let headers = fields.headers()?;
        let said = Content::from_fields(fields, content, status)?;
        let shape = match shape {
            None => Shape::default(),
            Some(shape) => {
                let answer = said.answer("name", status.unwrap_or(200));
                let answer =
                    answer.ok_or_else(|| fields.wrong("stream", "shapes an answer, and this step gives none"))?;
                Shape::from_value(shape, &fields.place("stream"), &answer)?
            }
        };
        let respond = Self {
            status,
            headers,
            content: said,
            truncate: fields.size("truncate")?,
            close_after: fields.size("close_after")?,
            rst: fields.flag("rst")?,
            slow_body: fields.wait("slow_body_ms")?,
            shape,
        };
        if respond.rst && respond.close_after.is_none() {
            return Err(fields.wrong("rst", "goes with close_after; before the head it is reset"));
        }
        Ok(respond)
    }
}

impl Content {
    /// The answer of a response with this status, if that is what it is.
    pub(super) fn answer(&self, upstream: &str, status: u16) -> Option<Cow<'_, Answer>> {
        match self {
            Self::Answer(answer) => Some(Cow::Borrowed(answer)),
            Self::Implied if status < 400 => Some(Cow::Owned(Answer::hello(upstream))),
            _ => None,
        }
    }

    fn from_fields(fields: &mut Fields<'_>, which: Option<&str>, status: Option<u16>) -> Result<Self, ParseError> {
        let Some(which) = which else {
            return Ok(Self::Implied);
        };
        let path = fields.place(which);
        let value = fields.take_any(which).unwrap_or_default();
        Ok(match which {
            "answer" => Self::Answer(Answer::from_value(value, &path)?),
            "error" => Self::Error(ErrorBody::from_value(value, &path, status)?),
            "html" => Self::Html,
            "empty" => Self::Empty,
            _ => match value {
                Value::String(text) => Self::Text(text),
                json => Self::Json(json),
            },
        })
    }
}
