//! An attempt in the air: what it said, what of that the caller may have, and where it joins an earlier answer.

use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Show;
use super::exchange::{Brought, Exchange, Step};
use crate::accept::{self, Contract, Finding};
use crate::ladder::{Answer, Speech};
use crate::provider::Delta;
use crate::types::{Amend, Completion, Event, Request, Usage};

pub(super) struct Flight {
    pub(super) candidate: usize,
    pub(super) amends: Vec<Amend>,
    pub(super) state: State,
    pub(super) usage: Option<Usage>,
    /// From the call to its first content.
    pub(super) first_token: Option<Duration>,
    /// Whose text it continues, and that text.
    base: Option<(usize, String)>,
    /// What of the end of that text must not be said again.
    seam: Seam,
    /// Whether it has said more than white space.
    spoke: bool,
    /// Whether it has begun to call a tool.
    calls: bool,
    /// Whether it refuses where the task would rather hear another candidate.
    refuses: bool,
    whole: bool,
    /// Words that the caller gets only if no other candidate answers.
    held: Vec<Delta>,
    /// What it had said when it ended.
    text: String,
}

pub(super) enum State {
    Flying(Exchange),
    Landed(Box<Landed>),
    Gone,
}

/// An answer, and what it was found to be.
pub(super) struct Landed {
    pub(super) completion: Completion,
    pub(super) finding: Finding,
}

/// What the ladder is to know of what was said.
pub(super) struct Heard {
    pub(super) speech: Option<Speech>,
    pub(super) resumable: bool,
    pub(super) usage: Option<Usage>,
    /// How long it was.
    pub(super) bytes: usize,
}

impl Flight {
    pub(super) fn new(candidate: usize, amends: Vec<Amend>, exchange: Exchange, base: Option<(usize, String)>) -> Self {
        let seam = Seam::after(base.as_ref().map_or("", |(_, text)| text));
        Self {
            candidate,
            amends,
            state: State::Flying(exchange),
            usage: None,
            first_token: None,
            base,
            seam,
            spoke: false,
            calls: false,
            refuses: false,
            whole: false,
            held: Vec::new(),
            text: String::new(),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, said: &mut Vec<Delta>) -> Poll<Step> {
        match &mut self.state {
            State::Flying(exchange) => exchange.poll(cx, said),
            State::Landed(_) | State::Gone => Poll::Pending,
        }
    }

    /// Keeps the answer; what the ladder is to know of it.
    pub(super) fn land(&mut self, brought: Brought, contract: &Contract) -> Answer {
        let Brought { mut completion, spent } = brought;
        if let Some((_, base)) = &self.base {
            let mut text = base.clone();
            text.push_str(Seam::after(base).mend(&completion.text));
            completion.text = text;
        }
        let finding = contract.examine(&completion);
        // What was fatal is an error, or another attempt's reply.
        let wish = finding.flaw.as_ref().filter(|flaw| !flaw.fatal && !completion.text.is_empty());
        completion.warnings.extend(wish.map(|flaw| flaw.message.clone()).or_else(|| finding.warning.clone()));
        let answer = Answer {
            flaw: finding.flaw.clone(),
            finish: completion.finish.clone(),
            usage: completion.usage,
            cost: completion.cost,
            request_id: completion.request_id.clone(),
            spent,
        };
        self.seam = Seam::default();
        self.state = State::Landed(Box::new(Landed { completion, finding }));
        answer
    }

    /// The request that asks for this answer once more, with what was wrong with it.
    pub(super) fn ask_anew(&self, request: &Request) -> Option<Request> {
        match &self.state {
            State::Landed(landed) => Some(accept::ask_anew(request, &landed.completion, &landed.finding.complaint)),
            State::Flying(_) | State::Gone => None,
        }
    }

    /// Ends the attempt and keeps what it said.
    pub(super) fn end(&mut self) {
        if let State::Flying(mut exchange) = mem::replace(&mut self.state, State::Gone) {
            self.text = exchange.end();
        }
    }

    pub(super) fn close(&mut self) {
        if let State::Flying(exchange) = &mut self.state {
            exchange.close();
        }
    }

    /// The answer.
    pub(super) fn take(&mut self) -> Option<Box<Landed>> {
        match mem::replace(&mut self.state, State::Gone) {
            State::Landed(landed) => Some(landed),
            State::Flying(_) | State::Gone => None,
        }
    }

    /// Whose text it continues, and how many characters that has.
    pub(super) fn continues(&self) -> Option<(usize, usize)> {
        self.base.as_ref().map(|(candidate, text)| (*candidate, text.chars().count()))
    }

    /// The text of an attempt that has ended, with what it continued.
    pub(super) fn text(&self) -> String {
        match (&self.state, &self.base) {
            // An answer, but one that ended in an error; what it continued is in it.
            (State::Landed(landed), _) => landed.completion.text.clone(),
            (_, None) => self.text.clone(),
            (_, Some((_, base))) => format!("{base}{}", Seam::after(base).mend(&self.text)),
        }
    }

    /// The same, where it said anything at all.
    pub(super) fn partial(&self) -> Option<String> {
        let landed = matches!(&self.state, State::Landed(landed) if !landed.completion.text.is_empty());
        (landed || self.first_token.is_some()).then(|| self.text())
    }

    /// Notes what was said.
    pub(super) fn hear(&mut self, said: &[Delta], show: Show, contract: &Contract, elapsed: Duration) -> Heard {
        let mut heard = Heard { speech: None, resumable: false, usage: None, bytes: 0 };
        for delta in said {
            let speech = match delta {
                Delta::Text(text) | Delta::Refusal(text) => {
                    heard.bytes += text.len();
                    let shown = matches!(delta, Delta::Text(_)) || show.refusals;
                    self.spoke |= !text.trim().is_empty();
                    self.refuses |= !shown;
                    speech(shown, Speech::Held)
                }
                Delta::Reasoning(text) => {
                    heard.bytes += text.len();
                    speech(show.reasoning, Speech::Thought)
                }
                Delta::ToolCall(piece) => {
                    heard.bytes += piece.arguments.len();
                    self.calls = true;
                    speech(show.tool_call_deltas, Speech::Held)
                }
                Delta::Usage(usage) => {
                    heard.usage = Some(*usage);
                    self.usage = heard.usage;
                    continue;
                }
            };
            heard.speech = heard.speech.max(Some(speech));
        }
        if heard.speech.is_some() {
            self.first_token.get_or_insert(elapsed);
        }
        heard.resumable = self.spoke && !self.calls && !self.refuses && !contract.wants_json();
        heard
    }

    /// Whether the answer has become whole since this was last asked.
    pub(super) fn turns_whole(&mut self) -> bool {
        let whole = matches!(&self.state, State::Flying(exchange) if exchange.whole());
        whole && !mem::replace(&mut self.whole, true)
    }

    /// Keeps what the caller may get later.
    pub(super) fn hold(&mut self, said: Vec<Delta>) {
        self.held.extend(said.into_iter().filter(|delta| matches!(delta, Delta::Refusal(_))));
    }

    /// What the caller gets of what was said.
    pub(super) fn hand_on(&mut self, said: Vec<Delta>, show: Show) -> impl Iterator<Item = Event> {
        said.into_iter().filter_map(move |delta| match delta {
            Delta::Text(text) | Delta::Refusal(text) => {
                let text = if self.seam.closed() { text } else { self.seam.mend(&text).to_owned() };
                (!text.is_empty()).then_some(Event::Text(text))
            }
            Delta::Reasoning(text) => show.reasoning.then_some(Event::Reasoning(text)),
            Delta::ToolCall(delta) => show.tool_call_deltas.then_some(Event::ToolCallDelta(delta)),
            Delta::Usage(_) => None,
        })
    }

    /// What the caller is owed when this attempt begins to speak to it: what was held back, or the whole of an answer that
    /// came without a stream.
    pub(super) fn catch_up(&mut self, show: Show) -> impl Iterator<Item = Event> {
        let said = match &self.state {
            State::Landed(landed) => {
                let completion = &landed.completion;
                let begun = self.base.as_ref().map_or(0, |(_, base)| base.len());
                let reasoning = completion.reasoning.clone().map(Delta::Reasoning);
                let text = completion.text.get(begun..).unwrap_or_default().to_owned();
                reasoning.into_iter().chain([Delta::Text(text)]).collect()
            }
            State::Flying(_) | State::Gone => mem::take(&mut self.held),
        };
        self.hand_on(said, show)
    }
}

fn speech(shown: bool, otherwise: Speech) -> Speech {
    if shown { Speech::Shown } else { otherwise }
}

/// The white space at the end of a text that is continued: whoever goes on may say it again.
#[derive(Debug, Default)]
struct Seam {
    rest: String,
}

impl Seam {
    fn after(text: &str) -> Self {
        Self { rest: text.get(text.trim_end().len()..).unwrap_or_default().to_owned() }
    }

    fn closed(&self) -> bool {
        self.rest.is_empty()
    }

    /// What of `more` is new.
    fn mend<'a>(&mut self, more: &'a str) -> &'a str {
        let same = more.chars().zip(self.rest.chars()).take_while(|(a, b)| a == b);
        let said: usize = same.map(|(a, _)| a.len_utf8()).sum();
        // Only as long as all of `more` is white space may the rest of it still follow.
        self.rest =
            if said == more.len() { self.rest.get(said..).unwrap_or_default().to_owned() } else { String::new() };
        more.get(said..).unwrap_or_default()
    }
}
