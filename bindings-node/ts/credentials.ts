/**
 * Credentials that the program's callbacks give.
 *
 * @internal
 */
import { addon } from './native.js'
import type { CredentialCallback } from './types.js'

/** The providers that have callbacks, and what answers the core when it asks for one. */
export function asking(credentials: unknown): [providers: string[], ask: (ticket: number, provider: string) => void] {
  if (credentials != null && typeof credentials !== 'object') throw new TypeError('credentials: expected an object')
  const callbacks = new Map<string, unknown>(Object.entries(credentials ?? {}))
  for (const [provider, callback] of callbacks) {
    if (typeof callback !== 'function') throw new TypeError(`credentials.${provider}: expected a function`)
  }
  return [[...callbacks.keys()], (ticket, provider) => void answer(ticket, callbacks.get(provider) as CredentialCallback)]
}

/** Never rejects. What a callback throws is told by its name alone: what it says may hold a secret. */
async function answer(ticket: number, callback: CredentialCallback): Promise<void> {
  let given: string | undefined
  let instead = 'gave what is no data'
  try {
    given = JSON.stringify(await callback())
  } catch (error) {
    instead = error instanceof Error ? `threw ${error.constructor.name}` : 'threw what is no Error'
  }
  addon.giveCredential(ticket, given ?? null, instead)
}
