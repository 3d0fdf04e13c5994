// LangChain's ChatOpenAI with Locum under it. npm install locum @langchain/openai @langchain/core zod
import { tool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { Router } from 'locum'
import { z } from 'zod'

const router = Router.fromDefault()
const chat = new ChatOpenAI({ model: 'support_chat', apiKey: 'unused', configuration: { fetch: router.fetch } })

console.log((await chat.invoke('My invoice is wrong.')).content)
for await (const piece of await chat.stream('My invoice is wrong.')) process.stdout.write(piece.content)
console.log()

const invoiceTotal = tool(({ number }) => `${number}: 42 EUR`, {
  name: 'invoice_total',
  description: 'The total of an invoice.',
  schema: z.object({ number: z.string() }),
})
const asked = [{ role: 'user', content: 'What does invoice R-17 come to?' }]
const call = await chat.bindTools([invoiceTotal]).invoke(asked)
const result = await invoiceTotal.invoke(call.tool_calls[0])
console.log((await chat.invoke([...asked, call, result])).content)
