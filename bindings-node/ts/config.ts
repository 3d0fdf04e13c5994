/** The shape of the configuration, as an object. */
import type { EitherCase, OnBreak, Params, Upstream } from './types.js'

/** An OpenTelemetry collector that is sent traces and metrics over OTLP. */
export interface OtlpConfig {
  endpoint?: string
  protocol?: 'http/protobuf' | 'grpc'
  headers?: Readonly<Record<string, string>>
  serviceName?: string
  /** Further attributes of the resource. */
  resource?: Readonly<Record<string, string>>
  traces?: boolean
  metrics?: boolean
  metricsIntervalMs?: number
  timeoutMs?: number
}

/** What `locum.toml` holds, as an object. */
export interface Config {
  /** Who shares what is learned of the health of candidates: all routers of the process, or this one alone. */
  state?: 'process' | 'router'
  /** When a candidate's circuit breaker opens, and for how long. */
  breaker?: EitherCase<{ failures?: number; openMs?: number; maxOpenMs?: number }>
  /** Not needed for a known kind with its usual environment variable. */
  providers?: Readonly<Record<string, EitherCase<ProviderConfig>>>
  models?: Readonly<Record<string, EitherCase<ModelConfig>>>
  /** How much calls may use in a time. */
  quotas?: Readonly<Record<string, EitherCase<QuotaConfig>>>
  /** Where records of calls go: what each did and cost. */
  accounting?: EitherCase<{
    jsonl?: EitherCase<{ path: string; maxBytes?: number; keep?: number }>
    sqlite?: { path: string }
    postgres?: { url: string }
    /** An OpenTelemetry collector that is sent traces and metrics. */
    otlp?: EitherCase<OtlpConfig>
  }>
  /** How `locum serve` offers the tasks over HTTP. */
  serve?: object
  tasks: Readonly<Record<string, EitherCase<TaskConfig>>>
}

/** How much calls may use in a time of the calendar, in UTC. */
export interface QuotaConfig {
  /** A name, or the beginning of names and a `*`: each customer has an account of its own. */
  customer?: string
  task?: string
  /** An alias or `provider/model`. */
  model?: string
  requests?: number
  tokens?: number
  usd?: number
  per: 'minute' | 'hour' | 'day' | 'month'
  /** Whether that is a time of the calendar or one that ends now. */
  window?: 'calendar' | 'rolling'
  /** What becomes of a call that would use more. */
  onExceeded?: 'skip' | 'refuse'
}

/** An account at a provider. */
export interface ProviderConfig {
  /** Taken from the name where that is a known kind. */
  kind?: string
  baseUrl?: string
  /** Which of OpenAI's interfaces its models are asked by. */
  api?: 'chat' | 'responses'
  /** The AWS region. */
  region?: string
  /** The Google Cloud project. */
  project?: string
  /** The location in Google Cloud. */
  location?: string
  /** The version of Azure's API, which selects its older addresses. */
  apiVersion?: string
  /** Where its credential comes from. */
  auth?: 'key' | 'aws' | 'google' | 'entra' | 'callback'
  /** The profile of AWS's shared files to take the keys from. */
  profile?: string
  /** `file:PATH` or `env:NAME` of Google's credentials in JSON. */
  credentials?: string
  /** What tokens of Google or Entra are asked for. */
  scope?: string
  /** `env:NAME`, `file:PATH`, or the key itself. */
  apiKey?: string
  /** Several keys, in the order in which they are used. */
  apiKeys?: readonly string[]
  /** How many calls each key may have at a time. */
  maxConcurrency?: number | 'auto'
  /** The part that is taken off the known prices of its models: `0.15`. */
  discount?: number
  headers?: Readonly<Record<string, string>>
  allowHttp?: boolean
  connectTimeoutMs?: number
}

/** Something that not every model can do. */
export type Ability = 'tools' | 'vision' | 'json_schema' | 'temperature'

/** USD for a million tokens. */
export interface Price {
  input: number
  output: number
  cachedInput?: number
  cacheWrite?: number
}

/** An alias: a model with its parameters. */
export interface ModelConfig extends Params {
  /** `provider/model`. */
  use: string
  /** Which of OpenAI's interfaces it is asked by. */
  api?: 'chat' | 'responses'
  timeoutMs?: number
  /** How long the first content of a stream may take. */
  firstTokenMs?: number | 'auto'
  /** USD for a million tokens. */
  price?: EitherCase<Price & { tier?: EitherCase<Price & { above: number }> }>
  /** The part that is taken off the known price: `0.15`. */
  discount?: number
  /** How long a stream may bring nothing. */
  idleMs?: number
  /** Whether the model continues an assistant message at the end of the chat, for `onBreak: 'resume'`. */
  prefill?: boolean
  contextWindow?: number
  /** The most tokens of an answer. */
  maxOutput?: number
  /** What it cannot do. */
  lacks?: readonly Ability[]
  /** What it can do, whatever is known of it. */
  supports?: readonly Ability[]
  extraBody?: object
}

/** What an answer must be; any other is not delivered, and the next candidate is asked. */
export interface AcceptConfig {
  /** Whether it must say more than white space. */
  nonEmpty?: boolean
  /** Whether it must not be cut at the token limit. */
  notTruncated?: boolean
  minChars?: number
  maxChars?: number
  /** What must match somewhere in it, in the syntax of Rust's `regex`. */
  regex?: string
  /** The path of a file with a JSON Schema, or the schema itself. */
  jsonSchema?: string | object
}

/** Templates that the `variables` of a call fill in: texts, or `file:PATH`. */
export interface PromptParts {
  /** The system message before all others. */
  system?: string
  /** The user message behind all others. */
  user?: string
}

/** A kind of work, and who does it. */
export interface TaskConfig extends Params {
  /** An alias or `provider/model`; or several that share the work by their weights. */
  primary: string | readonly { model: string; weight: number }[]
  /** What calls must share to be given the same primary. */
  sticky?: 'customer'
  fallback?: readonly string[]
  maxLatencyMs?: number
  maxInputTokens?: number
  /** The task that takes calls whose input is larger. */
  tooLong?: EitherCase<{ useTask: string }>
  /** Whether a slow candidate is raced; otherwise it is cut when the next one starts. */
  hedge?: boolean
  /** When the next candidate starts beside a slow one: milliseconds, or a percentile of its own times, as `p95`. */
  hedgeAfterMs?: number | `p${number}`
  allowFallback?: boolean
  retries?: number
  maxRetryWaitMs?: number
  fallbackOn?: readonly ('content_filter' | 'refusal' | 'invalid_output' | 'length')[]
  accept?: EitherCase<AcceptConfig>
  /** Whether a candidate whose answer is not accepted is told why and asked again, once. */
  reask?: 0 | 1
  /** What is said beside the messages of a call; for single candidates, in a way of their own. */
  prompt?: PromptParts & { models?: Readonly<Record<string, PromptParts>> }
  strict?: readonly ('auth' | 'permission')[]
  dropUnsupported?: boolean
  /** How providers are asked for answers that are wanted whole. */
  upstream?: Upstream
  onBreak?: OnBreak
  firstTokenMs?: number | 'auto'
  idleMs?: number
}
