//! A stream in OpenAI chat: the completion is put together again from its chunks
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>, and what other servers make of it) and then read
//! as one that came whole.

use serde_json::{Map, Value, json};

use super::choice::Choice;
use super::{decode, usage};
use crate::provider::errors::{self, ErrorBody};
use crate::provider::stream::{Base, Event, restate};
use crate::provider::{Decoder, Delta, Stage, Target};
use crate::transport::HttpAnswer;
use crate::transport::sse::Frame;
use crate::types::{Completion, Failure, Request};

pub(super) fn decoder(target: &Target<'_>, request: &Request, head: HttpAnswer, now: u64) -> Box<dyn Decoder> {
    Box::new(Stream {
        base: Base::new(target, request, head, now, decode::RULES),
        body: Value::Object(Map::new()),
        choice: None,
        others: false,
    })
}

struct Stream {
    base: Base,
    /// The completion without its choices.
    body: Value,
    /// The choice that is read, and its index: the lowest that came before a word was said.
    choice: Option<(u64, Choice)>,
    /// Whether there are further choices.
    others: bool,
}

impl Decoder for Stream {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Delta>) -> Result<(), Failure> {
        match self.base.open(frame, error_in)? {
            Event::Nothing => {}
            Event::Done => {
                if self.base.stage == Stage::Open {
                    self.base.warn("the stream ended with [DONE], but without a finish reason".to_owned());
                }
                self.base.stage = Stage::Over;
            }
            Event::Object(chunk) => self.read_chunk(chunk, out),
            Event::Error(error, parsed) => self.base.error(frame, error, parsed.as_ref())?,
        }
        Ok(())
    }

    fn stage(&self) -> Stage {
        self.base.stage
    }

    fn text(&self) -> String {
        self.choice.as_ref().map(|(_, choice)| choice.text()).unwrap_or_default()
    }

    fn finish(&mut self) -> Result<Completion, Failure> {
        if self.base.stage == Stage::Open {
            return Err(self.base.cut());
        }
        let choice = self.choice.take().map(|(index, choice)| choice.close(index));
        let mut body = std::mem::take(&mut self.body);
        restate(&mut body, json!({"object": "chat.completion"}));
        if let Some(body) = body.as_object_mut() {
            body.insert("choices".to_owned(), choice.into_iter().collect());
        }
        let mut warnings = self.base.take_warnings();
        if self.others {
            warnings.push("further choices came; the first is the answer".to_owned());
        }
        let mut completion = decode::interpret(&self.base.setting(), body)?;
        completion.warnings.append(&mut warnings);
        Ok(completion)
    }
}

/// A chunk's error: its own, Groq's within `x_groq`, or a choice's.
fn error_in(chunk: &Value) -> Option<ErrorBody> {
    errors::inside(chunk).or_else(|| {
        let of_choices = chunk.get("choices").and_then(Value::as_array).into_iter().flatten();
        of_choices
            .filter_map(|choice| choice.get("error"))
            .chain(chunk.pointer("/x_groq/error"))
            .find(|error| errors::states_something(error))
            .map(ErrorBody::from_value)
    })
}

impl Stream {
    fn read_chunk(&mut self, chunk: Map<String, Value>, out: &mut Vec<Delta>) {
        let mut counted = false;
        for (key, value) in chunk {
            match (key.as_str(), value) {
                (_, Value::Null) => {}
                ("choices", Value::Array(choices)) => {
                    for choice in choices {
                        if let Value::Object(choice) = choice {
                            counted |= self.read_choice(choice, out);
                        }
                    }
                }
                ("usage", usage) => {
                    counted = true;
                    self.state_usage(usage);
                }
                ("x_groq", mut inner) => {
                    if let Some(usage) = inner.get_mut("usage").map(Value::take).filter(Value::is_object) {
                        counted = true;
                        self.state_usage(usage);
                    }
                    self.state("x_groq", inner);
                }
                // Padding against eavesdroppers who measure (OpenAI, Groq).
                ("obfuscation" | "p", _) => {}
                // Azure's first chunk does not know its model yet.
                (_, Value::String(word)) if word.is_empty() => {}
                (_, value) => {
                    if let Some(body) = self.body.as_object_mut() {
                        body.insert(key, value);
                    }
                }
            }
        }
        if counted {
            self.base.cost = usage::cost(&self.body);
            out.extend(self.base.count(usage::usage(&self.body)).map(Delta::Usage));
        }
    }

    /// Reads a chunk of a choice; whether it counts tokens (Moonshot).
    fn read_choice(&mut self, mut chunk: Map<String, Value>, out: &mut Vec<Delta>) -> bool {
        let usage = chunk.swap_remove("usage").filter(Value::is_object);
        let counted = usage.is_some();
        self.state_usage(usage.unwrap_or_default());
        let index = chunk.get("index").and_then(Value::as_u64).unwrap_or(0);
        let known = match &mut self.choice {
            Some((known, choice)) if *known == index || (index < *known && choice.is_mute()) => {
                self.others |= *known != index;
                *known = index;
                choice
            }
            Some(_) => {
                self.others = true;
                return counted;
            }
            none => &mut none.insert((index, Choice::default())).1,
        };
        known.read(chunk, out);
        if known.ended() && self.base.stage == Stage::Open {
            self.base.stage = Stage::Whole;
        }
        counted
    }

    /// Lays later counts over earlier ones. A total that new counts came without is that of the old ones.
    fn state_usage(&mut self, usage: Value) {
        if usage.get("completion_tokens").is_some_and(Value::is_number)
            && let Some(known) = self.body.get_mut("usage").and_then(Value::as_object_mut)
        {
            known.shift_remove("total_tokens");
        }
        self.state("usage", usage);
    }

    /// Lays a member over what the completion says so far, member by member.
    fn state(&mut self, key: &str, value: Value) {
        if let Some(body) = self.body.as_object_mut().filter(|_| !value.is_null()) {
            restate(body.entry(key).or_insert(Value::Null), value);
        }
    }
}
