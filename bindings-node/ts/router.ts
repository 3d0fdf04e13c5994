/** Routers: calls go to the core, and what comes back is a reply or is thrown. */
import { fileURLToPath } from 'node:url'

import { AbortError, ConfigError, InvalidRequestError, errorOf } from './errors.js'
import { attempts, type Wire } from './fields.js'
import { Unwritable, write } from './json.js'
import { type Letter, type RouterHandle, type Settlement, addon, send } from './native.js'
import { Reply } from './reply.js'
import type { Config, EitherCase, Message, Options } from './types.js'

/** A router of the core on its way into a `Router`. */
class Opened {
  constructor(readonly handle: RouterHandle) {}
}

/** Completes tasks. Calls of one router share its connections. An idle router does not keep the process alive. */
export class Router {
  readonly #handle: RouterHandle

  /**
   * A router for a configuration as an object, in camelCase or snake_case.
   *
   * @throws {ConfigError} listing every problem
   */
  constructor(config: EitherCase<Config>) {
    const { handle } = config instanceof Opened ? config : opened(addon.openConfig(configText(config)))
    this.#handle = handle
    for (const notice of handle.takeNotices()) warn(notice)
  }

  /**
   * A router for `locum.toml`, or the same as `.json`.
   *
   * @throws {ConfigError} listing every problem with its line
   */
  static fromFile(path: string | URL): Router {
    const file = path instanceof URL ? fileURLToPath(path) : path
    if (typeof file !== 'string') throw new TypeError('path: expected a string or a file URL')
    return new Router(opened(addon.openFile(file)) as never)
  }

  /**
   * A router for the file that `LOCUM_CONFIG` names, else for `./locum.toml`.
   *
   * @throws {ConfigError} when neither is there or the file has problems
   */
  static fromDefault(): Router {
    return new Router(opened(addon.openDefault()) as never)
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
   * @param messages OpenAI chat messages, or one string
   * @throws {LocumError} of the class that fits its kind
   */
  async complete(task: string, messages: string | readonly Message[], options?: Options | null): Promise<Reply> {
    if (typeof task !== 'string') throw invalid('', 'task', 'expected a string')
    if (options != null && (typeof options !== 'object' || Array.isArray(options))) throw invalid(task, 'options', 'expected an object')
    const { signal, ...rest } = options ?? {}
    if (signal != null && !isSignal(signal)) throw invalid(task, 'signal', 'expected an AbortSignal')
    if (signal?.aborted) throw aborted(signal, task)
    const request = requestText(task, messages, rest)
    const letter = await send(this.#handle, request, signal ?? undefined)
    return read(letter, signal ?? undefined, task)
  }
}

let byDefault: Router | undefined

/**
 * Completes `messages` as `task` says, with the router of the default configuration: the file that `LOCUM_CONFIG` names, else
 * `./locum.toml`. It is read with the first call.
 */
export async function complete(task: string, messages: string | readonly Message[], options?: Options | null): Promise<Reply> {
  byDefault ??= Router.fromDefault()
  return await byDefault.complete(task, messages, options)
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

function requestText(task: string, messages: unknown, options: object): string {
  try {
    return write({ task, messages, options })
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error
    // The core names options without a prefix.
    throw invalid(task, error.place.replace(/^options\./, '') || 'request', error.problem, error.cause)
  }
}

function invalid(task: string, place: string, problem: string, cause?: unknown): InvalidRequestError {
  const message = `${task && `${task}: `}invalid_request: ${place}: ${problem}`
  return new InvalidRequestError({ kind: 'invalid_request', message, task: task || null }, { cause })
}

/** By its shape: it may come from another realm. */
function isSignal(signal: Partial<AbortSignal>): boolean {
  return typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function'
}

/** The reply of a finished call, or its error as an exception with the stack of the caller. */
function read({ envelope, settlement }: Letter, signal: AbortSignal | undefined, task: string): Reply {
  const { reply, error, bug, notices } = JSON.parse(envelope) as Wire
  for (const notice of notices ?? []) warn(notice)
  // What the caller no longer wants is not handed over, even if it came first.
  if (signal?.aborted) throw aborted(signal, task, error ?? reply, settlement)
  if (settlement === null) throw new Error(bug)
  if (error) throw errorOf(error, settlement)
  return new Reply(reply, settlement)
}

function aborted(signal: AbortSignal, task: string, wire?: Wire, settlement: Settlement | null = null): unknown {
  const reason: unknown = signal.reason
  if (reason instanceof DOMException) return reason
  const message = wire?.kind === 'cancelled' ? wire.message : `${task}: cancelled by the caller`
  const trail = wire ? attempts(wire.attempts) : []
  return new AbortError({ kind: 'cancelled', message, task, attempts: trail }, { cause: reason }, settlement)
}

function warn(notice: string): void {
  process.emitWarning(notice, 'LocumWarning')
}
