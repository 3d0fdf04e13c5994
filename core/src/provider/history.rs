//! What a chat needs before a format can say it, whoever wrote its earlier turns: every call answered right behind it,
//! ids that the format takes, turns that alternate.
//!
//! Every candidate's request is made from the caller's own messages, never from what another candidate was sent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Target;
use crate::types::{Message, Role, ToolCall};

/// What a call without a result is answered with.
const NO_RESULT: &str = "No result provided";
/// Marks the result of a call that failed, where a format can tell.
const IS_ERROR: &str = "is_error";
/// The first turn must be the user's in some formats; this stands in where the chat has none.
pub(super) const EMPTY_TURN: &str = "(no message)";
/// The longest plain id.
const MAX_ID: usize = 64;

/// Members of messages that are said to Locum and to no server.
pub(super) const OWN_MEMBERS: [&str; 2] = [IS_ERROR, Message::STATE];

/// The chat with each call's result right behind the message that made it, in the order of the calls: a call that nobody
/// answered is answered with an error, a result that nobody asked for becomes the user's text. Says so in `warnings`.
pub(super) fn settled<'a>(messages: Cow<'a, [Message]>, warnings: &mut Vec<String>) -> Cow<'a, [Message]> {
    let plain = |message: &Message| message.tool_calls.is_empty() && message.role != Role::Tool;
    if messages.iter().all(plain) {
        return messages;
    }
    let mut used = BTreeSet::new();
    let mut list = Vec::with_capacity(messages.len());
    for (at, message) in messages.iter().enumerate() {
        if used.contains(&at) {
            continue;
        }
        if message.role == Role::Tool {
            warn(warnings, "a tool result without its call was sent as text");
            list.push(Message {
                role: Role::User,
                tool_call_id: None,
                name: None,
                extra: Map::new(),
                ..message.clone()
            });
            continue;
        }
        list.push(message.clone());
        for call in &message.tool_calls {
            // A later call of the same id has its own answer.
            let until = |(_, later): &(usize, &Message)| later.role != Role::Assistant || later.tool_calls.is_empty();
            let mut later = messages.iter().enumerate().skip(at + 1).take_while(until);
            let answers = |(place, later): &(usize, &Message)| {
                later.tool_call_id.as_deref() == Some(&call.id) && !used.contains(place)
            };
            if let Some((place, result)) = later.find(answers) {
                used.insert(place);
                list.push(result.clone());
            } else {
                warn(warnings, "a tool call without a result was answered with an error");
                list.push(no_result(call));
            }
        }
    }
    Cow::Owned(list)
}

fn warn(warnings: &mut Vec<String>, warning: &str) {
    if !warnings.iter().any(|known| known == warning) {
        warnings.push(warning.to_owned());
    }
}

fn no_result(call: &ToolCall) -> Message {
    Message {
        role: Role::Tool,
        tool_call_id: Some(call.id.clone()),
        extra: Map::from_iter([(IS_ERROR.to_owned(), Value::Bool(true))]),
        ..Message::user(NO_RESULT)
    }
}

/// Whether a result is that of a call that failed.
pub(super) fn is_error(message: &Message) -> bool {
    message.extra.get(IS_ERROR) == Some(&Value::Bool(true))
}

/// The ids of the chat's calls.
fn call_ids(messages: &[Message]) -> BTreeSet<&str> {
    let ids = messages.iter().flat_map(|message| {
        let calls = message.tool_calls.iter().map(|call| call.id.as_str());
        calls.chain(message.tool_call_id.as_deref())
    });
    ids.collect()
}

/// Ids of letters, digits, `_` and `-`, 64 at most, by the ids of the chat that are not: all that Anthropic and Bedrock
/// take. An id that is fine stays as it is, and no two become one.
pub(super) fn plain_ids(messages: &[Message]) -> BTreeMap<String, String> {
    let fine = |id: &str| {
        (1..=MAX_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let all = call_ids(messages);
    let mut taken: BTreeSet<String> = all.iter().filter(|id| fine(id)).map(|id| (*id).to_owned()).collect();
    let mut ids = BTreeMap::new();
    for (number, id) in all.into_iter().filter(|id| !fine(id)).enumerate() {
        let clean: String =
            id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(MAX_ID - 8).collect();
        let mut new = if clean.is_empty() { "call".to_owned() } else { clean.clone() };
        let mut salt = number;
        while !taken.insert(new.clone()) {
            new = format!("{clean}_{salt}");
            salt += 1;
        }
        ids.insert(id.to_owned(), new);
    }
    ids
}

/// The provider's own form of this turn, where the very model that is asked wrote it and nobody changed it since: then its
/// reasoning goes back unchanged.
pub(super) fn own_turn<'a>(target: &Target<'_>, message: &'a Message, strip_reasoning: bool) -> Option<&'a Value> {
    if strip_reasoning {
        return None;
    }
    message.state(target.provider, target.model)
}

/// A call's arguments as the object that most formats want; what is no object is kept within one.
pub(super) fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        Ok(other) => json!({"value": other}),
        Err(_) if call.arguments.trim().is_empty() => json!({}),
        Err(_) => json!({"value": call.arguments}),
    }
}

/// The media type and the base64 text of a `data:` URI.
pub(super) fn data_uri(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((head.split(';').next().unwrap_or(head), data))
}

/// Turns of blocks that alternate between two roles: what one role says in a row is one turn.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) list: Vec<Turn>,
}

/// What a role says in a row, as a format's blocks.
pub(super) struct Turn {
    pub(super) role: &'static str,
    pub(super) blocks: Vec<Value>,
}

impl Turns {
    /// Adds blocks to the last turn if it is this role's, else a turn; nothing where there are none.
    pub(super) fn say(&mut self, role: &'static str, blocks: impl IntoIterator<Item = Value>) {
        let mut blocks = blocks.into_iter().peekable();
        if blocks.peek().is_none() {
            return;
        }
        match self.list.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.extend(blocks),
            None => self.list.push(Turn { role, blocks: blocks.collect() }),
        }
    }

    /// Puts a turn of `role` with this block in front, unless the first is one already.
    pub(super) fn open_with(&mut self, role: &'static str, block: Value) {
        if self.list.first().is_none_or(|turn| turn.role != role) {
            self.list.insert(0, Turn { role, blocks: vec![block] });
        }
    }
}

/// A final assistant turn may not end in white space.
pub(super) fn trim_end(turn: &mut Turn) {
    if let Some(Value::String(text)) = turn.blocks.last_mut().and_then(|block| block.get_mut("text")) {
        text.truncate(text.trim_end().len());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::provider::{ANTHROPIC, OPENAI_CHAT, Provider};
    use crate::transport::{HeaderMap, HttpAnswer};
    use crate::types::{Amend, Params, Request};

    /// The last message of the request that `kind` is sent, when the answer `body` of `p/m` is part of the chat.
    fn sent(codec: &dyn Provider, kind: &str, to: (&str, &str), amends: &[Amend], body: &Value, change: &str) -> Value {
        let (headers, params, extra_body) = (BTreeMap::new(), Params::default(), Map::new());
        let target = |provider, model| Target {
            provider,
            kind,
            base_url: "https://api.test",
            api_version: None,
            api_key: None,
            token: None,
            headers: &headers,
            model,
            params: &params,
            extra_body: &extra_body,
            amends,
            connect_timeout: Duration::from_secs(1),
            stream: false,
            resume: None,
            prefill: false,
        };
        let asked = Request { messages: vec![Message::user("Hi")], ..Request::default() };
        let answer = HttpAnswer { status: 200, headers: HeaderMap::new(), body: body.to_string().into() };
        let completion = codec.decode(&target("p", "m"), &asked, &answer, 0).unwrap();
        let mut message = Message { role: Role::Assistant, ..Message::user(completion.text.clone()) };
        message.tool_calls = completion.tool_calls;
        message.remember("p/m", &completion.state.unwrap());
        message.content = crate::types::Content::Text(completion.text + change);
        let messages = vec![Message::user("Hi"), message, Message::user("Go on")];
        let (http, _) = codec.encode(&target(to.0, to.1), &Request { messages, ..Request::default() }).unwrap();
        serde_json::from_slice::<Value>(&http.body).unwrap()["messages"][1].take()
    }

    #[test]
    fn signed_thoughts_go_back_to_their_author_alone() {
        let content =
            json!([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Yes"}]);
        let body = json!({"content": content, "stop_reason": "end_turn"});
        let sent =
            |to, amends: &[Amend], change| sent(&ANTHROPIC, "anthropic", to, amends, &body, change)["content"].take();
        assert_eq!(sent(("p", "m"), &[], ""), content);
        let translated = json!([{"type": "text", "text": "Yes"}]);
        assert_eq!(sent(("p", "other"), &[], ""), translated);
        assert_eq!(sent(("other", "m"), &[], ""), translated);
        assert_eq!(sent(("p", "m"), &[Amend::StripReasoning], ""), translated);
        assert_eq!(sent(("p", "m"), &[], "!"), json!([{"type": "text", "text": "Yes!"}]));
    }

    #[test]
    fn deepseek_sees_its_thoughts_beside_tool_calls() {
        let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let body = json!({"choices": [{"finish_reason": "tool_calls", "message":
            {"content": "", "reasoning_content": "hm", "tool_calls": [call]}}]});
        let sent = |to| sent(&OPENAI_CHAT, "deepseek", to, &[], &body, "");
        assert_eq!(sent(("p", "m"))["reasoning_content"], "hm");
        assert_eq!(sent(("p", "other"))["reasoning_content"], "");
        assert!(sent(("p", "m")).get("reasoning_state").is_none());
    }
}
