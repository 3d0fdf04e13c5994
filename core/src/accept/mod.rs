//! Whether an answer is what was asked for, and what to say to a model whose answer is not. Pure.

mod schema;

use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde_json::Value;

pub use self::schema::Schema;
use crate::types::parse::kind_of;
use crate::types::{Completion, FinishReason, Flaw, Message, Request, ResponseFormat};

/// What a task accepts of an answer.
#[derive(Debug, Clone, Default)]
pub struct Accept {
    /// Whether it must say more than white space.
    pub non_empty: bool,
    /// Whether it must not be cut at the token limit.
    pub not_truncated: bool,
    /// The fewest characters.
    pub min_chars: Option<u64>,
    /// The most characters.
    pub max_chars: Option<u64>,
    /// What must be found in it.
    pub regex: Option<Regex>,
    /// What it must be, as JSON.
    pub json_schema: Option<Arc<Schema>>,
}

/// What the answer to one call is held against.
#[derive(Debug, Default)]
pub(crate) struct Contract {
    format: Option<ResponseFormat>,
    accept: Accept,
    /// The format's schema and how many of its patterns were left out, read when it is first needed; or why it cannot be.
    schema: OnceLock<Result<(Schema, usize), String>>,
}

/// What an answer is found to be.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Finding {
    /// The answer as JSON, where that was asked for and it is what was asked for.
    pub(crate) parsed: Option<Value>,
    /// What is wrong with it.
    pub(crate) flaw: Option<Flaw>,
    /// The same in full, for the model that wrote it.
    pub(crate) complaint: String,
    /// What could not be checked.
    pub(crate) warning: Option<String>,
}

impl Finding {
    fn flawed(subkind: &'static str, fatal: bool, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { complaint: message.clone(), flaw: Some(Flaw { subkind, message, fatal }), ..Self::default() }
    }
}

impl Contract {
    pub(crate) fn new(format: Option<ResponseFormat>, accept: Option<&Accept>) -> Self {
        let format = format.filter(|format| *format != ResponseFormat::Text);
        Self { format, accept: accept.cloned().unwrap_or_default(), schema: OnceLock::new() }
    }

    /// Whether the answer is to be JSON, which makes no sense in pieces.
    pub(crate) fn wants_json(&self) -> bool {
        self.format.is_some() || self.accept.json_schema.is_some()
    }

    /// Holds an answer against what was asked for. One that calls tools is no final answer: of it, only that it is whole counts.
    pub(crate) fn examine(&self, answer: &Completion) -> Finding {
        let mut finding = self.measure(answer);
        if let Some(flaw) = &mut finding.flaw {
            flaw.message += match answer.finish.unified {
                FinishReason::Refusal => "; the model declined to answer",
                FinishReason::ContentFilter => "; a filter held it back",
                FinishReason::Length if flaw.subkind != "length" => "; it was cut at the token limit",
                _ => "",
            };
        }
        finding
    }

    fn measure(&self, answer: &Completion) -> Finding {
        let Accept { not_truncated, non_empty, min_chars, max_chars, regex, json_schema } = &self.accept;
        if *not_truncated && answer.finish.unified == FinishReason::Length {
            return Finding::flawed("length", true, "the answer was cut at the token limit");
        }
        if !answer.tool_calls.is_empty() {
            return Finding::default();
        }
        let (text, chars) = (answer.text.as_str(), answer.text.chars().count() as u64);
        if *non_empty && text.trim().is_empty() {
            return Finding::flawed("empty", true, "the answer is empty");
        }
        if let Some(least) = min_chars.filter(|least| chars < *least) {
            return Finding::flawed("short", true, format!("the answer has {chars} characters, fewer than {least}"));
        }
        if let Some(most) = max_chars.filter(|most| chars > *most) {
            return Finding::flawed("long", true, format!("the answer has {chars} characters, more than {most}"));
        }
        if let Some(regex) = regex.as_ref().filter(|regex| !regex.is_match(text)) {
            return Finding::flawed("regex", true, format!("the answer does not match {:?}", regex.as_str()));
        }
        if !self.wants_json() {
            return Finding::default();
        }
        let fatal = json_schema.is_some();
        let value = match serde_json::from_str::<Value>(text) {
            Ok(value) => value,
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                return Finding::flawed("json", fatal, format!("JSON was asked for, the answer is none ({place})"));
            }
        };
        if let Some(found) = json_schema.as_ref().and_then(|schema| mismatch(schema, &value, true)) {
            return found;
        }
        self.examine_format(value)
    }

    /// Holds JSON against the format that the call asked for.
    fn examine_format(&self, value: Value) -> Finding {
        match &self.format {
            Some(ResponseFormat::JsonObject) if !value.is_object() => {
                let found = kind_of(&value);
                Finding::flawed("json", false, format!("a JSON object was asked for, the answer is {found}"))
            }
            Some(ResponseFormat::JsonSchema { schema, .. }) => {
                match self.schema.get_or_init(|| Schema::lenient(schema.clone())) {
                    Ok((schema, left_out)) => {
                        let patterns = match left_out {
                            0 => None,
                            1 => Some("a pattern of its schema, which is not understood".to_owned()),
                            count => Some(format!("{count} patterns of its schema, which are not understood")),
                        };
                        let warning = patterns.map(|patterns| format!("the answer was not held against {patterns}"));
                        let whole = |value| Finding { parsed: Some(value), ..Finding::default() };
                        let found = mismatch(schema, &value, false).unwrap_or_else(|| whole(value));
                        Finding { warning, ..found }
                    }
                    Err(problem) => Finding {
                        parsed: Some(value),
                        warning: Some(format!(
                            "the answer was not held against its schema, which is not understood: {problem}"
                        )),
                        ..Finding::default()
                    },
                }
            }
            _ => Finding { parsed: Some(value), ..Finding::default() },
        }
    }
}

fn mismatch(schema: &Schema, value: &Value, fatal: bool) -> Option<Finding> {
    let found = schema.mismatch(value)?;
    Some(Finding {
        complaint: format!("the answer does not match the schema: {}", found.full),
        ..Finding::flawed("schema", fatal, format!("the answer does not match the schema: {}", found.discreet))
    })
}

/// The same request once more, for the model that gave this answer, with what was wrong with it.
pub(crate) fn ask_anew(request: &Request, answer: &Completion, complaint: &str) -> Request {
    let mut request = request.clone();
    // Calls without results are no turn that a model can go on from.
    if answer.tool_calls.is_empty() && !answer.text.trim().is_empty() {
        request.messages.push(Message::assistant(answer.text.as_str()));
    }
    // A task may also go on after an answer that was only too long.
    let complaint = if complaint.is_empty() { "the answer was cut at the token limit" } else { complaint };
    let words =
        format!("Your answer was not accepted: {complaint}. Answer again, in full and without a remark on this.");
    request.messages.push(Message::user(words));
    request
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;
    use crate::types::{Finish, ToolCall};

    fn said(text: &str, unified: FinishReason) -> Completion {
        Completion::said(text.to_owned(), String::new(), Vec::new(), Finish { unified, raw: None })
    }

    fn flaw(accept: &Accept, text: &str) -> Option<&'static str> {
        let found = Contract::new(None, Some(accept)).examine(&said(text, FinishReason::Stop));
        assert!(found.flaw.as_ref().is_none_or(|flaw| flaw.fatal));
        found.flaw.map(|flaw| flaw.subkind)
    }

    #[test]
    fn every_rule_finds_its_flaw_and_lets_the_rest_pass() {
        let non_empty = || Accept { non_empty: true, ..Accept::default() };
        assert_eq!(flaw(&non_empty(), " \n"), Some("empty"));
        assert_eq!(flaw(&non_empty(), " x"), None);
        let sized = || Accept { min_chars: Some(2), max_chars: Some(3), ..Accept::default() };
        assert_eq!(flaw(&sized(), "é"), Some("short"));
        assert_eq!(flaw(&sized(), "éé"), None);
        assert_eq!(flaw(&sized(), "ééé"), None);
        assert_eq!(flaw(&sized(), "éééé"), Some("long"));
        let regex = || Accept { regex: Some(Regex::new("(?i)^yes|no$").unwrap()), ..Accept::default() };
        assert_eq!(flaw(&regex(), "YES, it is"), None);
        assert_eq!(flaw(&regex(), "perhaps"), Some("regex"));
        let schema = Arc::new(Schema::new(json!({"type": "object"})).unwrap());
        let json = || Accept { json_schema: Some(schema.clone()), ..Accept::default() };
        assert_eq!(flaw(&json(), "{}"), None);
        assert_eq!(flaw(&json(), "[]"), Some("schema"));
        assert_eq!(flaw(&json(), "{"), Some("json"));
        assert_eq!(flaw(&json(), ""), Some("json"));
    }

    #[test]
    fn a_cut_answer_is_told_by_its_end() {
        let contract = Contract::new(None, Some(&Accept { not_truncated: true, ..Accept::default() }));
        assert_eq!(contract.examine(&said("a", FinishReason::Length)).flaw.unwrap().subkind, "length");
        assert_eq!(contract.examine(&said("a", FinishReason::Stop)), Finding::default());
    }

    #[test]
    fn an_answer_that_calls_tools_is_not_measured() {
        let accept = Accept { non_empty: true, min_chars: Some(9), ..Accept::default() };
        let call = ToolCall { id: "1".into(), name: "f".into(), arguments: "{}".into() };
        let answer = Completion { tool_calls: vec![call], ..said("", FinishReason::ToolCalls) };
        let format = Some(ResponseFormat::JsonObject);
        assert_eq!(Contract::new(format, Some(&accept)).examine(&answer), Finding::default());
    }

    #[test]
    fn a_format_is_a_wish_and_a_tasks_schema_a_condition() {
        let format = |schema| ResponseFormat::JsonSchema { name: "n".into(), schema, strict: None };
        let number = Some(format(json!({"type": "number"})));
        let found = Contract::new(number.clone(), None).examine(&said("\"x\"", FinishReason::Stop));
        assert!(!found.flaw.unwrap().fatal);
        assert_eq!(found.parsed, None);
        let found = Contract::new(number.clone(), None).examine(&said(" 3\n", FinishReason::Stop));
        assert_eq!((found.parsed, found.flaw), (Some(json!(3)), None));
        let accept =
            Accept { json_schema: Some(Arc::new(Schema::new(json!({"minimum": 5})).unwrap())), ..Accept::default() };
        let found = Contract::new(number, Some(&accept)).examine(&said("3", FinishReason::Stop));
        assert!(found.flaw.unwrap().fatal);
    }

    #[test]
    fn a_schema_that_is_not_understood_is_told_and_nothing_is_lost() {
        let format = ResponseFormat::JsonSchema { name: "n".into(), schema: json!({"pattern": "(?!a)"}), strict: None };
        let found = Contract::new(Some(format), None).examine(&said("\"b\"", FinishReason::Stop));
        assert_eq!((found.parsed, found.flaw), (Some(json!("b")), None));
        let warning = "the answer was not held against a pattern of its schema, which is not understood";
        assert_eq!(found.warning.unwrap(), warning);
        let schema = json!({"$ref": "https://example.test/elsewhere"});
        let format = ResponseFormat::JsonSchema { name: "n".into(), schema, strict: None };
        let found = Contract::new(Some(format), None).examine(&said("\"b\"", FinishReason::Stop));
        assert_eq!((found.parsed, found.flaw), (Some(json!("b")), None));
        assert!(found.warning.unwrap().contains("refers to nothing outside"));
    }

    #[test]
    fn the_model_hears_its_own_answer_and_what_is_wrong_with_it() {
        let request = Request { messages: vec![Message::user("how much?")], ..Request::default() };
        let again = ask_anew(&request, &said("three", FinishReason::Stop), "JSON was asked for");
        assert_eq!(again.messages.len(), 3);
        assert_eq!(again.messages.get(1).unwrap(), &Message::assistant("three"));
        assert!(again.messages.last().unwrap().text().contains("JSON was asked for"));
        let again = ask_anew(&request, &said(" ", FinishReason::Stop), "the answer is empty");
        assert_eq!(again.messages.len(), 2);
    }
}
