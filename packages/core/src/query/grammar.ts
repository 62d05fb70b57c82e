import { MdmError } from '../errors.ts'
import type { Comparison, Literal, Operator, Query } from './ast.ts'

const MAX_COMPARISONS = 32
const SPACE = /[\s]+/y
const COLUMN = /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?/y
const OPERATOR = /!=|<=|>=|=|<|>/y
const AND = /and(?![A-Za-z0-9_.])/iy
const BARE = /[^\s'"<>=!]+/y
const QUOTED = { "'": /'(?:[^']|'')*'/y, '"': /"(?:[^"]|"")*"/y } as const

/**
 * Reads a metadata query: `column operator value`, joined by `and`.
 *
 * Operators are = != < <= > >=. A value is a bare word (no spaces, quotes or operators) or quoted by ' or "; the quote itself is
 * written twice inside. Columns and `and` ignore case. Example: `modality=MR and rows>=256 and patient_name='DOE^J'`.
 *
 * @throws MDM_QUERY with `details.position`, the character (from 1) where reading stopped; never with the text itself
 */
export function parseQuery(text: string): Query {
  const input = new Input(text)
  const comparisons: [Comparison, ...Comparison[]] = [comparison(input)]
  while (!input.atEnd()) {
    if (input.take(AND) === undefined) throw input.expected('"and" or the end')
    if (comparisons.length === MAX_COMPARISONS)
      throw input.expected(`the end: ${MAX_COMPARISONS} comparisons are the most`)
    comparisons.push(comparison(input))
  }
  return { comparisons }
}

function comparison(input: Input): Comparison {
  input.skipSpace()
  const position = input.position
  if (input.sees(AND)) throw input.expected('a column')
  const column = input.take(COLUMN)
  if (column === undefined) throw input.expected('a column')
  const operator = input.take(OPERATOR) as Operator | undefined
  if (operator === undefined) throw input.expected('one of = != < <= > >=')
  return { column: column.toLowerCase(), operator, value: literal(input), position }
}

function literal(input: Input): Literal {
  input.skipSpace()
  const position = input.position
  for (const quote of ["'", '"'] as const) {
    if (!input.startsWith(quote)) continue
    const quoted = input.take(QUOTED[quote])
    if (quoted === undefined) throw input.expected(`a closing ${quote}`)
    return { text: quoted.slice(1, -1).replaceAll(quote + quote, quote), quoted: true, position }
  }
  const bare = input.sees(AND) ? undefined : input.take(BARE)
  if (bare === undefined) throw input.expected('a value')
  return { text: bare, quoted: false, position }
}

/** The text and how far it is read; spaces before a token mean nothing. */
class Input {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get position(): number {
    return this.#at + 1
  }

  skipSpace(): void {
    SPACE.lastIndex = this.#at
    if (SPACE.test(this.#text)) this.#at = SPACE.lastIndex
  }

  atEnd(): boolean {
    this.skipSpace()
    return this.#at >= this.#text.length
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at)
  }

  sees(token: RegExp): boolean {
    token.lastIndex = this.#at
    return token.test(this.#text)
  }

  take(token: RegExp): string | undefined {
    this.skipSpace()
    if (!this.sees(token)) return undefined
    const start = this.#at
    this.#at = token.lastIndex
    return this.#text.slice(start, this.#at)
  }

  /** The text is not repeated: it may hold a patient's name. */
  expected(what: string): MdmError {
    return new MdmError('MDM_QUERY', `at character ${this.position} of the query: expected ${what}`, {
      details: { position: this.position },
    })
  }
}
