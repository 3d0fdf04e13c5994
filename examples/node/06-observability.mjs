// What calls did and cost: told to the program as they end, held to a quota, and kept in a file.
import { QuotaExceededError, Router } from 'locum'

const router = Router.fromDefault()
router.onEvent(({ type, message, record }) => {
  if (type === 'breaker_opened' || type === 'cooled') console.log(`  ! ${message}`)
  if (record === null) return
  const { customer, outcome, model, attempts, cost } = record
  console.log(`  ${customer}: ${outcome} by ${model}, ${attempts.length} attempts, ${cost?.toFixed(6) ?? 'unknown'} USD`)
  for (const { model, outcome, kind, usage } of attempts) {
    console.log(`    ${model} ${outcome} ${kind ?? ''} ${usage ? usage.input + usage.output : 0} tokens`)
  }
})

for (const customer of ['acme', 'free:ida', 'free:ida', 'free:ida']) {
  try {
    await router.complete('support_chat', 'My invoice is wrong', { customer })
  } catch (error) {
    if (!(error instanceof QuotaExceededError)) throw error
    console.log(`  ${customer}: refused: ${error.message.split(';')[0]}`)
  }
}
console.log(router.flush() ? 'written' : 'not written')
