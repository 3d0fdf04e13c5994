// Keys are nowhere in what can be printed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import { Router } from 'locum'

import { KEYS, config, rejection, start } from './support.mjs'

const printed = (value) =>
  [inspect(value, { depth: 20, showHidden: true, getters: true }), String(value), JSON.stringify(value), value?.stack, value?.message].join('\n')

test('routers, replies, errors, trails, warnings and the mock’s log keep them', async (t) => {
  const texts = []
  const warned = (warning) => texts.push(printed(warning))
  process.on('warning', warned)
  t.after(() => process.off('warning', warned))
  // A provider that repeats the key it was sent, as some do.
  const echo = { status: 401, body: { error: { message: `Incorrect API key provided: ${KEYS.a}`, code: 'invalid_api_key' } } }
  const { mock, router } = await start(t, { a: [echo, echo], b: [{ answer: 'Hello' }, { status: 500 }] })
  const reply = await router.complete('support_chat', 'Hi')
  const error = await rejection(router.complete('support_chat', 'Hi'))
  texts.push(printed(router), printed(reply), printed(reply.raw), reply.trail(), printed(error), error.trail(), printed(mock.log()))
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(texts.some((text) => text.includes('LocumWarning')), 'the dead key was told of')
  for (const key of Object.values(KEYS)) assert.ok(!texts.join('\n').includes(key), texts.find((text) => text.includes(key)))
})

test('errors of the configuration keep them', () => {
  const wrong = config(() => 'http://127.0.0.1:1')
  wrong.providers.a.apiKeyy = KEYS.a
  wrong.providers.b.headers = { authorization: 5, 'x-api-key': KEYS.b }
  wrong.tasks.support_chat.primary = 'nobody'
  let error
  try {
    new Router(wrong)
  } catch (caught) {
    error = caught
  }
  assert.equal(error.kind, 'config')
  for (const key of Object.values(KEYS)) assert.ok(!printed(error).includes(key), printed(error))
})

test('prompts are in no error', async (t) => {
  const { router } = await start(t, { a: [{ error: 'invalid_api_key' }], b: [{ status: 500 }] })
  const prompt = 'very private words'
  const error = await rejection(router.complete('support_chat', prompt))
  const refused = await rejection(router.complete('support_chat', [{ role: 'user', content: { text: prompt } }]))
  const wrong = await rejection(router.complete('support_chat', 'Hi', { seed: prompt }))
  for (const each of [error, refused, wrong]) assert.ok(!printed(each).includes(prompt), printed(each))
})
