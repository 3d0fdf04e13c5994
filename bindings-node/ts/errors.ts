/** The errors: one class for each family of kinds. */
import { attempts, partial, type Wire } from './fields.js'
import { addon, type Settlement } from './native.js'
import type { Attempt, ErrorKind, Partial as Received } from './types.js'

/** What an error says. */
export interface ErrorDetails {
  kind: ErrorKind
  message: string
  subkind?: string | null
  retryable?: boolean
  retryAfterMs?: number | null
  status?: number | null
  providerCode?: string | null
  inStream?: boolean
  requestId?: string | null
  partial?: Received | null
  model?: string | null
  provider?: string | null
  task?: string | null
  attempts?: Attempt[]
  warnings?: string[]
  problems?: string[]
}

/** A call that brought no answer. When all candidates failed, it is the primary's error, and `attempts` tells the rest. */
export class LocumError extends Error {
  /** What kind of failure it is. */
  readonly kind: ErrorKind
  /** The same word, where Node's errors have theirs. */
  readonly code: ErrorKind
  /** The kind's flavour: `connect`, `attempt`, `tpm`, `daily`, … */
  readonly subkind: string | null
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  /** How long the provider asks to wait. */
  readonly retryAfterMs: number | null
  /** HTTP status of the failed exchange. */
  readonly status: number | null
  /** The provider's own code. */
  readonly providerCode: string | null
  /** Whether it happened after the response had begun to stream. */
  readonly inStream: boolean
  /** The provider's id of the failed exchange. */
  readonly requestId: string | null
  /** Text and usage received before the failure. */
  readonly partial: Received | null
  /** Whose failure it is, as `provider/model`. */
  readonly model: string | null
  /** The provider's name in the configuration. */
  readonly provider: string | null
  /** The task that was called. */
  readonly task: string | null
  /** What was tried and what was passed over, in order. */
  readonly attempts: Attempt[]
  /** Things worth knowing beside the failure. */
  readonly warnings: string[]
  /** For kind `config`: every problem found, one sentence each. */
  readonly problems: string[]

  readonly #settlement: Settlement | null

  constructor(details: ErrorDetails, options?: ErrorOptions, settlement: Settlement | null = null) {
    super(details.message, options)
    this.kind = details.kind
    this.code = details.kind
    this.subkind = details.subkind ?? null
    this.retryable = details.retryable ?? false
    this.retryAfterMs = details.retryAfterMs ?? null
    this.status = details.status ?? null
    this.providerCode = details.providerCode ?? null
    this.inStream = details.inStream ?? false
    this.requestId = details.requestId ?? null
    this.partial = details.partial ?? null
    this.model = details.model ?? null
    this.provider = details.provider ?? null
    this.task = details.task ?? null
    this.attempts = details.attempts ?? []
    this.warnings = details.warnings ?? []
    this.problems = details.problems ?? []
    this.#settlement = settlement
  }

  /** The trail as a table for people, a line per attempt; empty where nothing was attempted. */
  trail(): string {
    return this.#settlement === null ? '' : addon.trail(this.#settlement)
  }
}

/** Too many requests or tokens in a short window. */
export class RateLimitedError extends LocumError {}
/** Money or allowance is used up, at the provider (`provider_quota`) or by the configuration (`quota_exceeded`). */
export class QuotaExceededError extends LocumError {}
/** The provider has no capacity right now. */
export class OverloadedError extends LocumError {}
/** The provider failed. */
export class ServerError extends LocumError {}
/** A limit of time passed: an attempt's (`timeout`) or the task's (`deadline_exceeded`). */
export class TimeoutError extends LocumError {}
/** The connection could not be made, or broke. */
export class ConnectionError extends LocumError {}
/** The input does not fit: into the model's window (`context_overflow`) or the task's limit (`input_too_long`). */
export class ContextOverflowError extends LocumError {}
/** The request is larger than the provider takes. */
export class RequestTooLargeError extends LocumError {}
/** A filter refused the prompt or the answer. */
export class ContentFilteredError extends LocumError {}
/** The model declined, and the task treats that as a failure. */
export class RefusedError extends LocumError {}
/** The key was not accepted. */
export class AuthenticationError extends LocumError {}
/** The key may not do this. */
export class PermissionError extends LocumError {}
/** The provider does not know the model. */
export class ModelNotFoundError extends LocumError {}
/** The model cannot do what the request asks. */
export class UnsupportedError extends LocumError {}
/** The request is wrong, whoever is asked. */
export class InvalidRequestError extends LocumError {}
/** The answer makes no sense, is cut off (`truncated_stream`) or was not accepted (`invalid_output`). */
export class MalformedResponseError extends LocumError {}
/** No candidate was eligible. */
export class NoCandidateError extends LocumError {}
/** The configuration is wrong: `problems` has every reason. */
export class ConfigError extends LocumError {}

/**
 * The caller cancelled with a reason of its own. (Where the platform made the reason, by `abort()` without one or by
 * `AbortSignal.timeout`, that reason itself is thrown, as `fetch` does.)
 */
export class AbortError extends LocumError {
  /** What was given to `abort()`; the same as `cause`. */
  readonly reason: unknown

  constructor(details: ErrorDetails, options?: ErrorOptions, settlement: Settlement | null = null) {
    super(details, options, settlement)
    this.reason = options?.cause
  }
}

type ErrorClass = new (details: ErrorDetails, options?: ErrorOptions, settlement?: Settlement | null) => LocumError

/** Which class a kind is thrown as. */
export const CLASSES: Readonly<Record<ErrorKind, ErrorClass>> = {
  rate_limited: RateLimitedError,
  provider_quota: QuotaExceededError,
  overloaded: OverloadedError,
  server_error: ServerError,
  timeout: TimeoutError,
  connection: ConnectionError,
  context_overflow: ContextOverflowError,
  request_too_large: RequestTooLargeError,
  content_filtered: ContentFilteredError,
  refusal: RefusedError,
  auth: AuthenticationError,
  permission: PermissionError,
  model_not_found: ModelNotFoundError,
  unsupported: UnsupportedError,
  invalid_request: InvalidRequestError,
  malformed_response: MalformedResponseError,
  truncated_stream: MalformedResponseError,
  invalid_output: MalformedResponseError,
  cancelled: AbortError,
  deadline_exceeded: TimeoutError,
  input_too_long: ContextOverflowError,
  quota_exceeded: QuotaExceededError,
  no_candidate: NoCandidateError,
  config: ConfigError,
}

// On the prototypes, as the platform's own errors have it, so that it is no member of every single error.
for (const Class of new Set<Function>([LocumError, ...Object.values(CLASSES)])) {
  Object.defineProperty(Class.prototype, 'name', { value: Class.name, configurable: true, writable: true })
}

/** The core's error, as the class of its kind. */
export function errorOf(wire: Wire, settlement: Settlement | null = null, options?: ErrorOptions): LocumError {
  const kind = wire.kind as ErrorKind
  return new CLASSES[kind](
    {
      kind,
      message: wire.message,
      subkind: wire.subkind,
      retryable: wire.retryable,
      retryAfterMs: wire.retry_after_ms,
      status: wire.status,
      providerCode: wire.provider_code,
      inStream: wire.in_stream,
      requestId: wire.request_id,
      partial: partial(wire.partial),
      model: wire.model,
      provider: wire.provider,
      task: wire.task,
      attempts: attempts(wire.attempts),
      warnings: wire.warnings,
      problems: wire.problems,
    },
    options,
    settlement,
  )
}
