// The official client's Responses API over `router.fetch`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'

import { start } from './support.mjs'

const ask = { model: 'support_chat', input: 'Hi' }
const weather = {
  type: 'function',
  name: 'weather',
  strict: false,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}
const CALL = { answer: { tool_calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] } }

async function open(t, script) {
  const { mock, router } = await start(t, script)
  return { mock, client: new OpenAI({ fetch: router.fetch, apiKey: 'unused' }) }
}

test('a whole response', async (t) => {
  const { mock, client } = await open(t, { a: [{ answer: 'Hello' }] })
  const response = await client.responses.create({ ...ask, instructions: 'Be kind.', max_output_tokens: 20 })
  assert.deepEqual([response.output_text, response.status, response.model], ['Hello', 'completed', 'a/big'])
  const [seen] = mock.log()
  assert.deepEqual(seen.body.messages, [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'Hi' },
  ])
})

test('the stream helper puts the response together', async (t) => {
  const { client } = await open(t, { a: [{ answer: 'one two three' }] })
  const stream = client.responses.stream(ask)
  let text = ''
  stream.on('response.output_text.delta', (event) => (text += event.delta))
  const response = await stream.finalResponse()
  assert.deepEqual([text, response.output_text, response.status], ['one two three', 'one two three', 'completed'])
})

test('parse with zod', async (t) => {
  const { mock, client } = await open(t, { a: [{ answer: '{"total":12.5}' }] })
  const format = zodTextFormat(z.object({ total: z.number() }), 'invoice')
  const response = await client.responses.parse({ ...ask, text: { format } })
  assert.deepEqual(response.output_parsed, { total: 12.5 })
  assert.equal(mock.log()[0].body.response_format.json_schema.name, 'invoice')
})

test('a tool is called as it comes, and its result goes to a stand-in', async (t) => {
  const { mock, client } = await open(t, { a: [CALL, { status: 500, times: 2 }], b: [{ answer: 'It rains.' }] })
  const first = await client.responses.stream({ ...ask, tools: [weather] }).finalResponse()
  const [call] = first.output
  assert.deepEqual([call.type, call.name, JSON.parse(call.arguments)], ['function_call', 'weather', { city: 'Oslo' }])
  const result = { type: 'function_call_output', call_id: call.call_id, output: 'rain' }
  const input = [{ role: 'user', content: 'Hi' }, call, result]
  assert.equal((await client.responses.create({ ...ask, input, tools: [weather] })).output_text, 'It rains.')
  assert.deepEqual(mock.log().at(-1).body.messages.map((message) => message.role), ['user', 'assistant', 'user'])
})

test('a stream that breaks off throws', async (t) => {
  const { client } = await open(t, { a: [{ answer: 'one two three four', stream: { cut_after: 2, cut: 'fin' } }] })
  let text = ''
  const reading = async () => {
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      assert.notEqual(event.type, 'response.completed')
      if (event.type === 'response.output_text.delta') text += event.delta
    }
  }
  await assert.rejects(reading, (error) => error instanceof OpenAI.APIError && error.code === 'truncated_stream')
  assert.equal(text, 'one two ')
})

test('what needs a store is refused by name', async (t) => {
  const { client } = await open(t, { a: [{ answer: 'Hello' }] })
  const asking = client.responses.create({ ...ask, previous_response_id: 'resp_1' })
  await assert.rejects(asking, (error) => error instanceof OpenAI.BadRequestError && error.param === 'previous_response_id')
})
