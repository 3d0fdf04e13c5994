/**
 * Scripted providers on loopback, for tests of your own application.
 *
 * ```ts
 * import { Router } from 'locum'
 * import { Mock } from 'locum/testing'
 *
 * await using mock = await Mock.start({ a: [{ error: 'server_is_overloaded' }], b: [{ answer: 'Hello' }] })
 * const router = new Router({
 *   providers: {
 *     a: { kind: 'openai', baseUrl: mock.url('a'), apiKey: 'any' },
 *     b: { kind: 'anthropic', baseUrl: mock.url('b'), apiKey: 'any' },
 *   },
 *   tasks: { support_chat: { primary: 'a/big', fallback: ['b/small'] } },
 * })
 * const reply = await router.complete('support_chat', 'Hi')
 * ```
 *
 * The language of scripts is described in `docs/testing.md` of the repository.
 */
import { InvalidRequestError, errorOf } from './errors.js'
import type { Wire } from './fields.js'
import { Unwritable, write } from './json.js'
import { type MockHandle, addon } from './native.js'

/** What each provider does, request by request: `{name: [step, …]}` or `{name: {key, steps: [step, …]}}`. */
export type Script = Readonly<Record<string, readonly object[] | { key?: string; steps: readonly object[] }>>

/** One request as a provider saw it. Times are milliseconds since the mock started. */
export interface Seen {
  /** Who was asked; empty where the path names no provider of the script. */
  upstream: string
  /** Which request of this provider it is, from 0. */
  n: number
  method: string
  path: string
  /** By lower-case name; credentials are `[secret]`. */
  headers: Record<string, string>
  /** Parsed where it is JSON, text where it is not, null where there is none. */
  body: unknown
  /** When the request had arrived whole. */
  atMs: number
  /** The status that was sent, if any. */
  status: number | null
  /** When the response was written whole. */
  answeredMs: number | null
  /** When the client closed the connection before that. */
  closedMs: number | null
  /** How many content chunks of a stream were written so far; 0 where the answer is whole. */
  sentChunks: number
  /** Which connection it came by, from 0: equal numbers mean that it was used again. */
  connection: number
}

/** Providers that play a script on a port of 127.0.0.1, until they are closed. They do not keep the process alive. */
export class Mock {
  readonly #handle: MockHandle

  private constructor(handle: MockHandle) {
    this.#handle = handle
  }

  /**
   * Plays a script.
   *
   * @throws {InvalidRequestError} naming what is wrong with the script
   */
  static async start(script: Script): Promise<Mock> {
    const started = addon.startMock(scriptText(script))
    if (typeof started === 'string') throw errorOf(JSON.parse(started))
    return new Mock(started)
  }

  /** The base URL of a provider of the script, for `baseUrl` of the configuration. */
  url(name: string): string {
    return running(this.#handle.url(name))
  }

  /** The requests seen so far, in the order of their arrival. */
  log(): Seen[] {
    const entries: Wire[] = JSON.parse(running(this.#handle.log()))
    return entries.map((seen) => ({
      upstream: seen.upstream,
      n: seen.n,
      method: seen.method,
      path: seen.path,
      headers: seen.headers,
      body: seen.body,
      atMs: seen.at_ms,
      status: seen.status,
      answeredMs: seen.answered_ms,
      closedMs: seen.closed_ms,
      sentChunks: seen.sent_chunks,
      connection: seen.connection,
    }))
  }

  /** Closes the port and every connection. */
  async close(): Promise<void> {
    this.#handle.close()
  }

  /** For `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function running(answer: string | null): string {
  if (answer === null) throw new Error('the mock is closed')
  return answer
}

function scriptText(script: Script): string {
  try {
    return write(script)
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    const message = `invalid_request: ${error.place || 'script'}: ${error.problem}`
    throw new InvalidRequestError({ kind: 'invalid_request', message }, { cause: error.cause })
  }
}
