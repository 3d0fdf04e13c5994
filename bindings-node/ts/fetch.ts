/**
 * Requests to OpenAI's API, answered in the place of the platform's `fetch`.
 *
 * The platform itself reads what is given and refuses what its `fetch` would; the core understands the request.
 *
 * @internal
 */
import type { ReadableByteStreamController, UnderlyingByteSource } from 'node:stream/web'

import { isSignal, warn } from './call.js'
import { errorOf } from './errors.js'
import type { Wire } from './fields.js'
import { type ExchangeHandle, type RouterHandle, addon, advance, follow, followFor } from './native.js'
import { activeParent } from './trace.js'

/**
 * The response to a request.
 *
 * @throws as `fetch` does: a `TypeError` for what is no request, the reason of an aborted signal, and what is over time
 */
export async function exchange(router: RouterHandle, input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const signal = signalOf(input, init)
  const { method, headers, body } = init ?? {}
  // Without the signal, to which the platform's request would listen until it is collected.
  const request = new Request(input, { method, headers, body, duplex: 'half', signal: null })
  if (signal?.aborted) throw signal.reason
  const bytes = typeof body === 'string' ? Buffer.from(body) : await whole(request, signal)
  const parent = request.headers.has('traceparent') ? undefined : activeParent()
  if (parent !== undefined) request.headers.set('traceparent', parent)
  const head = JSON.stringify({ method: request.method, url: request.url, headers: [...request.headers] })
  const handle = addon.openExchange(router, head, bytes)
  if (typeof handle === 'string') throw errorOf(JSON.parse(handle))
  const { letter, cancel } = advance(handle)
  const unfollow = signal && follow(signal, cancel)
  const { envelope, settlement } = await letter
  unfollow?.()
  const wire = JSON.parse(envelope) as Wire
  warn(wire.notices)
  if (signal?.aborted) {
    handle.close()
    throw signal.reason
  }
  if (wire.bug !== undefined) throw new Error(wire.bug)
  if (wire.error) throw errorOf(wire.error, settlement)
  const { status, headers: told, body: text = new ReadableStream(new Pages(handle, signal), { highWaterMark: 0 }) } = wire
  return new Response(text, { status, headers: told })
}

/** That of `init` counts, also where it is null. */
function signalOf(input: unknown, init: RequestInit | undefined): AbortSignal | undefined {
  const signal = init?.signal === undefined && input instanceof Request ? input.signal : init?.signal
  if (signal != null && !isSignal(signal)) throw new TypeError('signal: expected an AbortSignal')
  return signal ?? undefined
}

/** The body of a request, read to its end. */
async function whole(request: Request, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  const reader = request.body?.getReader()
  if (reader === undefined) return new Uint8Array()
  const unfollow = signal && follow(signal, () => reader.cancel(signal.reason).catch(() => {}))
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (signal?.aborted) throw signal.reason
      if (done) return Buffer.concat(parts)
      if (!((value as unknown) instanceof Uint8Array)) throw new TypeError('body: expected a stream of Uint8Array')
      parts.push(value)
    }
  } catch (error) {
    // Nobody reads the rest.
    reader.cancel(error).catch(() => {})
    throw error
  } finally {
    unfollow?.()
  }
}

const encoder = new TextEncoder()

/** The body of a response that comes as it is made. It reads only when it is read. */
class Pages implements UnderlyingByteSource {
  readonly type = 'bytes'

  readonly #handle: ExchangeHandle
  readonly #signal: AbortSignal | undefined
  #controller: ReadableByteStreamController | undefined
  /** Cancels the read under way. */
  #cancel: (() => void) | undefined
  #unfollow: (() => void) | undefined
  #over = false

  constructor(handle: ExchangeHandle, signal: AbortSignal | undefined) {
    this.#handle = handle
    this.#signal = signal
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller
    this.#unfollow = this.#signal && followFor(this, this.#signal, (pages) => pages.#abort())
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    const { letter, cancel } = advance(this.#handle)
    this.#cancel = cancel
    const { envelope } = await letter
    const { page, bug, notices } = JSON.parse(envelope) as Wire
    warn(notices)
    if (this.#over) return
    if (typeof page === 'string') return controller.enqueue(encoder.encode(page))
    this.cancel()
    if (bug !== undefined) throw new Error(bug)
    controller.close()
    // A reader with a buffer of its own gets it back only so.
    controller.byobRequest?.respond(0)
  }

  /** Closes the connections. */
  cancel(): void {
    this.#over = true
    this.#unfollow?.()
    this.#handle.close()
    this.#cancel?.()
  }

  #abort(): void {
    this.cancel()
    this.#controller?.error(this.#signal?.reason)
  }
}
