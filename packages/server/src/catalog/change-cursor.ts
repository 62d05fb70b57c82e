import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import type { Cursor } from '@mdm/core/wire/changes'

/** Turns places in the list of changes into cursors and back. */
export interface ChangeCursors {
  /** @param seq place of a change; 0 is before the first */
  format(seq: number): Cursor
  /** @throws MDM_BAD_REQUEST for what this site did not make */
  parse(cursor: Cursor): number
}

/**
 * Places are numbered over all volumes, so a bare number would tell a caller how much happens that he may not see. A cursor is its
 * place under AES: one block, of which the half is zeros, so that only the site can make one, and two do not say what lies between them.
 *
 * @param siteKey a key of the site; the cursors of another key are refused
 */
export function changeCursors(siteKey: KeyObject): ChangeCursors {
  const key = Buffer.from(hkdfSync('sha256', siteKey, '', 'mdm-change-cursor-v1', 16))
  return {
    format(seq) {
      const block = Buffer.alloc(16)
      block.writeBigUInt64BE(BigInt(seq), 8)
      // A single block of its own kind needs no mode; ECB of one block is the bare cipher.
      const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
      return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url')
    },

    parse(cursor) {
      const sealed = Buffer.from(cursor, 'base64url')
      const decipher = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false)
      const block =
        sealed.length === 16 ? Buffer.concat([decipher.update(sealed), decipher.final()]) : Buffer.alloc(0)
      const seq = block.length === 16 ? Number(block.readBigUInt64BE(8)) : Number.NaN
      if (!Number.isSafeInteger(seq) || block.readBigUInt64BE(0) !== 0n)
        throw new MdmError('MDM_BAD_REQUEST', 'the cursor is not one of this site')
      return seq
    },
  }
}
