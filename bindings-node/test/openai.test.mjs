// The official OpenAI client over `router.fetch`, as an application uses it.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { LocumError, TimeoutError } from 'locum'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'

import { eventually, rejection, start } from './support.mjs'

const messages = [{ role: 'user', content: 'Hi' }]
const ask = { model: 'support_chat', messages }
const DOWN = { error: 'server_is_overloaded' }
const STALLED = { answer: 'one two three four', stream: { stall_after: 2 } }

/** A client with the SDK's own defaults, retries too, over scripted providers. */
async function open(t, script, { task, ...options } = {}) {
  const { mock, router } = await start(t, script, task)
  return { mock, client: new OpenAI({ fetch: router.fetch, apiKey: 'unused', ...options }) }
}

function asked(mock) {
  return mock.log().map((entry) => entry.upstream)
}

/** The pieces of a stream, put together as a reader would. */
async function read(stream) {
  const all = { text: '', finish: null, usage: null, models: new Set() }
  for await (const chunk of stream) {
    all.models.add(chunk.model)
    all.text += chunk.choices[0]?.delta.content ?? ''
    all.finish ??= chunk.choices[0]?.finish_reason
    all.usage ??= chunk.usage
    all.trail ??= chunk.locum
  }
  return all
}

test('a whole answer', async (t) => {
  const { mock, client } = await open(t, { a: [{ answer: { text: 'Grüße 👋', usage: { input: 3, output: 4 } } }] })
  const reply = await client.chat.completions.create(ask)
  assert.equal(reply.choices[0].message.content, 'Grüße 👋')
  assert.deepEqual([reply.object, reply.model, reply.choices[0].finish_reason], ['chat.completion', 'a/big', 'stop'])
  assert.deepEqual([reply.usage.prompt_tokens, reply.usage.total_tokens], [3, 7])
  assert.match(reply._request_id, /^req_/)
  assert.equal(reply.locum.attempts[0].outcome, 'ok')
  const [seen] = mock.log()
  assert.deepEqual(seen.body, { model: 'big', messages })
  assert.ok(!Object.keys(seen.headers).some((name) => name.startsWith('x-stainless')), 'what the client says of itself stays here')
})

test('a stream', async (t) => {
  const { client } = await open(t, { a: [{ answer: 'one two three' }] })
  const all = await read(await client.chat.completions.create({ ...ask, stream: true }))
  assert.deepEqual([all.text, all.finish, [...all.models]], ['one two three', 'stop', ['a/big']])
})

test('a long stream of many scripts comes whole', async (t) => {
  const words = 'Grüße 👋 слово 語 '
  const { client } = await open(t, { a: [{ answer: { text: words }, stream: { repeat: 500 } }] })
  const all = await read(await client.chat.completions.create({ ...ask, stream: true }))
  assert.equal(all.text, words.repeat(500))
})

test('the stream helper', async (t) => {
  const { client } = await open(t, { a: [{ answer: 'one two three' }] })
  const stream = client.chat.completions.stream(ask)
  const pieces = []
  stream.on('content', (piece) => pieces.push(piece))
  assert.equal((await stream.finalChatCompletion()).choices[0].message.content, 'one two three')
  assert.equal(pieces.join(''), 'one two three')
})

test('parse', async (t) => {
  const shape = z.object({ total: z.number(), currency: z.string() })
  const { mock, client } = await open(t, { a: [{ answer: '{"total":12.5,"currency":"EUR"}' }] })
  const reply = await client.chat.completions.parse({ ...ask, response_format: zodResponseFormat(shape, 'invoice') })
  assert.deepEqual(reply.choices[0].message.parsed, { total: 12.5, currency: 'EUR' })
  assert.equal(mock.log()[0].body.response_format.json_schema.name, 'invoice')
})

for (const stream of [false, true]) {
  for (const [who, script] of [['the primary', (steps) => ({ a: steps })], ['a stand-in of another format', (steps) => ({ a: [DOWN], b: steps })]]) {
    test(`the tool runner, ${stream ? 'streamed' : 'whole'}, with ${who}`, async (t) => {
      const call = { tool_calls: [{ id: 'call_1', name: 'weather', arguments: { city: 'Rome' } }] }
      const { mock, client } = await open(t, script([{ answer: call }, { answer: 'It rains.' }]))
      const cities = []
      const weather = ({ city }) => cities.push(city) && 'rain'
      const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
      const tools = [{ type: 'function', function: { name: 'weather', parse: JSON.parse, parameters, function: weather } }]
      const runner = client.chat.completions.runTools({ ...ask, tools, stream })
      assert.equal(await runner.finalContent(), 'It rains.')
      assert.deepEqual(cities, ['Rome'])
      const turns = mock.log().filter((seen) => seen.status === 200)
      assert.equal(turns.length, 2)
      assert.match(JSON.stringify(turns[1].body.messages), /call_1.*rain/)
    })
  }
}

test('the trail is in the headers', async (t) => {
  const { client } = await open(t, { a: [DOWN], b: [{ answer: 'Hello' }] })
  const { data, response, request_id } = await client.chat.completions.create(ask).withResponse()
  assert.equal(data.choices[0].message.content, 'Hello')
  assert.equal(response.headers.get('x-locum-model'), 'b/small')
  assert.equal(response.headers.get('x-locum-attempts'), 'a/big overloaded, b/small ok')
  assert.equal(response.headers.get('x-request-id'), request_id)
  const live = await client.chat.completions.create({ ...ask, stream: true }).asResponse()
  assert.ok(live instanceof Response)
  assert.match(live.headers.get('content-type'), /^text\/event-stream/)
  assert.equal(live.headers.get('x-locum-model'), 'b/small')
  assert.match(await live.text(), /^data: \{.*data: \[DONE\]\n\n$/s)
})

const FAILURES = [
  ['rate_limit_exceeded', OpenAI.RateLimitError, 429, ['a', 'b']],
  ['insufficient_quota', OpenAI.RateLimitError, 429, ['a', 'b']],
  ['server_is_overloaded', OpenAI.InternalServerError, 503, ['a', 'b']],
  ['server_error', OpenAI.InternalServerError, 502, ['a', 'b']],
  ['invalid_api_key', OpenAI.AuthenticationError, 401, ['a', 'b']],
  ['permission_error', OpenAI.PermissionDeniedError, 403, ['a', 'b']],
  ['invalid_request_error', OpenAI.BadRequestError, 400, ['a']],
]
for (const [error, Class, status, all] of FAILURES) {
  for (const stream of [false, true]) {
    test(`${error}, ${stream ? 'streamed' : 'whole'}: ${Class.name} after one ladder`, async (t) => {
      const { mock, client } = await open(t, { a: [{ error }], b: [{ error }] })
      const failure = await rejection(client.chat.completions.create({ ...ask, stream }))
      assert.equal(failure.constructor, Class)
      assert.equal(failure.status, status)
      assert.match(failure.requestID, /^req_/)
      assert.match(failure.message, /support_chat/)
      assert.deepEqual(failure.error.locum.attempts.map((line) => line.model), all.map((name) => ({ a: 'a/big', b: 'b/small' })[name]))
      assert.deepEqual(asked(mock), all)
    })
  }
}

test('what is no task, and what is not served', async (t) => {
  const { mock, client } = await open(t, {})
  const task = await rejection(client.chat.completions.create({ ...ask, model: 'suport_chat' }))
  assert.ok(task instanceof OpenAI.NotFoundError)
  assert.equal(task.code, 'model_not_found')
  assert.match(task.message, /support_chat/)
  const embeddings = await rejection(client.embeddings.create({ model: 'support_chat', input: 'Hi' }))
  assert.ok(embeddings instanceof OpenAI.NotFoundError)
  assert.match(embeddings.message, /\/v1\/embeddings is not served/)
  const upload = await rejection(client.files.create({ file: new File(['x'], 'x.txt'), purpose: 'batch' }))
  assert.ok(upload instanceof OpenAI.NotFoundError)
  assert.deepEqual(asked(mock), [])
})

for (const stream of [false, true]) {
  test(`silent providers, ${stream ? 'streamed' : 'whole'}: a timeout after one ladder`, async (t) => {
    const silent = [{ silence: true }]
    const { mock, client } = await open(t, { a: silent, b: silent }, { task: { maxLatencyMs: 300 } })
    const failure = await rejection(client.chat.completions.create({ ...ask, stream }))
    assert.ok(failure instanceof OpenAI.APIConnectionTimeoutError)
    assert.ok(failure.cause instanceof TimeoutError && failure.cause instanceof LocumError)
    assert.equal(failure.cause.kind, 'deadline_exceeded')
    assert.deepEqual(failure.cause.attempts.map((attempt) => attempt.model), ['a/big', 'b/small'])
    assert.deepEqual(asked(mock), ['a', 'b'])
    await eventually(() => mock.log().every((seen) => seen.closedMs !== null), 'both sockets close')
  })
}

test("the client's own timeout ends the one ladder", async (t) => {
  const { mock, client } = await open(t, { a: [{ silence: true }] }, { timeout: 200 })
  const failure = await rejection(client.chat.completions.create(ask))
  assert.ok(failure instanceof OpenAI.APIConnectionTimeoutError)
  assert.deepEqual(asked(mock), ['a'])
  assert.notEqual(mock.log()[0].closedMs, null)
})

test('the timeout of a request is the deadline of its ladder', async (t) => {
  const { mock, client } = await open(t, { a: [{ silence: true }], b: [{ answer: 'Hello' }] })
  const reply = await client.chat.completions.create(ask, { timeout: 1000 })
  assert.equal(reply.choices[0].message.content, 'Hello')
  assert.deepEqual(asked(mock), ['a', 'b'])
})

test('an abort while the provider is silent', async (t) => {
  const { mock, client } = await open(t, { a: [{ silence: true }] })
  const controller = new AbortController()
  const call = rejection(client.chat.completions.create(ask, { signal: controller.signal }))
  await eventually(() => mock.log().length === 1, 'the request arrives')
  const begin = performance.now()
  controller.abort()
  assert.ok((await call) instanceof OpenAI.APIUserAbortError)
  await eventually(() => mock.log()[0].closedMs !== null, 'the socket closes')
  assert.ok(performance.now() - begin < 100, 'the socket closes at once')
  assert.deepEqual(asked(mock), ['a'])
})

const LEAVINGS = {
  'stream.controller.abort()': (stream) => stream.controller.abort(),
  'an abort of the signal': (_, controller) => controller.abort(),
  'leaving the loop': () => 'leave',
}
for (const [name, leave] of Object.entries(LEAVINGS)) {
  test(`${name} closes the socket of a stream`, async (t) => {
    const { mock, client } = await open(t, { a: [STALLED] })
    const controller = new AbortController()
    const stream = await client.chat.completions.create({ ...ask, stream: true }, { signal: controller.signal })
    let begin
    try {
      for await (const chunk of stream) {
        if (!chunk.choices[0].delta.content) continue
        begin = performance.now()
        if (leave(stream, controller) === 'leave') break
      }
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIUserAbortError, String(error))
    }
    await eventually(() => mock.log()[0].closedMs !== null, 'the socket closes')
    assert.ok(performance.now() - begin < 100, 'the socket closes at once')
    assert.deepEqual(asked(mock), ['a'])
  })
}

for (const cut of ['fin', 'rst', 'broken']) {
  test(`a stream that breaks off (${cut}) throws, and is never taken for a whole one`, async (t) => {
    const { mock, client } = await open(t, { a: [{ answer: 'one two three', stream: { cut_after: 2, cut } }] })
    let text = ''
    const error = await rejection((async () => {
      const stream = await client.chat.completions.create({ ...ask, stream: true })
      for await (const chunk of stream) text += chunk.choices[0].delta.content ?? ''
    })())
    assert.ok(error instanceof OpenAI.APIError, String(error))
    assert.equal(text, 'one two ')
    assert.equal(error.error.locum.in_stream, true)
    assert.deepEqual(asked(mock), ['a'])
    const helper = await rejection(client.chat.completions.stream(ask).finalContent())
    assert.ok(helper instanceof OpenAI.APIError, String(helper))
  })
}

test('a stand-in of another format streams whole', async (t) => {
  const { client } = await open(t, { a: [{ status: 503 }], b: [{ answer: { text: 'one two', usage: { input: 5, output: 2 } } }] })
  const all = await read(await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } }))
  assert.deepEqual([all.text, all.finish, [...all.models]], ['one two', 'stop', ['b/small']])
  assert.deepEqual([all.usage.prompt_tokens, all.usage.completion_tokens, all.usage.total_tokens], [5, 2, 7])
  assert.equal(all.trail.fallback_used, true)
})

test('the tasks are the models', async (t) => {
  const { client } = await open(t, {})
  const models = []
  for await (const model of client.models.list()) models.push(model.id)
  assert.deepEqual(models, ['support_chat'])
  assert.equal((await client.models.retrieve('support_chat')).owned_by, 'locum')
})

test('options of the call by headers, metadata and the model', async (t) => {
  const { mock, client } = await open(t, { a: [DOWN], b: [{ answer: 'Hello' }] })
  const alone = await rejection(client.chat.completions.create(ask, { headers: { 'x-locum-fallback': 'false', 'x-locum-customer': 'acme' } }))
  assert.equal(alone.status, 503)
  const labelled = await rejection(client.chat.completions.create({ ...ask, metadata: { locum_fallback: 'false', team: 'x' } }))
  assert.equal(labelled.status, 503)
  assert.deepEqual(asked(mock), ['a', 'a'])
  const pinned = await client.chat.completions.create({ ...ask, model: 'support_chat/b/small' })
  assert.equal(pinned.model, 'b/small')
  assert.deepEqual(asked(mock), ['a', 'a', 'b'])
  const wrong = await rejection(client.chat.completions.create(ask, { headers: { 'x-locum-fallback': 'perhaps' } }))
  assert.deepEqual([wrong.constructor, wrong.param], [OpenAI.BadRequestError, 'x-locum-fallback'])
})
