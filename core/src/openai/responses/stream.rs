//! Writing a response, whole or event by event.

use serde_json::{Map, Value, json};

use super::answer::{self, CUT, DONE, Outcome, RUNNING};
use crate::error::Error;
use crate::openai::refusal::Refusal;
use crate::openai::{Pen, Stamp, send, trail};
use crate::types::{Event, FinishReason, Reply, ToolCall, ToolCallDelta, Usage};

pub(super) struct ResponsePen {
    stamp: Stamp,
    /// Members that the request set.
    echo: Map<String, Value>,
    model: String,
    /// The next event's number.
    sequence: u64,
    /// Items that are whole, in order.
    output: Vec<Value>,
    open: Open,
    /// Which calls were told piece by piece.
    told: Vec<String>,
    usage: Option<Usage>,
}

/// The item that is being told.
enum Open {
    Nothing,
    Reasoning(String),
    Text(String),
    Call { index: usize, call: ToolCall },
}

impl ResponsePen {
    pub(super) fn new(stamp: Stamp, echo: Map<String, Value>) -> Self {
        let model = String::new();
        Self { stamp, echo, model, sequence: 0, output: Vec::new(), open: Open::Nothing, told: Vec::new(), usage: None }
    }

    /// The id of the item at this place of the output.
    fn id(&self, kind: &str, place: usize) -> String {
        format!("{kind}_{}{place:02}", self.stamp.id)
    }

    fn response(&self, outcome: Outcome<'_>) -> Map<String, Value> {
        let id = format!("resp_{}", self.stamp.id);
        answer::response(&id, self.stamp.created, &self.echo, outcome)
    }

    /// The response as far as it has come.
    fn so_far(&self, status: &str, error: Option<Value>) -> Value {
        let outcome =
            Outcome { status, model: &self.model, output: self.output.clone(), usage: self.usage, cut: None, error };
        self.response(outcome).into()
    }

    fn tell(&mut self, name: &str, mut data: Value, out: &mut Vec<u8>) {
        if let Some(data) = data.as_object_mut() {
            data.insert("type".into(), name.into());
            data.insert("sequence_number".into(), self.sequence.into());
        }
        self.sequence += 1;
        send(out, Some(name), &data);
    }

    fn begin(&mut self, open: Open, out: &mut Vec<u8>) {
        self.close(DONE, out);
        let at = self.output.len();
        let (item, part) = match &open {
            Open::Nothing => return,
            Open::Reasoning(_) => (json!({"id": self.id("rs", at), "type": "reasoning", "summary": []}), None),
            Open::Text(_) => (answer::message(&self.id("msg", at), RUNNING, &[]), Some(answer::text(""))),
            Open::Call { call, .. } => {
                let begun = ToolCall { arguments: String::new(), ..call.clone() };
                (answer::call(&self.id("fc", at), RUNNING, &begun), None)
            }
        };
        let id = item.get("id").cloned();
        self.tell("response.output_item.added", json!({"output_index": at, "item": item}), out);
        if let Some(part) = part {
            let data = json!({"item_id": id, "output_index": at, "content_index": 0, "part": part});
            self.tell("response.content_part.added", data, out);
        } else if matches!(open, Open::Reasoning(_)) {
            let data = json!({"item_id": id, "output_index": at, "summary_index": 0, "part": answer::summary("")});
            self.tell("response.reasoning_summary_part.added", data, out);
        }
        self.open = open;
    }

    /// The item that is being told is whole, or as whole as it becomes.
    fn close(&mut self, status: &str, out: &mut Vec<u8>) {
        let at = self.output.len();
        let item = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Reasoning(text) => {
                let id = self.id("rs", at);
                let place = json!({"item_id": id, "output_index": at, "summary_index": 0});
                self.tell("response.reasoning_summary_text.done", with(&place, "text", text.as_str().into()), out);
                let part = answer::summary(&text);
                self.tell("response.reasoning_summary_part.done", with(&place, "part", part), out);
                answer::reasoning(&id, &text)
            }
            Open::Text(text) => {
                let id = self.id("msg", at);
                let place = json!({"item_id": id, "output_index": at, "content_index": 0});
                let done = with(&with(&place, "text", text.as_str().into()), "logprobs", json!([]));
                self.tell("response.output_text.done", done, out);
                let part = answer::text(&text);
                self.tell("response.content_part.done", with(&place, "part", part.clone()), out);
                answer::message(&id, status, &[part])
            }
            Open::Call { call, .. } => {
                let id = self.id("fc", at);
                let done = json!({"item_id": id, "output_index": at, "name": call.name, "arguments": call.arguments});
                self.tell("response.function_call_arguments.done", done, out);
                answer::call(&id, status, &call)
            }
        };
        self.tell("response.output_item.done", json!({"output_index": at, "item": item}), out);
        self.output.push(item);
    }

    fn text(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Text(_)) {
            self.begin(Open::Text(String::new()), out);
        }
        let at = self.output.len();
        let place = json!({"item_id": self.id("msg", at), "output_index": at, "content_index": 0});
        if let Open::Text(text) = &mut self.open {
            text.push_str(piece);
        }
        let data = with(&with(&place, "delta", piece.into()), "logprobs", json!([]));
        self.tell("response.output_text.delta", data, out);
    }

    fn reasoning(&mut self, piece: &str, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Reasoning(_)) {
            self.begin(Open::Reasoning(String::new()), out);
        }
        let at = self.output.len();
        let data = json!({"item_id": self.id("rs", at), "output_index": at, "summary_index": 0, "delta": piece});
        if let Open::Reasoning(text) = &mut self.open {
            text.push_str(piece);
        }
        self.tell("response.reasoning_summary_text.delta", data, out);
    }

    fn piece(&mut self, piece: &ToolCallDelta, out: &mut Vec<u8>) {
        if !matches!(&self.open, Open::Call { index, .. } if *index == piece.index) {
            let id = piece.id.clone().unwrap_or_default();
            self.told.push(id.clone());
            let call = ToolCall { id, name: piece.name.clone().unwrap_or_default(), arguments: String::new() };
            self.begin(Open::Call { index: piece.index, call }, out);
        }
        if piece.arguments.is_empty() {
            return;
        }
        let at = self.output.len();
        if let Open::Call { call, .. } = &mut self.open {
            call.arguments.push_str(&piece.arguments);
        }
        let data = json!({"item_id": self.id("fc", at), "output_index": at, "delta": piece.arguments});
        self.tell("response.function_call_arguments.delta", data, out);
    }

    /// A call that did not come piece by piece.
    fn call(&mut self, call: &ToolCall, out: &mut Vec<u8>) {
        if self.told.contains(&call.id) {
            return;
        }
        let (id, name) = (Some(call.id.clone()), Some(call.name.clone()));
        let piece = ToolCallDelta { index: usize::MAX - self.told.len(), id, name, arguments: call.arguments.clone() };
        self.piece(&piece, out);
    }

    fn end(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        let (status, cut) = match reply.finish().unified {
            // Its words have gone out as text; who reads the status alone must not take them for an answer.
            FinishReason::Refusal => (CUT, Some("content_filter")),
            reason => answer::ended(reason),
        };
        self.close(status, out);
        let usage = reply.usage().or(self.usage);
        let outcome = Outcome { status, model: &self.model, output: self.output.clone(), usage, cut, error: None };
        let mut response = self.response(outcome);
        response.insert("locum".into(), trail::of_reply(reply));
        let name = if status == DONE { "response.completed" } else { "response.incomplete" };
        self.tell(name, json!({"response": response}), out);
    }
}

impl Pen for ResponsePen {
    fn reply(&self, reply: &Reply) -> Value {
        let (status, cut) = answer::ended(reply.finish().unified);
        let mut output = Vec::new();
        if let Some(thought) = reply.reasoning() {
            output.push(answer::reasoning(&self.id("rs", 0), thought));
        }
        let said = reply.text();
        if !said.is_empty() || reply.tool_calls().is_empty() {
            let refused = reply.finish().unified == FinishReason::Refusal;
            let part = if refused { answer::refusal(said) } else { answer::text(said) };
            output.push(answer::message(&self.id("msg", output.len()), status, &[part]));
        }
        for call in reply.tool_calls() {
            output.push(answer::call(&self.id("fc", output.len()), DONE, call));
        }
        let mut response =
            self.response(Outcome { status, model: &reply.model, output, usage: reply.usage(), cut, error: None });
        response.insert("locum".into(), trail::of_reply(reply));
        response.into()
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { model } => {
                self.model.clone_from(model);
                let response = self.so_far(RUNNING, None);
                self.tell("response.created", json!({"response": response}), out);
                self.tell("response.in_progress", json!({"response": response}), out);
            }
            Event::Text(text) => self.text(text, out),
            Event::Reasoning(text) => self.reasoning(text, out),
            Event::ToolCallDelta(piece) => self.piece(piece, out),
            Event::ToolCall(call) => self.call(call, out),
            Event::Usage(usage) => self.usage = Some(*usage),
            // For clients that asked for it: the output begins anew, with items that take the places of those before.
            Event::Restart { model, kind, reason } => {
                self.close(CUT, out);
                self.output.clear();
                self.told.clear();
                self.model.clone_from(model);
                let mut response = self.so_far(RUNNING, None);
                if let Some(response) = response.as_object_mut() {
                    let restart = json!({"model": model, "kind": kind.as_str(), "reason": reason});
                    response.insert("locum".into(), json!({"restart": restart}));
                }
                self.tell("response.in_progress", json!({"response": response}), out);
            }
            Event::End(reply) => self.end(reply, out),
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.close(CUT, out);
        let body = Refusal::from(error).body();
        let error = body.get("error").cloned().unwrap_or_default();
        let part = |name: &str| error.get(name).cloned().unwrap_or_default();
        let told = json!({"code": part("code"), "message": part("message")});
        let mut response = self.so_far("failed", Some(told));
        if let Some(response) = response.as_object_mut() {
            response.insert("locum".into(), part("locum"));
        }
        self.tell("response.failed", json!({"response": response}), out);
        // By the reference these are members of the event itself; the official SDKs raise what they find in `error`.
        let last = json!({"code": part("code"), "message": part("message"), "param": null, "error": error});
        self.tell("error", last, out);
    }
}

fn with(place: &Value, name: &str, value: Value) -> Value {
    let mut data = place.clone();
    if let Some(data) = data.as_object_mut() {
        data.insert(name.to_owned(), value);
    }
    data
}
