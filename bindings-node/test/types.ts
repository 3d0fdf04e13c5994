// Never run: that this compiles, errors expected and all, is the test of the public types.
import { AbortError, ConfigError, LocumError, Router, complete, fetch, stream } from 'locum'
import type { Attempt, Config, ErrorKind, Fetch, Message, Options, Reply, Stream, StreamEvent, StreamOptions, TextStream, Usage } from 'locum'
import { Mock, type Seen } from 'locum/testing'
import OpenAI from 'openai'

export async function usage(signal: AbortSignal): Promise<string> {
  const config: Config = {
    providers: { a: { kind: 'openai', baseUrl: 'http://127.0.0.1:1', api_key: 'env:KEY' } },
    models: { flagship: { use: 'a/big', maxOutputTokens: 5, context_window: 1000 } },
    tasks: { support_chat: { primary: 'flagship', fallback: ['a/small'], maxLatencyMs: 8000, allow_fallback: true } },
  }
  const bare: Config = { tasks: { support_chat: { primary: 'openai/gpt-4.1' } } }
  const router = new Router(process.env.OPENAI_API_KEY ? bare : config)
  const messages: Message[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }, { type: 'image_url', image_url: { url: 'https://example.org/a.png' } }] },
  ]
  const options: Options = { customer: 'acme', signal, timeout_ms: 5, traceparent: null, maxOutputTokens: null, temperature: undefined }
  const reply: Reply = await router.complete('support_chat', messages, options)
  messages.push(reply.message, { role: 'tool', tool_call_id: reply.toolCalls[0]?.id ?? '', content: 'x' })
  const tokens: Usage | null = reply.usage
  const line: Attempt | undefined = reply.attempts[0]
  // `parsed` and `raw` are whatever came: they must be looked at first.
  const parsed: unknown = reply.parsed ?? reply.raw
  const other = await complete('support_chat', 'Hi', null)
  return `${reply.text} ${tokens?.cachedInput} ${line?.nextReason} ${String(parsed)} ${other.trail()}`
}

export async function streams(router: Router, signal: AbortSignal): Promise<string> {
  const config: Config = {
    models: { flagship: { use: 'a/big', firstTokenMs: 500, idle_ms: 5000, prefill: true } },
    tasks: { t: { primary: 'flagship', upstream: 'stream', on_break: 'resume', idleMs: 3000 } },
  }
  const options: StreamOptions = { signal, onBreak: 'restart', reasoning_events: false, toolCallDeltas: true, maxOutputTokens: 5 }
  const events: Stream = new Router(config).stream('t', 'Hi', options)
  let all = ''
  for await (const event of events) all += shown(event)
  const text: TextStream = stream('t', 'Hi').text()
  for await (const piece of text) all += piece.trim()
  const web: ReadableStream<StreamEvent> = router.stream('t', 'Hi').toReadableStream()
  const bytes = router.stream('t', 'Hi').text().toReadableStream().pipeThrough(new TextEncoderStream())
  const reply: Reply = await router.stream('t', 'Hi').collect()
  const trail: Attempt[] = events.attempts
  return `${all}${String(web)}${String(bytes)}${reply.text}${text.reply?.firstTokenMs}${trail.length}`
}

export async function fetches(router: Router, signal: AbortSignal): Promise<string> {
  const hooks: Fetch[] = [router.fetch, fetch, globalThis.fetch]
  const platform: typeof globalThis.fetch = router.fetch
  const client = new OpenAI({ fetch: router.fetch, apiKey: 'unused' })
  const response: Response = await platform(new Request('http://x/v1/models'), { signal, headers: { a: 'b' } })
  return `${hooks.length}${await response.text()}${String(client)}`
}

function shown(event: StreamEvent): string {
  switch (event.type) {
    case 'start':
    case 'restart':
      return event.model
    case 'text':
    case 'reasoning':
      return event.text
    case 'tool_call_delta':
      return `${event.index}${event.arguments}`
    case 'tool_call':
      return event.name
    case 'usage':
      return `${event.usage.cachedInput}`
    case 'end':
      return event.reply.model
  }
}

export function failures(error: unknown): string {
  if (error instanceof AbortError) return String(error.reason)
  if (error instanceof ConfigError) return error.problems.join()
  if (!(error instanceof LocumError)) return 'other'
  const kind: ErrorKind = error.kind
  switch (kind) {
    case 'rate_limited':
      return `${error.retryAfterMs ?? 0}`
    // @ts-expect-error no such kind
    case 'rate_limitd':
    default:
      return error.code
  }
}

export async function mocks(): Promise<Seen[]> {
  await using mock = await Mock.start({ a: [{ answer: 'Hello' }], b: { key: 'k', steps: [{ status: 500 }] } })
  const url: string = mock.url('a')
  return url === '' ? [] : mock.log()
}

export async function mistakes(router: Router, reply: Reply): Promise<void> {
  // @ts-expect-error a role that does not exist
  await router.complete('t', [{ role: 'narrator', content: 'x' }])
  // @ts-expect-error an option that does not exist
  await router.complete('t', 'Hi', { temprature: 1 })
  // @ts-expect-error how the provider is asked for a stream is not the caller's to say
  router.stream('t', 'Hi', { upstream: 'unary' })
  // @ts-expect-error only streams have pieces
  await router.complete('t', 'Hi', { toolCallDeltas: true })
  // @ts-expect-error an option of the wrong type
  await router.complete('t', 'Hi', { maxOutputTokens: '5' })
  // @ts-expect-error a task needs a primary
  new Router({ providers: {}, tasks: { t: {} } })
  // @ts-expect-error a misspelled key
  new Router({ providers: {}, tasks: { t: { primary: 'a/b', maxLatency: 5 } } })
  // @ts-expect-error replies are not changed
  reply.text = 'x'
  // @ts-expect-error unknown must be looked at first
  reply.parsed.member
}
