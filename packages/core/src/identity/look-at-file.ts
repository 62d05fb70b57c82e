import { open } from 'node:fs/promises'
import { MdmError } from '../errors.ts'

/** What was made of a file, and which state of it that was. */
interface Looked {
  readonly version: string
}

/**
 * Looks at a file that decides who is let in: it is read only when it is another one than at the last look, or has changed. Never
 * throws: what cannot be used is `failed`, and that too is kept until the file changes.
 *
 * @param o `maxBytes` is the longest that is read; `read` may throw, which `failed` is then told of
 */
export async function lookAtFile<T extends Looked>(
  path: string,
  before: T | undefined,
  o: {
    maxBytes: number
    read(content: Buffer): Omit<T, 'version'>
    failed(error: unknown): Omit<T, 'version'>
  },
): Promise<T> {
  let version = ''
  try {
    const file = await open(path)
    try {
      // Asked of the open file, so that it cannot be another one that is read.
      const { ino, size, mtimeMs } = await file.stat()
      version = `${ino} ${size} ${mtimeMs}`
      if (before?.version === version) return before
      if (size > o.maxBytes) throw new MdmError('MDM_CONFIG', 'the file is too long')
      return { version, ...o.read(await file.readFile()) } as T
    } finally {
      await file.close()
    }
  } catch (error) {
    return { version, ...o.failed(error) } as T
  }
}
