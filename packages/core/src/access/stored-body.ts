import { createHash } from 'node:crypto'
import { adler32 } from '../crypto/adler32.ts'
import { parseContainerHeader, type ContainerHeader } from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { SrmService } from '../grid/srm/service.ts'
import type { StorageFile } from '../grid/srm/srm-url.ts'
import type { StoredBody } from '../grid/srm/transfer.ts'
import type { Kept } from './part-file.ts'
import type { RawContainer } from './raw.ts'

/** What a storage element sends: a container of MDM, or a file of any other kind. */
export type Arrived =
  | { readonly kind: 'container'; readonly raw: RawContainer }
  | { readonly kind: 'file'; readonly bytes: number | undefined; readonly body: AsyncIterable<Buffer> }

/**
 * Tells by its first bytes what it is that comes, and holds it against the name it was asked for by and against its checksum.
 *
 * @param kept the part of the container that is there already, where the transfer goes on behind it
 * @throws MDM_INTEGRITY where the name is of a volume and this is none, or another one; at the end of the body for a checksum
 */
export async function recognise(
  reply: StoredBody,
  o: { file: StorageFile; service: SrmService; kept: Kept | undefined; signal?: AbortSignal | undefined },
): Promise<Arrived> {
  const { file, kept } = o
  if (reply.start > 0 && kept !== undefined) {
    const raw = containerOf(kept.header, reply, reply.body)
    requireNamed(file, kept.header)
    return { kind: 'container', raw }
  }
  const { head, header, rest } = await headOf(reply.body)
  if (header === undefined && file.isContainer)
    throw new MdmError('MDM_INTEGRITY', 'what the storage service sent is no container of MDM')
  if (header !== undefined) requireNamed(file, header)
  const said = async () =>
    header !== undefined || reply.digest.adler32 !== undefined || reply.digest.sha256 !== undefined
      ? reply.digest
      : await o.service.stat(file.surl, o.signal).catch(() => ({}))
  const body = checked(behind(head, rest), said)
  return header === undefined
    ? { kind: 'file', bytes: reply.bytes, body }
    : { kind: 'container', raw: containerOf(header, reply, body) }
}

/** A GUID means itself: nobody may answer it with another volume. */
function requireNamed({ guid, version }: StorageFile, { context }: ContainerHeader): void {
  if (guid === undefined || (guid === context.guid && (version ?? context.version) === context.version))
    return
  throw new MdmError('MDM_INTEGRITY', 'the storage service sent another volume than the one asked for')
}

function containerOf(header: ContainerHeader, reply: StoredBody, body: AsyncIterable<Buffer>): RawContainer {
  const { guid, version, kid } = header.context
  const { etag, length } = header
  return { guid, version, kid, etag, bytes: reply.bytes ?? length, start: reply.start, body }
}

/** As many bytes as it takes to see whether this is a container, and its header where it is one. */
async function headOf(
  body: AsyncIterable<Buffer>,
): Promise<{ head: Buffer; header?: ContainerHeader | undefined; rest: AsyncIterator<Buffer> }> {
  const rest = body[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  for (;;) {
    const next = await rest.next()
    if (next.done === true) return { head, rest }
    head = Buffer.concat([head, next.value])
    try {
      const header = parseContainerHeader(head)
      if (header !== undefined) return { head, header, rest }
    } catch (error) {
      if (error instanceof MdmError && error.code === 'MDM_CONTAINER') return { head, rest }
      throw error
    }
  }
}

async function* behind(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield head
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}

/** The same bytes; at their end their checksums are compared with what the service says of the file, where it says anything. */
async function* checked(
  body: AsyncIterable<Buffer>,
  said: () => Promise<{ readonly adler32?: string; readonly sha256?: string }>,
): AsyncGenerator<Buffer> {
  let sum = 1
  const sha256 = createHash('sha256')
  for await (const chunk of body) {
    sum = adler32(chunk, sum)
    sha256.update(chunk)
    yield chunk
  }
  const expected = await said()
  const [adler, sha] = [sum.toString(16).padStart(8, '0'), sha256.digest('base64')]
  if ((expected.adler32 ?? adler) !== adler || (expected.sha256 ?? sha) !== sha)
    throw new MdmError('MDM_INTEGRITY', 'the file does not have the checksum that the storage service says')
}
