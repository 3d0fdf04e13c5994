//! Known kinds of providers, as data: wire format, address and key, after each provider's own documentation.

use super::policy::Format;

/// A kind of provider.
#[derive(Debug)]
pub(crate) struct Preset {
    /// The word in the configuration.
    pub(crate) kind: &'static str,
    /// The wire format it speaks.
    pub(crate) format: Format,
    /// Where its API starts; absent where every installation has its own.
    pub(crate) base_url: Option<&'static str>,
    /// The environment variable that conventionally holds its key; absent where a key is optional.
    pub(crate) key: Option<&'static str>,
}

const fn hosted(kind: &'static str, base_url: &'static str, key: &'static str) -> Preset {
    Preset { kind, format: Format::OpenAiChat, base_url: Some(base_url), key: Some(key) }
}

const fn local(kind: &'static str, base_url: &'static str) -> Preset {
    Preset { kind, format: Format::OpenAiChat, base_url: Some(base_url), key: None }
}

/// Every kind. Addresses and variables are those of the providers' quick-start pages; local servers are at the port
/// their documentation names as the default.
pub(crate) const PRESETS: [Preset; 13] = [
    hosted("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Preset {
        kind: "anthropic",
        format: Format::AnthropicMessages,
        base_url: Some("https://api.anthropic.com"),
        key: Some("ANTHROPIC_API_KEY"),
    },
    hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    hosted("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    hosted("together", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    local("ollama", "http://127.0.0.1:11434/v1"),
    local("vllm", "http://127.0.0.1:8000/v1"),
    local("llamacpp", "http://127.0.0.1:8080/v1"),
    local("lmstudio", "http://127.0.0.1:1234/v1"),
    Preset { kind: "openai_compatible", format: Format::OpenAiChat, base_url: None, key: None },
];

/// The preset of a kind.
pub(crate) fn find(kind: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.kind == kind)
}

/// The words of all kinds.
pub(super) fn words() -> [&'static str; PRESETS.len()] {
    PRESETS.each_ref().map(|preset| preset.kind)
}

/// The kind `name` stands for where no such provider is configured: a known one that needs no address.
pub(super) fn implicit(name: &str) -> Option<&'static Preset> {
    find(name).filter(|preset| preset.base_url.is_some())
}

/// The same for the schema, where a null stands for a key that is not there.
#[cfg(feature = "schema")]
pub(super) fn words_or_null() -> Vec<Option<&'static str>> {
    words().into_iter().map(Some).chain([None]).collect()
}
