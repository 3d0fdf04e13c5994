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

const root = process.argv[2]
assert.ok(root, 'usage: node judge.mjs http://127.0.0.1:PORT')
// Each judge starts the script from its first step.
assert.equal((await fetch(`${root}/_reset`, { method: 'POST' })).status, 204)
await judgeOpenAI(root)
await judgeAnthropic(root)
