// The official Node SDKs as judges of the mock: what they accept is the providers' format.
//
// Usage: node judge.mjs http://127.0.0.1:PORT
//
// The mock plays `script.json`. Needs the packages `openai` and `@anthropic-ai/sdk` where node finds them from here, or from
// the folder that SDK_MODULES names. Prints one line per check; the first one that fails ends the run with an error.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const from = process.env.SDK_MODULES
const require = createRequire(from ? join(from, 'index.js') : import.meta.url)
const { default: OpenAI } = require('openai')
const { default: Anthropic } = require('@anthropic-ai/sdk')

const messages = [{ role: 'user', content: 'What is the weather in Oslo?' }]

function check(what, found, expected) {
  assert.deepEqual(found, expected, `FAILED ${what}`)
  console.log(`ok ${what}`)
}

async function raises(what, type, call) {
  const error = await call().then(
    () => assert.fail(`FAILED ${what}: nothing was thrown`),
    (error) => error,
  )
  assert.ok(error instanceof type, `FAILED ${what}: ${error}`)
  console.log(`ok ${what}`)
  return error
}

async function judgeOpenAI(root) {
  const client = new OpenAI({ baseURL: `${root}/openai/v1`, apiKey: 'unused', maxRetries: 0 })
  const ask = () => client.chat.completions.create({ model: 'gpt-judged', messages })

  let reply = await ask()
  check('openai text', reply.choices[0].message.content, 'It rains.')
  check('openai finish', reply.choices[0].finish_reason, 'stop')
  check('openai model', reply.model, 'gpt-judged')
  check('openai usage', [reply.usage.prompt_tokens, reply.usage.completion_tokens], [12, 5])
  check('openai cached', reply.usage.prompt_tokens_details.cached_tokens, 8)
  check('openai request id', reply._request_id, 'req_openai_0')

  reply = await ask()
  const [call] = reply.choices[0].message.tool_calls
  check('openai tool finish', reply.choices[0].finish_reason, 'tool_calls')
  check('openai tool call', [call.type, call.function.name], ['function', 'get_weather'])
  check('openai tool arguments', call.function.arguments, '{"city":"Oslo"}')

  const error = await raises('openai 429', OpenAI.RateLimitError, ask)
  check('openai 429 code', error.code, 'rate_limit_exceeded')
  await raises('openai 503', OpenAI.InternalServerError, ask)
  const models = await client.models.list()
  check('openai models', models.data.map((model) => model.id), ['mock-large', 'mock-small'])
}

async function judgeOpenAIStreams(root) {
  const client = new OpenAI({ baseURL: `${root}/openai-streams/v1`, apiKey: 'unused', maxRetries: 0 })
  const asked = { model: 'gpt-judged', messages, stream_options: { include_usage: true } }
  const final = () => client.chat.completions.stream(asked).finalChatCompletion()
  const chunks = async () => {
    const all = []
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) all.push(chunk)
    return all
  }

  let all = await chunks()
  const joined = (key) => all.map((chunk) => chunk.choices[0]?.delta[key] ?? '').join('')
  check('openai stream text', joined('content'), 'It rains in Oslo.')
  check('openai stream usage', all.map((chunk) => chunk.usage).filter(Boolean).map((usage) => usage.total_tokens), [17])
  let reply = await final()
  check('openai stream final', reply.choices[0].message.content, 'It rains in Oslo.')
  check('openai stream finish', [reply.choices[0].finish_reason, reply.usage.prompt_tokens], ['stop', 12])

  all = await chunks()
  check('openai stream reasoning', joined('reasoning_content'), 'The weather is asked for.')
  reply = await final()
  const [{ message, finish_reason }] = reply.choices
  check('openai stream tool text', message.content, 'Let me look.')
  check('openai stream tool finish', finish_reason, 'tool_calls')
  const calls = message.tool_calls.map((call) => [call.type, call.function.name, call.function.arguments])
  const expected = ['Oslo', 'Bergen'].map((city) => ['function', 'get_weather', `{"city":"${city}"}`])
  check('openai stream tool calls', calls, expected)

  const error = await raises('openai stream error', OpenAI.APIError, chunks)
  check('openai stream error code', error.code, 'server_is_overloaded')
  await raises('openai stream cut', TypeError, chunks)
  await raises('openai stream malformed', SyntaxError, chunks)
}

async function judgeAnthropic(root) {
  const client = new Anthropic({ baseURL: `${root}/anthropic`, apiKey: 'unused', maxRetries: 0 })
  const ask = () => client.messages.create({ model: 'claude-judged', max_tokens: 64, messages })

  let reply = await ask()
  check('anthropic text', reply.content[0].text, 'It rains.')
  check('anthropic finish', reply.stop_reason, 'end_turn')
  check('anthropic model', reply.model, 'claude-judged')
  check('anthropic usage', [reply.usage.input_tokens, reply.usage.output_tokens], [4, 5])
  check('anthropic cached', reply.usage.cache_read_input_tokens, 8)
  check('anthropic request id', reply._request_id, 'req_anthropic_0')

  reply = await ask()
  const [call] = reply.content
  check('anthropic tool finish', reply.stop_reason, 'tool_use')
  check('anthropic tool call', [call.type, call.name], ['tool_use', 'get_weather'])
  check('anthropic tool arguments', call.input, { city: 'Oslo' })

  let error = await raises('anthropic 429', Anthropic.RateLimitError, ask)
  check('anthropic 429 type', error.error.error.type, 'rate_limit_error')
  error = await raises('anthropic 529', Anthropic.APIError, ask)
  check('anthropic 529 status', error.status, 529)
  const models = await client.models.list()
  check('anthropic models', models.data.map((model) => model.id), ['mock-large', 'mock-small'])
}

async function judgeAnthropicStreams(root) {
  const client = new Anthropic({ baseURL: `${root}/anthropic-streams`, apiKey: 'unused', maxRetries: 0 })
  const asked = { model: 'claude-judged', max_tokens: 64, messages }
  const final = () => client.messages.stream(asked).finalMessage()
  const events = async () => {
    const all = []
    for await (const event of await client.messages.create({ ...asked, stream: true })) all.push(event)
    return all
  }

  const said = (await events()).map((event) => event.delta?.text ?? '').join('')
  check('anthropic stream text', said, 'It rains in Oslo.')
  let reply = await final()
  check('anthropic stream final', reply.content[0].text, 'It rains in Oslo.')
  check('anthropic stream finish', reply.stop_reason, 'end_turn')
  const { input_tokens, cache_read_input_tokens, output_tokens } = reply.usage
  check('anthropic stream usage', [input_tokens, cache_read_input_tokens, output_tokens], [4, 8, 5])

  const types = new Set((await events()).map((event) => event.type))
  check('anthropic stream events', [...types], [
    'message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop',
  ])
  reply = await final()
  check('anthropic stream blocks', reply.content.map((block) => block.type), ['thinking', 'text', 'tool_use', 'tool_use'])
  const [{ thinking, signature }, , ...calls] = reply.content
  check('anthropic stream thinking', [thinking, signature.length > 0], ['The weather is asked for.', true])
  const expected = ['Oslo', 'Bergen'].map((city) => ['get_weather', { city }])
  check('anthropic stream tool calls', calls.map((call) => [call.name, call.input]), expected)
  check('anthropic stream tool finish', reply.stop_reason, 'tool_use')

  const error = await raises('anthropic stream error', Anthropic.APIError, final)
  check('anthropic stream error type', error.error.error.type, 'overloaded_error')
  await raises('anthropic stream cut', Anthropic.AnthropicError, final)
  await raises('anthropic stream malformed', Anthropic.AnthropicError, final)
}

const root = process.argv[2]
assert.ok(root, 'usage: node judge.mjs http://127.0.0.1:PORT')
// Each judge starts the script from its first step.
assert.equal((await fetch(`${root}/_reset`, { method: 'POST' })).status, 204)
await judgeOpenAI(root)
await judgeOpenAIStreams(root)
await judgeAnthropic(root)
await judgeAnthropicStreams(root)
