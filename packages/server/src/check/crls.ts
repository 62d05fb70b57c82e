import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import type { CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import type { Crl } from '@mdm/core/identity/crl/read-crl'
import { displayDn } from '@mdm/core/identity/dn'
import type { UserCa } from '@mdm/core/identity/issued'

/** How long before its end a list is named; of one that is made often, a quarter of its time. */
const AHEAD_MS = 3 * 86_400_000

export interface CrlCheck {
  /** undefined where none is configured */
  readonly folder: string | undefined
  readonly crls: CrlFolder
  readonly cas: readonly UserCa[]
  readonly now: Date
}

/** Is there a current revocation list of each CA of users, and is every list in the folder one that can be used? */
export async function checkCrls({ folder, crls, cas, now }: CrlCheck): Promise<Finding[]> {
  if (folder === undefined) return [good('crl', '', 'no folder is configured: no certificate is looked up')]
  await crls.refresh(cas, now)
  const faults = crls.faults.map(({ file, message }) => {
    if (file === folder)
      return fault(
        'crl',
        folder,
        message,
        `mkdir -p ${shellWord(folder)}, then ${newList('each CA', folder)}`,
      )
    if (file.endsWith('.signing_policy'))
      return fault('signing-policy', file, message, `get it anew from the CA, or rm ${shellWord(file)}`)
    return fault('crl', file, message, `${newList('its CA', folder)}, or rm ${shellWord(file)}`)
  })
  const [other] = crls.foreign
  const foreign =
    other === undefined
      ? []
      : [
          warn(
            'crl',
            other,
            crls.foreign.length === 1
              ? 'it is of a CA that no roster names, and not used'
              : `this and ${crls.foreign.length - 1} more are of CAs that no roster names, and not used`,
            `rm ${shellWord(other)}, or name its CA: mdm-server roster --config site.json --ca CA.pem, at the site`,
          ),
        ]
  const without = new Set(crls.without(cas, now))
  // A CA that was renewed for the same key stands there twice, with one list.
  const each = new Map(cas.map((ca) => [`${ca.identity.spki} ${ca.identity.dn}`, ca]))
  const lists = [...each.values()].map((ca) =>
    checkList(crls.listOf(ca), {
      isCurrent: !without.has(ca),
      subject: displayDn(ca.identity.dn),
      folder,
      now,
    }),
  )
  return [...faults, ...foreign, ...lists]
}

function checkList(
  list: Crl | undefined,
  o: { isCurrent: boolean; subject: string; folder: string; now: Date },
): Finding {
  const { subject, now } = o
  const next = newList(`"${subject}"`, o.folder)
  if (list === undefined)
    return fault('crl', subject, 'there is no list of this CA, so nobody of it is let in', next)
  const left = list.nextUpdate.getTime() - now.getTime()
  const end = `${list.nextUpdate.toISOString().slice(0, 16)}Z`
  if (!o.isCurrent)
    return fault('crl', subject, `the list ended at ${end}: nobody of this CA is let in`, next)
  if (left < 0)
    return warn('crl', subject, `the list ended at ${end} and counts for crlGraceHours more`, next)
  const ahead = Math.min(AHEAD_MS, (list.nextUpdate.getTime() - list.thisUpdate.getTime()) / 4)
  if (left < ahead)
    return warn('crl', subject, `the list ends in ${Math.floor(left / 3_600_000)} hours, at ${end}`, next)
  return good('crl', subject, `the list is good until ${end}, with ${list.revoked.size} revoked`)
}

function newList(of: string, folder: string): string {
  return `put a new list of ${of} into ${shellWord(folder)}: mdm ca crl --ca DIR, then copy DIR/ca.crl`
}
