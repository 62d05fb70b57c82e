import type { KeyObject } from 'node:crypto'
import { openContainer, parseContainerHeader, type ContainerOpener } from '@mdm/core/crypto/container/reader'
import { createContainer, type ContainerWriter } from '@mdm/core/crypto/container/writer'
import { MdmError } from '@mdm/core/errors'
import { free } from '@mdm/core/memory'
import type { SiteId } from '@mdm/core/names'
import type { Timing } from '@mdm/core/timing'
import type { Catalog, VolumeRecord } from '../catalog/catalog.ts'
import { diskFault } from './disk-fault.ts'
import { createFrameFile, type FrameFile } from './frame-file.ts'
import { createPlacement } from './placement.ts'
import { createPlaintextDigest } from './plaintext-digest.ts'
import type { Preparation } from './preparation.ts'
import type { ReceivedSlice } from './slices.ts'
import { createSpill } from './spill.ts'
import { publish, spoolPaths, type Discard } from './spool.ts'
import type { Window } from './window.ts'

export interface FillContext {
  readonly catalog: Pick<Catalog, 'recordDigest'>
  readonly site: SiteId
  readonly spoolDir: string
  readonly window: Window
  readonly discard: Discard
}

/**
 * KEYED -> FILLING -> SEALED: seals frames as slices complete them, and the final frame once everything agrees. The keys
 * are forgotten and the spill file is gone when it returns or throws; when it throws, so is the spool file.
 *
 * @param opened the file key, and the slices from the first on, which has been accepted
 * @throws MDM_SOURCE_CHANGED when the plaintext is not the one of the first time | MDM_SPOOL_FULL
 */
export async function fill(
  preparation: Preparation,
  record: VolumeRecord,
  opened: { fileKey: KeyObject; slices: AsyncGenerator<ReceivedSlice> },
  o: FillContext,
  timing: Timing,
): Promise<SealedFile> {
  const endOverhead = timing.start('open-overhead')
  const { fileKey } = opened
  const { guid, version, kid, profile, plaintextBytes } = record
  const writer = createContainer({ guid, version, kid, profile, plaintextBytes, site: o.site }, fileKey)
  const paths = spoolPaths(o.spoolDir, writer.etag)
  let file: FrameFile | undefined
  try {
    if (writer.length !== record.containerBytes)
      throw new MdmError('MDM_INTERNAL', 'the catalog has another container length')
    file = await createFrameFile(paths.filling, {
      header: writer.header,
      plaintextBytes,
      advanced: () => preparation.advance(file!.available, file!.contiguous),
    })
    preparation.container = { etag: writer.etag, length: writer.length, path: paths.filling }
    preparation.advance(file.available, file.contiguous)
    preparation.move('KEYED')
    await sealFrames(preparation, record, { writer, file, fileKey, slices: opened.slices }, o, endOverhead)
    if (!preparation.move('SEALED')) throw preparation.reason
  } catch (error) {
    // What the disk says here must not stand for why it failed.
    await file?.close().catch(() => undefined)
    await o.discard(paths.filling)
    throw diskFault(error)
  } finally {
    writer.wipe()
    endOverhead()
  }
  return { file, ...paths }
}

/** A complete container that still has the name of an unfinished one. */
export interface SealedFile {
  readonly file: FrameFile
  readonly filling: string
  readonly sealed: string
}

interface Filling {
  readonly writer: ContainerWriter
  readonly file: FrameFile
  readonly fileKey: KeyObject
  readonly slices: AsyncGenerator<ReceivedSlice>
}

async function sealFrames(
  preparation: Preparation,
  record: VolumeRecord,
  { writer, file, fileKey, slices }: Filling,
  o: FillContext,
  accepted: () => void,
): Promise<void> {
  const spill = createSpill(spoolPaths(o.spoolDir, writer.etag).spill, o.discard)
  let opener: ContainerOpener | undefined
  const digest = createPlaintextDigest(file, (index, bytes) => {
    opener ??= openContainer(parseContainerHeader(writer.header)!, fileKey, record)
    return opener.openFrame(index, bytes)
  })
  let final: Buffer | undefined
  const placement = createPlacement({
    plaintextBytes: record.plaintextBytes,
    window: o.window,
    spill,
    ready: (index, plaintext) => {
      if (index === writer.frames) {
        final = Buffer.from(plaintext)
        return
      }
      digest.sealed(index, plaintext)
      return file.put(index, writer.sealFrame(index, plaintext))
    },
  })
  try {
    await placement.put(0, record.header)
    for await (const { row, voxels } of slices) {
      await placement.put(record.header.length + row.index * record.sliceBytes, voxels)
      free(voxels)
      preparation.signal.throwIfAborted()
      if (preparation.move('FILLING')) accepted()
      await digest.catchUp()
    }
    await file.flush()
    await digest.catchUp()
    if (
      placement.placed !== record.plaintextBytes ||
      file.contiguous !== writer.frames ||
      final === undefined
    )
      throw new MdmError('MDM_INTERNAL', 'slices and frames do not add up')
    digest.sealed(writer.frames, final)
    await requireSamePlaintext(record, digest.finish(), o)
    await file.put(writer.frames, writer.sealFrame(writer.frames, final))
    await file.flush()
  } finally {
    final?.fill(0)
    opener?.wipe()
    placement.clear()
    await spill.remove()
  }
}

/** The first time the digest is recorded; ever after it must be the same (decision 3). */
async function requireSamePlaintext(record: VolumeRecord, sha256: string, o: FillContext): Promise<void> {
  if (record.plaintextSha256 === undefined) await o.catalog.recordDigest(record.guid, record.version, sha256)
  else if (record.plaintextSha256 !== sha256)
    throw new MdmError('MDM_SOURCE_CHANGED', 'the source delivers other voxels than the first time')
}

/**
 * Gives a sealed container the name under which the next start finds it. Readers need not wait for the disk: they have it
 * all already. It has a function of its own, outside fill(), so that the keys are not kept for so long.
 */
export async function giveName(
  preparation: Preparation,
  { file, filling, sealed }: SealedFile,
  discard: Discard,
): Promise<void> {
  const release = preparation.hold()
  try {
    await file.sync()
    await publish(filling, sealed)
    preparation.container!.path = sealed
    await discard(filling)
  } catch {
    // It is served under its first name until the next start, which deletes it: nothing is lost but the work.
  } finally {
    await file.close().catch(() => undefined)
    release()
  }
}
