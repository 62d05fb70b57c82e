import type { FileHandle } from 'node:fs/promises'

/** One line of a file. */
export interface Line {
  /** without the newline; the beginning of it only, where the line is longer than MAX_LINE_BYTES */
  readonly bytes: Buffer
  /** false for a last line that has no newline */
  readonly whole: boolean
}

/** No record is nearly as long; a longer line is not kept in memory. */
export const MAX_LINE_BYTES = 1024 * 1024

const READ_BYTES = 256 * 1024

/** The lines of a file from its start, in bounded memory. It ends after a line that is too long. */
export async function* readLines(handle: FileHandle): AsyncGenerator<Line> {
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let rest: Buffer = Buffer.alloc(0)
  for (let position = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, position)
    if (bytesRead === 0) break
    position += bytesRead
    // A copy: what was yielded from the buffer before stays what it was.
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    let start = 0
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      yield { bytes: rest.subarray(start, end), whole: true }
      start = end + 1
    }
    rest = rest.subarray(start)
    if (rest.length > MAX_LINE_BYTES) return yield { bytes: rest.subarray(0, MAX_LINE_BYTES), whole: true }
  }
  if (rest.length > 0) yield { bytes: rest, whole: false }
}
