import { MdmError } from '@mdm/core/errors'
import { MAX_IMAGE_BYTES } from '../part10/index.ts'
import type { InstanceHeader } from '../source.ts'
import { cutFrames } from './cut.ts'
import type { FrameShape } from './frame-shape.ts'
import { readFragments, type Span } from './fragments.ts'
import { inflated } from './inflated.ts'
import { nativeFrames, nativePixels } from './native.ts'
import { shapeOf, undecodable } from './decodable.ts'
import type { StoredBytes } from './stored-bytes.ts'
import { codingOf, type Coding } from './transfer-syntaxes.ts'

/** A frame as its object holds it: `native` ones are pixels already, others are to be decoded. */
export interface StoredFrame {
  readonly header: InstanceHeader
  /** from 0 */
  readonly frame: number
  readonly coding: Coding
  readonly shape: FrameShape
  /** in memory of their own, freeable by the taker */
  readonly bytes: Buffer
}

/**
 * Frames of one object as they are stored, one at a time.
 *
 * @param wanted counted from 0, ascending; all of them where absent; those that the object does not have do not come
 * @throws MDM_DICOM when the object is damaged | MDM_PIXELS when its pixels are not of a kind that is decoded, or can be cut
 *         into frames in more than one way
 */
export async function* storedFrames(
  header: InstanceHeader,
  bytes: StoredBytes,
  wanted?: readonly number[],
): AsyncGenerator<StoredFrame> {
  if (header.fault !== undefined) throw new MdmError('MDM_DICOM', 'an object is damaged')
  const against = undecodable(header)
  if (against !== undefined) throw new MdmError('MDM_PIXELS', `frames cannot be had: ${against.reason}`)
  const isThere = (frame: number): boolean => frame >= 0 && frame < header.frames
  const frames = wanted?.filter(isThere) ?? Array.from({ length: header.frames }, (_, frame) => frame)
  const read = codingOf(header.transferSyntax) === 'native' ? native : encapsulated
  yield* read(header, bytes, frames)
}

/** As storedFrames(), but an object that is damaged has no frames, or no more: it did not come. */
export async function* soundFrames(
  header: InstanceHeader,
  bytes: StoredBytes,
  wanted?: readonly number[],
): AsyncGenerator<StoredFrame> {
  try {
    yield* storedFrames(header, bytes, wanted)
  } catch (error) {
    if (!(error instanceof MdmError) || error.code !== 'MDM_DICOM') throw error
  }
}

async function* native(
  header: InstanceHeader,
  bytes: StoredBytes,
  frames: readonly number[],
): AsyncGenerator<StoredFrame> {
  const spanOf = nativeFrames(header)
  const last = frames.at(-1)
  if (spanOf === undefined) throw new MdmError('MDM_DICOM', 'an object has fewer pixels than it declares')
  if (last === undefined) return
  const { end } = spanOf(header.frames - 1)
  const { deflatedFrom } = header.pixelData ?? {}
  if (deflatedFrom !== undefined && end > MAX_IMAGE_BYTES)
    throw new MdmError('MDM_PIXELS', `a deflated object has more than ${MAX_IMAGE_BYTES >> 20} MiB`)
  const plain = deflatedFrom === undefined ? bytes : await inflated(bytes, deflatedFrom, end)
  if (end > plain.length) throw new MdmError('MDM_DICOM', 'an object ends before its pixels do')
  const shape = shapeOf(header)
  for (const frame of frames) {
    const span = spanOf(frame)
    const stored = await plain.read(span.start, span.end)
    plain.passed(frame === last ? plain.length : span.end - 1)
    yield { header, frame, coding: 'native', shape, bytes: nativePixels(stored, header, shape, span.skip) }
  }
}

async function* encapsulated(
  header: InstanceHeader,
  bytes: StoredBytes,
  frames: readonly number[],
): AsyncGenerator<StoredFrame> {
  const coding = codingOf(header.transferSyntax)
  if (coding === undefined || header.pixelData === undefined) return
  const cut = await cutFrames(bytes, header, await readFragments(bytes, header.pixelData.offset))
  const shape = shapeOf(header)
  for (const frame of frames) {
    const fragments = cut[frame]!
    const stored = await joined(bytes, fragments)
    bytes.passed(frame === frames.at(-1) ? bytes.length : fragments.at(-1)!.end)
    yield { header, frame, coding, shape, bytes: stored }
  }
}

async function joined(bytes: StoredBytes, fragments: readonly Span[]): Promise<Buffer> {
  const length = fragments.reduce((sum, { start, end }) => sum + end - start, 0)
  if (length > MAX_IMAGE_BYTES)
    throw new MdmError('MDM_PIXELS', `a compressed frame has more than ${MAX_IMAGE_BYTES >> 20} MiB`)
  const [only] = fragments
  if (fragments.length === 1 && only !== undefined) return await bytes.read(only.start, only.end)
  const all = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const { start, end } of fragments) at += (await bytes.read(start, end)).copy(all, at)
  return all
}
