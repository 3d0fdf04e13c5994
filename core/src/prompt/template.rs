//! A text with places for variables, in the language of minijinja (Jinja2).

use std::fmt;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::types::ParseError;

/// A template, checked.
#[derive(Clone)]
pub struct Template {
    /// Where it stands in the configuration.
    place: Arc<str>,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Reads a template that stands at `place`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, and on which of its lines.
    pub fn new(place: &str, text: String) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_template_owned(place.to_owned(), text).map_err(|error| sentence(&error))?;
        // Words that mean nothing show when it is filled with nothing.
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        if let Err(error) = environment.get_template(place).and_then(|template| template.render(())) {
            use minijinja::ErrorKind::{UnknownFilter, UnknownFunction, UnknownTest};
            if matches!(error.kind(), UnknownFilter | UnknownFunction | UnknownTest) {
                return Err(sentence(&error));
            }
        }
        // What is missing by mistake is told, and what may be missing can be asked for: `{% if notes %}`.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        Ok(Self { place: place.into(), environment: Arc::new(environment) })
    }

    /// The text with its variables.
    ///
    /// # Errors
    /// Names the variables that are missing, or what else is wrong.
    pub(super) fn fill(&self, variables: &Map<String, Value>) -> Result<String, ParseError> {
        let template = self.environment.get_template(&self.place);
        let filled = template.and_then(|template| template.render(variables));
        filled.map_err(|error| {
            let used = match self.environment.get_template(&self.place) {
                Ok(template) if error.kind() == minijinja::ErrorKind::UndefinedError => {
                    template.undeclared_variables(false)
                }
                _ => Default::default(),
            };
            let mut missing: Vec<String> = used.into_iter().filter(|name| !variables.contains_key(name)).collect();
            missing.sort();
            let problem = match missing.as_slice() {
                [] => format!("{} cannot be filled: {}", self.place, sentence(&error)),
                names => format!("{} needs {}: {}", self.place, names.join(", "), sentence(&error)),
            };
            ParseError::new("variables", problem)
        })
    }
}

/// What went wrong, and where; never a value.
fn sentence(error: &minijinja::Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}, {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

/// Without its text.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.place).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use serde_json::json;

    use super::*;

    fn fill(text: &str, variables: &Value) -> Result<String, String> {
        let template = Template::new("tasks.t.prompt.user", text.to_owned())?;
        template.fill(variables.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_conditions_and_loops_are_filled_in() {
        let variables = json!({"name": "Ada <3 \"x\"", "lines": [{"n": 1.5}, {"n": 2}], "on": true, "none": null});
        assert_eq!(fill("Hello {{ name }}!", &variables).unwrap(), "Hello Ada <3 \"x\"!");
        assert_eq!(
            fill("{% for l in lines %}{{ loop.index }}:{{ l.n }} {% endfor %}", &variables).unwrap(),
            "1:1.5 2:2 "
        );
        assert_eq!(fill("{% if notes %}{{ notes }}{% else %}-{% endif %}", &variables).unwrap(), "-");
        assert_eq!(fill("{{ name | upper | replace('B', '-') }}", &json!({"name": "abc"})).unwrap(), "A-C");
        assert_eq!(fill("{{ notes | default('nothing') }}", &variables).unwrap(), "nothing");
        assert_eq!(fill("{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{{ twice('a') }}", &variables).unwrap(), "aa");
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = fill("Dear {{ name }},\n{{ document }}", &json!({"name": "Ada"})).unwrap_err();
        assert_eq!(problem, "variables: tasks.t.prompt.user needs document: undefined value (line 2)");
        let problem = fill("{{ invoice.total }}", &json!({"invoice": {"sum": 417}})).unwrap_err();
        assert_eq!(problem, "variables: tasks.t.prompt.user cannot be filled: undefined value (line 1)");
    }

    #[test]
    fn values_stay_out_of_errors() {
        for text in [
            "{{ a + b }}",
            "{{ a.x.y }}",
            "{{ a() }}",
            "{{ b | round }}",
            "{{ a | items }}",
            "{% for x in b.c.d %}{% endfor %}",
        ] {
            let problem = fill(text, &json!({"a": "classified", "b": {"secret": "classified"}})).unwrap_err();
            assert!(!problem.contains("classified") && !problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_template_that_is_none_is_told_with_its_line() {
        let problem = Template::new("p", "Hello\n{% if x %}".to_owned()).unwrap_err();
        assert!(problem.contains("line 2"), "{problem}");
        let problem = Template::new("p", "{{ x }}\n{{ x.y | no_such_filter }}".to_owned()).unwrap_err();
        assert_eq!(problem, "unknown filter, filter no_such_filter is unknown (line 2)");
    }

    #[test]
    fn other_files_and_endless_recursion_are_out_of_reach() {
        assert!(fill("{% include '/etc/passwd' %}", &json!({})).is_err());
        assert!(fill("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", &json!({})).is_err());
        assert!(fill("{% for i in range(1000000000) %}x{% endfor %}", &json!({})).is_err());
    }
}
