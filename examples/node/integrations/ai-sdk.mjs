// The Vercel AI SDK with Locum under it. npm install locum ai @ai-sdk/openai-compatible zod
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, stepCountIs, streamText, tool } from 'ai'
import { Router } from 'locum'
import { z } from 'zod'

const router = Router.fromDefault()
const locum = createOpenAICompatible({ name: 'locum', baseURL: 'http://locum/v1', fetch: router.fetch })

console.log((await generateText({ model: locum('support_chat'), prompt: 'My invoice is wrong.' })).text)

for await (const piece of streamText({ model: locum('support_chat'), prompt: 'My invoice is wrong.' }).textStream) {
  process.stdout.write(piece)
}
console.log()

const { text } = await generateText({
  model: locum('support_chat'),
  prompt: 'What does invoice R-17 come to?',
  stopWhen: stepCountIs(3),
  tools: {
    invoice_total: tool({
      description: 'The total of an invoice.',
      inputSchema: z.object({ number: z.string() }),
      execute: ({ number }) => `${number}: 42 EUR`,
    }),
  },
})
console.log(text)
