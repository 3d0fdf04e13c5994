//! Tool calls as they grow, with what servers leave out of them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::provider::Delta;
use crate::types::ToolCallDelta;

/// How many calls back the one is looked for that a piece names by its id alone.
const RECENT: usize = 64;

/// The tool calls of a message as far as they have come.
#[derive(Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Where in `calls` the call of an index is.
    places: HashMap<u64, usize>,
    /// How many chunks were read.
    chunks: u64,
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    nesting: Nesting,
    form: Form,
    /// The first piece of the arguments is JSON by itself, as of servers that send calls whole.
    whole: bool,
    /// The chunk that held the last piece.
    chunk: u64,
}

/// How deep in JSON a text ends.
#[derive(Default)]
struct Nesting {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Form {
    #[default]
    Function,
    /// A tool that takes free text.
    Custom,
    /// The `function_call` of old.
    Legacy,
}

/// A piece of a call.
struct Piece {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    form: Form,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Reads the `tool_calls` of a chunk.
    pub(super) fn read(&mut self, pieces: Vec<Value>, out: &mut Vec<Delta>) {
        self.chunks += 1;
        for piece in pieces {
            if let Value::Object(mut piece) = piece {
                let custom = piece.swap_remove("custom").filter(Value::is_object);
                let form = if custom.is_some() { Form::Custom } else { Form::Function };
                let inner = custom.or_else(|| piece.swap_remove("function"));
                let piece = Piece {
                    index: piece.get("index").and_then(|index| index.as_u64().or_else(|| index.as_str()?.parse().ok())),
                    id: text(piece.swap_remove("id")),
                    ..Piece::new(inner.unwrap_or_default(), form)
                };
                self.add(piece, out);
            }
        }
    }

    /// Reads the `function_call` of a chunk; behind tool calls it repeats them.
    pub(super) fn read_legacy(&mut self, piece: Map<String, Value>, out: &mut Vec<Delta>) {
        self.chunks += 1;
        let legacy = self.calls.iter().all(|call| call.form == Form::Legacy);
        let piece = Piece { index: Some(0), ..Piece::new(Value::Object(piece), Form::Legacy) };
        if legacy {
            self.add(piece, out);
        }
    }

    fn add(&mut self, piece: Piece, out: &mut Vec<Delta>) {
        let known = self.place_of(&piece);
        let place = known.unwrap_or(self.calls.len());
        if known.is_none() {
            self.calls.push(Call { form: piece.form, ..Call::default() });
            self.places.extend(piece.index.map(|index| (index, place)));
        }
        let Some(call) = self.calls.get_mut(place) else {
            return;
        };
        call.chunk = self.chunks;
        // Some servers repeat id and name with every piece.
        let news = |known: &mut String, word: String| {
            if !known.is_empty() || word.is_empty() {
                return None;
            }
            known.clone_from(&word);
            Some(word)
        };
        let id = news(&mut call.id, piece.id);
        let name = news(&mut call.name, piece.name);
        if piece.index.is_none() && call.arguments.is_empty() {
            call.whole = serde_json::from_str::<serde::de::IgnoredAny>(&piece.arguments).is_ok();
        }
        call.arguments.push_str(&piece.arguments);
        call.nesting.follow(&piece.arguments);
        // Free text is no piece of JSON text.
        let arguments = if call.form == Form::Custom { String::new() } else { piece.arguments };
        if id.is_some() || name.is_some() || !arguments.is_empty() {
            out.push(Delta::ToolCall(ToolCallDelta { index: place, id, name, arguments }));
        }
    }

    /// Which call a piece belongs to; none where it begins one.
    fn place_of(&self, piece: &Piece) -> Option<usize> {
        let last = self.calls.len().checked_sub(1)?;
        if let Some(index) = piece.index {
            let known = self.places.get(&index).copied()?;
            // Servers that give all their calls one index tell them apart by id and name.
            let other = |call: &Call| {
                let named = !piece.id.is_empty() && !call.id.is_empty() && !piece.name.is_empty();
                named && piece.id != call.id && !self.goes_on(call, piece)
            };
            return Some(known).filter(|_| !self.calls.get(known).is_some_and(other));
        }
        if !piece.id.is_empty() {
            let recent = self.calls.iter().enumerate().rev().take(RECENT);
            let of_id = recent.into_iter().find(|(_, call)| call.id == piece.id).map(|(place, _)| place);
            // An id that comes late, or a new one with every piece, names no new tool.
            let goes_on = || self.calls.get(last).is_some_and(|call| self.goes_on(call, piece));
            return of_id.or_else(|| Some(last).filter(|_| piece.name.is_empty() || goes_on()));
        }
        let call = self.calls.get(last)?;
        let repeats = piece.name == call.name && call.chunk != self.chunks && !call.whole;
        Some(last).filter(|_| piece.name.is_empty() || call.name.is_empty() || repeats)
    }

    /// Whether a piece with an id of its own goes on with a half-written call all the same: vLLM has written a new id
    /// and the name again with every piece of a call that the request had demanded.
    fn goes_on(&self, call: &Call, piece: &Piece) -> bool {
        let half = call.nesting.open() || (call.arguments.is_empty() && !piece.arguments.is_empty());
        half && call.form == Form::Function && call.name == piece.name && call.chunk != self.chunks
    }

    /// Puts the calls into the message.
    pub(super) fn close(self, message: &mut Map<String, Value>) {
        let (legacy, calls): (Vec<_>, Vec<_>) = self.calls.into_iter().partition(|call| call.form == Form::Legacy);
        if let Some(call) = legacy.into_iter().next() {
            message.insert("function_call".to_owned(), json!({"name": call.name, "arguments": call.arguments}));
        }
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into_iter().map(Call::close).collect());
        }
    }
}

impl Nesting {
    fn follow(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match (byte, self.quoted) {
                _ if self.escaped => self.escaped = false,
                (b'\\', true) => self.escaped = true,
                (b'"', _) => self.quoted = !self.quoted,
                (b'{' | b'[', false) => self.depth += 1,
                (b'}' | b']', false) => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn open(&self) -> bool {
        self.quoted || self.depth > 0
    }
}

impl Call {
    fn close(self) -> Value {
        let mut call = Map::new();
        if !self.id.is_empty() {
            call.insert("id".to_owned(), Value::String(self.id));
        }
        let (kind, arguments) = if self.form == Form::Custom { ("custom", "input") } else { ("function", "arguments") };
        call.insert("type".to_owned(), kind.into());
        call.insert(kind.to_owned(), json!({"name": self.name, arguments: self.arguments}));
        Value::Object(call)
    }
}

impl Piece {
    /// A piece without index and id.
    fn new(mut inner: Value, form: Form) -> Self {
        let mut take = |key: &str| inner.get_mut(key).map(Value::take);
        let name = text(take("name"));
        let arguments = match take(if form == Form::Custom { "input" } else { "arguments" }) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            // Some servers send the object itself.
            Some(whole) => whole.to_string(),
        };
        Self { index: None, id: String::new(), name, arguments, form }
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}
