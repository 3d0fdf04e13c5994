// A second opinion on the wire formats: Locum against a mock that none of us wrote.
//
// Usage: node aimock.mjs. Needs `locum` and `@copilotkit/aimock` where node finds them from here, or from the folders that
// LOCUM_MODULE and SDK_MODULES name. Prints one line per check; the first one that fails ends the run with an error.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const from = (folder) => createRequire(folder ? join(folder, 'index.js') : import.meta.url)
const { LLMock } = from(process.env.SDK_MODULES)('@copilotkit/aimock')
const { Router } = from(process.env.LOCUM_MODULE)('locum')

const mock = new LLMock({ port: 0 })
mock.onMessage('hello', { content: 'Hi there!' })
mock.onMessage('weather', { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Oslo"}' }] })
mock.onMessage('invoice', { content: '{"total":12}' })
mock.onMessage('overload', { error: { message: 'The server is overloaded', type: 'server_error', code: 'server_is_overloaded' }, status: 503 })
mock.onMessage('limit', { error: { message: 'Rate limit reached', type: 'rate_limit_error', code: 'rate_limit_exceeded' }, status: 429 })
await mock.start()

const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }]
const schema = { type: 'object', properties: { total: { type: 'number' } }, required: ['total'], additionalProperties: false }
const responseFormat = { type: 'json_schema', json_schema: { name: 'invoice', schema } }
const checked = (what, found, expected) => {
  assert.deepEqual(found, expected, `FAILED ${what}`)
  console.log(`ok aimock ${what}`)
}

try {
  for (const kind of ['openai', 'anthropic']) {
    const router = new Router({
      providers: { judged: { kind, baseUrl: `${mock.url}/v1`, apiKey: 'unused' } },
      tasks: { t: { primary: 'judged/some-model', retries: 0 } },
    })
    const hello = await router.complete('t', [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'hello' }])
    checked(`${kind} text`, [hello.text, hello.finish.unified], ['Hi there!', 'stop'])
    const { prompt_tokens, completion_tokens, input_tokens, output_tokens } = hello.raw.usage
    checked(`${kind} usage`, [hello.usage.input, hello.usage.output], [prompt_tokens ?? input_tokens, completion_tokens ?? output_tokens])

    const streamed = await router.stream('t', [{ role: 'user', content: 'hello' }]).collect()
    checked(`${kind} stream text`, [streamed.text, streamed.finish.unified], ['Hi there!', 'stop'])
    const pieces = []
    for await (const piece of router.stream('t', 'hello').text()) pieces.push(piece)
    checked(`${kind} stream pieces`, [pieces.join(''), pieces.length > 0], ['Hi there!', true])
    const streamedCall = await router.stream('t', 'weather', { tools }).collect()
    checked(`${kind} stream tool call`, streamedCall.toolCalls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [['get_weather', { city: 'Oslo' }]])
    const refused = await router.stream('t', 'overload').collect().then(() => null, (error) => error)
    checked(`${kind} stream overload`, refused?.kind, 'overloaded')

    const call = await router.complete('t', 'weather', { tools })
    checked(`${kind} tool call`, [call.toolCalls[0].function.name, JSON.parse(call.toolCalls[0].function.arguments)], ['get_weather', { city: 'Oslo' }])
    checked(`${kind} tool finish`, call.finish.unified, 'tool_calls')

    const invoice = await router.complete('t', 'invoice', { responseFormat })
    checked(`${kind} structured output`, invoice.parsed, { total: 12 })

    for (const [message, expected] of [['overload', 'overloaded'], ['limit', 'rate_limited']]) {
      const error = await router.complete('t', message).then(() => null, (error) => error)
      checked(`${kind} ${message}`, error?.kind, expected)
    }
  }
} finally {
  await mock.stop()
}
