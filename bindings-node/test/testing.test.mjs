// locum/testing: scripted providers for users' own tests.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { InvalidRequestError, Router } from 'locum'
import { Mock } from 'locum/testing'

import { config, rejection, start } from './support.mjs'

test('what was asked is in the log', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'Hello' }] })
  assert.match(mock.url('a'), /^http:\/\/127\.0\.0\.1:\d+\/a\/v1$/)
  await router.complete('support_chat', 'Hi', { customer: 'acme' })
  const [seen] = mock.log()
  assert.deepEqual(Object.keys(seen).sort(), [
    'answeredMs', 'atMs', 'body', 'closedMs', 'connection', 'headers', 'method', 'n', 'path', 'sentChunks', 'status', 'upstream',
  ])
  assert.equal(seen.upstream, 'a')
  assert.equal(seen.method, 'POST')
  assert.equal(seen.status, 200)
  assert.equal(seen.headers.authorization, '[secret]')
  assert.deepEqual(seen.body.messages, [{ role: 'user', content: 'Hi' }])
  for (const [name, value] of Object.entries(seen)) assert.notEqual(value, undefined, name)
})

test('a script with a mistake is an error that names it', async () => {
  const error = await rejection(Mock.start({ a: [{ anser: 'Hello' }] }))
  assert.equal(error.constructor, InvalidRequestError)
  assert.match(error.message, /a\[0\].*anser/)
  const unwritable = await rejection(Mock.start({ a: [{ answer: () => 'Hello' }] }))
  assert.equal(unwritable.constructor, InvalidRequestError)
  assert.match(unwritable.message, /a\[0\]\.answer: a function/)
})

test('a closed mock closes its connections and refuses new ones; closing twice is fine', async (t) => {
  const { mock, router } = await start(t, { a: [{ silence: true }] }, { fallback: [] })
  const under = rejection(router.complete('support_chat', 'Hi'))
  while (mock.log().length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await mock.close()
  await mock.close()
  assert.equal((await under).kind, 'connection')
  assert.equal((await rejection(router.complete('support_chat', 'Hi'))).kind, 'connection')
  assert.throws(() => mock.url('a'), /closed/)
})

test('it closes itself at the end of an `await using`', async () => {
  const mock = await Mock.start({ a: [{ answer: 'Hello' }] })
  const router = new Router(config((name) => (name === 'a' ? mock.url('a') : 'http://127.0.0.1:1')))
  await router.complete('support_chat', 'Hi')
  await mock[Symbol.asyncDispose]()
  assert.throws(() => mock.log(), /closed/)
})
