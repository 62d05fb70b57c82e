import { createHmac, type KeyObject } from 'node:crypto'
import { Guid, type SiteId } from '@mdm/core/names'
import { GENERATION } from './derive.ts'

/**
 * The GUID under which key servers hold the pseudonym key of a site: the same at every start and after every restore, so that there is
 * never a second one, and known to nobody else, so that no other site can take it first. Version 8 (RFC 9562): no volume has it.
 *
 * @param localKey a key that the site has on its disk
 */
export function pseudonymKeyGuid(localKey: KeyObject, site: SiteId): Guid {
  const bytes = createHmac('sha256', localKey)
    .update(`mdm-pseudonym-key-guid-v1|${GENERATION}|${site}`)
    .digest()
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex', 0, 16)
  return Guid.parse(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
}
