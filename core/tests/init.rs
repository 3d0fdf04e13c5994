//! `locum init`: what it writes is a configuration, and says what the environment or the other file said.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "init/deployments.rs"]
mod deployments;
#[path = "init/litellm.rs"]
mod litellm;
mod support;

use std::process::{Command, Output};

use locum::Policy;
use support::{KEY, file, locum};

const KEYS: [&str; 9] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY",
    "XAI_API_KEY",
    "GROQ_API_KEY",
    "TOGETHER_API_KEY",
    "OPENROUTER_API_KEY",
];

/// These keys and no others, each of its own.
fn environment(command: &mut Command, keys: &[&str]) {
    for name in KEYS {
        command.env_remove(name);
    }
    for name in keys {
        command.env(name, format!("{KEY}-{name}"));
    }
}

fn init(arguments: &[&str], keys: &[&str]) -> (Option<i32>, String, String) {
    let mut command = locum(&[&["init"], arguments].concat());
    environment(&mut command, keys);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!format!("{stdout}{stderr}").contains(KEY), "a key was printed");
    (status.code(), stdout, stderr)
}

/// A task's candidates, by name.
fn names(policy: &Policy, task: &str) -> Vec<String> {
    policy.tasks[task].candidates.iter().map(|model| model.name()).collect()
}

/// What a LiteLLM configuration becomes: the policy, the text and what was said on stderr.
fn converted(name: &str, yaml: &str) -> (Policy, String, String) {
    let path = file(&format!("{name}.yaml"), yaml);
    let (code, text, stderr) = init(&["--stdout", "--from-litellm", &path], &[]);
    assert_eq!(code, Some(0), "{stderr}\n{text}");
    (Policy::from_toml_str(&text).unwrap(), text, stderr)
}

/// What is said of a configuration that cannot be converted; the file that is there stays.
fn refused(name: &str, yaml: &str) -> String {
    let path = file(&format!("{name}.yaml"), yaml);
    let output = file(&format!("{name}-refused.toml"), "mine");
    let (code, _, stderr) = init(&["--from-litellm", &path, "--force", "-o", &output], &[]);
    assert_eq!((code, std::fs::read_to_string(&output).unwrap().as_str()), (Some(1), "mine"), "{stderr}");
    stderr
}

#[test]
fn the_keys_found_become_providers() {
    let (code, text, _) = init(&["--stdout"], &["ANTHROPIC_API_KEY", "GROQ_API_KEY"]);
    let policy = Policy::from_toml_str(&text).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(policy.providers.keys().collect::<Vec<_>>(), ["anthropic", "groq"]);
    assert_eq!(names(&policy, "support_chat"), ["anthropic/claude-sonnet-4-6", "groq/openai/gpt-oss-120b"]);
    assert_eq!(names(&policy, "long_context_analysis"), ["anthropic/claude-sonnet-4-6"]);
    assert!(text.contains("api_key = \"env:GROQ_API_KEY\""), "{text}");
}

#[test]
fn without_keys_it_names_the_variables_to_set() {
    let (code, text, _) = init(&["--stdout"], &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("Set: OPENAI_API_KEY, ANTHROPIC_API_KEY"), "{text}");
    assert_eq!(Policy::from_toml_str(&text).unwrap().tasks.len(), 5);
}

#[test]
fn further_keys_are_named_in_a_comment() {
    let (_, text, _) = init(&["--stdout"], &["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "XAI_API_KEY"]);
    assert_eq!(Policy::from_toml_str(&text).unwrap().providers.len(), 3);
    assert!(text.lines().any(|line| line.starts_with("# Keys were found") && line.ends_with(": xai")), "{text}");
}

#[test]
fn every_set_of_keys_passes_check_without_a_warning() {
    for count in 1..=KEYS.len() {
        let keys = &KEYS[KEYS.len() - count..];
        let path = file(&format!("init-{count}.toml"), "");
        assert_eq!(init(&["--force", "--output", &path], keys).0, Some(0));
        let mut check = locum(&["check", "--strict", &path]);
        environment(&mut check, keys);
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{keys:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let path = file("init-there.toml", "mine");
    let (code, _, stderr) = init(&["--output", &path], &[]);
    assert_eq!((code, std::fs::read_to_string(&path).unwrap().as_str()), (Some(1), "mine"));
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(init(&["--output", &path, "--force"], &[]).0, Some(0));
    assert!(std::fs::read_to_string(&path).unwrap().contains("[tasks.support_chat]"));
}

#[test]
fn what_does_not_load_is_not_written() {
    let stderr = refused("unsound", "model_list: [{model_name: a, litellm_params: {model: 'openai/ gpt'}}]\n");
    assert!(stderr.contains("nothing was written") && stderr.contains("names no model"), "{stderr}");
    let path = file("unsound.yaml", "model_list: [{model_name: a, litellm_params: {model: 'openai/ gpt'}}]\n");
    assert_eq!(init(&["--from-litellm", &path, "--stdout"], &[]).1, "");
}

#[test]
fn a_variable_that_is_set_later_keeps_nothing_from_being_written() {
    let path = file(
        "unset.yaml",
        "model_list: [{model_name: a, litellm_params: {model: groq/a, extra_headers: {X-A: os.environ/LOCUM_TEST_UNSET}}}]\n",
    );
    let (code, text, stderr) = init(&["--from-litellm", &path, "--stdout"], &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(text.contains("x-a = \"env:LOCUM_TEST_UNSET\""), "{text}");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let stderr = refused("large", &"#".repeat((4 << 20) + 1));
    assert!(stderr.contains("large.yaml: is larger than 4194304 bytes"), "{stderr}");
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    let path = file("broken.yaml", "model_list:\n  - model_name: [a\n  b: c\n");
    let output = file("broken.toml", "mine");
    let (code, _, stderr) = init(&["--from-litellm", &path, "--force", "-o", &output], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("broken.yaml:3:"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "mine");
}
