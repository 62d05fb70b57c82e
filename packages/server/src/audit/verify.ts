import { open, type FileHandle } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { digest, parseEntry } from './chain.ts'
import { readLines, type Line } from './lines.ts'

/** One record of a log by its place and its SHA-256: who remembers it can tell whether the log up to it is still the same. */
export interface Checkpoint {
  readonly seq: number
  readonly hash: string
}

/** The first record that is not as it was written, and what is wrong there. */
export interface AuditFault {
  readonly seq: number
  readonly what: 'not-a-record' | 'out-of-place' | 'altered' | 'cut-short' | 'rewritten'
  readonly message: string
}

/** What a look at a whole log found. */
export interface AuditReport {
  /** records that follow each other from the first on */
  readonly records: number
  /** the last of them */
  readonly head: Checkpoint | undefined
  /** when the first and the last of them were written, as they say themselves */
  readonly times: readonly [first: string, last: string] | undefined
  /** of a last line without an end: being written just now, or left by a crash; never acknowledged */
  readonly tornBytes: number
  readonly fault: AuditFault | undefined
}

/** A server that writes may cut what it could not write whole; a fault seen meanwhile is looked at again. */
const LOOKS = 3

/**
 * Verifies that every record of a log stands in its place and names the one before it. The log may be in use and of any
 * length.
 *
 * @param checkpoint a record of an earlier look: shows also a log that was cut at its end or written anew from some record on
 * @throws MDM_FILE when it cannot be read
 */
export async function verifyAudit(file: string, checkpoint?: Checkpoint): Promise<AuditReport> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, 'r')
    for (let look = 1; ; look++) {
      const before = await handle.stat()
      const report = await verifyLines(readLines(handle), checkpoint)
      const after = await handle.stat()
      const same = before.size === after.size && before.mtimeMs === after.mtimeMs
      if (report.fault !== undefined && !same && look < LOOKS) continue
      // What is reported must not vanish with the power; a medium that cannot be written needs no sync.
      if (report.fault === undefined) await handle.datasync().catch(() => undefined)
      return report
    }
  } catch (cause) {
    if (cause instanceof MdmError) throw cause
    throw new MdmError('MDM_FILE', 'the audit log cannot be read', { cause })
  } finally {
    await handle?.close()
  }
}

/** Verifies lines, the first one being record 0. */
export async function verifyLines(
  lines: AsyncIterable<Line> | Iterable<Line>,
  checkpoint?: Checkpoint,
): Promise<AuditReport> {
  let seq = 0
  let head: Checkpoint | undefined
  let times: [string, string] | undefined
  let tornBytes = 0
  let fault: AuditFault | undefined
  // One line behind the one that is looked at, which tells which of two records was altered.
  for await (const [line, next] of pairs(lines)) {
    if (!line.whole) {
      tornBytes = line.bytes.length
      break
    }
    fault = faultOf(line, next, seq, head)
    if (fault !== undefined) break
    const hash = digest(line.bytes)
    if (checkpoint?.seq === seq && checkpoint.hash !== hash) {
      fault = { seq, what: 'rewritten', message: `record ${seq} is another one than the checkpoint names` }
      break
    }
    const time = String(parseEntry(line.bytes)?.time)
    times = [times?.[0] ?? time, time]
    head = { seq: seq++, hash }
  }
  if (fault === undefined && checkpoint !== undefined && checkpoint.seq >= seq) {
    const message = `the log ends before record ${checkpoint.seq}, which the checkpoint names`
    fault = { seq, what: 'cut-short', message }
  }
  return { records: seq, head, times, tornBytes, fault }
}

/** Reads `SEQ:HASH`, as verifyAudit's head is printed; `HASH:SEQ` means the same. @throws MDM_USAGE */
export function parseCheckpoint(text: string): Checkpoint {
  const [a = '', b = '', ...more] = text.trim().split(':')
  const [seq, hash] = a.length === 64 ? [b, a] : [a, b]
  if (more.length > 0 || !/^[0-9]{1,15}$/.test(seq) || !/^[0-9a-f]{64}$/.test(hash))
    throw new MdmError('MDM_USAGE', 'a checkpoint is SEQ:HASH, as "audit verify" prints it')
  return { seq: Number(seq), hash }
}

function faultOf(
  line: Line,
  next: Line | undefined,
  seq: number,
  head: Checkpoint | undefined,
): AuditFault | undefined {
  const entry = parseEntry(line.bytes)
  if (entry === undefined || !Number.isSafeInteger(entry.seq))
    return { seq, what: 'not-a-record', message: `line ${seq + 1} is no record` }
  if (entry.seq !== seq) {
    const message = `record ${String(entry.seq)} stands in the place of record ${seq}`
    return { seq, what: 'out-of-place', message }
  }
  if (entry.prev === (head?.hash ?? null)) return undefined
  // The record behind still names this one as it is: then it is the one before that was altered.
  const own = next === undefined || parseEntry(next.bytes)?.prev === digest(line.bytes)
  const bad = own && head !== undefined ? head.seq : seq
  return { seq: bad, what: 'altered', message: `record ${bad} is not what was written` }
}

async function* pairs(lines: AsyncIterable<Line> | Iterable<Line>): AsyncGenerator<[Line, Line | undefined]> {
  let held: Line | undefined
  for await (const line of lines) {
    if (held !== undefined) yield [held, line]
    held = line
  }
  if (held !== undefined) yield [held, undefined]
}
