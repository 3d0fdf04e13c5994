//! From an error response to a [`Failure`]: a specific code decides, then the provider's phrases, then the type, then
//! the status, since a status alone lies about money and capacity alike.
//!
//! The rows are data, kept with the wire format they were seen in; every format reads all of them, because gateways
//! and compatible servers quote their upstreams.

use serde_json::Value;

use super::errors::{self, ErrorBody};
use super::overflow::{self, Misfit};
use super::{params, wait};
use crate::error::ErrorKind::{self, *};
use crate::transport::HttpAnswer;
use crate::types::{Amend, Failure};

/// A kind and its flavour.
pub(super) type Verdict = (ErrorKind, Option<&'static str>);

/// What one wire format's providers say.
pub(super) struct Rows {
    /// Codes, reasons and types that mean one thing only. Lower case.
    pub(super) codes: &'static [(&'static str, Verdict)],
    /// Phrases about money, which hold whatever the status.
    pub(super) money: &'static [&'static str],
    /// Other phrases, in order; the first that matches decides.
    pub(super) phrases: &'static [Phrase],
    /// Types and codes that say little more than a status. Lower case.
    pub(super) types: &'static [(&'static str, Verdict)],
}

/// Words that mean something under certain statuses.
pub(super) struct Phrase {
    /// Statuses under which they count; empty for all. 200 stands for an error without any status of its own.
    pub(super) on: &'static [u16],
    /// Parts that must all be there. Lower case.
    pub(super) all: &'static [&'static str],
    /// What they mean.
    pub(super) means: Verdict,
}

impl Phrase {
    pub(super) const fn new(
        on: &'static [u16],
        all: &'static [&'static str],
        kind: ErrorKind,
        subkind: Option<&'static str>,
    ) -> Self {
        Self { on, all, means: (kind, subkind) }
    }

    fn matches(&self, status: u16, text: &str) -> bool {
        (self.on.is_empty() || self.on.contains(&status)) && self.all.iter().all(|part| text.contains(part))
    }
}

/// Statuses that complain about the request itself, and errors inside a 200.
const ABOUT_REQUEST: [u16; 6] = [200, 400, 413, 422, 500, 501];

/// The JSON of a successful response of a provider of this `kind`; else what went wrong: an error status, an error inside a 200, no JSON at all.
pub(super) fn success(kind: &str, answer: &HttpAnswer, now: u64, rows: &[&Rows]) -> Result<Value, Failure> {
    let failed = |parsed, body| Err(failure(kind, answer, parsed, body, now, rows));
    if (300..400).contains(&answer.status) {
        return Err(redirect(answer));
    }
    if answer.status >= 400 {
        return failed(None, ErrorBody::from_bytes(&answer.body));
    }
    let Ok(parsed) = serde_json::from_slice::<Value>(errors::trim(&answer.body)) else {
        return Err(malformed(answer, None, errors::describe(&answer.body)));
    };
    match errors::inside(&parsed) {
        Some(body) => failed(Some(&parsed), body),
        None => Ok(parsed),
    }
}

/// Classifies an error response, or an error found inside a successful one. `kind` is the provider's.
pub(super) fn failure(
    kind: &str,
    answer: &HttpAnswer,
    parsed: Option<&Value>,
    body: ErrorBody,
    now: u64,
    rows: &[&Rows],
) -> Failure {
    let body = body.with_headers(&answer.headers);
    let case = Case {
        kind,
        status: if answer.status < 400 { body.status.unwrap_or(200) } else { answer.status },
        empty: errors::trim(&answer.body).is_empty(),
        wait: wait::from_headers(&answer.headers, now).or(body.retry_after).or_else(|| wait::from_message(&body.text)),
        body,
    };
    let (kind, subkind) = case.verdict(rows);
    let mut failure = Failure::new(kind, case.message());
    failure.subkind = subkind;
    failure.status = Some(answer.status);
    failure.retry_after = case.wait;
    failure.should_retry = wait::should_retry(&answer.headers);
    failure.request_id = errors::request_id(&answer.headers, parsed).or_else(|| case.body.request_id.clone());
    case.advise(&mut failure);
    failure.provider_code = case.body.code.or_else(|| case.body.status.map(|status| status.to_string()));
    failure
}

/// A response with a status between 300 and 399.
fn redirect(answer: &HttpAnswer) -> Failure {
    let mut failure = Failure::new(
        MalformedResponse,
        format!("status {}: redirects are not followed; check the provider's base_url", answer.status),
    );
    failure.status = Some(answer.status);
    failure.request_id = errors::request_id(&answer.headers, None);
    failure
}

/// A response of success whose body makes no sense.
pub(super) fn malformed(answer: &HttpAnswer, parsed: Option<&Value>, why: impl Into<String>) -> Failure {
    let mut failure = Failure::new(MalformedResponse, why);
    failure.status = Some(answer.status);
    failure.request_id = errors::request_id(&answer.headers, parsed);
    failure
}

struct Case<'a> {
    kind: &'a str,
    /// The HTTP status; inside a 200 the one that the body states, else 200.
    status: u16,
    empty: bool,
    wait: Option<std::time::Duration>,
    body: ErrorBody,
}

impl Case<'_> {
    fn verdict(&self, rows: &[&Rows]) -> Verdict {
        self.by_code(rows)
            .or_else(|| self.by_window(rows))
            .or_else(|| self.by_phrase(rows))
            .or_else(|| self.by_type(rows))
            .unwrap_or_else(|| self.by_status())
    }

    fn by_code(&self, rows: &[&Rows]) -> Option<Verdict> {
        // OpenRouter's budget for requests in flight frees itself: a 402 that is worth waiting for.
        if self.body.is("openrouter_in_flight_budget") && self.wait.is_some() {
            return Some((RateLimited, Some("budget")));
        }
        let verdict = self.body.names.iter().find_map(|name| {
            rows.iter().flat_map(|rows| rows.codes).find(|(code, _)| code == name).map(|(_, verdict)| *verdict)
        })?;
        match verdict {
            (ContextOverflow, _) => Some(self.misfit(true).unwrap_or(verdict)),
            verdict => Some(verdict),
        }
    }

    /// Limits of rate and allowance: which window they speak of, and whether the request could ever fit.
    fn by_window(&self, rows: &[&Rows]) -> Option<Verdict> {
        let text = self.body.text.as_str();
        // An error inside a 200 has lost its status; its words must say that it is about a limit.
        let unstated = self.status == 200 && ["limit", "quota", "too many"].iter().any(|word| text.contains(word));
        let limited = unstated || [413, 429].contains(&self.status);
        // Google words every limit, per minute or per day, as an exceeded quota; only the quota's id tells.
        let google = self.body.is("resource_exhausted");
        if google && self.status == 429 {
            let daily = self.body.names.iter().any(|name| name.contains("perday"));
            return Some(if daily { (ProviderQuota, Some("daily")) } else { (RateLimited, None) });
        }
        let money = |rows: &&Rows| rows.money.iter().any(|phrase| text.contains(phrase));
        if rows.iter().any(money) {
            return Some((ProviderQuota, None));
        }
        let per_time = text.contains("per min") || text.contains("(tpm)") || text.contains("per day");
        if limited && per_time && (text.contains("request too large") || overflow::exceeds_rate(text)) {
            return Some((RequestTooLarge, Some("tpm")));
        }
        const LONG: [&str; 10] = [
            "per day",
            "per 86400s",
            "per-day",
            "/ day",
            "/day",
            "daily",
            "per month",
            "per-month",
            "/ month",
            "monthly",
        ];
        if (unstated || self.status == 429) && LONG.iter().any(|window| text.contains(window)) {
            return Some((ProviderQuota, Some("daily")));
        }
        None
    }

    fn by_phrase(&self, rows: &[&Rows]) -> Option<Verdict> {
        self.misfit(false)
            .or_else(|| {
                rows.iter()
                    .flat_map(|rows| rows.phrases)
                    .find(|phrase| phrase.matches(self.status, &self.body.text))
                    .map(|phrase| phrase.means)
            })
            .or_else(|| self.unknown_member())
    }

    fn by_type(&self, rows: &[&Rows]) -> Option<Verdict> {
        if self.status == 402 {
            return None;
        }
        self.body.names.iter().find_map(|name| {
            rows.iter().flat_map(|rows| rows.types).find(|(word, _)| word == name).map(|(_, verdict)| *verdict)
        })
    }

    fn by_status(&self) -> Verdict {
        match self.status {
            // Cerebras answers a prompt that does not fit without a body.
            400 | 413 if self.empty && self.kind == "cerebras" => (ContextOverflow, None),
            // Groq: the model wrote something the server could not use.
            422 if self.kind == "groq" => (MalformedResponse, None),
            401 => (Auth, None),
            402 => (ProviderQuota, None),
            403 => (Permission, None),
            404 => (ModelNotFound, None),
            408 | 499 | 504 => (Timeout, None),
            409 | 425 => (ServerError, Some("conflict")),
            413 => (RequestTooLarge, None),
            429 => (RateLimited, None),
            498 | 503 | 529 => (Overloaded, None),
            501 => (Unsupported, None),
            400..=499 if self.status != 424 => (InvalidRequest, None),
            200 if ["invalid_request_error", "badrequesterror", "bad_request"]
                .iter()
                .any(|word| self.body.is(word)) =>
            {
                (InvalidRequest, None)
            }
            // 424 is an upstream that failed; an error inside a 200 that says nothing else is the provider's too.
            _ => (ServerError, None),
        }
    }

    fn misfit(&self, certain: bool) -> Option<Verdict> {
        // Bedrock's "too many tokens, please wait" is about the rate.
        let waits = self.body.text.contains("please wait before trying again");
        if !certain && (waits || !ABOUT_REQUEST.contains(&self.status)) {
            return None;
        }
        Some(match overflow::misfit(&self.body, certain)? {
            Misfit::Prompt(..) => (ContextOverflow, None),
            Misfit::Output(_) => (InvalidRequest, Some("output_cap")),
        })
    }

    /// A member the server does not know is a parameter the model does not take, if it is one that may be left out.
    fn unknown_member(&self) -> Option<Verdict> {
        const WORDS: [&str; 6] = [
            "extra inputs are not permitted",
            "unrecognized request argument",
            "unknown parameter",
            "unknown field",
            "unknown name",
            "unexpected keyword",
        ];
        let complains = WORDS.iter().any(|words| self.body.text.contains(words));
        (complains && ABOUT_REQUEST.contains(&self.status) && self.droppable().is_some()).then_some((Unsupported, None))
    }

    fn droppable(&self) -> Option<String> {
        params::droppable(self.body.param.as_deref(), &self.body.text)
    }

    /// What the kind implies beyond itself: the numbers, and the change that would help.
    fn advise(&self, failure: &mut Failure) {
        match (failure.kind, failure.subkind) {
            (ContextOverflow, _) => {
                failure.overflow = match overflow::misfit(&self.body, true) {
                    Some(Misfit::Prompt(prompt, window)) if prompt.or(window).is_some() => Some((prompt, window)),
                    _ => None,
                };
            }
            (InvalidRequest, Some("output_cap")) => {
                if let Some(Misfit::Output(Some(cap))) = overflow::misfit(&self.body, true) {
                    failure.amend = Some(Amend::ClampOutput(cap)).filter(|_| cap > 0);
                }
            }
            (InvalidRequest, Some("history")) => failure.amend = Some(Amend::StripReasoning),
            (Unsupported, _) => failure.amend = self.droppable().map(Amend::Drop),
            _ => {}
        }
    }

    fn message(&self) -> String {
        match self.body.message.as_str() {
            "" => format!("status {} without a message", self.status),
            words => words.to_owned(),
        }
    }
}
