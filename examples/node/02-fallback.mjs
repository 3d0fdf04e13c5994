// The usual failures of a primary, one after the other, and what becomes of each call.
import { LocumError, Router } from 'locum'

const situations = [
  'all is well',
  'the primary is overloaded',
  'the primary is rate limited',
  "the primary's key is dead",
  'the primary is silent',
  'everything fails',
]
const router = Router.fromDefault()
for (const what of situations) {
  console.log(`\n▸ ${what}`)
  // Otherwise a primary that just failed would be passed over for a while.
  router.resetHealth()
  try {
    const reply = await router.complete('support_chat', 'My invoice is wrong.', { timeoutMs: 1000 })
    console.log(`${reply.trail()}${reply.text} — ${reply.model}`)
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    console.log(`${error.trail()}${error.message}`)
  }
}
