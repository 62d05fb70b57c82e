import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import type { AuditEvent } from './audit.ts'

/** Where the log ends: the next line's seq, the hash it must name, and the length of the file up to here. */
export interface AuditHead {
  readonly seq: number
  /** SHA-256 of the last line without its newline, hex; null before the first */
  readonly prev: string | null
  readonly bytes: number
}

const READ_BYTES = 1024 * 1024

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
  for await (const line of lines(handle)) {
    const entry = parse(line.toString('utf8'))
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

/** Complete lines, as bytes, without their newline. */
async function* lines(handle: FileHandle): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for (let position = 0; ;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end)
      rest = rest.subarray(end + 1)
    }
  }
}

function parse(line: string): { seq?: unknown; prev?: unknown; eventId?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function digest(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}
