// What an operator must hear of becomes a warning of the process, once.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Router } from 'locum'

import { KEYS, config, rejection, start } from './support.mjs'

/** Collects the warnings of the process until the test ends. */
function listen(t) {
  const warnings = []
  const heard = (warning) => warnings.push(warning)
  process.on('warning', heard)
  t.after(() => process.off('warning', heard))
  return warnings
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a dead key, although the stand-in serves', async (t) => {
  const { router } = await start(t, { a: [{ error: 'invalid_api_key', times: 2 }], b: [{ answer: 'Hello', times: 2 }] })
  const warnings = listen(t)
  const reply = await router.complete('support_chat', 'Hi')
  await router.complete('support_chat', 'Hi')
  await turn()
  assert.equal(reply.fallbackUsed, true)
  assert.equal(reply.warnings.length, 1)
  assert.equal(warnings.length, 1)
  assert.equal(warnings[0].name, 'LocumWarning')
  assert.match(warnings[0].message, /a\/big.*auth/)
})

test('with a failed call too', async (t) => {
  const { router } = await start(t, { a: [{ error: 'invalid_api_key' }] }, { fallback: [] })
  const warnings = listen(t)
  await rejection(router.complete('support_chat', 'Hi'))
  await turn()
  assert.equal(warnings.filter((warning) => /a\/big.*auth/.test(warning.message)).length, 1)
})

test('a configuration that is worth a look', async (t) => {
  const warnings = listen(t)
  const given = config(() => 'http://127.0.0.1:1')
  given.providers.a.apiKey = 'env:LOCUM_TEST_VARIABLE_THAT_IS_NOT_SET'
  new Router(given)
  await turn()
  const told = warnings.filter((warning) => warning.message.includes('LOCUM_TEST_VARIABLE_THAT_IS_NOT_SET'))
  assert.equal(told.length, 1)
  assert.equal(told[0].name, 'LocumWarning')
  for (const warning of warnings) assert.ok(!warning.message.includes(KEYS.b))
})
