/**
 * The trace that a caller has, where the program itself uses OpenTelemetry. Its API is found where it registers itself, and
 * never loaded.
 *
 * @internal
 */

/** What OpenTelemetry's API keeps in common for all its copies, as far as it is used here. */
interface Registered {
  context?: { active?: () => { getValue?: (key: symbol) => unknown } }
}

interface Span {
  spanContext?: () => { traceId: string; spanId: string; traceFlags: number }
}

const API = Symbol.for('opentelemetry.js.api.1')
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN')

/** The active span as W3C's `traceparent`; undefined where there is none. */
export function activeParent(): string | undefined {
  const api = (globalThis as Record<symbol, unknown>)[API] as Registered | undefined
  if (api === undefined) return undefined
  try {
    const span = api.context?.active?.().getValue?.(SPAN) as Span | undefined
    const context = span?.spanContext?.()
    if (context === undefined || /^0*$/.test(context.traceId) || /^0*$/.test(context.spanId)) return undefined
    return `00-${context.traceId}-${context.spanId}-${context.traceFlags.toString(16).padStart(2, '0')}`
  } catch {
    // Another thing of that name: a call never fails for its trace.
    return undefined
  }
}
