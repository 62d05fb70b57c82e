import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import type { AuditEvent } from './audit.ts'
import { readLines } from './lines.ts'

/** Where the log ends: the next line's seq, the hash it must name, and the length of the file up to here. */
export interface AuditHead {
  readonly seq: number
  /** SHA-256 of the last line without its newline, hex; null before the first */
  readonly prev: string | null
  readonly bytes: number
}

/** The head of an empty log. */
export const FIRST: AuditHead = { seq: 0, prev: null, bytes: 0 }

/** Writes one event as the line that follows `head`, and gives the head after it. */
export function auditLine(
  head: AuditHead,
  time: string,
  event: AuditEvent,
): { line: string; head: AuditHead } {
  const text = JSON.stringify({ seq: head.seq, prev: head.prev, time, ...event })
  const line = `${text}\n`
  return {
    line,
    head: { seq: head.seq + 1, prev: digest(text), bytes: head.bytes + Buffer.byteLength(line) },
  }
}

/**
 * Reads a whole log and verifies that every line names its place and the line before it. A last line without a newline is left
 * out: it is what a crash leaves behind.
 *
 * @param handle   open for reading
 * @param remember how many of the latest event ids to keep
 * @throws MDM_INTEGRITY naming the first line that does not follow
 */
export async function readAuditChain(
  handle: FileHandle,
  remember: number,
): Promise<{ head: AuditHead; eventIds: Set<string> }> {
  let head = FIRST
  let ids: string[] = []
  for await (const { bytes: line, whole } of readLines(handle)) {
    if (!whole) break
    const entry = parseEntry(line)
    if (entry === undefined || entry.seq !== head.seq || entry.prev !== head.prev) {
      throw new MdmError(
        'MDM_INTEGRITY',
        `line ${head.seq + 1} of the audit log does not follow from the one before`,
      )
    }
    if (typeof entry.eventId === 'string') ids.push(entry.eventId)
    if (ids.length > 2 * remember) ids = ids.slice(-remember)
    head = { seq: head.seq + 1, prev: digest(line), bytes: head.bytes + line.length + 1 }
  }
  return { head, eventIds: new Set(ids.slice(-remember)) }
}

/** What of a line the chain is made of; undefined when it is no record. */
export function parseEntry(
  line: Buffer,
): { seq?: unknown; prev?: unknown; time?: unknown; eventId?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** What the next line names this one by. */
export function digest(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}
