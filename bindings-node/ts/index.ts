/**
 * Embedded multi-model LLM fallback: name the task, one file decides the models.
 *
 * ```ts
 * import { Router } from 'locum'
 *
 * const router = Router.fromFile('locum.toml')
 * const reply = await router.complete('support_chat', 'My invoice is wrong')
 * console.log(reply.text, reply.model, reply.fallbackUsed)
 * ```
 */
export { Router, complete, fetch, stream } from './router.js'
export type { Reply } from './reply.js'
export type { Stream, TextStream } from './stream.js'
export {
  AbortError,
  AuthenticationError,
  ConfigError,
  ConnectionError,
  ContentFilteredError,
  ContextOverflowError,
  InvalidRequestError,
  LocumError,
  MalformedResponseError,
  ModelNotFoundError,
  NoCandidateError,
  OverloadedError,
  PermissionError,
  QuotaExceededError,
  RateLimitedError,
  RefusedError,
  RequestTooLargeError,
  ServerError,
  TimeoutError,
  UnsupportedError,
} from './errors.js'
export type { ErrorDetails } from './errors.js'
export type * from './config.js'
export type * from './types.js'
