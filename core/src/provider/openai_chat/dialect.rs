//! How servers that speak OpenAI chat differ, as data.

use crate::provider::params::REASONING_MEMBERS;

/// How the reasoning effort is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// `reasoning_effort: "low"`.
    Plain,
    /// `reasoning: {effort: "low"}` (OpenRouter).
    Nested,
}

/// What a server wants beside an assistant message at the end of the chat in order to go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefill {
    /// Nothing.
    Plain,
    /// `prefix: true` on the message (Mistral, and DeepSeek at its beta address).
    Prefix,
    /// `continue_final_message: true` and `add_generation_prompt: false` in the body (vLLM).
    Continue,
}

/// Reasoning that goes back to the model it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replay {
    /// The member that holds it.
    pub(super) member: &'static str,
    /// Whether it belongs to turns with tool calls alone; there it must be said, be it empty (DeepSeek).
    pub(super) with_calls: bool,
}

/// The accent of one kind of server.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The member for the longest answer. OpenAI's reasoning models reject `max_tokens`; many servers know nothing else.
    pub(super) max_tokens: &'static str,
    /// Whether the role `developer` is known; else it is sent as `system`.
    pub(super) developer: bool,
    /// The member for the seed.
    pub(super) seed: &'static str,
    /// How effort is said.
    pub(super) effort: Effort,
    /// The word for "some tool must be called".
    pub(super) required: &'static str,
    /// Members of earlier answers that the server refuses to see again.
    pub(super) refuses: &'static [&'static str],
    /// The member of an answer that the model that wrote it wants to see again: OpenRouter's and Fireworks' always
    /// (<https://openrouter.ai/docs/use-cases/reasoning-tokens>), DeepSeek's beside tool calls, where it must not be missing
    /// either (<https://api-docs.deepseek.com/guides/thinking_mode>).
    pub(super) replays: Option<Replay>,
    /// Whether a JSON Schema is said as `{type: "json_object", schema}` (llama.cpp, whose older servers and Python sibling
    /// know only that form).
    pub(super) schema_in_object: bool,
    /// Whether tool call ids must be nine letters or digits (Mistral).
    pub(super) nine_char_ids: bool,
    /// Whether `stream_options` is known. Mistral knows no such member, and ends every stream with usage.
    pub(super) stream_options: bool,
    /// How a beginning of the answer is marked as one to go on with.
    pub(super) prefill: Prefill,
}

const PLAIN: Dialect = Dialect {
    max_tokens: "max_tokens",
    developer: false,
    seed: "seed",
    effort: Effort::Plain,
    required: "required",
    refuses: &[],
    replays: None,
    schema_in_object: false,
    nine_char_ids: false,
    stream_options: true,
    prefill: Prefill::Plain,
};

const LLAMACPP: Dialect = Dialect { schema_in_object: true, ..PLAIN };

const OPENAI: Dialect =
    Dialect { max_tokens: "max_completion_tokens", developer: true, refuses: &REASONING_MEMBERS, ..PLAIN };

const GROQ: Dialect = Dialect {
    max_tokens: "max_completion_tokens",
    refuses: &[
        "annotations",
        "refusal",
        "audio",
        "reasoning_content",
        "reasoning_details",
        "thinking",
        "thinking_blocks",
    ],
    ..PLAIN
};

const MISTRAL: Dialect = Dialect {
    seed: "random_seed",
    required: "any",
    refuses: &[
        "annotations",
        "refusal",
        "audio",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "thinking",
        "thinking_blocks",
    ],
    nine_char_ids: true,
    stream_options: false,
    prefill: Prefill::Prefix,
    ..PLAIN
};

const DEEPSEEK: Dialect = Dialect {
    prefill: Prefill::Prefix,
    replays: Some(Replay { member: "reasoning_content", with_calls: true }),
    ..PLAIN
};

const VLLM: Dialect = Dialect { prefill: Prefill::Continue, ..PLAIN };

const OPENROUTER: Dialect = Dialect {
    effort: Effort::Nested,
    replays: Some(Replay { member: "reasoning_details", with_calls: false }),
    ..PLAIN
};

const XAI: Dialect = Dialect { max_tokens: "max_completion_tokens", ..PLAIN };

/// Of members it does not know, Fireworks says that extra inputs are not permitted; its own reasoning it takes back.
const FIREWORKS: Dialect = Dialect {
    replays: Some(Replay { member: "reasoning_content", with_calls: false }),
    refuses: &["annotations", "refusal", "audio", "reasoning", "reasoning_details", "thinking", "thinking_blocks"],
    ..PLAIN
};

/// <https://docs.perplexity.ai/api-reference/chat-completions-post>: usage comes without being asked for.
const PERPLEXITY: Dialect = Dialect { refuses: &REASONING_MEMBERS, stream_options: false, ..PLAIN };

/// The dialect of a provider kind. A kind without data of its own (`together`, `ollama`, `openai_compatible`,
/// …) speaks what all servers understand.
pub(super) fn of(kind: &str) -> &'static Dialect {
    match kind {
        "openai" | "azure" => &OPENAI,
        "deepseek" => &DEEPSEEK,
        "fireworks" => &FIREWORKS,
        "groq" => &GROQ,
        "llamacpp" => &LLAMACPP,
        "mistral" => &MISTRAL,
        "openrouter" => &OPENROUTER,
        "perplexity" => &PERPLEXITY,
        "vllm" => &VLLM,
        "xai" | "cerebras" => &XAI,
        _ => &PLAIN,
    }
}
