// The shared scenarios (core/tests/conformance/README.md), through the public API.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspect } from 'node:util'

import { LocumError, Router } from 'locum'
import { Mock } from 'locum/testing'

import { root } from './support.mjs'

const folder = join(root, '../core/tests/conformance')
const scenarios = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')).map((scenario) => ({ file, ...scenario })))

let ran = 0
for (const scenario of scenarios) {
  test(`${scenario.file}: ${scenario.name}`, async (t) => {
    ran += 1
    await play(scenario, t)
  })
}
test('scenarios were found', () => assert.ok(ran >= 40, `only ${ran} scenarios`))
after(() => console.log(`conformance: ${ran} scenarios`))

async function play(scenario, t) {
  const providers = scenario.config.providers ?? {}
  const names = Object.keys(providers)
  const mock = await Mock.start({ ...Object.fromEntries(names.map((name) => [name, []])), ...scenario.upstream })
  t.after(() => mock.close())
  const keys = names.map((name) => `sk-conformance-${name}-do-not-print`)
  const config = placed(scenario.config, t)
  names.forEach((name, i) => {
    const key = 'api_keys' in providers[name] || 'auth' in providers[name] ? {} : { api_key: keys[i] }
    config.providers[name] = { base_url: mock.url(name), ...key, ...providers[name] }
  })
  config.state ??= 'router'
  const printed = []
  const warned = (warning) => printed.push(inspect(warning))
  process.on('warning', warned)
  t.after(() => process.off('warning', warned))

  const router = open(config, { credentials: callbacks(scenario, keys) }, scenario.config_error, printed)
  if (router !== null) {
    const told = []
    if (scenario.calls?.some((call) => call.expect.happened)) router.onEvent((event) => told.push(event))
    const answers = []
    for (const [i, call] of (scenario.calls ?? []).entries()) {
      const replies = await turn(router, mock, spoken(call, answers), `calls[${i}]`, told, printed)
      answers.push(replies.at(-1)?.message)
    }
    await compareLog(mock, scenario)
    printed.push(inspect(router, { depth: 9, showHidden: true }))
  }
  printed.push(JSON.stringify(mock.log()))
  const all = [...keys, ...names.flatMap((name) => providers[name].api_keys ?? [])]
  for (const key of all) assert.ok(!printed.join('\n').includes(key), `a key was printed:\n${printed.join('\n')}`)
}

/** A copy of the configuration, with the name of a folder of its own where `{folder}` stands. */
function placed(config, t) {
  const text = JSON.stringify(config)
  if (!text.includes('{folder}')) return JSON.parse(text)
  const folder = mkdtempSync(join(tmpdir(), 'locum-conformance-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return JSON.parse(text.replaceAll('{folder}', () => JSON.stringify(folder).slice(1, -1)))
}

/** Callbacks that give one credential after the other, and go on with the last. */
function callbacks(scenario, keys) {
  const made = Object.entries(scenario.credentials ?? {}).map(([name, given]) => {
    keys.push(...given.map((one) => (typeof one === 'string' ? one : one.token)).filter(Boolean))
    let next = 0
    return [
      name,
      async () => {
        const one = given[Math.min(next++, given.length - 1)]
        if (one.raises) throw new RangeError(keys[0])
        return one
      },
    ]
  })
  return Object.fromEntries(made)
}

function open(config, options, expected, printed) {
  let router
  try {
    router = new Router(config, options)
  } catch (error) {
    if (expected === undefined) throw error
    printed.push(inspect(error), error.stack, JSON.stringify(error))
    assert.equal(error.kind, 'config')
    match(error, expected, 'config_error')
    return null
  }
  assert.equal(expected, undefined, 'the configuration was accepted')
  return router
}

/** The call with the messages that earlier calls were answered with, where it names them. */
function spoken(call, answers) {
  if (!Array.isArray(call.messages)) return call
  return { ...call, messages: call.messages.map((one) => (one?.answer_of === undefined ? one : answers[one.answer_of])) }
}

/** A call with its copies, and what is to be seen once after them: the replies. */
async function turn(router, mock, call, path, told, printed) {
  const { expect } = call
  if (call.wait_ms !== undefined) await pause(call.wait_ms)
  if (call.reset_health) router.resetHealth(call.reset_health === true ? undefined : call.reset_health)
  told.length = 0
  if (call.explain) {
    explain(router, call, path, printed)
    return []
  }
  if (call.usage) {
    await report(router, call, path, printed)
    return []
  }
  let replies = []
  for (let i = 0; i < (call.times ?? 1); i++) {
    const copies = Array.from({ length: call.at_once ?? 1 }, () => make(router, call, path, printed))
    replies = await Promise.all(copies)
  }
  const health = router.health()
  printed.push(JSON.stringify(health))
  if (expect.health !== undefined) match(health, expect.health, `${path}.health`)
  if (expect.models !== undefined) {
    const counts = {}
    for (const reply of replies) counts[reply.model] = (counts[reply.model] ?? 0) + 1
    assert.deepEqual(counts, expect.models, `${path}.models`)
  }
  const seen = (name) => mock.log().filter((entry) => entry.upstream === name).length
  await soon(() => {
    let at = 0
    for (const event of expect.happened ?? []) {
      const found = told.findIndex((one, i) => i >= at && fits(one, event))
      assert.ok(found >= 0, `${path}.happened: no ${inspect(event)} in order, only ${inspect(told)}`)
      at = found + 1
    }
    for (const [name, count] of Object.entries(expect.seen ?? {})) match(seen(name), count, `${path}.seen.${name}`)
  })
  printed.push(inspect(told))
  return replies
}

function explain(router, call, path, printed) {
  let explanation
  try {
    explanation = router.explain(call.task, call.messages, call.options)
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    printed.push(inspect(error))
    match(error, call.expect.error, `${path}.error`)
    return
  }
  printed.push(inspect(explanation, { depth: 9 }))
  assert.ok(call.expect.explanation !== undefined, `${path}: explained unexpectedly`)
  match(explanation, call.expect.explanation, `${path}.explanation`)
}

async function report(router, call, path, printed) {
  let made
  try {
    made = await router.usage(call.usage)
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    printed.push(inspect(error))
    match(error, call.expect.error, `${path}.error`)
    return
  }
  printed.push(inspect(made, { depth: 9 }))
  assert.ok(call.expect.report !== undefined, `${path}: reported unexpectedly`)
  match(made, call.expect.report, `${path}.report`)
}

function fits(actual, expected) {
  try {
    match(actual, expected, '')
    return true
  } catch {
    return false
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** What must hold within a second. */
async function soon(holds) {
  const begin = performance.now()
  for (;;) {
    try {
      return holds()
    } catch (error) {
      if (performance.now() - begin > 1000) throw error
      await pause(5)
    }
  }
}

/** Makes one call and compares it; the reply. */
async function make(router, call, path, printed) {
  const { expect } = call
  const options = { ...call.options }
  let timer
  if (call.cancel_after_ms !== undefined) {
    const controller = new AbortController()
    options.signal = controller.signal
    // A reason of our own, so that the error is Locum's and its trail can be compared too.
    timer = setTimeout(() => controller.abort('the scenario cancels'), call.cancel_after_ms)
  }
  const begin = performance.now()
  const events = []
  let result
  let which = 'reply'
  try {
    if (call.http) return answered(await request(router, call.http), call, path, performance.now() - begin, printed)
    if (call.stream) result = await read(router.stream(call.task, call.messages, options), call, events)
    else result = await router.complete(call.task, call.messages, options)
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    result = error
    which = 'error'
  }
  const took = performance.now() - begin
  clearTimeout(timer)
  if (expect.events !== undefined) match(merged(events), expect.events, `${path}.events`)
  if (call.close_after !== undefined) {
    assert.equal(which, 'reply', `${path}: ended with an error: ${inspect(result)}`)
    assert.equal(result, null, `${path}: there is a reply after all`)
    if (expect.within_ms !== undefined) assert.ok(took <= expect.within_ms, `${path}: took ${took} ms`)
    return
  }
  const shown = [inspect(result, { depth: 9 }), String(result), JSON.stringify(result), String(result.stack), result.trail()]
  printed.push(...shown, JSON.stringify(result.raw))
  const free = which === 'reply' && expect.models !== undefined && expect.reply === undefined
  assert.ok(free || expect[which] !== undefined, `${path}: ended with an unexpected ${which}: ${shown[0]}`)
  if (!free) match(result, expect[which], `${path}.${which}`)
  if (expect.attempts !== undefined) match(result.attempts, expect.attempts, `${path}.attempts`)
  within(took, expect, path)
  return which === 'reply' ? result : null
}

/** Makes a request to the OpenAI face, and gives the response as scenarios write it. */
async function request(router, { method = 'POST', path, headers, body }) {
  // A string is sent as it is, to say what is no JSON.
  const sent = body == null || typeof body === 'string' ? body : JSON.stringify(body)
  const response = await router.fetch(`http://locum${path}`, { method, headers, body: sent })
  const head = { status: response.status, headers: Object.fromEntries(response.headers) }
  const text = await response.text()
  return { ...head, ...(head.headers['content-type'].startsWith('text/event-stream') ? told(text) : { body: JSON.parse(text) }) }
}

/** What the events of a stream come to. */
function told(stream) {
  const all = { text: '', done: false, types: [], first: null, last: null }
  assert.ok(stream.endsWith('\n\n'), 'the last event is not whole')
  for (const line of stream.split('\n').filter(Boolean)) {
    assert.ok(!all.done, `more after the end: ${line}`)
    const [, field, value] = /^(event|data): (.*)$/.exec(line) ?? assert.fail(`no field of an event: ${line}`)
    if (field === 'event') {
      if (all.types.at(-1) !== value) all.types.push(value)
    } else if (value === '[DONE]') all.done = true
    else {
      all.last = JSON.parse(value)
      all.first ??= all.last
      all.text += (all.last.type === 'response.output_text.delta' ? all.last.delta : all.last.choices?.[0]?.delta?.content) ?? ''
    }
  }
  return all
}

/** Compares a response with what is expected. */
function answered(response, { expect }, path, took, printed) {
  printed.push(inspect(response, { depth: 19 }))
  assert.ok(expect.response !== undefined, `${path}: answered unexpectedly: ${inspect(response)}`)
  match(response, expect.response, `${path}.response`)
  within(took, expect, path)
  return null
}

function within(took, expect, path) {
  if (expect.within_ms !== undefined) assert.ok(took <= expect.within_ms, `${path}: took ${took} ms`)
  if (expect.not_before_ms !== undefined) assert.ok(took >= expect.not_before_ms, `${path}: took ${took} ms`)
}

/** Reads a stream as `call` says, adds what comes to `events`, and gives the reply. */
async function read(stream, call, events) {
  const content = ['text', 'reasoning', 'tool_call_delta']
  const source = call.stream === 'text' ? stream.text() : stream
  let contents = 0
  for await (const item of source) {
    const event = typeof item === 'string' ? { type: 'text', text: item } : item
    events.push(event)
    if (!content.includes(event.type)) continue
    contents += 1
    if (contents === 1 && call.pause_ms !== undefined) await pause(call.pause_ms)
    if (contents === call.close_after) break
  }
  return stream.reply
}

/** Neighbours as one: how an answer is cut into pieces is nobody's promise. */
function merged(events) {
  const all = []
  for (const event of events) {
    const last = all.at(-1)
    const same = last?.type === event.type
    if (same && (event.type === 'text' || event.type === 'reasoning')) last.text += event.text
    else if (same && event.type === 'tool_call_delta' && last.index === event.index) last.arguments += event.arguments
    else all.push({ ...event })
  }
  return all
}

async function compareLog(mock, scenario) {
  const seen = (name) => mock.log().filter((entry) => entry.upstream === name)
  // A close is noticed a moment after it was made.
  await soon(() => {
    for (const [name, count] of Object.entries(scenario.seen ?? {})) match(seen(name).length, count, `seen.${name}`)
    for (const [name, list] of Object.entries(scenario.requests ?? {})) match(seen(name), list, `requests.${name}`)
  })
}

const TESTS = {
  $contains: (actual, text) => typeof actual === 'string' && actual.includes(text),
  $any: (actual) => actual !== null && actual !== undefined,
  $absent: (actual) => actual === null || actual === undefined,
  $lte: (actual, limit) => typeof actual === 'number' && actual <= limit,
  $gte: (actual, limit) => typeof actual === 'number' && actual >= limit,
}

/** The scenarios have the core's names; where an object has none of that name, it is JavaScript's. */
function member(object, name) {
  if (name in object) return object[name]
  return object[name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())]
}

function match(actual, expected, path) {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), `${path}: expected an array, found ${inspect(actual)}`)
    assert.equal(actual.length, expected.length, `${path}: ${inspect(actual)}`)
    expected.forEach((item, i) => match(actual[i], item, `${path}[${i}]`))
    return
  }
  if (expected === null || typeof expected !== 'object') {
    assert.equal(actual ?? null, expected, path)
    return
  }
  const names = Object.keys(expected)
  if (names.length === 1 && names[0].startsWith('$')) {
    const holds = TESTS[names[0]]
    assert.ok(holds !== undefined, `${path}: unknown test ${names[0]}`)
    assert.ok(holds(actual, expected[names[0]]), `${path}: expected ${inspect(expected)}, found ${inspect(actual)}`)
    return
  }
  assert.ok(actual !== null && typeof actual === 'object', `${path}: expected an object, found ${inspect(actual)}`)
  for (const name of names) match(member(actual, name), expected[name], `${path}.${name}`)
}
