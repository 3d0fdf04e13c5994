/**
 * From the core's field names to JavaScript's, one known name at a time: what users and models wrote (messages, parsed
 * answers, tool arguments) is never touched.
 *
 * @internal
 */
import type { Attempt, Partial as Received, StreamEvent, Usage } from './types.js'

/** An object as the core wrote it. Its shape is proven by the tests, not by the compiler. */
export type Wire = any

export function usage(wire: Wire): Usage | null {
  if (wire === null) return null
  return {
    input: wire.input,
    cachedInput: wire.cached_input,
    cacheWrite: wire.cache_write,
    output: wire.output,
    reasoning: wire.reasoning,
  }
}

export function partial(wire: Wire): Received | null {
  return wire === null ? null : { text: wire.text, usage: usage(wire.usage) }
}

export function attempts(wire: Wire[]): Attempt[] {
  return wire.map((line) => ({
    model: line.model,
    outcome: line.outcome,
    kind: line.kind,
    subkind: line.subkind,
    reason: line.reason,
    status: line.status,
    providerCode: line.provider_code,
    requestId: line.request_id,
    startedMs: line.started_ms,
    latencyMs: line.latency_ms,
    firstTokenMs: line.first_token_ms,
    usage: usage(line.usage),
    cost: line.cost,
    costIsEstimate: line.cost_is_estimate,
    retryAfterMs: line.retry_after_ms,
    next: line.next,
    nextReason: line.next_reason,
  }))
}

/** The others are the same in both languages. */
export function event(wire: Wire): StreamEvent {
  return wire.type === 'usage' ? { type: 'usage', usage: usage(wire.usage) as Usage } : wire
}
