/**
 * What calls and streams share: checking what they are asked for, and what ends them.
 *
 * @internal
 */
import { AbortError, InvalidRequestError } from './errors.js'
import { attempts, partial, type Wire } from './fields.js'
import { Unwritable, write } from './json.js'
import type { Settlement } from './native.js'
import { activeParent } from './trace.js'

/** A call that may be made. `request` is `{task, messages, options}` as JSON. */
export interface Asked {
  task: string
  request: string
  signal: AbortSignal | undefined
}

/**
 * What was asked for, checked and written down.
 *
 * @throws what the call is to be rejected with, also when its signal is aborted already
 */
export function ask(task: unknown, messages: unknown, options: unknown): Asked {
  if (typeof task !== 'string') throw invalid('', 'task', 'expected a string')
  if (options != null && (typeof options !== 'object' || Array.isArray(options))) throw invalid(task, 'options', 'expected an object')
  const { signal, ...rest } = (options ?? {}) as { signal?: AbortSignal | null }
  if (signal != null && !isSignal(signal)) throw invalid(task, 'signal', 'expected an AbortSignal')
  if (signal?.aborted) throw aborted(signal, task)
  const own = (rest as { traceparent?: unknown }).traceparent
  const traceparent = own ?? activeParent()
  const told = traceparent === undefined ? rest : { ...rest, traceparent }
  return { task, request: requestText(task, messages, told), signal: signal ?? undefined }
}

function requestText(task: string, messages: unknown, options: object): string {
  try {
    return write({ task, messages, options })
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    // The core names options without a prefix.
    throw invalid(task, error.place.replace(/^options\./, '') || 'request', error.problem, error.cause)
  }
}

/** Options that go with no call, as JSON. */
export function writeOptions(options: unknown): string {
  try {
    return options == null ? 'null' : write(options as object)
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    throw invalid('', error.place || 'options', error.problem, error.cause)
  }
}

function invalid(task: string, place: string, problem: string, cause?: unknown): InvalidRequestError {
  const message = `${task && `${task}: `}invalid_request: ${place}: ${problem}`
  return new InvalidRequestError({ kind: 'invalid_request', message, task: task || null }, { cause })
}

/** By its shape: it may come from another realm. */
export function isSignal(signal: Partial<AbortSignal>): boolean {
  return typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function'
}

/** What a call ends with whose signal is aborted; `wire` is what the core made of it. */
export function aborted(signal: AbortSignal, task: string, wire?: Wire, settlement: Settlement | null = null): unknown {
  const reason: unknown = signal.reason
  if (reason instanceof DOMException) return reason
  const message = wire?.kind === 'cancelled' ? wire.message : `${task}: cancelled by the caller`
  const details = { attempts: wire ? attempts(wire.attempts) : [], partial: wire?.kind === 'cancelled' ? partial(wire.partial) : null }
  return new AbortError({ kind: 'cancelled', message, task, ...details }, { cause: reason }, settlement)
}

export function warn(notices: readonly string[] | undefined): void {
  for (const notice of notices ?? []) process.emitWarning(notice, 'LocumWarning')
}
