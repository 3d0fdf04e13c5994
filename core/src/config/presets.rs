//! Known kinds of providers, as data: wire format, address and key, after each provider's own documentation.

use super::place::{self, Setting};
use super::policy::Format;

/// A kind of provider.
#[derive(Debug)]
pub(crate) struct Preset {
    /// The word in the configuration.
    pub(crate) kind: &'static str,
    /// The wire format it speaks.
    pub(crate) format: Format,
    /// Where its API starts, with a `{word}` for each setting it depends on; absent where every installation has its own.
    pub(crate) base_url: Option<&'static str>,
    /// The environment variable that conventionally holds its key; absent where a key is optional.
    pub(crate) key: Option<&'static str>,
    /// The settings that its address depends on.
    pub(super) settings: &'static [Setting],
}

const fn hosted(kind: &'static str, base_url: &'static str, key: &'static str) -> Preset {
    Preset { kind, format: Format::OpenAiChat, base_url: Some(base_url), key: Some(key), settings: &[] }
}

const fn local(kind: &'static str, base_url: &'static str) -> Preset {
    Preset { kind, format: Format::OpenAiChat, base_url: Some(base_url), key: None, settings: &[] }
}

/// Every kind. Addresses and variables are those of the providers' quick-start pages; local servers are at the port
/// their documentation names as the default.
pub(crate) const PRESETS: [Preset; 21] = [
    hosted("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Preset {
        kind: "anthropic",
        format: Format::AnthropicMessages,
        base_url: Some("https://api.anthropic.com"),
        key: Some("ANTHROPIC_API_KEY"),
        settings: &[],
    },
    Preset {
        kind: "gemini",
        format: Format::GeminiGenerate,
        base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        key: Some("GEMINI_API_KEY"),
        settings: &[],
    },
    Preset {
        kind: "vertex",
        format: Format::GeminiGenerate,
        base_url: Some(
            "https://{location-}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/google",
        ),
        key: None,
        settings: &[place::PROJECT, place::LOCATION],
    },
    Preset {
        kind: "bedrock",
        format: Format::BedrockConverse,
        base_url: Some("https://bedrock-runtime.{region}.amazonaws.com"),
        key: Some("AWS_BEARER_TOKEN_BEDROCK"),
        settings: &[place::REGION],
    },
    Preset { base_url: None, ..hosted("azure", "", "AZURE_OPENAI_API_KEY") },
    Preset {
        kind: "cohere",
        format: Format::CohereChat,
        base_url: Some("https://api.cohere.com/v2"),
        key: Some("COHERE_API_KEY"),
        settings: &[],
    },
    hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    hosted("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    hosted("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    hosted("together", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
    hosted("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    hosted("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    local("ollama", "http://127.0.0.1:11434/v1"),
    local("vllm", "http://127.0.0.1:8000/v1"),
    local("llamacpp", "http://127.0.0.1:8080/v1"),
    local("lmstudio", "http://127.0.0.1:1234/v1"),
    Preset { base_url: None, ..local("openai_compatible", "") },
];

impl Preset {
    /// Whether it is a server that one runs by oneself, as its own address tells.
    pub(super) fn is_local(&self) -> bool {
        self.base_url.is_some_and(|url| url.starts_with("http://127.0.0.1"))
    }
}

/// The preset of a kind.
pub(crate) fn find(kind: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.kind == kind)
}

/// The words of all kinds.
pub(super) fn words() -> [&'static str; PRESETS.len()] {
    PRESETS.each_ref().map(|preset| preset.kind)
}

/// The kind `name` stands for where no such provider is configured: a known one that has an address.
pub(super) fn implicit(name: &str) -> Option<&'static Preset> {
    find(name).filter(|preset| preset.base_url.is_some())
}

/// The same for the schema, where a null stands for a key that is not there.
#[cfg(feature = "schema")]
pub(super) fn words_or_null() -> Vec<Option<&'static str>> {
    words().into_iter().map(Some).chain([None]).collect()
}
