import type { FileHandle } from 'node:fs/promises'
import { FRAME_BYTES } from '../crypto/container/profile.ts'
import type { Guid, VolumeName } from '../names.ts'
import type { Timing } from '../timing.ts'
import { getRaw } from './raw.ts'
import type { Session } from './session.ts'

/** Header of a container at most, and its first frame: enough to know the volume. */
const HEAD_BYTES = 4096 + FRAME_BYTES + 64

/** Where ciphertext comes from: the site, or a container on disk. */
export interface Ciphertext {
  /** True where the site itself let the caller in, so that a missing key is a missing right. */
  readonly letIn: boolean
  head(): Promise<{
    bytes: Buffer
    latest?: number | undefined
    slice?: number | undefined
    expected: { guid?: Guid; version?: number }
  }>
  /** Bytes [start, end) of the container with this etag; undefined when the container is another by now. */
  read(start: number, end: number, etag: string): Promise<AsyncIterable<Buffer> | undefined>
  close(): Promise<void>
}

/** The container at the site, by ranges of one preparation. */
export function siteCiphertext(
  session: Session,
  name: VolumeName,
  o: { signal?: AbortSignal | undefined; timing?: Timing | undefined },
): Ciphertext {
  let exact = name
  return {
    letIn: true,
    async head() {
      const raw = await getRaw(session, exact, {
        range: { start: 0, end: HEAD_BYTES },
        signal: o.signal,
        timing: o.timing,
      })
      exact = { guid: raw.guid, version: raw.version }
      const { latest, slice } = raw
      return { bytes: await collect(raw.body), latest, slice, expected: exact }
    },
    async read(start, end, etag) {
      const raw = await getRaw(session, exact, { range: { start, end }, ifRange: etag, signal: o.signal })
      if (raw.etag === etag) return raw.body
      for await (const _ of raw.body) break
      return undefined
    },
    async close() {},
  }
}

/** A container on disk. */
export function fileCiphertext(handle: FileHandle): Ciphertext {
  const read = (start: number, end: number) =>
    handle.createReadStream({ start, end: end - 1, autoClose: false }) as AsyncIterable<Buffer>
  return {
    letIn: false,
    head: async () => ({ bytes: await collect(read(0, HEAD_BYTES)), expected: {} }),
    read: async (start, end) => read(start, end),
    close: () => handle.close(),
  }
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}
