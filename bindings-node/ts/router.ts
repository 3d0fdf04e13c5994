/** Routers: calls go to the core, and what comes back is a reply, a stream, or is thrown. */
import { fileURLToPath } from 'node:url'

import { aborted, ask, warn, writeOptions } from './call.js'
import type { Config } from './config.js'
import { asking } from './credentials.js'
import { ConfigError, errorOf } from './errors.js'
import { Watcher } from './events.js'
import { exchange } from './fetch.js'
import { explanation, health, usageReport, type Wire } from './fields.js'
import { Unwritable, write } from './json.js'
import { type Letter, type RouterHandle, addon, readUsage, send } from './native.js'
import { Reply } from './reply.js'
import { Source } from './source.js'
import { Stream } from './stream.js'
import type {
  CandidateHealth,
  EitherCase,
  Explanation,
  Fetch,
  Message,
  Options,
  RouterEvent,
  RouterOptions,
  StreamOptions,
  UsageOptions,
  UsageReport,
} from './types.js'

/** A router of the core on its way into a `Router`. */
class Opened {
  constructor(readonly handle: RouterHandle) {}
}

let handleOf: (router: Router) => RouterHandle

/** Completes tasks. Calls of one router share its connections. An idle router does not keep the process alive. */
export class Router {
  readonly #handle: RouterHandle
  #watcher: Watcher | undefined

  static {
    handleOf = (router) => router.#handle
  }

  /**
   * A router for a configuration as an object, in camelCase or snake_case.
   *
   * @throws {ConfigError} listing every problem
   */
  constructor(config: EitherCase<Config>, options?: RouterOptions | null) {
    const { handle } = config instanceof Opened ? config : opened(addon.openConfig(configText(config), ...asking(options?.credentials)))
    this.#handle = handle
    flushed.add(new WeakRef(handle))
    warn(handle.takeNotices())
  }

  /**
   * A router for `locum.toml`, or the same as `.json`.
   *
   * @throws {ConfigError} listing every problem with its line
   */
  static fromFile(path: string | URL, options?: RouterOptions | null): Router {
    const file = path instanceof URL ? fileURLToPath(path) : path
    if (typeof file !== 'string') throw new TypeError('path: expected a string or a file URL')
    return new Router(opened(addon.openFile(file, ...asking(options?.credentials))) as never)
  }

  /**
   * A router for the file that `LOCUM_CONFIG` names, else for `./locum.toml`.
   *
   * @throws {ConfigError} when neither is there or the file has problems
   */
  static fromDefault(options?: RouterOptions | null): Router {
    return new Router(opened(addon.openDefault(...asking(options?.credentials))) as never)
  }

  /** The names of the tasks. */
  get tasks(): string[] {
    return this.#handle.tasks()
  }

  /**
   * Completes `messages` as `task` says: by its primary, and by its stand-ins where that fails.
   *
   * When `options.signal` aborts, the connections are closed and the promise is rejected: with the signal's reason where
   * the platform made it (`AbortError`, or `TimeoutError` by `AbortSignal.timeout`), else with Locum's `AbortError`,
   * whose `reason` is what was given to `abort()`.
   *
   * @param messages OpenAI chat messages, or one string; none where the task's prompt says it all
   * @throws {LocumError} of the class that fits its kind
   */
  async complete(task: string, messages?: string | readonly Message[] | null, options?: Options | null): Promise<Reply> {
    const { request, signal, task: name } = ask(task, messages, options)
    return read(await send(this.#handle, request, signal), signal, name)
  }

  /**
   * Streams the answer to `messages`, as `task` says. Until the first content a failing candidate is replaced unseen; what
   * follows when one breaks off later is the task's `onBreak`.
   *
   * It returns at once, and nothing is asked before the first event is. Whatever `complete` would reject with, wrong
   * arguments too, is thrown by the read that meets it. When `options.signal` aborts, the connections are closed, and the
   * next read throws as `complete` does.
   *
   * @param messages OpenAI chat messages, or one string; what is changed in them later has no effect
   */
  stream(task: string, messages?: string | readonly Message[] | null, options?: StreamOptions | null): Stream {
    return new Stream(new Source(() => this.#handle, task, messages, options))
  }

  /**
   * Answers requests to OpenAI's API in process, in the place of the platform's `fetch`: `chat/completions` and `responses`, whole or as a
   * stream of events, and `models`. It needs no `this`. The `model` of a request is a task, or `task/model` to pin one of its
   * candidates. How the answer came about is told by `x-locum-*` headers and the member `locum` of the body or of the last chunk.
   *
   * ```ts
   * const client = new OpenAI({ fetch: router.fetch, apiKey: 'unused' })
   * ```
   *
   * What fails is a response with the status of its failure, as over HTTP, but for two: what `fetch` would refuse is a
   * `TypeError`, and what is over time is rejected with. When the signal aborts, the connections are closed, and the promise or
   * the read of the body is rejected with the signal's reason.
   *
   * @throws {TimeoutError} of kind `timeout` or `deadline_exceeded`
   */
  readonly fetch: Fetch = (input, init) => exchange(this.#handle, input, init)

  /**
   * Tells what a call would do at this moment: which candidates it would ask, in which order, within which limits, whom it
   * would pass over and why, and how long it takes and what it costs at worst. Nothing is sent, and nothing changes.
   *
   * @param messages OpenAI chat messages, or one string
   * @throws {LocumError} as the call itself would before it asks anybody: unknown task, wrong options, input too long
   */
  explain(task: string, messages?: string | readonly Message[] | null, options?: Options | null): Explanation {
    const { request } = ask(task, messages, options)
    const { explanation: wire, error } = JSON.parse(this.#handle.explain(request)) as Wire
    if (error) throw errorOf(error)
    return explanation(wire)
  }

  /** How every candidate is, with each of its keys: circuit breaker, cooldown, last error, measured times. */
  health(): CandidateHealth[] {
    return (JSON.parse(this.#handle.health()) as Wire[]).map(health)
  }

  /**
   * Forgets what speaks against candidates: cooldowns, open breakers, last errors. For whoever has mended what was wrong (paid
   * a bill, allowed a key) and does not want to wait.
   *
   * @param model only this one, as `provider/model`
   */
  resetHealth(model?: string | null): void {
    if (model != null && typeof model !== 'string') throw new TypeError('model: expected a string')
    this.#handle.resetHealth(model ?? null)
  }

  /**
   * Waits until the records of all calls that have ended are written where `accounting` says; whether they are. It blocks the
   * thread. At the end of the process this is done for two seconds at most.
   *
   * @param timeoutMs how long to wait at most; five seconds where it is not given
   */
  flush(timeoutMs?: number | null): boolean {
    return this.#handle.flush(timeoutMs ?? null)
  }

  /**
   * What calls did and cost, as rows: the report of `locum report`. It reads the records that `accounting` keeps, those of other
   * processes too, after those that wait are written, and does so on another thread.
   *
   * @throws {InvalidRequestError} what is no day, or nothing that rows are made by
   * @throws {ConfigError} where no records are kept, or those that are cannot be read
   */
  async usage(options?: UsageOptions | null): Promise<UsageReport> {
    const { envelope } = await readUsage(this.#handle, writeOptions(options))
    const { usage, error, bug, notices } = JSON.parse(envelope) as Wire
    warn(notices)
    if (error) throw errorOf(error)
    if (bug) throw new Error(bug)
    return usageReport(usage)
  }

  /**
   * Calls `listener` with everything that happens in this router's calls, in order, until what is returned is called. It is
   * called while the calls run, in batches. What it throws becomes a process warning and ends no call; the
   * promise of an async listener is its own.
   */
  onEvent(listener: (event: RouterEvent) => void): () => void {
    if (typeof listener !== 'function') throw new TypeError('listener: expected a function')
    this.#watcher ??= new Watcher(this.#handle)
    return this.#watcher.listen(listener)
  }
}

/** Those whose records are flushed at the end of the process. */
const flushed = new Set<WeakRef<RouterHandle>>()
process.on('exit', () => {
  const end = performance.now() + addon.lastFlushMs()
  for (const router of flushed) router.deref()?.flush(Math.max(0, end - performance.now()))
})

let byDefault: Router | undefined

/**
 * Completes `messages` as `task` says, with the router of the default configuration: the file that `LOCUM_CONFIG` names, else
 * `./locum.toml`. It is read with the first call.
 */
export async function complete(task: string, messages?: string | readonly Message[] | null, options?: Options | null): Promise<Reply> {
  return await defaultRouter().complete(task, messages, options)
}

/**
 * Streams the answer to `messages`, with the router of the default configuration. That is read with the first call or the
 * first event, and what is wrong with it is thrown then.
 */
export function stream(task: string, messages?: string | readonly Message[] | null, options?: StreamOptions | null): Stream {
  return new Stream(new Source(() => handleOf(defaultRouter()), task, messages, options))
}

/** Answers requests to OpenAI's API as `Router.fetch` does, with the router of the default configuration. */
export async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  return await defaultRouter().fetch(input, init)
}

function defaultRouter(): Router {
  return (byDefault ??= Router.fromDefault())
}

function opened(result: RouterHandle | string): Opened {
  if (typeof result === 'string') throw errorOf(JSON.parse(result))
  return new Opened(result)
}

function configText(config: object): string {
  try {
    return write(config)
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    const problem = `${error.place || 'config'}: ${error.problem}`
    throw new ConfigError({ kind: 'config', message: `config: ${problem}`, problems: [problem] }, { cause: error.cause })
  }
}

/** The reply of a finished call, or its error as an exception with the stack of the caller. */
function read({ envelope, settlement }: Letter, signal: AbortSignal | undefined, task: string): Reply {
  const { reply, error, bug, notices } = JSON.parse(envelope) as Wire
  warn(notices)
  // What the caller no longer wants is not handed over, even if it came first.
  if (signal?.aborted) throw aborted(signal, task, error ?? reply, settlement)
  if (settlement === null) throw new Error(bug)
  if (error) throw errorOf(error, settlement)
  return new Reply(reply, settlement)
}
