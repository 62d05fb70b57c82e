import { constants, inflateRawSync } from 'node:zlib'
import { MdmError } from '@mdm/core/errors'
import { MAX_HEAD_BYTES } from './encoding.ts'

/**
 * So many deflated bytes are inflated: as many as any header needs, or, where they make too much, fewer, and at last so few
 * that they cannot: the format's best ratio is 1032 to 1.
 */
const DEFLATED_BYTES = [256 * 1024, 32 * 1024, 4 * 1024]
const MAX_INFLATED_BYTES = 1032 * 4 * 1024

/**
 * The first MAX_HEAD_BYTES of a deflated data set, behind the bytes before it, which are not deflated (DICOM PS3.5 A.5).
 * Three times some milliseconds at most, whatever the bytes are.
 *
 * @throws MDM_DICOM
 */
export function inflateStart(bytes: Buffer, offset: number): Buffer {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_INFLATED_BYTES }
  for (const length of DEFLATED_BYTES) {
    try {
      const inflated = inflateRawSync(bytes.subarray(offset, offset + length), options)
      return Buffer.concat([bytes.subarray(0, offset), inflated.subarray(0, MAX_HEAD_BYTES)])
    } catch {
      continue
    }
  }
  throw new MdmError('MDM_DICOM', 'the deflated data set cannot be inflated')
}
