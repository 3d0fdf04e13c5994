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
  /** As it came in `reply.message`. */
  reasoning_state?: unknown
}

/** The answer as the message to append to the chat. */
export interface AssistantMessage {
  role: 'assistant'
  content: string | null
  tool_calls?: ToolCall[]
  /** Reasoning that the model wants back unchanged. It is sent to that model alone; others are sent the words and calls. */
  reasoning_state?: unknown
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

/** The platform's `fetch`, as clients of HTTP APIs take it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

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
  /** What fills in the task's prompt, by name. */
  variables?: Readonly<Record<string, unknown>> | null
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
  /**
   * The trace that the call belongs to, as W3C's header names it. Left out, it is the active span's where the program uses
   * OpenTelemetry.
   */
  traceparent?: string | null
  /** What follows when the answer breaks off, whatever the task says. */
  onBreak?: OnBreak | null
}

/** What a router is made with besides its configuration. */
export interface RouterOptions {
  /** What gives the credentials of providers whose `auth` is `callback`, by provider. */
  credentials?: Readonly<Record<string, CredentialCallback>> | null
}

/** What lets requests in: a token, or an object with a token or with AWS keys. */
export type Credential =
  | string
  | { token: string; expiresAt?: CredentialEnd }
  | { accessKeyId: string; secretAccessKey: string; sessionToken?: string | null; expiresAt?: CredentialEnd }

/** When a credential expires: a date, RFC 3339, or seconds since the Unix epoch. Without it, it is asked for again after a minute. */
export type CredentialEnd = Date | string | number | null

/** What gives a credential when one is needed. */
export type CredentialCallback = () => Credential | PromiseLike<Credential>

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
  /** Which of the provider's keys, from 1; null where there is only one. */
  key: number | null
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

/** What is spoken against: a model with one key, a model whatever the key, a key whatever the model, a provider's address. */
export type Scope = 'candidate' | 'model' | 'key' | 'provider'

/** Something that happened in a call. It names tasks, models and errors, never what was asked or answered. */
export interface RouterEvent {
  type:
    | 'attempt_started'
    | 'attempt_answered'
    | 'attempt_failed'
    | 'switched'
    | 'hedged'
    | 'breaker_opened'
    | 'half_open'
    | 'closed'
    | 'cooled'
    | 'budget_empty'
    | 'call_ended'
  /** How much it matters to an operator. */
  level: 'debug' | 'info' | 'warning'
  /** When, since the Unix epoch. */
  atMs: number
  /** Of which call; numbers count up from 1 in each router. */
  call: number
  task: string
  /** The model it is about, as `provider/model`. */
  model: string
  /** Which of the provider's keys, from 1; null where there is only one. */
  key: number | null
  /** Which attempt of the call, from 0. */
  attempt: number | null
  /** The kind of failure behind it. */
  kind: ErrorKind | null
  /** Why, as a sentence. */
  reason: string | null
  /** The model that was asked before. */
  from: string | null
  /** What a breaker or cooldown is about. */
  scope: Scope | null
  /** How long a breaker is open or a cooldown lasts. */
  lastsMs: number | null
  /** How long the provider asked to wait. */
  retryAfterMs: number | null
  /** How long the attempt, or the call, took. */
  latencyMs: number | null
  /** What the call did and cost, where it has ended. */
  record: CallRecord | null
  /** All of it, as a sentence. */
  message: string
}

/** What a call did and cost. It names tasks, customers and models, never what was asked or answered. */
export interface CallRecord {
  /** Its own among all calls; it grows with time. */
  id: string
  /** When the call began: milliseconds since the Unix epoch. */
  atMs: number
  task: string
  /** The task that its input was handed over to, if it was. */
  handedTo: string | null
  customer: string | null
  metadata: Record<string, string>
  stream: boolean
  outcome: 'ok' | 'failed' | 'cancelled'
  /** The kind of failure that was raised. */
  kind: ErrorKind | null
  subkind: string | null
  /** Whose answer was delivered, as `provider/model`. */
  model: string | null
  fallbackUsed: boolean
  latencyMs: number
  /** From its start to the first content that was handed on, for streams. */
  firstTokenMs: number | null
  /** USD for the attempts whose cost is known; null where none is. */
  cost: number | null
  costIsEstimate: boolean
  /** The attempts that were made, in order. */
  attempts: AttemptRecord[]
}

/** An attempt on the books. Its `usage` is what the provider told, else what it cost at least; null where a request cost nothing. */
export interface AttemptRecord extends Attempt {
  provider: string
  /** The place of its model among the candidates: 0 is the primary. */
  depth: number
  usageIsEstimate: boolean
}

/** Percentiles of measured times in milliseconds, within one per cent. */
export interface Percentiles {
  /** Of how many times; older ones are forgotten. */
  samples: number
  p50: number
  p95: number
  p99: number
}

/** How a candidate is at one moment. */
export interface CandidateHealth {
  /** `provider/model`. */
  model: string
  provider: string
  /** Which of the provider's keys, from 1; null where there is only one. */
  key: number | null
  /** Whether a call would try it now. */
  available: boolean
  /** Why not, or why another is asked first. */
  reason: string | null
  /** How long until it is tried again, where that is known. */
  recoversMs: number | null
  /** Its circuit breaker: calls pass, one call may pass to see whether it is back, no call passes. */
  breaker: 'closed' | 'half_open' | 'open'
  /** Its longest cooldown: a time in which it is not tried. */
  cooldown: { scope: Scope; kind: ErrorKind; leftMs: number } | null
  /** Failures in a row that count for the circuit breaker. */
  failures: number
  lastError: { kind: ErrorKind; message: string; agoMs: number } | null
  /** Calls that its key has at this moment. */
  inFlight: number
  /** How many it may have, where that is limited. */
  maxConcurrency: number | null
  /** How many retries the provider's budget allows at once. */
  retriesLeft: number
  /** Its times to the first content of a stream. */
  firstTokenMs: Percentiles | null
  /** Its times to a whole answer. */
  latencyMs: Percentiles | null
}

/** What awaits one candidate of a call. Times are in milliseconds. */
export interface Prospect {
  /** `provider/model`. */
  model: string
  provider: string
  /** Which of the provider's keys, from 1; null where there is only one. */
  key: number | null
  /** Whether it would be asked. */
  kept: boolean
  /** Why not, or why last. */
  reason: string | null
  /** When it would be asked at the latest, as long as the others before it say nothing. */
  startsMs: number | null
  /** How often it would be asked at most. */
  attempts: number
  /** How long it would work alone before the next one is asked. */
  aloneMs: number | null
  /** The limit of one attempt. */
  timeoutMs: number | null
  /** The limit of a stream's first content. */
  firstTokenMs: number | null
  /** How long a stream may pause. */
  idleMs: number
  /** USD that it costs at most; null where its price or its output limit is unknown. */
  maxCost: number | null
}

/** What a call would do at this moment. */
export interface Explanation {
  task: string
  /** The task whose candidates take it, where the input is too long for its own. */
  handedTo: string | null
  /** About how many tokens the prompt has. */
  inputTokens: number
  deadlineMs: number | null
  /** How long the call takes if every candidate is as slow or as broken as its limits allow. */
  worstCaseMs: number
  /** USD that such a call costs at most; null where a price or an output limit is unknown. */
  worstCaseCost: number | null
  /** In the order in which they would be asked. */
  candidates: Prospect[]
  warnings: string[]
}

/** What the rows of a report are made by. */
export type UsageBy = 'task' | 'customer' | 'day' | 'model' | 'provider'

/** Which calls a report is about, and how. */
export interface UsageOptions {
  /** What rows are made by; `task` where it is not given. By `model` and `provider` they count attempts, else calls. */
  by?: UsageBy | null
  /** Calls that began on this day (`2026-11-24`, UTC) or later. */
  since?: string | null
  /** Calls that began on this day or earlier. */
  until?: string | null
}

/** Calls of one name, or attempts where rows are made by model or provider. */
export interface UsageRow {
  /** The task, the day, …; `(none)` for calls without a customer. */
  name: string
  count: number
  /** Calls that were answered; attempts that brought the answer. */
  ok: number
  successRate: number | null
  /** Those that a stand-in answered. */
  fallbacks: number
  fallbackRate: number | null
  inputTokens: number
  /** Part of `inputTokens`. */
  cachedInputTokens: number
  outputTokens: number
  /** Part of `outputTokens`. */
  reasoningTokens: number
  /** For the attempts whose cost is known; null where none is. */
  costUsd: number | null
  /** Attempts that used tokens whose price nobody knows. */
  unpricedAttempts: number
  /** Attempts whose tokens or cost are estimates. */
  estimatedAttempts: number
  /** Of those that were answered, within one per cent; so are the others. */
  latencyMsP50: number | null
  latencyMsP95: number | null
  firstTokenMsP50: number | null
  firstTokenMsP95: number | null
}

/** What calls did and cost. */
export interface UsageReport {
  by: UsageBy
  /** What the rows count. */
  counted: 'calls' | 'attempts'
  /** The day of the built-in price table. What models cost may have changed since. */
  pricesDate: string
  /** In the order of their names. */
  rows: UsageRow[]
  total: UsageRow
  /** What is missing in it, and why. */
  warnings: string[]
}
