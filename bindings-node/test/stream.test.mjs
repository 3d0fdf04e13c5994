// Streams: what comes in which order, as events, as text, as web streams; what is thrown.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { AbortError, InvalidRequestError, LocumError, Router, stream } from 'locum'

import { KEYS, rejection, start } from './support.mjs'

const TEXT = 'The moon is made of rock.'
const WEATHER = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }

async function collect(items) {
  const all = []
  for await (const item of items) all.push(item)
  return all
}

test('events come in order, and the end has the reply', async (t) => {
  const { router } = await start(t, { a: [{ answer: { text: TEXT, reasoning: 'Let me think.', usage: { input: 7, output: 9 } } }] })
  const events = router.stream('support_chat', 'Hi')
  assert.equal(events.reply, null)
  assert.deepEqual(events.attempts, [])
  const all = await collect(events)
  assert.deepEqual(all[0], { type: 'start', model: 'a/big' })
  const text = all.filter((event) => event.type === 'text').map((event) => event.text)
  assert.equal(text.join(''), TEXT)
  assert.ok(text.length > 1, 'in pieces')
  assert.equal(all.filter((event) => event.type === 'reasoning').map((event) => event.text).join(''), 'Let me think.')
  const [usage, end] = all.slice(-2)
  assert.deepEqual(usage, { type: 'usage', usage: { input: 7, cachedInput: 0, cacheWrite: 0, output: 9, reasoning: 4 } })
  assert.equal(end.type, 'end')
  assert.equal(end.reply, events.reply)
  assert.deepEqual([end.reply.text, end.reply.model, end.reply.raw.object], [TEXT, 'a/big', 'chat.completion'])
  assert.ok(end.reply.firstTokenMs <= end.reply.latencyMs)
  assert.equal(events.attempts[0].outcome, 'ok')
  assert.match(end.reply.trail(), /a\/big +ok/)
})

test('tool calls come whole, and in pieces on request', async (t) => {
  const call = { id: 'call_1', name: 'get_weather', arguments: { city: 'Oslo' } }
  const { router } = await start(t, { a: [{ answer: { tool_calls: [call] } }] })
  const whole = await collect(router.stream('support_chat', 'Hi', { tools: [WEATHER] }))
  assert.deepEqual(whole.map((event) => event.type), ['start', 'tool_call', 'usage', 'end'])
  assert.deepEqual(whole[1], { type: 'tool_call', id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo"}' })
  const pieces = await collect(router.stream('support_chat', 'Hi', { tools: [WEATHER], toolCallDeltas: true }))
  const deltas = pieces.filter((event) => event.type === 'tool_call_delta')
  assert.deepEqual([deltas[0].index, deltas[0].id, deltas[0].name], [0, 'call_1', 'get_weather'])
  assert.equal(deltas.map((event) => event.arguments).join(''), '{"city":"Oslo"}')
})

test('nothing but the text', async (t) => {
  const { router } = await start(t, { a: [{ answer: { text: TEXT, reasoning: 'Let me think.' } }] })
  const text = router.stream('support_chat', 'Hi').text()
  assert.equal((await collect(text)).join(''), TEXT)
  assert.deepEqual([text.reply.text, text.reply.reasoning], [TEXT, 'Let me think.'])
})

test('web streams of events and of text', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT }] })
  const events = router.stream('support_chat', 'Hi').toReadableStream()
  assert.ok(events instanceof ReadableStream)
  assert.equal((await collect(events)).at(-1).reply.text, TEXT)
  const text = router.stream('support_chat', 'Hi').text().toReadableStream()
  assert.equal(await new Response(text.pipeThrough(new TextEncoderStream())).text(), TEXT)
})

test('collect reads to the end', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT }] })
  assert.equal((await router.stream('support_chat', 'Hi').collect()).text, TEXT)
})

test('reads at once are answered in order', async (t) => {
  const { router } = await start(t, { a: [{ answer: 'one two three' }] })
  const items = router.stream('support_chat', 'Hi')[Symbol.asyncIterator]()
  const all = await Promise.all(Array.from({ length: 8 }, () => items.next()))
  assert.deepEqual(all.map(({ value }) => value?.text ?? value?.type), ['start', 'one ', 'two ', 'three', 'usage', 'end', undefined, undefined])
})

test('a stream has one reader', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT }] })
  const events = router.stream('support_chat', 'Hi')
  for await (const _ of events) break
  assert.throws(() => events[Symbol.asyncIterator](), TypeError)
  assert.throws(() => events.text(), TypeError)
  assert.throws(() => events.toReadableStream(), TypeError)
  assert.ok((await rejection(events.collect())) instanceof TypeError)
})

test('two hundred at once', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: TEXT, times: 1000 }] })
  const texts = await Promise.all(Array.from({ length: 200 }, async () => (await collect(router.stream('support_chat', 'Hi').text())).join('')))
  assert.ok(texts.every((text) => text === TEXT))
  assert.equal(mock.log().length, 200)
})

test('a break is thrown where the next event would have come', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT, stream: { cut_after: 3 } }] })
  const seen = []
  const error = await rejection((async () => {
    for await (const event of router.stream('support_chat', 'Hi')) seen.push(event.text ?? event.type)
  })())
  assert.deepEqual(seen, ['start', 'The ', 'moon ', 'is '])
  assert.ok(error instanceof LocumError)
  assert.deepEqual([error.kind, error.inStream, error.partial.text], ['truncated_stream', true, 'The moon is '])
  assert.deepEqual(error.attempts.map((line) => [line.model, line.next]), [['a/big', 'fail']])
  assert.match(error.stack, /stream\.test\.mjs/)
})

test('what is thrown has the reader in its stack', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT, stream: { stall_after: 2 } }] })
  const readers = {
    async iterating() {
      for await (const _ of router.stream('nothing', 'Hi'));
    },
    async collecting() {
      await router.stream('nothing', 'Hi').collect()
    },
    async leaving() {
      const controller = new AbortController()
      setTimeout(() => controller.abort('enough'), 50)
      await router.stream('support_chat', 'Hi', { signal: controller.signal }).collect()
    },
  }
  for (const [name, read] of Object.entries(readers)) {
    const error = await rejection(read())
    assert.match(error.stack, new RegExp(`at async (Object\\.)?${name} `), error.stack)
  }
})

test('restart and resume, as the call declares', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT, stream: { cut_after: 3 } }], b: [{ answer: 'made of cheese.' }] })
  const all = await collect(router.stream('support_chat', 'Hi', { onBreak: 'restart' }))
  const { model, kind, reason } = all.find((event) => event.type === 'restart')
  assert.deepEqual([model, kind], ['b/small', 'truncated_stream'])
  assert.ok(reason.length > 0)
  assert.equal(all.at(-1).reply.text, 'made of cheese.')
  const reply = await router.stream('support_chat', 'Hi', { onBreak: 'resume' }).collect()
  assert.equal(reply.text, 'The moon is made of cheese.')
  assert.match(reply.warnings.join(), /broke off after 12 characters/)
})

test('whole answers may come from streams', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: TEXT, stream: { cut_after: 3 } }], b: [{ answer: 'whole' }] })
  const reply = await router.complete('support_chat', 'Hi', { upstream: 'stream' })
  assert.deepEqual([reply.text, mock.log()[0].body.stream], ['whole', true])
})

test('what is wrong is thrown by the first read', async (t) => {
  const { mock, router } = await start(t, {})
  const first = (...args) => rejection(router.stream(...args)[Symbol.asyncIterator]().next())
  assert.equal((await first('nothing', 'Hi')).kind, 'config')
  for (const [args, place] of [
    [['support_chat', [{ role: 'user', content: 1n }]], /messages/],
    [['support_chat', 'Hi', { onBreak: 'explode' }], /on_?break/i],
    [['support_chat', 'Hi', { upstream: 'unary' }], /upstream/],
    [['support_chat', 'Hi', { signal: {} }], /signal/],
    [[7, 'Hi'], /task/],
  ]) {
    const error = await first(...args)
    assert.ok(error instanceof InvalidRequestError, `${error}`)
    assert.match(error.message, place)
  }
  assert.match((await rejection(router.complete('support_chat', 'Hi', { toolCallDeltas: true }))).message, /tool_?call_?deltas/i)
  assert.equal(mock.log().length, 0)
})

test('what is changed after the call changes nothing', async (t) => {
  const { mock, router } = await start(t, { a: [{ answer: TEXT }] })
  const messages = [{ role: 'user', content: 'before' }]
  const events = router.stream('support_chat', messages)
  messages[0].content = 'after'
  await events.collect()
  assert.equal(mock.log()[0].body.messages[0].content, 'before')
})

test('the default router streams too', async (t) => {
  const before = process.env.LOCUM_CONFIG
  t.after(() => (before === undefined ? delete process.env.LOCUM_CONFIG : (process.env.LOCUM_CONFIG = before)))
  process.env.LOCUM_CONFIG = '/nowhere/locum.toml'
  assert.equal((await rejection(stream('t', 'Hi').collect())).kind, 'config')
})

test('no key is in what is thrown', async (t) => {
  const { router } = await start(t, {
    a: [{ body: `data: ${JSON.stringify({ error: { message: `Incorrect API key provided: ${KEYS.a}`, code: 'invalid_api_key' } })}\n\n` }],
  }, { strict: ['auth'] })
  const error = await rejection(router.stream('support_chat', 'Hi').collect())
  assert.equal(error.kind, 'auth')
  assert.ok(!JSON.stringify({ ...error, message: error.message, stack: error.stack }).includes(KEYS.a))
})

test('a stream closed before its end has no reply', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT, stream: { stall_after: 1 } }] })
  const events = router.stream('support_chat', 'Hi')
  setTimeout(() => events.close(), 100)
  assert.ok((await rejection(events.collect())) instanceof AbortError)
})

test('time in which the reader is busy is nobody\'s pause', async (t) => {
  const { router } = await start(t, { a: [{ answer: TEXT, stream: { chunk_delay_ms: 20 } }] }, { idleMs: 400 })
  const seen = []
  for await (const event of router.stream('support_chat', 'Hi')) {
    seen.push(event.type)
    if (event.type === 'text' && seen.length < 4) await new Promise((resolve) => setTimeout(resolve, 500))
  }
  assert.equal(seen.at(-1), 'end')
})

test('a router that is gone leaves its streams running', async (t) => {
  const { mock } = await start(t, { a: [{ answer: TEXT }] })
  const events = new Router({
    providers: { a: { kind: 'openai', baseUrl: mock.url('a'), apiKey: KEYS.a } },
    tasks: { t: { primary: 'a/big' } },
  }).stream('t', 'Hi')
  assert.equal((await events.collect()).text, TEXT)
})
