//! Where providers are: regions, projects and locations in addresses, and which interface their models are asked by.

use locum::config::Format;

use super::{toml, toml_problems, with_task};

#[test]
fn settings_stand_in_the_address() {
    let policy = toml(&with_task(
        "[providers.bedrock]\nregion = \"eu-central-1\"\napi_key = \"k\"\n\
         [providers.vertex]\nproject = \"p-1\"\nlocation = \"europe-west4\"\n\
         [providers.google]\nkind = \"vertex\"\nproject = \"p-1\"\nlocation = \"global\"\n\
         [providers.proxied]\nkind = \"bedrock\"\nregion = \"us-east-1\"\nbase_url = \"https://aws.test/\"\napi_key = \"k\"\n\
         [providers.azure]\nbase_url = \"https://x.openai.azure.com/openai\"\napi_version = \"2024-10-21\"\napi_key = \"k\"",
    ));
    let provider = |name: &str| &policy.providers[name];
    assert_eq!(provider("bedrock").base_url, "https://bedrock-runtime.eu-central-1.amazonaws.com");
    assert_eq!(provider("bedrock").region.as_deref(), Some("eu-central-1"));
    let google = "aiplatform.googleapis.com/v1/projects/p-1/locations";
    assert_eq!(provider("vertex").base_url, format!("https://europe-west4-{google}/europe-west4/publishers/google"));
    assert_eq!(provider("google").base_url, format!("https://{google}/global/publishers/google"));
    assert_eq!(provider("proxied").base_url, "https://aws.test");
    assert_eq!(provider("proxied").region.as_deref(), Some("us-east-1"));
    assert_eq!(provider("azure").api_version.as_deref(), Some("2024-10-21"));
}

#[test]
fn the_interface_is_the_models_or_the_providers() {
    let policy = toml(&with_task(
        "[providers.openai]\napi = \"responses\"\n\
         [models.new]\nuse = \"openai/o\"\n[models.old]\nuse = \"openai/o\"\napi = \"chat\"\n\
         [models.other]\nuse = \"xai/g\"\napi = \"responses\"",
    ));
    assert_eq!(policy.models["new"].format(), Format::OpenAiResponses);
    assert_eq!(policy.models["old"].format(), Format::OpenAiChat);
    assert_eq!(policy.models["other"].format(), Format::OpenAiResponses);
}

#[test]
fn settings_of_another_kind_are_problems() {
    let cases = [
        ("[providers.openai]\nregion = \"eu\"", "2: providers.openai.region: kind \"openai\" has no such setting"),
        ("[providers.groq]\napi_version = \"1\"", "2: providers.groq.api_version: kind \"groq\" has no such setting"),
        (
            "[providers.vertex]\nproject = \"a/b\"",
            "2: providers.vertex.project: must be a word of letters, digits and hyphens",
        ),
        (
            "[providers.anthropic]\napi = \"chat\"",
            "2: providers.anthropic.api: kind \"anthropic\" has one interface only",
        ),
        (
            "[models.a]\nuse = \"anthropic/c\"\napi = \"responses\"",
            "3: models.a.api: kind \"anthropic\" has one interface only",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(toml_problems(&with_task(text)), [format!("line {expected}")], "{text}");
    }
}
