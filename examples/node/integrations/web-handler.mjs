// A handler of Web requests, as a route of Next (`app/api/ask/route.ts`), Hono, Deno or Bun has it. npm install locum
// As a script it answers two requests that it makes up itself.
import { LocumError, Router } from 'locum'

const router = Router.fromDefault()

export async function POST(request) {
  const { question, stream } = await request.json()
  // A client that goes away aborts the call, and with it the connection to the provider.
  const options = { signal: request.signal }
  if (stream) {
    const text = router.stream('support_chat', question, options).text().toReadableStream()
    return new Response(text.pipeThrough(new TextEncoderStream()), { headers: { 'content-type': 'text/plain' } })
  }
  try {
    const { text, model } = await router.complete('support_chat', question, options)
    return Response.json({ answer: text, model })
  } catch (error) {
    if (!(error instanceof LocumError)) throw error
    return Response.json({ error: error.kind }, { status: error.retryable ? 503 : 502 })
  }
}

const ask = (body) => POST(new Request('http://app/api/ask', { method: 'POST', body: JSON.stringify(body) }))
console.log(await (await ask({ question: 'My invoice is wrong.' })).json())
for await (const piece of (await ask({ question: 'My invoice is wrong.', stream: true })).body) process.stdout.write(piece)
console.log()
