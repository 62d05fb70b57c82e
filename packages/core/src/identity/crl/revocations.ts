import { MdmError } from '../../errors.ts'
import type { CertificateIdentity } from '../certificate.ts'
import type { UserCa } from '../issued.ts'
import type { Crl } from './read-crl.ts'

/** What CAs publish of themselves, in a folder: asked for every request of a user, after his certificate was found good. */
export interface Revocations {
  /**
   * @param ca the one that issued the certificate
   * @throws MDM_REVOKED when the CA revoked it; MDM_CRL when there is no current list to tell by
   */
  requireUnrevoked(ca: UserCa, certificate: CertificateIdentity, now: Date): void
  /**
   * @param ca the one that issued the certificate
   * @throws MDM_UNAUTHENTICATED when its signing policy does not let the CA give this name; MDM_CRL when the policy cannot be used
   */
  requireMayName(ca: UserCa, certificate: CertificateIdentity): void
}

/** Where no folder of lists is configured nothing is looked up. */
export const NO_LISTS: Revocations = { requireUnrevoked: () => undefined, requireMayName: () => undefined }

/** The newest list of each CA key. */
export interface HeldLists extends Pick<Revocations, 'requireUnrevoked'> {
  /** Takes a verified list unless a newer one is held: an older one that comes back would undo revocations. */
  hold(ca: UserCa, list: Crl): void
  listOf(ca: UserCa): Crl | undefined
  /** False when the list is missing or past its end: then nobody of the CA is let in. */
  isCurrent(ca: UserCa, now: Date): boolean
}

/** @param graceMs how long a list counts after its end */
export function holdLists(graceMs: number): HeldLists {
  const held = new Map<string, Crl>()
  const isCurrent = (ca: UserCa, now: Date): boolean => {
    const list = held.get(keyOf(ca))
    return list !== undefined && now.getTime() <= list.nextUpdate.getTime() + graceMs
  }
  return {
    isCurrent,
    listOf: (ca) => held.get(keyOf(ca)),
    hold(ca, list) {
      const before = held.get(keyOf(ca))
      if (before === undefined || isNewer(list, before)) held.set(keyOf(ca), list)
    },
    requireUnrevoked(ca, { issuer, serial }, now) {
      // A CA with two keys has one row of serial numbers, and what was revoked stays so when the list ends.
      for (const list of held.values())
        if (list.issuer === issuer && list.revoked.has(serial)) throw new MdmError('MDM_REVOKED')
      if (!isCurrent(ca, now)) throw new MdmError('MDM_CRL')
    },
  }
}

/** A CA whose certificate was renewed for the same key goes on with the same lists. */
function keyOf({ identity }: UserCa): string {
  return `${identity.spki} ${identity.dn}`
}

function isNewer(list: Crl, than: Crl): boolean {
  const later = list.thisUpdate.getTime() - than.thisUpdate.getTime()
  return later === 0 ? list.number > than.number : later > 0
}
