import { createHash, randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { OpenOptions, OpenVolume } from '@mdm/core/access/decrypt'
import type { Session } from '@mdm/core/access/session'
import type { VolumeFormat } from './output-plan.ts'

/** One opened container as --json shows it. */
export interface DecryptedFile {
  readonly guid: string
  readonly version: number
  readonly path: string
  readonly bytes: number
  /** of the file as written, hex */
  readonly sha256: string
}

export interface DecryptOptions extends OpenOptions {
  readonly format: VolumeFormat
  readonly slices?: readonly [number, number] | undefined
}

/**
 * Opens a container on disk and writes its volume; a file appears under its name whole or not at all.
 *
 * @param path file to write; stdout when absent
 * @throws what decryptFile throws
 */
export async function saveDecrypted(
  session: Session,
  container: string,
  path: string | undefined,
  o: DecryptOptions,
): Promise<DecryptedFile> {
  const { decryptFile } = await import('@mdm/core/access/decrypt')
  const volume = await decryptFile(session, container, o)
  try {
    const content = counted(await contentOf(volume, o))
    if (path === undefined) await pipeline(Readable.from(content.chunks), process.stdout, { end: false })
    else await writeWhole(path, content.chunks, o.signal)
    return { guid: volume.guid, version: volume.version, path: path ?? '-', ...content.summary() }
  } finally {
    await volume.close()
  }
}

async function contentOf(volume: OpenVolume, o: DecryptOptions): Promise<AsyncIterable<Buffer>> {
  const { convert } = await import('@mdm/core/volume/formats/index')
  if (o.slices === undefined) return convert(o.format, volume.stream())
  const { slices } = o
  return convert(o.format, volume.stream({ slices }), { volume: volume.volume, slices })
}

/** Bytes and digest of what passed through. */
function counted(source: AsyncIterable<Buffer>) {
  const hash = createHash('sha256')
  let bytes = 0
  async function* pass() {
    for await (const chunk of source) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  return { chunks: pass(), summary: () => ({ bytes, sha256: hash.digest('hex') }) }
}

async function writeWhole(
  path: string,
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    for await (const chunk of chunks) {
      signal?.throwIfAborted()
      await file.appendFile(chunk)
    }
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
}
