//! Files, texts and objects → [`Policy`].

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::defaults::LARGEST_FILE;
use super::located::{self, Node, SyntaxError};
use super::policy::Policy;
use super::problem::{Findings, Place};
use super::schema::ConfigFile;
use super::secret::Sources;
use super::{shape, validate};
use crate::error::Error;

/// The variable that names the configuration file.
const VARIABLE: &str = "LOCUM_CONFIG";
/// The file that is looked for otherwise.
const FILE: &str = "locum.toml";

#[derive(Clone, Copy)]
enum Syntax {
    Toml,
    Json,
}

/// Where a configuration came from.
struct Origin<'a> {
    /// The file's name as the user gave it, for messages.
    file: Option<&'a str>,
    /// Whether it is a text, in which a key does not belong, and not an object built by code.
    is_text: bool,
    directory: Option<PathBuf>,
}

impl Policy {
    /// Reads a `.toml` or `.json` file. Relative `file:` references start from its folder.
    ///
    /// # Errors
    /// Kind `config`: the file cannot be read, or everything that is wrong in it, each with its line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let (text, syntax) = read(path).map_err(|problem| Error::config(&name, vec![format!("{name}: {problem}")]))?;
        let directory = path.parent().map(Path::to_path_buf);
        parse(&text, syntax, &Origin { file: Some(&name), is_text: true, directory })
    }

    /// Reads TOML. Relative `file:` references start from the working directory.
    ///
    /// # Errors
    /// Kind `config`, with everything that is wrong, each with its line.
    pub fn from_toml_str(text: &str) -> Result<Self, Error> {
        parse(text, Syntax::Toml, &Origin { file: None, is_text: true, directory: None })
    }

    /// Reads strict JSON. Relative `file:` references start from the working directory.
    ///
    /// # Errors
    /// Kind `config`, with everything that is wrong, each with its line.
    pub fn from_json_str(text: &str) -> Result<Self, Error> {
        parse(text, Syntax::Json, &Origin { file: None, is_text: true, directory: None })
    }

    /// Takes an object built by code: the same keys, in snake_case or camelCase; a null means not set. Keys may be
    /// given literally.
    ///
    /// # Errors
    /// Kind `config`, with everything that is wrong, each with its path.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let origin = Origin { file: None, is_text: false, directory: None };
        build(&located::from_value(value), &origin, &|name| std::env::var_os(name))
    }

    /// Checks TOML that is yet to be saved. Its variables need not be set before it is.
    #[cfg(feature = "cli")]
    pub(crate) fn draft(text: &str) -> Result<Self, Error> {
        let origin = Origin { file: None, is_text: true, directory: None };
        // Each stands for itself, so that no two are the same.
        parse_with(text, Syntax::Toml, &origin, &|name| Some(OsString::from(name)))
    }

    /// The configuration to use where none is named: the file in the variable `LOCUM_CONFIG`, else `./locum.toml`.
    ///
    /// # Errors
    /// Kind `config`: neither is there.
    pub fn find_default() -> Result<PathBuf, Error> {
        find(std::env::var_os(VARIABLE), Path::new(FILE).is_file())
    }
}

fn find(variable: Option<OsString>, file_exists: bool) -> Result<PathBuf, Error> {
    match variable.filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None if file_exists => Ok(PathBuf::from(FILE)),
        None => Err(Error::config(
            "configuration",
            vec![format!("none found: {VARIABLE} is not set, and there is no file {}", absolute(Path::new(FILE)))],
        )),
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

fn read(path: &Path) -> Result<(String, Syntax), String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let syntax = match extension.as_deref() {
        Some("toml") => Syntax::Toml,
        Some("json") => Syntax::Json,
        _ => return Err("the file's name must end in .toml or .json".to_owned()),
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error} (looked at {})", absolute(path)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("is larger than {LARGEST_FILE} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        format!("line {} is not UTF-8; save the file as UTF-8", before.filter(|byte| **byte == b'\n').count() + 1)
    })?;
    Ok((text, syntax))
}

fn parse(text: &str, syntax: Syntax, origin: &Origin<'_>) -> Result<Policy, Error> {
    parse_with(text, syntax, origin, &|name| std::env::var_os(name))
}

fn parse_with(
    text: &str,
    syntax: Syntax,
    origin: &Origin<'_>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Policy, Error> {
    // Windows editors begin UTF-8 files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = match syntax {
        Syntax::Toml => located::from_toml(text),
        Syntax::Json => located::from_json(text),
    };
    let tree = tree.map_err(|SyntaxError { line, column, message }| {
        let language = match syntax {
            Syntax::Toml => "TOML",
            Syntax::Json => "JSON",
        };
        let mut problems = Findings::default();
        let place = Place { path: String::new(), line: Some(line) };
        problems.add(place, format!("column {column}: not valid {language}: {message}"));
        failed(problems, origin)
    })?;
    build(&tree, origin, env)
}

fn failed(problems: Findings, origin: &Origin<'_>) -> Error {
    Error::config(origin.file.unwrap_or("configuration"), problems.render(origin.file))
}

fn build(tree: &Node, origin: &Origin<'_>, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Policy, Error> {
    let (mut problems, mut lints) = (Findings::default(), Findings::default());
    let (value, places) = shape::check(tree, &mut problems);
    let sources = Sources { env, directory: origin.directory.clone() };
    match ConfigFile::deserialize(value) {
        Ok(config) => {
            let mut policy = validate::policy(config, &places, &sources, origin.is_text, &mut problems, &mut lints);
            if problems.is_empty() {
                policy.lints = lints.render(origin.file);
                return Ok(policy);
            }
        }
        // A part that is missing was reported with its place. Without such a report, schema and types disagree.
        Err(_) if !problems.is_empty() => {}
        Err(_) => problems.add(Place { path: String::new(), line: None }, "matches the schema, but cannot be read"),
    }
    Err(failed(problems, origin))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;
    use crate::config::Credential;
    #[cfg(feature = "otlp")]
    use crate::types::OtlpProtocol;

    const FROM_CODE: Origin<'_> = Origin { file: None, is_text: false, directory: None };

    #[cfg(feature = "otlp")]
    #[test]
    fn what_is_not_said_of_a_collector_is_taken_from_the_variables_of_opentelemetry() {
        let tree = |otlp: Value| {
            located::from_value(json!({"tasks": {"a": {"primary": "ollama/x"}}, "accounting": {"otlp": otlp}}))
        };
        let env = |name: &str| {
            let value = match name {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => "https://collector:4317/",
                "OTEL_EXPORTER_OTLP_PROTOCOL" => "grpc",
                "OTEL_EXPORTER_OTLP_HEADERS" => "X-Tenant=blue%20team, authorization=Bearer%20abc",
                "OTEL_SERVICE_NAME" => "shop",
                "OTEL_RESOURCE_ATTRIBUTES" => "service.name=other,deployment.environment.name=test",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        let otlp = build(&tree(json!({})), &FROM_CODE, &env).unwrap().accounting.otlp.unwrap();
        assert_eq!((otlp.endpoint.as_str(), otlp.protocol), ("https://collector:4317", OtlpProtocol::Grpc));
        assert_eq!(otlp.headers["x-tenant"].expose(), "blue team");
        assert_eq!(otlp.headers["authorization"].expose(), "Bearer abc");
        assert_eq!(otlp.resource["service.name"], "shop");
        assert_eq!(otlp.resource["deployment.environment.name"], "test");
        let own = json!({"endpoint": "http://localhost:1", "headers": {}, "service_name": "own", "protocol": "http/protobuf",
                         "resource": {"deployment.environment.name": "mine"}});
        let otlp = build(&tree(own), &FROM_CODE, &env).unwrap().accounting.otlp.unwrap();
        assert_eq!((otlp.endpoint.as_str(), otlp.headers.len()), ("http://localhost:1", 0));
        assert_eq!((otlp.resource["service.name"].as_str(), otlp.protocol), ("own", OtlpProtocol::Http));
        assert_eq!(otlp.resource["deployment.environment.name"], "mine");
        let odd = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_HEADERS" => Some(OsString::from("a-secret-without-a-name")),
            "OTEL_EXPORTER_OTLP_PROTOCOL" => Some(OsString::from("http/json")),
            _ => None,
        };
        let error = build(&tree(json!({})), &FROM_CODE, &odd).expect_err("a problem");
        assert!(error.problems()[0].contains("spoken are \"http/protobuf\" and \"grpc\""), "{error}");
        let error = build(&tree(json!({"protocol": "grpc"})), &FROM_CODE, &odd).expect_err("a problem");
        assert!(error.problems()[0].contains("OTEL_EXPORTER_OTLP_HEADERS must be name=value"), "{error}");
        assert!(!error.to_string().contains("a-secret"), "{error}");
    }

    #[test]
    fn the_usual_variable_holds_the_key() {
        let tree = located::from_value(json!({
            "providers": {"work": {"kind": "openai"}},
            "tasks": {"a": {"primary": "work/x", "fallback": ["anthropic/y", "ollama/z"]}},
        }));
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| OsString::from(" sk-1\n"));
        let policy = build(&tree, &FROM_CODE, &env).unwrap();
        let key = |name: &str| policy.providers[name].credential.clone();
        assert!(matches!(key("work"), Credential::Keys(keys) if keys[0].secret.expose() == "sk-1"));
        let missing = "environment variable ANTHROPIC_API_KEY is not set";
        assert!(matches!(key("anthropic"), Credential::Missing(sentence) if sentence == missing));
        assert!(matches!(key("ollama"), Credential::None));
        assert_eq!(policy.lints, [format!("providers.anthropic: its models will be skipped: {missing}")]);
    }

    #[test]
    fn an_empty_variable_counts_as_missing() {
        let tree = located::from_value(json!({"tasks": {"a": {"primary": "xai/x"}}}));
        let policy = build(&tree, &FROM_CODE, &|_| Some(OsString::new())).unwrap();
        let key = &policy.providers["xai"].credential;
        assert!(
            matches!(key, Credential::Missing(sentence) if sentence == "environment variable XAI_API_KEY is empty")
        );
    }

    #[test]
    fn a_variable_that_no_header_can_carry_is_a_problem_told_once() {
        let config = json!({"tasks": {"a": {"primary": "xai/x", "fallback": ["xai/y"]}}});
        let env = |_: &str| Some(OsString::from("sk-secret\nsk-secret"));
        let error = build(&located::from_value(config), &FROM_CODE, &env).expect_err("a problem");
        assert_eq!(
            error.problems(),
            [
                "tasks.a.primary: environment variable XAI_API_KEY holds characters that no header can carry (line breaks, \
              control or non-ASCII characters)"
            ]
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |depth| (0..depth).fold(Value::from(1), |inner, _| Value::Array(vec![inner]));
        let config = |depth| {
            let mut config = json!({
                "models": {"m": {"use": "ollama/x", "extra_body": {}}},
                "tasks": {"a": {"primary": "m"}},
            });
            // `json!` would copy the nested value by recursion.
            config["models"]["m"]["extra_body"]["deep"] = nest(depth);
            config
        };
        assert!(Policy::from_value(config(100)).is_ok());
        let error = Policy::from_value(config(5000)).expect_err("too deep");
        assert!(error.problems()[0].ends_with("nesting this deep cannot be used here"));
        let text = config(100).to_string();
        assert!(Policy::from_json_str(&text).is_ok());
    }

    #[test]
    fn the_default_file_is_named_or_beside() {
        assert_eq!(find(Some("a.json".into()), true).unwrap(), PathBuf::from("a.json"));
        assert_eq!(find(None, true).unwrap(), PathBuf::from("locum.toml"));
        assert_eq!(find(Some(OsString::new()), true).unwrap(), PathBuf::from("locum.toml"));
        let full = std::env::current_dir().unwrap().join("locum.toml");
        let error = find(None, false).expect_err("nothing to find");
        assert_eq!(
            error.problems(),
            [format!("none found: LOCUM_CONFIG is not set, and there is no file {}", full.display())]
        );
    }
}
