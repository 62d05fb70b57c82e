import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'

/** A function as a profile names it; line and column from 0. */
export interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
  readonly columnNumber: number
}

/** Finds where bundled functions were written, by the source maps beside the files that a profile names. */
export class Sources {
  readonly #maps = new Map<string, SourceMap | undefined>()

  /** URL of the source of a function; of the file itself where no map lies beside it. */
  of({ url, lineNumber, columnNumber }: CallFrame): string {
    if (!url.startsWith('file:')) return url
    if (!this.#maps.has(url)) this.#maps.set(url, mapOf(url))
    const entry = this.#maps.get(url)?.findEntry(lineNumber, columnNumber)
    const source = entry !== undefined && 'originalSource' in entry ? entry.originalSource : undefined
    return source === undefined ? url : new URL(source, url).href
  }
}

function mapOf(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')))
  } catch {
    return undefined
  }
}
