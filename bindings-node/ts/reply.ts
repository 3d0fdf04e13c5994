/** The answer to a call. */
import { attempts, usage, type Wire } from './fields.js'
import { addon, type Settlement } from './native.js'
import type { AssistantMessage, Attempt, Finish, ToolCall, Usage } from './types.js'

/** The answer to a call, with the whole trail of how it came about. */
export class Reply {
  /** The text; a refusal's words too. */
  readonly text: string
  /** Visible reasoning. */
  readonly reasoning: string | null
  /** The answer as the message to append to the chat, as OpenAI chat writes it. */
  readonly message: AssistantMessage
  /** Tools that the model wants called. */
  readonly toolCalls: ToolCall[]
  /** The answer parsed as JSON, when a JSON format was asked for. */
  readonly parsed: unknown
  readonly finish: Finish
  /** Tokens of the attempt that answered, where the provider reported them. */
  readonly usage: Usage | null
  /** USD over all attempts, where any is known. */
  readonly cost: number | null
  /** Who answered, as `provider/model`. */
  readonly model: string
  /** The provider's name in the configuration. */
  readonly provider: string
  readonly task: string
  /** From the call to the answer. */
  readonly latencyMs: number
  /** From the call to the first content, for streams. */
  readonly firstTokenMs: number | null
  /** The provider's id of the exchange. */
  readonly requestId: string | null
  /** Things worth knowing that are not failures. */
  readonly warnings: string[]
  /** Whether another than the first candidate answered. */
  readonly fallbackUsed: boolean
  /** What was tried and what was passed over, in order. */
  readonly attempts: Attempt[]

  readonly #settlement: Settlement
  #raw: unknown

  /** @internal */
  constructor(wire: Wire, settlement: Settlement) {
    this.text = wire.text
    this.reasoning = wire.reasoning
    this.message = wire.message
    this.toolCalls = wire.tool_calls
    this.parsed = wire.parsed
    this.finish = wire.finish
    this.usage = usage(wire.usage)
    this.cost = wire.cost
    this.model = wire.model
    this.provider = wire.provider
    this.task = wire.task
    this.latencyMs = wire.latency_ms
    this.firstTokenMs = wire.first_token_ms
    this.requestId = wire.request_id
    this.warnings = wire.warnings
    this.fallbackUsed = wire.fallback_used
    this.attempts = attempts(wire.attempts)
    this.#settlement = settlement
  }

  /** The provider's own body. It is fetched from the core when it is first asked for. */
  get raw(): unknown {
    return (this.#raw ??= JSON.parse(addon.rawBody(this.#settlement) ?? 'null'))
  }

  /** The trail as a table for people, a line per attempt. */
  trail(): string {
    return addon.trail(this.#settlement)
  }
}
