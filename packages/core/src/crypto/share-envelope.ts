import { createHash } from 'node:crypto'
import { MdmError } from '../errors.ts'
import { Guid, Kid } from '../names.ts'
import { isThreshold, MAX_SHARES, PAYLOAD_BYTES, type ShamirShare } from './shamir.ts'

/** Bytes of a ShareEnvelope v1. */
export const ENVELOPE_BYTES = 124
const MAGIC = 'MDMS'
const VERSION = 1
const DIGEST_PREFIX = 'mdm-share-v1'

/** One share with what it is a share of (docs/formats/keys.md). */
export interface ShareEnvelope extends ShamirShare {
  readonly guid: Guid
  readonly kid: Kid
  /** counts the splits of one key, from 1 */
  readonly epoch: number
  readonly m: number
  readonly n: number
}

/** Writes the 124 bytes of an envelope. */
export function encodeShareEnvelope(e: ShareEnvelope): Buffer {
  const out = Buffer.alloc(ENVELOPE_BYTES)
  out.write(MAGIC, 0, 'latin1')
  out.writeUInt8(VERSION, 4)
  guidBytes(e.guid).copy(out, 5)
  out.write(e.kid, 21, 'hex')
  out.writeUInt32BE(e.epoch, 37)
  out.set([e.m, e.n, e.x], 41)
  e.payload.copy(out, 44)
  return out
}

/**
 * Reads an envelope; that it is the right one is for checkShare to say.
 *
 * @returns a copy that the caller wipes
 * @throws MDM_BAD_SHARE with `details.fault` length or form
 */
export function decodeShareEnvelope(bytes: Uint8Array): ShareEnvelope {
  if (bytes.length !== ENVELOPE_BYTES)
    throw new MdmError('MDM_BAD_SHARE', undefined, { details: { fault: 'length' } })
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const guid = Guid.safeParse(
    b.toString('hex', 5, 21).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  )
  const [m, n, x] = [b[41]!, b[42]!, b[43]!]
  const epoch = b.readUInt32BE(37)
  const formed =
    b.toString('latin1', 0, 4) === MAGIC &&
    b[4] === VERSION &&
    isThreshold(m, n) &&
    x >= 1 &&
    x <= Math.min(n, MAX_SHARES)
  if (!formed || !guid.success || epoch < 1)
    throw new MdmError('MDM_BAD_SHARE', undefined, { details: { fault: 'form' } })
  return {
    guid: guid.data,
    kid: Kid.parse(b.toString('hex', 21, 37)),
    epoch,
    m,
    n,
    x,
    payload: Buffer.from(b.subarray(44, 44 + PAYLOAD_BYTES)),
  }
}

/** What the manifest holds of an envelope: SHA-256 of "mdm-share-v1" and its bytes, hex. */
export function shareDigest(envelope: Uint8Array): string {
  return createHash('sha256').update(DIGEST_PREFIX).update(envelope).digest('hex')
}

/** The 16 bytes of a GUID, in the order it is written. */
export function guidBytes(guid: Guid): Buffer {
  return Buffer.from(guid.replaceAll('-', ''), 'hex')
}
