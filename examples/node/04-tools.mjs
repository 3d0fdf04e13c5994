// An agent with two tools, whose model fails between two turns: the stand-in goes on with the conversation.
import { complete } from 'locum'

const tool = (name, description, properties) => ({
  type: 'function',
  function: { name, description, parameters: { type: 'object', properties, required: Object.keys(properties) } },
})
const tools = [
  tool('find_invoice', 'The open amount of an invoice, in EUR', { number: { type: 'integer' } }),
  tool('add', 'The sum of amounts', { amounts: { type: 'array', items: { type: 'number' } } }),
]
const run = {
  find_invoice: ({ number }) => ({ open: number === 1041 ? 120 : 80 }),
  add: ({ amounts }) => ({ sum: amounts.reduce((sum, amount) => sum + amount, 0) }),
}

const chat = [{ role: 'user', content: 'How much do I owe for invoices 1041 and 1042?' }]
for (;;) {
  const reply = await complete('support_chat', chat, { tools })
  process.stdout.write(reply.trail())
  chat.push(reply.message)
  if (reply.toolCalls.length === 0) {
    console.log(`${reply.text} — ${reply.model}`)
    break
  }
  for (const call of reply.toolCalls) {
    const { name, arguments: text } = call.function
    const result = JSON.stringify(run[name](JSON.parse(text)))
    console.log(`  ${reply.model} calls ${name}(${text}) = ${result}`)
    chat.push({ role: 'tool', tool_call_id: call.id, content: result })
  }
}
