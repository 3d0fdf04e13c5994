/**
 * From the core's field names to JavaScript's, one known name at a time: what users and models wrote (messages, parsed
 * answers, tool arguments) is never touched.
 *
 * @internal
 */
import type {
  Attempt,
  CallRecord,
  CandidateHealth,
  Explanation,
  Partial as Received,
  Percentiles,
  RouterEvent,
  StreamEvent,
  Usage,
  UsageReport,
  UsageRow,
} from './types.js'

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
    key: line.key,
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

export function routerEvent(wire: Wire): RouterEvent {
  return {
    type: wire.type,
    level: wire.level,
    atMs: wire.at_ms,
    call: wire.call,
    task: wire.task,
    model: wire.model,
    key: wire.key,
    attempt: wire.attempt,
    kind: wire.kind,
    reason: wire.reason,
    from: wire.from,
    scope: wire.scope,
    lastsMs: wire.lasts_ms,
    retryAfterMs: wire.retry_after_ms,
    latencyMs: wire.latency_ms,
    record: wire.record && callRecord(wire.record),
    message: wire.message,
  }
}

function callRecord(wire: Wire): CallRecord {
  return {
    id: wire.id,
    atMs: wire.at_ms,
    task: wire.task,
    handedTo: wire.handed_to,
    customer: wire.customer,
    metadata: wire.metadata,
    stream: wire.stream,
    outcome: wire.outcome,
    kind: wire.kind,
    subkind: wire.subkind,
    model: wire.model,
    fallbackUsed: wire.fallback_used,
    latencyMs: wire.latency_ms,
    firstTokenMs: wire.first_token_ms,
    cost: wire.cost,
    costIsEstimate: wire.cost_is_estimate,
    attempts: attempts(wire.attempts).map((line, i) => ({
      ...line,
      provider: wire.attempts[i].provider,
      depth: wire.attempts[i].depth,
      usageIsEstimate: wire.attempts[i].usage_is_estimate,
    })),
  }
}

export function health(wire: Wire): CandidateHealth {
  return {
    model: wire.model,
    provider: wire.provider,
    key: wire.key,
    available: wire.available,
    reason: wire.reason,
    recoversMs: wire.recovers_ms,
    breaker: wire.breaker,
    cooldown: wire.cooldown && { scope: wire.cooldown.scope, kind: wire.cooldown.kind, leftMs: wire.cooldown.left_ms },
    failures: wire.failures,
    lastError: wire.last_error && { kind: wire.last_error.kind, message: wire.last_error.message, agoMs: wire.last_error.ago_ms },
    inFlight: wire.in_flight,
    maxConcurrency: wire.max_concurrency,
    retriesLeft: wire.retries_left,
    firstTokenMs: percentiles(wire.first_token_ms),
    latencyMs: percentiles(wire.latency_ms),
  }
}

function percentiles(wire: Wire): Percentiles | null {
  return wire && { samples: wire.samples, p50: wire.p50, p95: wire.p95, p99: wire.p99 }
}

export function explanation(wire: Wire): Explanation {
  return {
    task: wire.task,
    handedTo: wire.handed_to,
    inputTokens: wire.input_tokens,
    deadlineMs: wire.deadline_ms,
    worstCaseMs: wire.worst_case_ms,
    worstCaseCost: wire.worst_case_cost,
    candidates: (wire.candidates as Wire[]).map((candidate) => ({
      model: candidate.model,
      provider: candidate.provider,
      key: candidate.key,
      kept: candidate.kept,
      reason: candidate.reason,
      startsMs: candidate.starts_ms,
      attempts: candidate.attempts,
      aloneMs: candidate.alone_ms,
      timeoutMs: candidate.timeout_ms,
      firstTokenMs: candidate.first_token_ms,
      idleMs: candidate.idle_ms,
      maxCost: candidate.max_cost,
    })),
    warnings: wire.warnings,
  }
}

export function usageReport(wire: Wire): UsageReport {
  return {
    by: wire.by,
    counted: wire.counted,
    pricesDate: wire.prices_date,
    rows: (wire.rows as Wire[]).map(usageRow),
    total: usageRow(wire.total),
    warnings: wire.warnings,
  }
}

function usageRow(wire: Wire): UsageRow {
  return {
    name: wire.name,
    count: wire.count,
    ok: wire.ok,
    successRate: wire.success_rate,
    fallbacks: wire.fallbacks,
    fallbackRate: wire.fallback_rate,
    inputTokens: wire.input_tokens,
    cachedInputTokens: wire.cached_input_tokens,
    outputTokens: wire.output_tokens,
    reasoningTokens: wire.reasoning_tokens,
    costUsd: wire.cost_usd,
    unpricedAttempts: wire.unpriced_attempts,
    estimatedAttempts: wire.estimated_attempts,
    latencyMsP50: wire.latency_ms_p50,
    latencyMsP95: wire.latency_ms_p95,
    firstTokenMsP50: wire.first_token_ms_p50,
    firstTokenMsP95: wire.first_token_ms_p95,
  }
}
