//! How many tokens a request will have, estimated without a tokenizer.
//!
//! Four bytes of ASCII are counted as one token, and every other character as one of its own: the first is the common
//! rule of thumb for English, the second errs on the high side for most scripts. Each message adds four tokens for its
//! framing, each image 765 (what OpenAI charges for a 1024×1024 image in tiles), tools and a JSON schema their JSON text.

use serde_json::Value;

use crate::types::{Content, Part, Request, ResponseFormat};

const PER_MESSAGE: u64 = 4;
const PER_IMAGE: u64 = 765;

/// About how many input tokens this request has.
pub(crate) fn estimate(request: &Request) -> u64 {
    let messages: u64 = request
        .messages
        .iter()
        .map(|message| {
            let content = match &message.content {
                Content::None => 0,
                Content::Text(text) => of_text(text),
                Content::Parts(parts) => parts.iter().map(of_part).sum(),
            };
            let calls: u64 = message.tool_calls.iter().map(|call| of_text(&call.name) + of_text(&call.arguments)).sum();
            PER_MESSAGE + content + calls
        })
        .sum();
    let tools: u64 = request.tools.iter().map(|tool| of_json(&tool.to_value())).sum();
    let schema = match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => of_json(schema),
        _ => 0,
    };
    messages + tools + schema
}

fn of_part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => of_text(text),
        Part::Image { .. } => PER_IMAGE,
        Part::Other(_) => 0,
    }
}

fn of_json(value: &Value) -> u64 {
    of_text(&value.to_string())
}

fn of_text(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().filter(|c| !c.is_ascii()).count();
    (ascii.div_ceil(4) + others) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Message;

    fn tokens(text: &str) -> u64 {
        estimate(&Request { messages: vec![Message::user(text)], ..Request::default() }) - PER_MESSAGE
    }

    #[test]
    fn ascii_counts_by_four_bytes_and_other_scripts_by_character() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("abcd"), 1);
        assert_eq!(tokens("abcde"), 2);
        assert_eq!(tokens("日本語"), 3);
        assert_eq!(tokens("naïve"), 2);
    }
}
