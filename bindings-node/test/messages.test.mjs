// What goes in and what comes out: nothing of the user's is lost or changed on the way.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'

import { InvalidRequestError, Router } from 'locum'

import { rejection, start } from './support.mjs'

const require = createRequire(import.meta.url)
const { write, Unwritable } = require('../dist/json.js')
const { Reply } = require('../dist/reply.js')

test('every field of the core’s reply is passed on', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello' }] })
  const reply = await router.complete('support_chat', 'Hi')
  assert.deepEqual(Object.keys(reply).sort(), [
    'attempts', 'cost', 'fallbackUsed', 'finish', 'firstTokenMs', 'latencyMs', 'message', 'model', 'parsed', 'provider',
    'reasoning', 'requestId', 'task', 'text', 'toolCalls', 'usage', 'warnings',
  ])
  for (const [name, value] of Object.entries(reply)) assert.notEqual(value, undefined, `${name} is undefined`)
  for (const [name, value] of Object.entries(reply.usage)) assert.equal(typeof value, 'number', name)
  assert.ok(reply instanceof Reply)
  assert.equal(reply.text, 'Hello')
  assert.deepEqual(reply.message, { role: 'assistant', content: 'Hello' })
  assert.equal(reply.attempts.length, 1)
  assert.ok(reply.latencyMs > 0)
})

test('the provider’s own body is there on demand', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello' }] })
  const reply = await router.complete('support_chat', 'Hi')
  assert.equal(reply.raw.choices[0].message.content, 'Hello')
  assert.equal(reply.raw, reply.raw)
  assert.ok(!JSON.stringify(reply).includes('choices'))
  assert.equal(structuredClone({ ...reply }).text, 'Hello')
})

test('names inside of users’ data are left alone', async (t) => {
  const data = { cached_input: 1, first_token_ms: { latency_ms: 2 }, camelCase: 3 }
  const call = { id: 'call_1', name: 'do_it', arguments: data }
  const { mock, router } = await start(t, { a: [{ answer: JSON.stringify(data) }, { answer: { tool_calls: [call] } }] })
  const tools = [{ type: 'function', function: { name: 'do_it', parameters: { type: 'object', properties: data } } }]
  const parsed = await router.complete('support_chat', 'Hi', {
    tools,
    responseFormat: { type: 'json_object' },
    metadata: { someKey: 'a', other_key: 'b' },
    extraBody: { a: { someMember: data } },
  })
  assert.deepEqual(parsed.parsed, data)
  assert.deepEqual(mock.log()[0].body.tools, tools)
  assert.deepEqual(mock.log()[0].body.someMember, data)
  const called = await router.complete('support_chat', 'Hi', { tools })
  assert.equal(called.toolCalls[0].function.name, 'do_it')
  assert.deepEqual(JSON.parse(called.toolCalls[0].function.arguments), data)
  assert.deepEqual(called.message.tool_calls, called.toolCalls)
})

test('a conversation with tools goes on with reply.message', async (t) => {
  const call = { id: 'call_1', name: 'weather', arguments: { city: 'Oslo' } }
  const { mock, router } = await start(t, { a: [{ answer: { tool_calls: [call] } }, { answer: 'Rain' }] })
  const tools = [{ type: 'function', function: { name: 'weather' } }]
  const messages = [{ role: 'user', content: 'Umbrella?' }]
  const first = await router.complete('support_chat', messages, { tools })
  messages.push(first.message, { role: 'tool', tool_call_id: first.toolCalls[0].id, content: 'rain' })
  assert.equal((await router.complete('support_chat', messages, { tools })).text, 'Rain')
  assert.deepEqual(mock.log()[1].body.messages.map((message) => message.role), ['user', 'assistant', 'tool'])
})

test('text of every kind comes through unchanged', async (t) => {
  const text = 'Grüße, 世界 👩‍👩‍👧 \u0000 \u2028 "quoted" \\ \n\t' + 'x'.repeat(200_000)
  const { mock, router } = await start(t, { a: [{ answer: text }] })
  const reply = await router.complete('support_chat', [{ role: 'user', content: [{ type: 'text', text }] }])
  assert.equal(reply.text, text)
  const [sent] = mock.log()
  assert.ok(JSON.stringify(sent.body).includes(JSON.stringify(text).slice(1, -1)))
})

test('both spellings of options; unset ones are as if not there', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: 'Hello', times: 3 }] })
  await router.complete('support_chat', 'Hi', { maxOutputTokens: 7, topP: undefined, temperature: null })
  await router.complete('support_chat', 'Hi', { max_output_tokens: 7 })
  await router.complete('support_chat', 'Hi', null)
  const [camel, snake, none] = mock.log().map((entry) => entry.body)
  assert.deepEqual(camel, snake)
  assert.ok(JSON.stringify(camel).includes(':7'))
  assert.ok(!('temperature' in camel) && !('top_p' in camel))
  assert.ok(!JSON.stringify(none).includes(':7'))
})

const cycle = { role: 'user' }
cycle.content = [cycle]
const deep = (levels) => [{ role: 'user', content: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) }]
const WRONG = [
  ['a BigInt', [[{ role: 'user', content: 'x', name: 1n }]], 'messages[0].name: a BigInt'],
  ['a cycle', [[cycle]], 'messages[0].content[0]: contains itself'],
  ['a function', [[{ role: 'user', content: () => 'x' }]], 'messages[0].content: a function'],
  ['a symbol', [[{ role: 'user', content: Symbol('x') }]], 'messages[0].content: a symbol'],
  ['a Map', [[new Map()]], 'messages[0]: an object of type Map'],
  ['a promise', [Promise.resolve('x')], 'messages: an object of type Promise'],
  ['half a surrogate pair', ['a\ud83d'], 'messages: half of a surrogate pair'],
  ['NaN', ['Hi', { temperature: NaN }], 'temperature: NaN cannot'],
  ['a function in a tool', ['Hi', { tools: [{ name: 'x', run() {} }] }], 'tools[0].run: a function'],
  ['a toJSON that throws', [[{ toJSON() { throw new Error('not me') } }]], 'request: not me'],
  ['a nesting too deep for the stack', [deep(100_000)], 'request: Maximum call stack'],
  ['no messages', [[]], 'messages: empty'],
  ['undefined messages', [undefined], 'messages: '],
  ['an unknown role', [[{ role: 'narrator', content: 'x' }]], 'messages[0].role: '],
  ['an unknown option', ['Hi', { temprature: 1 }], 'temprature: unknown option, did you mean "temperature"?'],
  ['an option of the wrong type', ['Hi', { tools: 'x' }], 'tools: expected an array'],
]
for (const [what, args, expected] of WRONG) {
  test(`${what} is an InvalidRequestError that names the place`, async (t) => {
    const { mock, router } = await start(t, { a: [{ answer: 'Hello' }] })
    const error = await rejection(router.complete('support_chat', ...args))
    assert.equal(error.constructor, InvalidRequestError)
    assert.equal(error.kind, 'invalid_request')
    assert.equal(error.task, 'support_chat')
    assert.ok(error.message.startsWith(`support_chat: invalid_request: ${expected}`), error.message)
    assert.equal(mock.log().length, 0)
  })
}

test('a nesting too deep for the core', async (t) => {
  const { mock, router } = await start(t, {})
  const error = await rejection(router.complete('support_chat', deep(300)))
  assert.equal(error.constructor, InvalidRequestError)
  assert.match(error.message, /^invalid_request: request: no valid JSON: recursion limit/)
  assert.equal(mock.log().length, 0)
})

test('a task that is no string', async (t) => {
  const { router } = await start(t, {})
  for (const task of [undefined, 7, { a: 1 }]) {
    const error = await rejection(router.complete(task, 'Hi'))
    assert.equal(error.constructor, InvalidRequestError)
    assert.match(error.message, /task: expected a string/)
  }
})

test('what JSON.stringify writes faithfully is taken: classes, null prototypes, dates, shared members', () => {
  class Turn {
    role = 'user'
    #secret = 1
    get secret() {
      return this.#secret
    }
  }
  const shared = { a: 1 }
  const bare = Object.assign(Object.create(null), { b: 2 })
  const value = { turn: new Turn(), bare, date: new Date(0), twice: [shared, shared], none: undefined, nil: null }
  assert.equal(write(value), JSON.stringify(value))
  assert.throws(() => write({ a: /x/ }), Unwritable)
})

test('arguments of the wrong type are named', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'Hello' }] })
  const throwing = { toString: () => { throw new Error('asked') } }
  for (const task of [undefined, null, 3, Symbol('t'), throwing]) {
    const error = await rejection(router.complete(task, 'Hi'))
    assert.ok(error instanceof InvalidRequestError)
    assert.equal(error.message, 'invalid_request: task: expected a string')
  }
  for (const options of ['x', 3, []]) {
    const error = await rejection(router.complete('support_chat', 'Hi', options))
    assert.equal(error.message, 'support_chat: invalid_request: options: expected an object')
  }
  for (const path of [undefined, null, 3]) {
    assert.throws(() => Router.fromFile(path), { name: 'TypeError', message: 'path: expected a string or a file URL' })
  }
})
