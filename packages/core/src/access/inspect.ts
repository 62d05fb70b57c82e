import { open, type FileHandle } from 'node:fs/promises'
import { MAX_HEADER_BYTES, FRAME_BYTES } from '../crypto/container/profile.ts'
import { parseContainerHeader, type ContainerHeader } from '../crypto/container/reader.ts'
import { SUITE } from '../crypto/container/suite.ts'
import { MdmError } from '../errors.ts'
import type { Guid, Kid, SiteId } from '../names.ts'

/** What a container says of itself. Nothing of it is verified: that takes the key. */
export interface Inspected {
  /** of the message format: AWS Encryption SDK, version 2 */
  readonly formatVersion: 2
  readonly suite: string
  /** base64url, as in the ETag of the site */
  readonly messageId: string
  readonly guid: Guid
  readonly version: number
  readonly kid: Kid
  readonly site: SiteId
  /** de-identification profile */
  readonly profile: string
  readonly plaintextBytes: number
  readonly frames: number
  readonly frameBytes: number
  readonly headerBytes: number
  /** bytes that the whole container has, by its header */
  readonly expectedBytes: number
  /** bytes that are there */
  readonly actualBytes: number
  readonly state: 'whole' | 'cut' | 'too long'
}

/**
 * Reads the header of a container on disk, without a key, and compares its length with what the header says.
 *
 * @throws MDM_CONTAINER when it does not begin with a header of ours; MDM_FILE
 */
export async function inspectFile(path: string, signal?: AbortSignal): Promise<Inspected> {
  const file = await open(path)
  try {
    const { size, isFile } = await regular(file)
    // A pipe with a name has no length of its own.
    if (!isFile) return await inspectStream(file.createReadStream({ autoClose: false }), signal)
    const head = Buffer.alloc(Math.min(MAX_HEADER_BYTES, size))
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    return told(headerOf(head.subarray(0, bytesRead)), size)
  } finally {
    await file.close()
  }
}

/** The same for a container that comes as a stream, which is read to its end. @throws MDM_CONTAINER */
export async function inspectStream(source: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<Inspected> {
  let head: Buffer = Buffer.alloc(0)
  let header: ContainerHeader | undefined
  let bytes = 0
  for await (const chunk of source) {
    signal?.throwIfAborted()
    bytes += chunk.length
    if (header !== undefined) continue
    head = Buffer.concat([head, chunk])
    header = parseContainerHeader(head)
  }
  return told(header ?? headerOf(head), bytes)
}

async function regular(file: FileHandle): Promise<{ size: number; isFile: boolean }> {
  const stat = await file.stat()
  if (stat.isDirectory()) throw new MdmError('MDM_FILE', 'that is a folder, not a container')
  return { size: stat.size, isFile: stat.isFile() }
}

function headerOf(head: Buffer): ContainerHeader {
  const header = parseContainerHeader(head)
  if (header === undefined)
    throw new MdmError('MDM_CONTAINER', 'the file ends before the header of its container does')
  return header
}

function told(header: ContainerHeader, actualBytes: number): Inspected {
  const { context, etag, frames, headerBytes, length } = header
  const { guid, version, kid, site, profile, plaintextBytes } = context
  return {
    formatVersion: 2,
    suite: `0x${SUITE.toString(16).padStart(4, '0')}`,
    messageId: etag,
    ...{ guid, version, kid, site, profile, plaintextBytes, frames },
    frameBytes: FRAME_BYTES,
    headerBytes,
    expectedBytes: length,
    actualBytes,
    state: actualBytes === length ? 'whole' : actualBytes < length ? 'cut' : 'too long',
  }
}
