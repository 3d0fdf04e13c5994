//! Canned errors: the body and the status with which each provider reports what a script names.
//!
//! Sources: OpenAI's and Anthropic's published lists of error codes and types, and error bodies quoted in public
//! reports. An Anthropic error has a type only; a code of OpenAI's that is played there becomes the type that
//! Anthropic uses for the same thing, and the other way round.

use serde_json::{Map, Value, json};

use super::Format;
use super::gemini;
use crate::types::ParseError;
use crate::types::parse;

/// What both providers say in one situation.
struct Row {
    /// The words that select it in a script.
    words: &'static [&'static str],
    openai: OpenAi,
    anthropic: Anthropic,
}

struct OpenAi {
    status: u16,
    /// `error.type`.
    kind: &'static str,
    /// `error.code`; null where OpenAI sends none.
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: &'static str,
}

struct Anthropic {
    status: u16,
    /// `error.type`.
    kind: &'static str,
    message: &'static str,
}

const fn openai(
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: &'static str,
) -> OpenAi {
    OpenAi { status, kind, code, param, message }
}

const fn anthropic(status: u16, kind: &'static str, message: &'static str) -> Anthropic {
    Anthropic { status, kind, message }
}

const INVALID: &str = "invalid_request_error";

/// `{model}` in a message is the request's model.
const ROWS: &[Row] = &[
    Row {
        words: &["rate_limit_exceeded", "rate_limit_error"],
        openai: openai(
            429,
            "requests",
            Some("rate_limit_exceeded"),
            None,
            "Rate limit reached for {model} in organization org-mock on requests per min (RPM): Limit 3, Used 3, Requested 1.",
        ),
        anthropic: anthropic(429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    },
    Row {
        words: &["slow_down"],
        openai: openai(429, "rate_limit_error", Some("slow_down"), None, "Slow down: the request rate rose too fast."),
        anthropic: anthropic(
            429,
            "rate_limit_error",
            "This request would exceed your organization's acceleration limit.",
        ),
    },
    Row {
        words: &[
            "insufficient_quota",
            "billing_error",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
        ],
        openai: openai(
            429,
            "insufficient_quota",
            Some("insufficient_quota"),
            None,
            "You exceeded your current quota: check plan and billing.",
        ),
        anthropic: anthropic(402, "billing_error", "There is a problem with billing or payment of this account."),
    },
    Row {
        words: &["server_is_overloaded", "overloaded_error"],
        openai: openai(
            503,
            "service_unavailable_error",
            Some("server_is_overloaded"),
            None,
            "The server is overloaded: try again later.",
        ),
        anthropic: anthropic(529, "overloaded_error", "Overloaded"),
    },
    Row {
        words: &["server_error", "api_error"],
        openai: openai(500, "server_error", None, None, "The server had an error while processing the request."),
        anthropic: anthropic(500, "api_error", "Internal server error"),
    },
    Row {
        words: &["timeout_error"],
        openai: openai(504, "server_error", None, None, "The request timed out."),
        anthropic: anthropic(504, "timeout_error", "The request timed out."),
    },
    Row {
        words: &["context_length_exceeded"],
        openai: openai(
            400,
            INVALID,
            Some("context_length_exceeded"),
            Some("messages"),
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        ),
        anthropic: anthropic(400, INVALID, "prompt is too long: 205000 tokens > 200000 maximum"),
    },
    Row {
        words: &["request_too_large"],
        openai: openai(413, INVALID, Some("request_too_large"), None, "The request body is too large."),
        anthropic: anthropic(413, "request_too_large", "Request exceeds the maximum size"),
    },
    Row {
        words: &["content_policy_violation", "content_filter"],
        openai: openai(
            400,
            INVALID,
            Some("content_policy_violation"),
            None,
            "The request was rejected by the safety system.",
        ),
        anthropic: anthropic(400, INVALID, "Output blocked by content filtering policy"),
    },
    Row {
        words: &["invalid_prompt"],
        openai: openai(
            400,
            INVALID,
            Some("invalid_prompt"),
            None,
            "Invalid prompt: it was flagged as violating the usage policy.",
        ),
        anthropic: anthropic(400, INVALID, "Output blocked by content filtering policy"),
    },
    Row {
        words: &["unsupported_parameter"],
        openai: openai(
            400,
            INVALID,
            Some("unsupported_parameter"),
            Some("temperature"),
            "Unsupported parameter: 'temperature' is not supported with this model.",
        ),
        anthropic: anthropic(400, INVALID, "`temperature` is deprecated for this model."),
    },
    Row {
        words: &["unsupported_value"],
        openai: openai(
            400,
            INVALID,
            Some("unsupported_value"),
            Some("temperature"),
            "Unsupported value: 'temperature' does not support this value with this model.",
        ),
        anthropic: anthropic(400, INVALID, "`temperature` is deprecated for this model."),
    },
    Row {
        words: &[INVALID],
        openai: openai(400, INVALID, None, None, "The request is not valid."),
        anthropic: anthropic(400, INVALID, "The request is not valid."),
    },
    Row {
        words: &["invalid_api_key", "authentication_error"],
        openai: openai(401, INVALID, Some("invalid_api_key"), None, "Incorrect API key provided."),
        anthropic: anthropic(401, "authentication_error", "invalid x-api-key"),
    },
    Row {
        words: &["unsupported_country_region_territory", "permission_error"],
        openai: openai(
            403,
            "request_forbidden",
            Some("unsupported_country_region_territory"),
            None,
            "Country, region, or territory not supported",
        ),
        anthropic: anthropic(403, "permission_error", "This key has no permission to use the resource."),
    },
    Row {
        words: &["model_not_found", "not_found_error"],
        openai: openai(
            404,
            INVALID,
            Some("model_not_found"),
            None,
            "The model `{model}` does not exist or you do not have access to it.",
        ),
        anthropic: anthropic(404, "not_found_error", "model: {model}"),
    },
    Row {
        words: &["method_not_allowed"],
        openai: openai(405, INVALID, None, None, "Method not allowed."),
        anthropic: anthropic(405, INVALID, "Method not allowed."),
    },
    Row {
        words: &["conflict_error"],
        openai: openai(409, INVALID, Some("conflict"), None, "The request conflicts with another one."),
        anthropic: anthropic(409, "conflict_error", "The request conflicts with another one."),
    },
];

/// An error in the shape of whichever provider is spoken.
#[derive(Clone)]
pub(super) struct ErrorBody {
    /// The situation, where the script's word is known.
    row: Option<&'static Row>,
    /// The script's word, where it was one.
    word: Option<String>,
    /// Members of the error object that the script sets.
    members: Map<String, Value>,
}

impl ErrorBody {
    /// Reads a code, a type, or an object of members. `status` is the step's own.
    pub(super) fn from_value(value: Value, path: &str, status: Option<u16>) -> Result<Self, ParseError> {
        let (word, members) = match value {
            Value::String(word) => (Some(word), Map::new()),
            Value::Object(members) => {
                let named = |key: &str| members.get(key).and_then(Value::as_str);
                let word = named("code").filter(|code| row(code).is_some());
                (word.or_else(|| named("type")).map(str::to_owned), members)
            }
            other => {
                return Err(ParseError::expected(path, "a provider's error code, or an object", &other));
            }
        };
        let row = word.as_deref().and_then(row);
        if row.is_none() && status.is_none() {
            let hint = word.as_deref().map_or_else(String::new, |word| {
                let known = ROWS.iter().flat_map(|row| row.words.iter().copied());
                parse::did_you_mean(word, known)
            });
            let problem = format!("not a code that is known here, so it needs a status{hint}");
            return Err(ParseError::new(path, problem));
        }
        Ok(Self { row, word, members })
    }

    /// The error of a known word.
    pub(super) fn named(word: &str) -> Self {
        Self { row: row(word), word: Some(word.to_owned()), members: Map::new() }
    }

    /// What a provider that answers with `status` usually says.
    pub(super) fn of_status(status: u16) -> Self {
        Self::named(match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            408 | 504 => "timeout_error",
            409 => "conflict_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            500.. => "server_error",
            _ => INVALID,
        })
    }

    /// The same error with this sentence.
    pub(super) fn saying(mut self, message: impl Into<String>) -> Self {
        self.members.insert("message".into(), message.into().into());
        self
    }

    /// The documented status; `None` for words that are not known.
    pub(super) fn status(&self, format: Format) -> Option<u16> {
        self.row.map(|row| match format {
            // Google says of a bad key that the request is wrong.
            Format::Gemini if row.openai.code == Some("invalid_api_key") => 400,
            Format::OpenAiChat | Format::Gemini => row.openai.status,
            Format::AnthropicMessages => row.anthropic.status,
        })
    }

    /// The body as `format` has it.
    pub(super) fn body(&self, format: Format, status: u16, model: &str, request_id: &str) -> Value {
        let mut error = match format {
            Format::OpenAiChat | Format::Gemini => self.openai(),
            Format::AnthropicMessages => self.anthropic(),
        };
        if let Some(Value::String(message)) = error.get_mut("message") {
            *message = message.replace("{model}", model);
        }
        for (key, value) in &self.members {
            // Anthropic's errors have no code: there it only selects the type.
            if format != Format::AnthropicMessages || key != "code" {
                error.insert(key.clone(), value.clone());
            }
        }
        match format {
            Format::Gemini => {
                let word = |key: &str| error.get(key).and_then(Value::as_str);
                gemini::error(status, word("code"), word("message").unwrap_or_default())
            }
            Format::OpenAiChat => json!({ "error": error }),
            Format::AnthropicMessages => {
                json!({ "type": "error", "error": error, "request_id": request_id })
            }
        }
    }

    fn openai(&self) -> Map<String, Value> {
        let word = self.word.as_deref();
        let (message, kind, param, code) = match self.row {
            // A row of several codes sends the one that the script names, unless that is Anthropic's word.
            Some(Row { openai, anthropic, .. }) => (
                openai.message,
                openai.kind,
                openai.param,
                openai.code.map(|code| match word {
                    Some(word) if word != anthropic.kind => word,
                    _ => code,
                }),
            ),
            None => ("Scripted error.", INVALID, None, word),
        };
        members([("message", message.into()), ("type", kind.into()), ("param", param.into()), ("code", code.into())])
    }

    fn anthropic(&self) -> Map<String, Value> {
        let (kind, message) = match self.row {
            Some(row) => (row.anthropic.kind, row.anthropic.message),
            None => (self.word.as_deref().unwrap_or(INVALID), "Scripted error."),
        };
        members([("type", kind.into()), ("message", message.into())])
    }
}

fn members<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

fn row(word: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.words.contains(&word))
}
