/** The shapes of what goes in and what comes out. */
import type { Reply } from './reply.js'

/** `maxLatencyMs` → `max_latency_ms`. */
type SnakeCase<S extends string> = S extends `${infer C}${infer Rest}`
  ? `${C extends Lowercase<C> ? C : `_${Lowercase<C>}`}${SnakeCase<Rest>}`
  : ''

/** The same members in camelCase or in snake_case: both are understood everywhere. */
export type EitherCase<T> = T & { [K in keyof T as SnakeCase<K & string>]?: T[K] }

/** What kind of failure it is. The words are stable and the same in all languages. */
export type ErrorKind =
  | 'rate_limited'
  | 'provider_quota'
  | 'overloaded'
  | 'server_error'
  | 'timeout'
  | 'connection'
  | 'context_overflow'
  | 'request_too_large'
  | 'content_filtered'
  | 'refusal'
  | 'auth'
  | 'permission'
  | 'model_not_found'
  | 'unsupported'
  | 'invalid_request'
  | 'malformed_response'
  | 'truncated_stream'
  | 'invalid_output'
  | 'cancelled'
  | 'deadline_exceeded'
  | 'input_too_long'
  | 'quota_exceeded'
  | 'no_candidate'
  | 'config'

/** A part of a message, as OpenAI chat writes it. */
export type ContentPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string; detail?: string } }

/** A call of a tool, as OpenAI chat writes it. `arguments` is JSON text, as the model wrote it. */
export interface ToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

/** A message to send, as OpenAI chat writes it. */
export interface Message {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  content?: string | readonly ContentPart[] | null
  name?: string
  tool_calls?: readonly ToolCall[]
  tool_call_id?: string
}

/** The answer as the message to append to the chat. */
export interface AssistantMessage {
  role: 'assistant'
  content: string | null
  tool_calls?: ToolCall[]
}

/** A function that the model may call, as OpenAI chat writes it, or bare. */
export type Tool = { type: 'function'; function: ToolFunction } | ToolFunction

export interface ToolFunction {
  name: string
  description?: string
  /** JSON Schema of the arguments. */
  parameters?: object
  strict?: boolean
}

export type ToolChoice = 'auto' | 'none' | 'required' | { type: 'function'; function: { name: string } }

/** The shape that the answer must have, as OpenAI chat writes it. */
export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | { type: 'json_schema'; json_schema: { name?: string; schema: object; strict?: boolean } }

/** Sampling and length, for a task, a model alias or a call; the narrower one wins. */
export interface Params {
  temperature?: number | null
  topP?: number | null
  /** The most tokens that the answer may have, reasoning included. */
  maxOutputTokens?: number | null
  stop?: string | readonly string[] | null
  seed?: number | null
  reasoningEffort?: string | null
}

/** What may be said beside task and messages. Null and undefined mean: not set. */
export type Options = EitherCase<CallOptions> & {
  /** Cancels the call and closes its connections. */
  signal?: AbortSignal | null
}

/** What may be said beside task and messages of a stream. Null and undefined mean: not set. */
export type StreamOptions = EitherCase<StreamCallOptions> & {
  /** Ends the stream and closes its connections. */
  signal?: AbortSignal | null
}

export interface CallOptions extends CommonOptions {
  /** How the provider is asked. */
  upstream?: Upstream | null
}

export interface StreamCallOptions extends CommonOptions {
  /**
   * Whether visible reasoning comes as events, as it does by default. Without them, reasoning does not keep a failing
   * candidate from being replaced unseen.
   */
  reasoningEvents?: boolean | null
  /** Whether tool calls also come piece by piece; by default they come when they are complete. */
  toolCallDeltas?: boolean | null
}

/** How a provider is asked for an answer that is wanted whole. */
export type Upstream = 'unary' | 'stream'

/** What follows when an answer breaks off: its error, another answer from the start, or another that goes on from there. */
export type OnBreak = 'error' | 'restart' | 'resume'

export interface CommonOptions extends Params {
  /** For whom the call is made. */
  customer?: string | null
  /** Free labels of the call. */
  metadata?: Readonly<Record<string, string>> | null
  tools?: readonly Tool[] | null
  toolChoice?: ToolChoice | null
  responseFormat?: ResponseFormat | null
  /** Tightens the task's deadline, never loosens it. Milliseconds. */
  timeoutMs?: number | null
  /** Pins one of the task's candidates: an alias or `provider/model`. */
  model?: string | null
  /** Whether stand-ins may serve this call; a pinned model implies they may not. */
  allowFallback?: boolean | null
  /** Members to set in the request body, by provider name. */
  extraBody?: Readonly<Record<string, object>> | null
  /** Sent as `Idempotency-Key` with every attempt. */
  idempotencyKey?: string | null
  /** What follows when the answer breaks off, whatever the task says. */
  onBreak?: OnBreak | null
}

/** What `locum.toml` holds, as an object. */
export interface Config {
  /** Not needed for a known kind with its usual environment variable. */
  providers?: Readonly<Record<string, EitherCase<ProviderConfig>>>
  models?: Readonly<Record<string, EitherCase<ModelConfig>>>
  tasks: Readonly<Record<string, EitherCase<TaskConfig>>>
}

/** An account at a provider. */
export interface ProviderConfig {
  /** Taken from the name where that is a known kind. */
  kind?: string
  baseUrl?: string
  /** `env:NAME`, `file:PATH`, or the key itself. */
  apiKey?: string
  headers?: Readonly<Record<string, string>>
  allowHttp?: boolean
  connectTimeoutMs?: number
}

/** An alias: a model with its parameters. */
export interface ModelConfig extends Params {
  /** `provider/model`. */
  use: string
  timeoutMs?: number
  /** How long the first content of a stream may take. */
  firstTokenMs?: number
  /** How long a stream may bring nothing. */
  idleMs?: number
  /** Whether the model continues an assistant message at the end of the chat, for `onBreak: 'resume'`. */
  prefill?: boolean
  contextWindow?: number
  lacks?: readonly ('tools' | 'vision' | 'json_schema')[]
  extraBody?: object
}

/** A kind of work, and who does it. */
export interface TaskConfig extends Params {
  /** An alias or `provider/model`. */
  primary: string
  fallback?: readonly string[]
  maxLatencyMs?: number
  maxInputTokens?: number
  allowFallback?: boolean
  retries?: number
  maxRetryWaitMs?: number
  fallbackOn?: readonly ('content_filter' | 'refusal' | 'invalid_output' | 'length')[]
  strict?: readonly ('auth' | 'permission')[]
  dropUnsupported?: boolean
  /** How providers are asked for answers that are wanted whole. */
  upstream?: Upstream
  onBreak?: OnBreak
  firstTokenMs?: number
  idleMs?: number
}

/** Why the model stopped: in Locum's word, and in the provider's where it gave one. */
export interface Finish {
  unified: 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'paused' | 'error'
  raw: string | null
}

/** Tokens. `input` includes what was read from and written to a prompt cache, `output` includes reasoning. */
export interface Usage {
  input: number
  cachedInput: number
  cacheWrite: number
  output: number
  reasoning: number
}

/** What was received before a failure. */
export interface Partial {
  text: string
  usage: Usage | null
}

/** One line of the trail: an attempt that was made, or a candidate that was passed over. */
export interface Attempt {
  /** `provider/model`. */
  model: string
  outcome: 'ok' | 'failed' | 'skipped' | 'cancelled' | 'hedged_out'
  kind: ErrorKind | null
  /** The kind's flavour: `connect`, `attempt`, `tpm`, … */
  subkind: string | null
  /** Why, as a sentence. */
  reason: string | null
  /** HTTP status. */
  status: number | null
  /** The provider's own error code. */
  providerCode: string | null
  /** The provider's id of the exchange. */
  requestId: string | null
  /** When it began, from the start of the call. Milliseconds. */
  startedMs: number
  latencyMs: number
  /** From its start to its first content, for streams. */
  firstTokenMs: number | null
  usage: Usage | null
  /** USD, as far as known. */
  cost: number | null
  costIsEstimate: boolean
  /** How long the provider asked to wait. */
  retryAfterMs: number | null
  /** What was decided after it. */
  next: 'retry' | 'fallback' | 'race' | 'fail' | null
  nextReason: string | null
}

/** What a stream brings: `start`, then content, at last `usage` (where known) and `end`. */
export type StreamEvent =
  /** The first content is about to come, from `model` (`provider/model`); until then a change of the candidate goes unseen. */
  | { type: 'start'; model: string }
  /** More of the text; a refusal's words too. */
  | { type: 'text'; text: string }
  /** More of the visible reasoning. */
  | { type: 'reasoning'; text: string }
  /** More of the tool call at `index` of the answer: its id and name with the first piece. Only with `toolCallDeltas`. */
  | { type: 'tool_call_delta'; index: number; id: string | null; name: string | null; arguments: string }
  /** What came so far is void: the answer begins anew, from `model`. Why, as a kind and as a sentence. */
  | { type: 'restart'; model: string; kind: ErrorKind; reason: string }
  /** A complete tool call. `arguments` is JSON text, as the model wrote it. */
  | { type: 'tool_call'; id: string; name: string; arguments: string }
  /** Tokens of the attempt that answered. */
  | { type: 'usage'; usage: Usage }
  /** The answer is whole; nothing follows. */
  | { type: 'end'; reply: Reply }
