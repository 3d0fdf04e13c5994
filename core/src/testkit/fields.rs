//! The members of one object of a script, read with the place they are at.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};

use crate::types::{ParseError, parse};

/// The longest wait a script may ask for: a day.
const MAX_WAIT_MS: u64 = 24 * 60 * 60 * 1000;

/// The members of one object of the script, with the place they are at.
pub(super) struct Fields<'a> {
    map: Map<String, Value>,
    path: &'a str,
}

impl<'a> Fields<'a> {
    /// Takes an object whose keys, in snake_case or camelCase, are all among `known`.
    pub(super) fn new(value: Value, path: &'a str, known: &[&str]) -> Result<Self, ParseError> {
        let mut map = Map::new();
        for (key, value) in parse::object(value, path)? {
            let place = format!("{path}.{key}");
            let name = parse::snake_case(&key);
            if !known.contains(&name.as_str()) {
                let hint = parse::did_you_mean(&name, known.iter().copied());
                return Err(ParseError::new(place, format!("unknown key{hint}")));
            }
            if map.insert(name, value).is_some() {
                return Err(ParseError::new(place, "given twice, in two spellings"));
            }
        }
        Ok(Self { map, path })
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    pub(super) fn wrong(&self, key: &str, problem: &str) -> ParseError {
        ParseError::new(self.place(key), problem)
    }

    /// The member is there and not null.
    pub(super) fn has_value(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The member, if it is there, null included.
    pub(super) fn take_any(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key)
    }

    /// The member, if it is there and not null.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ParseError> {
        self.take(key).map(|value| parse::string(value, &self.place(key))).transpose()
    }

    pub(super) fn whole(&self, key: &str) -> Result<Option<u64>, ParseError> {
        self.value(key).map(|value| parse::whole(value, &self.place(key))).transpose()
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, ParseError> {
        Ok(self.whole(key)?.map(|n| usize::try_from(n).unwrap_or(usize::MAX)))
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, ParseError> {
        self.value(key).map_or(Ok(false), |value| parse::boolean(value, &self.place(key)))
    }

    pub(super) fn wait(&self, key: &str) -> Result<Duration, ParseError> {
        match self.whole(key)?.unwrap_or(0) {
            ms if ms <= MAX_WAIT_MS => Ok(Duration::from_millis(ms)),
            _ => Err(self.wrong(key, "longer than a day")),
        }
    }

    /// Which of `keys` is set; a flag that is false counts as not set.
    pub(super) fn only_one(&self, keys: &[&'static str]) -> Result<Option<&'static str>, ParseError> {
        let mut found = None;
        for key in keys {
            let set = match *key {
                "body" => self.has(key),
                "answer" | "error" => self.value(key).is_some(),
                flag => self.flag(flag)?,
            };
            if set && let Some(first) = found.replace(*key) {
                let problem = format!("a step has one content, and here is {first} already");
                return Err(self.wrong(key, &problem));
            }
        }
        Ok(found)
    }

    pub(super) fn headers(&mut self) -> Result<HeaderMap, ParseError> {
        let place = self.place("headers");
        let mut headers = HeaderMap::new();
        for (name, value) in self.take("headers").map_or_else(|| Ok(Map::new()), |map| parse::object(map, &place))? {
            let place = format!("{place}.{name}");
            let text = match value {
                Value::Number(number) => number.to_string(),
                other => parse::string(other, &place)?,
            };
            let name = HeaderName::try_from(&name).map_err(|_| ParseError::new(&place, "not a header's name"))?;
            if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
                return Err(ParseError::new(
                    place,
                    "the mock frames its bodies itself; close_after and truncate break them",
                ));
            }
            let value = HeaderValue::try_from(text).map_err(|_| ParseError::new(place, "not a header's value"))?;
            headers.append(name, value);
        }
        Ok(headers)
    }
}
