/**
 * Writing what goes to the core. JSON.stringify drops functions, turns NaN into null and a Map into {}; here all of that is
 * an error that names the place.
 *
 * @internal
 */

/** What cannot be written. `place` is where, as `messages[0].content`; empty for the whole. */
export class Unwritable extends Error {
  constructor(readonly place: string, readonly problem: string, options?: ErrorOptions) {
    super(problem, options)
  }
}

/**
 * `value` as JSON.
 *
 * @throws {Unwritable}
 */
export function write(value: object): string {
  let flaw: Flaw | undefined
  let text: string | undefined
  try {
    flaw = find(value, [])
    text = flaw === undefined ? JSON.stringify(value) : undefined
  } catch (cause) {
    // Too deep a nesting, or a toJSON or a getter that throws.
    throw new Unwritable('', cause instanceof Error ? cause.message : 'cannot be written as JSON', { cause })
  }
  if (text !== undefined) return text
  // Nothing was found and nothing was written: that is undefined.
  flaw ??= here('expected an object, found undefined')
  throw new Unwritable(flaw.path.replace(/^\./, ''), flaw.problem)
}

interface Flaw {
  path: string
  problem: string
}

function find(value: unknown, above: object[]): Flaw | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : here('half of a surrogate pair, which is no valid Unicode')
    case 'number':
      return Number.isFinite(value) ? undefined : here(`${value} cannot be written as JSON`)
    case 'bigint':
      return here('a BigInt cannot be written as JSON')
    case 'function':
      return here('a function cannot be written as JSON')
    case 'symbol':
      return here('a symbol cannot be written as JSON')
    case 'object':
      return value === null ? undefined : inside(value, above)
    default:
      return undefined
  }
}

function inside(value: object, above: object[]): Flaw | undefined {
  if (above.includes(value)) return here('contains itself')
  above.push(value)
  let flaw: Flaw | undefined
  if (Array.isArray(value)) {
    for (let i = 0; flaw === undefined && i < value.length; i++) {
      flaw = under(`[${i}]`, find(value[i], above))
    }
  } else if (typeof (value as { toJSON?: unknown }).toJSON !== 'function') {
    const proto: unknown = Object.getPrototypeOf(value)
    if (proto !== Object.prototype && proto !== null) flaw = foreign(value)
    for (const key of flaw === undefined ? Object.keys(value) : []) {
      flaw = under(`.${key}`, find((value as Record<string, unknown>)[key], above))
      if (flaw !== undefined) break
    }
  }
  above.pop()
  return flaw
}

/** Instances of users' classes are as good as plain objects; a Map, a Promise or a RegExp would come out as {}. */
function foreign(value: object): Flaw | undefined {
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  return tag === 'Object' ? undefined : here(`an object of type ${tag} cannot be written as JSON`)
}

function here(problem: string): Flaw {
  return { path: '', problem }
}

function under(step: string, flaw: Flaw | undefined): Flaw | undefined {
  return flaw && { path: step + flaw.path, problem: flaw.problem }
}
