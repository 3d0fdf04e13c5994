//! Arguments of a call that come piece by piece, each with the place it belongs to
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling>, on streaming of arguments).

use serde_json::{Map, Value};

/// The furthest place in a list that is written to: a bound on what a few bytes can make grow.
const FURTHEST: usize = 9_999;

/// A step into a value.
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// Writes the pieces in `partial` into `args`. A text goes on with the one that stands there.
pub(super) fn apply(args: &mut Value, partial: &Value) {
    for piece in partial.as_array().into_iter().flatten() {
        let path = piece.get("jsonPath").and_then(Value::as_str);
        let Some(place) = path.and_then(steps).and_then(|steps| walk(args, &steps)) else {
            continue;
        };
        match (piece.get("stringValue"), place) {
            (Some(Value::String(more)), Value::String(text)) => text.push_str(more),
            (Some(text @ Value::String(_)), place) => *place = text.clone(),
            (_, place) => {
                let value = ["numberValue", "boolValue"].iter().find_map(|key| piece.get(*key));
                *place = value.cloned().unwrap_or_default();
            }
        }
    }
}

/// `$.a[0].b` and `$['a'][0]['b']`, taken apart; none where it is something else.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(Step::Member(name.get(..end)?));
            rest = name.get(end..)?;
            continue;
        }
        let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
        let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
        steps.push(match quoted {
            Some(name) => Step::Member(name),
            None => Step::Item(inside.parse().ok().filter(|place| *place <= FURTHEST)?),
        });
        rest = after;
    }
    Some(steps)
}

/// The place the steps lead to, made on the way where it is not there yet.
fn walk<'a>(mut place: &'a mut Value, steps: &[Step<'_>]) -> Option<&'a mut Value> {
    for step in steps {
        place = match step {
            Step::Member(name) => {
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
                place.as_object_mut()?.entry(*name).or_insert(Value::Null)
            }
            Step::Item(at) => {
                if place.is_null() {
                    *place = Value::Array(Vec::new());
                }
                let items = place.as_array_mut()?;
                if items.len() <= *at {
                    items.resize(at + 1, Value::Null);
                }
                items.get_mut(*at)?
            }
        };
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn pieces_find_their_places() {
        let mut args = Value::Null;
        let pieces = json!([
            {"jsonPath": "$.list[1].name", "stringValue": "Os"},
            {"jsonPath": "$.list[1].name", "stringValue": "lo"},
            {"jsonPath": "$['list'][0]", "numberValue": 0.5},
            {"jsonPath": "$.fine", "boolValue": true},
            {"jsonPath": "$.nothing", "nullValue": "NULL_VALUE"},
        ]);
        apply(&mut args, &pieces);
        assert_eq!(args, json!({"list": [0.5, {"name": "Oslo"}], "fine": true, "nothing": null}));
    }

    #[test]
    fn paths_that_make_no_sense_lead_nowhere() {
        let mut args = json!({"text": "a"});
        for path in
            ["", "text", "$text", "$[", "$.text.more", "$.text[0]", "$.new[99999999999]", "$.new[10000]", "$[x]"]
        {
            apply(&mut args, &json!([{"jsonPath": path, "stringValue": "b"}]));
        }
        assert_eq!(args["text"], "a");
        assert!(args.to_string().len() < 100, "{args}");
    }
}
