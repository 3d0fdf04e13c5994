//! What an error body says, whatever its shape: objects, arrays, flat texts, lists of complaints, HTML, nothing.
//!
//! What it means is decided in [`super::classify`].

use std::time::Duration;

use serde_json::Value;

use super::wait;
use crate::transport::HeaderMap;

/// The longest message kept, in characters.
const MAX_MESSAGE: usize = 500;
/// How deep errors within errors are followed (a gateway quoting its upstream quoting its own).
const MAX_DEPTH: u8 = 3;

/// The facts of an error body.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    /// The provider's own words, cut to a sensible length.
    pub(super) message: String,
    /// All words found, those of a quoted upstream too, in lower case: what phrases are looked for in.
    pub(super) text: String,
    /// Codes, reasons and types, in lower case, the most specific first.
    pub(super) names: Vec<String>,
    /// The code, else the type, as the provider wrote it.
    pub(super) code: Option<String>,
    /// The request member the provider complains about.
    pub(super) param: Option<String>,
    /// An HTTP status stated in the body.
    pub(super) status: Option<u16>,
    /// The exchange's id stated in the body.
    pub(super) request_id: Option<String>,
    /// Google's `RetryInfo`, or a gateway's seconds.
    pub(super) retry_after: Option<Duration>,
    /// Tokens of the prompt, where stated as a number (llama.cpp).
    pub(super) prompt_tokens: Option<u64>,
    /// Tokens of the window, where stated as a number (llama.cpp).
    pub(super) window: Option<u64>,
}

impl ErrorBody {
    /// Reads the body of an error response; never fails.
    pub(super) fn from_bytes(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(trim(body)) {
            return Self::from_value(&value);
        }
        let text = String::from_utf8_lossy(trim(body));
        if let Some(page) = html(&text) {
            return Self { message: page, ..Self::default() };
        }
        let mut found = Self::default();
        found.say(&text);
        found.finish()
    }

    /// Reads a parsed error.
    pub(super) fn from_value(value: &Value) -> Self {
        let mut found = Self::default();
        found.read(value, 0);
        found.finish()
    }

    /// Whether one of the names is `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Adds what AWS calls the error in a header.
    pub(super) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        let stated = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        if let Some(stated) = stated {
            self.name(Some(&Value::from(stated)));
            self.code = self.code.or_else(|| stated.split(':').next().map(str::to_owned));
        }
        self
    }

    fn finish(mut self) -> Self {
        self.text = self.text.to_lowercase();
        self.message = cut(&self.message);
        self
    }

    fn say(&mut self, words: &str) {
        let words = words.trim();
        if words.is_empty() {
            return;
        }
        if self.message.is_empty() {
            self.message = words.to_owned();
        } else if !self.message.contains(words) {
            self.message.push_str(": ");
            self.message.push_str(words);
        }
        self.text.push(' ');
        self.text.push_str(words);
    }

    /// Words that may themselves be a quoted JSON error.
    fn say_or_read(&mut self, words: &str, depth: u8) {
        match serde_json::from_str::<Value>(words) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) if depth < MAX_DEPTH => {
                self.read(&inner, depth + 1);
            }
            _ => self.say(words),
        }
    }

    fn read(&mut self, value: &Value, depth: u8) {
        match value {
            Value::String(words) => self.say_or_read(words, depth),
            // Google wraps the error in an array; FastAPI lists complaints.
            Value::Array(items) => {
                for item in items.iter().take(4) {
                    self.read(item, depth);
                }
            }
            Value::Object(map) => {
                if self.request_id.is_none() {
                    self.request_id = string(map.get("request_id"));
                }
                // The inner error is the more specific one, so its code goes first.
                if let Some(inner) = map.get("error").filter(|inner| states_something(inner))
                    && depth < MAX_DEPTH
                {
                    self.read(inner, depth + 1);
                }
                self.read_object(value, depth);
            }
            _ => {}
        }
    }

    fn read_object(&mut self, value: &Value, depth: u8) {
        for key in ["message", "Message", "msg", "error_description"] {
            if let Some(words) = value.get(key).and_then(Value::as_str) {
                self.say_located(words, value, depth);
            }
        }
        for key in ["message", "detail", "details", "errors"] {
            if let Some(inner @ (Value::Array(_) | Value::Object(_))) = value.get(key)
                && depth < MAX_DEPTH
            {
                self.read_details(inner, depth + 1);
            }
        }
        if let Some(words) = value.get("detail").and_then(Value::as_str) {
            self.say_or_read(words, depth);
        }
        if let Some(meta) = value.get("metadata") {
            self.read_metadata(meta, depth);
        }
        self.name(value.pointer("/details/error_code"));
        self.name(value.pointer("/innererror/code"));
        for key in ["code", "__type", "type", "status"] {
            let word = value.get(key).filter(|word| *word != "error" && (key == "code" || word.is_string()));
            let known = self.names.len();
            self.name(word);
            if self.code.is_none() && self.names.len() > known {
                self.code = word.map(|word| cut(word.as_str().unwrap_or(&word.to_string())));
            }
        }
        if self.param.is_none() {
            self.param = string(value.get("param"));
        }
        let count = |key: &str| value.get(key).and_then(Value::as_u64);
        self.prompt_tokens = self.prompt_tokens.or(count("n_prompt_tokens"));
        self.window = self.window.or(count("n_ctx"));
    }

    /// A complaint of a FastAPI server says where: `loc: ["body", "temperature"]`.
    fn say_located(&mut self, words: &str, value: &Value, depth: u8) {
        let place: Vec<&str> = value
            .get("loc")
            .and_then(Value::as_array)
            .map(|loc| loc.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        match place.as_slice() {
            [] => self.say_or_read(words, depth),
            ["body", rest @ ..] | rest => {
                if self.param.is_none() {
                    self.param = rest.first().map(|first| (*first).to_owned());
                }
                self.say(&format!("{}: {words}", rest.join(".")));
            }
        }
    }

    fn read_details(&mut self, details: &Value, depth: u8) {
        let items = match details {
            Value::Array(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for item in items.iter().take(8) {
            self.name(item.get("reason"));
            for violation in item.get("violations").and_then(Value::as_array).into_iter().flatten() {
                self.name(violation.get("quotaId"));
            }
            if let Some(delay) = item.get("retryDelay").and_then(Value::as_str) {
                self.retry_after = wait::duration(delay);
            }
            // Google's typed details repeat or decorate the message; all other shapes are the message.
            if item.get("@type").is_none() {
                self.read(item, depth);
            }
        }
    }

    /// OpenRouter says in `metadata` whose limit it is and what the upstream wrote.
    fn read_metadata(&mut self, meta: &Value, depth: u8) {
        for key in ["limit_source", "error_type", "error_code", "reason"] {
            self.name(meta.get(key));
        }
        if let Some(seconds) = meta.get("retry_after_seconds").and_then(Value::as_f64) {
            self.retry_after = Duration::try_from_secs_f64(seconds).ok();
        }
        match meta.get("raw") {
            Some(Value::String(words)) => self.say_or_read(words, depth),
            Some(inner) if depth < MAX_DEPTH => self.read(inner, depth + 1),
            _ => {}
        }
    }

    fn name(&mut self, value: Option<&Value>) {
        let name = match value {
            Some(Value::String(name)) if !name.is_empty() => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return,
        };
        // AWS writes `com.amazon.coral.service#ThrottlingException` and `ThrottlingException:http://internal…`.
        let name = name.rsplit('#').next().unwrap_or_default().split(":http").next().unwrap_or_default().to_owned();
        if let Some(status) = name.parse().ok().filter(|code| (400..600).contains(code)) {
            // A status in place of a code says no more than the status.
            self.status = self.status.or(Some(status));
            return;
        }
        self.names.push(name.to_lowercase());
    }
}

/// The error a successful status carries in its body, if it does.
pub(super) fn inside(value: &Value) -> Option<ErrorBody> {
    let is_error = match value {
        Value::Array(items) => items.first().is_some_and(|item| inside(item).is_some()),
        Value::Object(map) => {
            let word = |key: &str| map.get(key).and_then(Value::as_str);
            let answers = ["choices", "content"].iter().any(|key| map.get(*key).is_some_and(Value::is_array));
            map.get("error").is_some_and(states_something)
                || word("type") == Some("error")
                || word("object") == Some("error")
                || (!answers
                    && (["message", "Message"].iter().any(|key| word(key).is_some_and(|words| !words.is_empty()))
                        || map.get("detail").is_some_and(|detail| {
                            (detail.is_string() || detail.is_array()) && states_something(detail)
                        })))
        }
        _ => false,
    };
    is_error.then(|| ErrorBody::from_value(value))
}

/// Whether an `error` member is more than a place-holder.
pub(super) fn states_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => map.values().any(|member| match member {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        }),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// What a body that is no JSON is, for people: never its content, but for the title of an HTML page.
pub(super) fn describe(body: &[u8]) -> String {
    let body = trim(body);
    if body.is_empty() {
        return "the body is empty".to_owned();
    }
    html(&String::from_utf8_lossy(body)).unwrap_or_else(|| "the body is not JSON".to_owned())
}

/// The id of the exchange: `x-request-id` (OpenAI and most), `request-id` (Anthropic), and what others call it.
pub(super) fn request_id(headers: &HeaderMap, body: Option<&Value>) -> Option<String> {
    const NAMES: [&str; 7] = [
        "x-request-id",
        "request-id",
        "apim-request-id",
        "mistral-correlation-id",
        "x-generation-id",
        "x-ds-trace-id",
        "x-amzn-requestid",
    ];
    NAMES
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .or_else(|| string(body?.get("request_id")))
        .or_else(|| string(body?.pointer("/x_groq/id")))
        .or_else(|| string(body?.get("id")))
}

/// The bytes without a byte order mark and without white space around them.
pub(super) fn trim(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii()
}

/// `HTML page "Bad gateway"`, if it is one.
fn html(text: &str) -> Option<String> {
    let head: String = text.chars().take(4096).collect::<String>().to_lowercase();
    if !(head.starts_with('<') && (head.contains("<html") || head.contains("<!doctype"))) {
        return None;
    }
    let title = head
        .split_once("<title")
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(_, rest)| rest.split_once("</title"))
        .map(|(title, _)| title.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|title| !title.is_empty());
    Some(match title {
        Some(title) => format!("HTML page \"{}\"", cut(&title)),
        None => "HTML page without a title".to_owned(),
    })
}

fn string(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
