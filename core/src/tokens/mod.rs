//! How many tokens a prompt has, as each model counts them.
//!
//! The text is estimated from its bytes, and what a model's provider reported of earlier prompts corrects the estimate. Near
//! a limit the text of OpenAI's models is counted exactly (feature `bpe`). Images are counted by each provider's published
//! rule. No limit is near a text whose bytes fit: no token is shorter than a byte.

mod bpe;
mod image;

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::ladder::Size;
use crate::types::{Content, Part, Request, ResponseFormat};

/// Tokens that frame each message, by OpenAI's guide to counting them; other providers publish none.
const PER_MESSAGE: u64 = 4;
/// Tokens that frame the whole where it is counted, by the same guide.
const PER_PROMPT: u64 = 3;
/// An estimate further than this from a limit, up or down, settles by itself which side of it the prompt is on.
const MARGIN: u64 = 4;

/// How one model counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruler {
    exact: bool,
    image: image::Rule,
    ratio: f64,
}

impl Ruler {
    /// Of the model with this id. `ratio` is how many tokens its provider reports for each that is estimated.
    pub(crate) fn new(id: &str, ratio: f64) -> Self {
        Self { exact: bpe::counts(id), image: image::rule(id), ratio }
    }
}

/// The prompt of a request. Its size is looked into when it is first asked for.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) request: Arc<Request>,
    parts: OnceLock<Parts>,
    exact: OnceLock<u64>,
}

/// What makes the size of a prompt.
#[derive(Debug)]
struct Parts {
    bytes: u64,
    /// Estimated tokens of the text.
    text: u64,
    /// Tokens of what frames it.
    frame: u64,
    images: Vec<image::Image>,
}

impl Prompt {
    pub(crate) fn new(request: Request) -> Self {
        Self { request: Arc::new(request), parts: OnceLock::new(), exact: OnceLock::new() }
    }

    /// Its size for this model.
    pub(crate) fn size(&self, ruler: &Ruler) -> Size {
        let parts = self.parts();
        let text = parts.frame + parts.text;
        let images = parts.images(ruler);
        let counted = self.exact.get().filter(|_| ruler.exact).map(|exact| parts.frame + exact);
        let tokens = images + counted.unwrap_or_else(|| (text as f64 * ruler.ratio).round() as u64);
        Size { tokens, text, images }
    }

    /// Its tokens, where they exceed `limit`.
    pub(crate) fn beyond(&self, limit: u64, ruler: impl FnOnce() -> Ruler) -> Option<u64> {
        let parts = self.parts();
        let fits = parts.fit(limit);
        let tokens = || self.size(&ruler()).tokens;
        (!fits).then(tokens).filter(|tokens| *tokens > limit)
    }

    /// Whether only a count tells on which side of `limit` it is.
    pub(crate) fn is_near(&self, limit: u64, ruler: impl FnOnce() -> Ruler) -> bool {
        let parts = self.parts();
        if self.exact.get().is_some() || parts.fit(limit) {
            return false;
        }
        let ruler = ruler();
        let tokens = self.size(&ruler).tokens;
        ruler.exact && tokens / MARGIN < limit && limit / MARGIN < tokens
    }

    /// Counts its text exactly. A megabyte takes some hundredths of a second, the first count a tenth more.
    pub(crate) fn count(&self) {
        self.exact.get_or_init(|| {
            let mut tokens = PER_PROMPT;
            texts(&self.request, &mut |text| tokens += bpe::count(text));
            tokens
        });
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| {
            let frame = PER_MESSAGE * self.request.messages.len() as u64;
            let (mut bytes, mut text) = (0, 0);
            texts(&self.request, &mut |piece| {
                bytes += piece.len() as u64;
                text += rough(piece);
            });
            let contents = self.request.messages.iter().map(|message| &message.content);
            let images = contents.flat_map(|content| match content {
                Content::Parts(parts) => parts.as_slice(),
                _ => &[],
            });
            let images = images.filter_map(image::Image::of).collect();
            Parts { bytes, text, frame, images }
        })
    }
}

impl Parts {
    /// Whether it is within `limit`, whoever counts.
    fn fit(&self, limit: u64) -> bool {
        self.images.is_empty() && self.bytes + self.frame + PER_PROMPT <= limit
    }

    fn images(&self, ruler: &Ruler) -> u64 {
        self.images.iter().map(|image| ruler.image.tokens(image)).sum()
    }
}

/// Shows every text of the request.
fn texts(request: &Request, show: &mut impl FnMut(&str)) {
    let json = |value: &Value, show: &mut dyn FnMut(&str)| show(&value.to_string());
    for message in &request.messages {
        match &message.content {
            Content::None => {}
            Content::Text(text) => show(text),
            Content::Parts(parts) => parts.iter().for_each(|part| match part {
                Part::Text(text) => show(text),
                Part::Image { .. } | Part::Other(_) => {}
            }),
        }
        for call in &message.tool_calls {
            show(&call.name);
            show(&call.arguments);
        }
    }
    request.tools.iter().for_each(|tool| json(&tool.to_value(), show));
    if let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format {
        json(schema, show);
    }
}

/// Four bytes of ASCII for a token, and every other character for one: the first is the common rule of thumb for English,
/// the second errs on the high side for most scripts.
fn rough(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().count() - ascii;
    (ascii.div_ceil(4) + others) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Message;

    fn prompt(text: &str) -> Prompt {
        Prompt::new(Request { messages: vec![Message::user(text)], ..Request::default() })
    }

    fn tokens(prompt: &Prompt, id: &str, ratio: f64) -> u64 {
        prompt.size(&Ruler::new(id, ratio)).tokens - PER_MESSAGE
    }

    #[test]
    fn ascii_counts_by_four_bytes_and_other_scripts_by_character() {
        let estimated = |text: &str| tokens(&prompt(text), "claude-sonnet-4-6", 1.0);
        assert_eq!(estimated(""), 0);
        assert_eq!(estimated("abcd"), 1);
        assert_eq!(estimated("abcde"), 2);
        assert_eq!(estimated("日本語"), 3);
        assert_eq!(estimated("naïve"), 2);
    }

    #[test]
    fn what_providers_report_corrects_the_text_alone() {
        let size = prompt(&"x".repeat(4_000)).size(&Ruler::new("m", 1.5));
        assert_eq!((size.text, size.images, size.tokens), (1_004, 0, 1_506));
    }

    #[test]
    fn no_limit_is_near_a_text_whose_bytes_fit() {
        let prompt = prompt("日本語");
        let unasked = || -> Ruler { panic!("nobody needs to know how the model counts") };
        assert_eq!(prompt.beyond(16, unasked), None);
        assert!(!prompt.is_near(16, unasked));
        assert_eq!(prompt.beyond(6, || Ruler::new("m", 1.0)), Some(7));
    }

    #[cfg(feature = "bpe")]
    #[test]
    fn models_of_openai_are_counted_where_a_limit_is_near() {
        let ruler = || Ruler::new("openai/gpt-4o-mini", 1.0);
        // Eleven words of one token each.
        let prompt = prompt(" hello hello hello hello hello hello hello hello hello hello hello");
        assert!(!prompt.is_near(6, || Ruler::new("claude-sonnet-4-6", 1.0)));
        assert!(!prompt.is_near(4, ruler) && !prompt.is_near(100, ruler));
        assert!(prompt.is_near(20, ruler));
        assert_eq!(tokens(&prompt, "gpt-4o-mini", 1.0), 17);
        prompt.count();
        assert_eq!(tokens(&prompt, "gpt-4o-mini", 1.3), 11 + PER_PROMPT);
        assert_eq!(tokens(&prompt, "claude-sonnet-4-6", 1.0), 17);
        assert!(!prompt.is_near(20, ruler));
    }
}
