import type { Needle } from './needles.ts'
import { LONGEST, PATTERNS } from './patterns.ts'

/** A place that should not be there. */
export interface Hit {
  /** `canary`, or the name of a pattern */
  readonly rule: string
  /** of the canary: which, from 0, and as what it is written */
  readonly canary?: number
  readonly encoding?: string
  /** of its first byte, from 0 */
  readonly offset: number
  readonly bytes: Buffer
}

/** Finds texts and forms in bytes of any length, a piece at a time. */
export interface Scanner {
  /** Hits that end in this piece, or ended with the one before. */
  push(piece: Buffer): Hit[]
  /** Hits that end with the last byte. */
  end(): Hit[]
}

/** @param o `patterns`: also look for what names a person by its form */
export function createScanner(needles: readonly Needle[], o: { patterns: boolean }): Scanner {
  const find = needleFinder(needles)
  const overlap = Math.max(LONGEST, ...needles.map(({ bytes }) => bytes.length))
  let [tail, before] = [Buffer.alloc(0), 0]
  /** What ends with the last byte may go on in the next piece, so it is told then. */
  const look = (window: Buffer, last: boolean): Hit[] => {
    const found = [...find(window), ...(o.patterns ? formsIn(window) : [])].filter(({ offset, bytes }) => {
      const end = offset + bytes.length
      return end >= tail.length && (last || end < window.length)
    })
    return found.map((hit) => ({ ...hit, offset: before + hit.offset }))
  }
  return {
    push(piece) {
      const window = Buffer.concat([tail, piece])
      const hits = look(window, false)
      const kept = Math.min(window.length, overlap)
      before += window.length - kept
      tail = window.subarray(window.length - kept)
      return hits
    },
    end: () => look(tail, true),
  }
}

/** Many needles in one pass: two bytes say whether any can begin here. */
function needleFinder(needles: readonly Needle[]): (window: Buffer) => Hit[] {
  const byStart = new Map<number, Needle[]>()
  const begins = new Uint8Array(1 << 16)
  for (const needle of needles) {
    const start = needle.bytes.readUInt16BE(0)
    begins[start] = 1
    byStart.set(start, [...(byStart.get(start) ?? []), needle])
  }
  return (window) => {
    const hits: Hit[] = []
    for (let at = 0; at + 1 < window.length; at++) {
      const start = (window[at]! << 8) | window[at + 1]!
      if (begins[start] === 0) continue
      for (const { canary, encoding, bytes } of byStart.get(start)!) {
        if (window.compare(bytes, 0, bytes.length, at, Math.min(at + bytes.length, window.length)) === 0)
          hits.push({ rule: 'canary', canary, encoding, offset: at, bytes })
      }
    }
    return hits
  }
}

function formsIn(window: Buffer): Hit[] {
  const text = window.toString('latin1')
  return PATTERNS.flatMap(({ rule, expression, holds }) =>
    [...text.matchAll(expression)]
      .filter(([found]) => holds?.(found) ?? true)
      .map(({ index, 0: found }) => ({ rule, offset: index, bytes: Buffer.from(found, 'latin1') })),
  )
}
