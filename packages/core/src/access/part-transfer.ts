import { Intake } from '../crypto/container/intake.ts'
import { frameSpan } from '../crypto/container/profile.ts'
import {
  openContainer,
  parseContainerHeader,
  type ContainerHeader,
  type ContainerOpener,
} from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { GatheredKey } from '../grid/key-servers.ts'
import { free } from '../memory.ts'
import type { VolumeName } from '../names.ts'
import {
  arriving,
  notAnnounced,
  requestKeyed,
  requireAnnounced,
  type KeyedReply,
  type TransferOptions,
} from './container.ts'
import { fetchFileKey } from './file-key.ts'
import type { FrameCheck, Kept, PartFile } from './part-file.ts'
import { getRaw, type RawContainer } from './raw.ts'
import type { Session } from './session.ts'

/** A frame record starts with its index and an initialisation vector of 12 bytes, which ends in the index again. */
const RECORD_HEAD_BYTES = 16

/** Looks at a record, index from 1, and makes something of it. @throws MDM_CONTAINER when it is not that frame */
type FrameUse<T> = (index: number, record: Uint8Array) => T

/**
 * Completes a `.part` without a key: what is there is kept by whole frames in their order, the rest is fetched.
 *
 * @throws MDM_CONTAINER when the result is not the whole container the site announced; what getRaw throws
 */
export async function fetchWhole(
  session: Session,
  name: VolumeName,
  part: PartFile,
  o: TransferOptions,
): Promise<{ raw: RawContainer }> {
  part.confirm(name)
  const kept = await keptRecords(part, o.signal)
  const range = kept === undefined ? {} : { range: { start: kept.bytes }, ifRange: kept.header.etag }
  const raw = await getRaw(session, name, { signal: o.signal, timing: o.timing, ...range })
  const read = o.timing?.start('read')
  try {
    await completeRecords(part, raw, kept, o)
    return { raw }
  } finally {
    read?.()
  }
}

/** What of a `.part` may stay, as far as that can be said without its key. */
export async function keptRecords(
  part: PartFile,
  signal: AbortSignal | undefined,
): Promise<Kept | undefined> {
  return await part.goodFrames(isRecord, signal)
}

/** Completes a `.part` without a key, wherever the container comes from. @throws MDM_CONTAINER | MDM_INTEGRITY | MDM_CONFLICT */
export async function completeRecords(
  part: PartFile,
  raw: RawContainer,
  kept: Kept | undefined,
  o: TransferOptions,
): Promise<void> {
  const transfer = complete(part, raw, kept, o, async () => isRecord)
  while ((await transfer.next()).done !== true);
}

/**
 * Completes a `.part` and verifies every frame, those that are there as well as those that come; `use` gets the plaintext
 * meanwhile, from its first byte, and is to read it to its end.
 *
 * @param use what it is given ends only when the final frame has been verified and the `.part` is whole
 * @throws what getRaw and `use` throw; MDM_DENIED | MDM_BELOW_THRESHOLD | MDM_COMMITMENT | MDM_CONTAINER
 */
export async function fetchVerified<T>(
  session: Session,
  name: VolumeName,
  part: PartFile,
  o: TransferOptions,
  use: (plaintext: AsyncIterable<Buffer>) => Promise<T>,
): Promise<{ raw: RawContainer; used: T }> {
  part.confirm(name)
  // Key servers that are still to answer when the get ends are named then.
  const ended = new AbortController()
  const signal = o.signal === undefined ? ended.signal : AbortSignal.any([o.signal, ended.signal])
  try {
    const kept = await keptWithKey(session, part, { ...o, signal })
    const from = kept && { start: kept.bytes, etag: kept.header.etag, key: kept.key }
    const reply = await requestKeyed(session, name, o, from)
    try {
      return { raw: reply.raw, used: await use(plaintextOf(reply, part, kept, o)) }
    } finally {
      reply.end()
    }
  } finally {
    ended.abort(new MdmError('MDM_UNREACHABLE', 'the transfer has ended'))
  }
}

/** The frames that are kept, opened once more, then those that come. */
async function* plaintextOf(
  reply: KeyedReply,
  part: PartFile,
  kept: Kept | undefined,
  o: TransferOptions,
): AsyncGenerator<Buffer> {
  let opener: ContainerOpener | undefined
  try {
    yield* complete(part, reply.raw, kept, { ...o, withKept: true }, async (header) => {
      const { fileKey, expected } = await reply.keyFor(header)
      const opened = (opener = openContainer(header, fileKey, expected))
      return (index, record) => opened.openFrame(index, record)
    })
  } finally {
    opener?.wipe()
    reply.end()
  }
}

/** What of the `.part` its key proves. Nothing when the key servers know no such key: the site may have a later one. */
async function keptWithKey(
  session: Session,
  part: PartFile,
  o: TransferOptions,
): Promise<(Kept & { key: GatheredKey }) | undefined> {
  if (part.found === undefined) return undefined
  const { guid, kid } = part.found.context
  const key = await fetchFileKey(session, guid, kid, o).catch((error: unknown) => {
    if (error instanceof MdmError && error.code === 'MDM_NOT_FOUND') return undefined
    throw error
  })
  if (key === undefined) return undefined
  let opener: ContainerOpener
  try {
    opener = openContainer(part.found, key.fileKey, { guid, version: key.manifest.version, kid })
  } catch {
    return undefined
  }
  try {
    const kept = await part.goodFrames(checkedBy(opener), o.signal)
    return kept === undefined ? undefined : { ...kept, key }
  } finally {
    opener.wipe()
  }
}

/**
 * Writes what arrives behind what is kept, or in its place when the site has encrypted the volume anew.
 *
 * @returns what is made of each frame, once its record is on its way into the file; `withKept` also of those that are kept
 */
async function* complete<T>(
  part: PartFile,
  raw: RawContainer,
  kept: Kept | undefined,
  o: TransferOptions & { withKept?: boolean },
  useFor: (header: ContainerHeader) => Promise<FrameUse<T>>,
): AsyncGenerator<T> {
  const intake = new Intake(arriving(raw, o))
  try {
    part.confirm({ guid: raw.guid })
    const goesOn = kept !== undefined && raw.start === kept.bytes && raw.etag === kept.header.etag
    if (!goesOn && raw.start !== 0)
      throw new MdmError('MDM_INTEGRITY', 'the site sent another part of the container than was asked for')
    const { header, bytes } = goesOn ? { header: kept.header, bytes: undefined } : await takeHeader(intake)
    requireAnnounced(header, raw)
    const use = await useFor(header)
    await part.cut(goesOn ? kept.bytes : 0)
    if (bytes !== undefined) await part.append(bytes)
    if (goesOn && o.withKept === true) yield* again(part, kept, use)
    for (let index = goesOn ? kept.frames + 1 : 1; index <= header.frames; index++) {
      const { start, end } = frameSpan(header.headerBytes, header.context.plaintextBytes, index)
      const record = await intake.take(end - start)
      if (record.length < end - start) throw notAnnounced()
      const made = use(index, record)
      await part.append(record)
      yield made
    }
    if ((await intake.next()) !== undefined) throw notAnnounced()
  } finally {
    // What came is kept for the next attempt; a disk that fails is reported as that, whatever failed before.
    await part.flush().finally(() => intake.close())
  }
}

/** @throws MDM_CONTAINER when what was kept is not there any more */
async function* again<T>(part: PartFile, kept: Kept, use: FrameUse<T>): AsyncGenerator<T> {
  let index = 0
  for await (const record of part.records(kept.header, kept.frames)) yield use(++index, record)
  if (index < kept.frames)
    throw new MdmError('MDM_CONTAINER', 'the .part file was changed during the transfer')
}

async function takeHeader(intake: Intake): Promise<{ header: ContainerHeader; bytes: Buffer }> {
  let head: Buffer = Buffer.alloc(0)
  for (;;) {
    const chunk = await intake.next()
    if (chunk === undefined) throw notAnnounced()
    head = Buffer.concat([head, chunk])
    const header = parseContainerHeader(head)
    if (header === undefined) continue
    intake.unread(head.subarray(header.headerBytes))
    return { header, bytes: Buffer.from(head.subarray(0, header.headerBytes)) }
  }
}

function checkedBy(opener: ContainerOpener): FrameCheck {
  return (index, record) => free(opener.openFrame(index, record))
}

/** All that can be said of a frame without its key: its number and what follows from it. */
function isRecord(index: number, record: Uint8Array): void {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length)
  const at = bytes.readUInt32BE(0) === index ? 0 : 4
  const iv = at + RECORD_HEAD_BYTES - 4
  if (bytes.readUInt32BE(at) !== index || bytes.readUInt32BE(iv) !== index)
    throw new MdmError('MDM_CONTAINER', `frame ${index} is not where it belongs`)
}
