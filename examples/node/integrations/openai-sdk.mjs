// The OpenAI SDK with Locum under it: one line differs, and `model` is a task. npm install locum openai zod
import { Router } from 'locum'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const router = Router.fromDefault()
const client = new OpenAI({ fetch: router.fetch, apiKey: 'unused' })
const messages = [{ role: 'user', content: 'My invoice is wrong.' }]

const answer = await client.chat.completions.create({ model: 'support_chat', messages })
console.log(answer.choices[0].message.content, '—', answer.model)

const stream = client.chat.completions.stream({ model: 'support_chat', messages })
stream.on('content', (piece) => process.stdout.write(piece))
console.log(' —', (await stream.finalChatCompletion()).choices[0].finish_reason)

const Invoice = z.object({ number: z.string(), total: z.number() })
const format = zodResponseFormat(Invoice, 'invoice')
const parsed = await client.chat.completions.parse({ model: 'data_extraction', messages, response_format: format })
console.log(parsed.choices[0].message.parsed)

const runner = client.chat.completions.runTools({
  model: 'support_chat',
  messages,
  tools: [
    {
      type: 'function',
      function: {
        name: 'invoice_total',
        parse: JSON.parse,
        parameters: { type: 'object', properties: { number: { type: 'string' } }, required: ['number'] },
        function: ({ number }) => `${number}: 42 EUR`,
      },
    },
  ],
})
console.log(await runner.finalContent())

try {
  await client.chat.completions.create({ model: 'support_chat', messages })
} catch (error) {
  if (!(error instanceof OpenAI.AuthenticationError)) throw error
  // The primary's failure, and what became of the stand-in.
  console.log(error.code, error.headers.get('x-locum-attempts'))
}
