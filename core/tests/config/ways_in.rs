//! How the requests to a provider are let in: `auth`, and what goes with it.

use locum::config::{Auth, Credential, Policy};
use serde_json::{Value, json};

use super::{Folder, problems};

fn policy(provider: &Value) -> Result<Policy, locum::Error> {
    Policy::from_value(json!({"providers": {"p": provider}, "tasks": {"a": {"primary": "p/x"}}}))
}

fn credential(provider: &Value) -> Credential {
    policy(provider).unwrap_or_else(|error| panic!("{provider}: {error}")).providers["p"].credential.clone()
}

fn auth(provider: &Value) -> Auth {
    match credential(provider) {
        Credential::Fetched(auth) => auth,
        other => panic!("{provider}: {other:?}"),
    }
}

#[test]
fn each_way_in() {
    let google = |credentials, scope: Option<&str>| Auth::Google { credentials, scope: scope.map(str::to_owned) };
    let entra = |scope: Option<&str>| Auth::Entra { scope: scope.map(str::to_owned) };
    let account = json!({"type": "service_account"}).to_string();
    let ways = [
        (json!({"kind": "bedrock", "region": "eu-west-1", "auth": "aws"}), Auth::Aws { profile: None }),
        (json!({"kind": "bedrock", "region": "eu-west-1", "profile": "w"}), Auth::Aws { profile: Some("w".into()) }),
        (json!({"kind": "vertex", "project": "p"}), google(None, None)),
        (json!({"kind": "vertex", "project": "p", "scope": "s"}), google(None, Some("s"))),
        (json!({"kind": "gemini", "auth": "google"}), google(None, None)),
        (json!({"kind": "gemini", "credentials": account}), google(Some(locum::Secret::new(account.as_str())), None)),
        (json!({"kind": "azure", "base_url": "https://a.test/openai/v1", "auth": "entra"}), entra(None)),
        (json!({"kind": "openai", "auth": "entra", "scope": "s"}), entra(Some("s"))),
        (json!({"kind": "openai", "auth": "callback"}), Auth::Callback),
    ];
    for (provider, expected) in ways {
        assert_eq!(auth(&provider), expected, "{provider}");
    }
    assert!(matches!(credential(&json!({"kind": "vertex", "project": "p", "api_key": "k"})), Credential::Keys(_)));
    let keyed = json!({"kind": "vertex", "project": "p", "auth": "key"});
    assert!(matches!(credential(&keyed), Credential::None));
}

#[test]
fn the_credentials_of_google_are_a_document() {
    let folder = Folder::new("ways-in");
    let path = folder.write("key.json", "{\"private_key\": \"-----BEGIN\\nVery secret\"}").display().to_string();
    let vertex = |credentials: &str| json!({"kind": "vertex", "project": "p", "credentials": credentials});
    let found = auth(&vertex(&format!("file:{path}")));
    assert!(matches!(&found, Auth::Google { credentials: Some(_), .. }));
    assert!(!format!("{found:?}").contains("Very secret"));
    for (missing, said) in [("env:LOCUM_TEST_UNSET", "is not set"), ("file:/nowhere/key.json", "cannot be read")] {
        let found = policy(&vertex(missing)).unwrap();
        let credential = &found.providers["p"].credential;
        assert!(matches!(credential, Credential::Missing(sentence) if sentence.contains(said)), "{credential:?}");
        assert!(found.lints[0].starts_with("providers.p: its models will be skipped: "), "{:?}", found.lints);
    }
    let written = problems(policy(&vertex("sk-no-document")));
    assert_eq!(written, ["providers.p.credentials: leads to no object in JSON"]);
    let text =
        "[providers.vertex]\nproject = \"p\"\ncredentials = '{\"type\": \"x\"}'\n[tasks.a]\nprimary = \"vertex/x\"\n";
    let lint = "line 3: providers.vertex.credentials: a key written out in a file; use env:NAME or file:PATH";
    assert_eq!(super::toml(text).lints, [lint]);
}

#[test]
fn what_does_not_go_together() {
    let wrong = [
        (json!({"kind": "openai", "auth": "aws"}), "auth: kind \"openai\" takes no AWS keys"),
        (json!({"kind": "openai", "profile": "w"}), "profile: kind \"openai\" takes no AWS keys"),
        (json!({"kind": "openai", "auth": "entra", "api_key": "k"}), "api_key: is not read where auth is \"entra\""),
        (
            json!({"kind": "openai", "auth": "callback", "api_keys": ["k"]}),
            "api_keys: is not read where auth is \"callback\"",
        ),
        (
            json!({"kind": "vertex", "project": "p", "profile": "w", "scope": "s"}),
            "scope: is not read where auth is \"aws\"",
        ),
        (json!({"kind": "openai", "api_key": "k", "scope": "s"}), "scope: is not read where auth is \"key\""),
        (
            json!({"kind": "openai", "auth": "entra", "credentials": "{}"}),
            "credentials: is not read where auth is \"entra\"",
        ),
        (
            json!({"kind": "openai", "auth": "azure"}),
            "auth: unknown word \"azure\" (known: key, aws, google, entra, callback)",
        ),
    ];
    for (provider, expected) in wrong {
        assert_eq!(problems(policy(&provider)), [format!("providers.p.{expected}")]);
    }
}
