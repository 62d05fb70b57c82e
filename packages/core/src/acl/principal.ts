import { z } from 'zod'
import { MdmError } from '../errors.ts'
import { displayDn, Dn, parseDn } from '../identity/dn.ts'
import { SiteId } from '../names.ts'

export const GroupName = z.string().regex(/^[a-z0-9-]{1,32}$/)

/** A fully qualified attribute name of a virtual organisation, such as /vo/physicians/Role=radiologist. */
export const Fqan = z
  .string()
  .max(256)
  .regex(/^\/[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*(\/Role=[A-Za-z0-9._-]+)?$/)

/** Who a right is given to. A user is a name AND the CA that vouches for it: the same name from another CA is another person. */
export const Principal = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('user'), dn: Dn, issuer: Dn }),
  z.strictObject({ kind: z.literal('service'), site: SiteId }),
  z.strictObject({ kind: z.literal('group'), name: GroupName }),
  z.strictObject({ kind: z.literal('fqan'), fqan: Fqan }),
])
export type Principal = z.infer<typeof Principal>

const WrittenDn = z.string().transform((text, context): Dn => {
  try {
    return parseDn(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

/** A principal as a person writes it into a file: names of users as certificates show them, in any spelling that parseDn reads. */
export const WrittenPrincipal = z.union([
  Principal,
  z.strictObject({ kind: z.literal('user'), dn: WrittenDn, issuer: WrittenDn }),
])

/** True for one and the same principal; nothing is ever matched by a part of a name. */
export function samePrincipal(a: Principal, b: Principal): boolean {
  if (a.kind === 'user') return b.kind === 'user' && a.dn === b.dn && a.issuer === b.issuer
  if (a.kind === 'service') return b.kind === 'service' && a.site === b.site
  if (a.kind === 'group') return b.kind === 'group' && a.name === b.name
  return b.kind === 'fqan' && a.fqan === b.fqan
}

/** A principal for people to read; parsePrincipal reads all but the issuer back. */
export function formatPrincipal(principal: Principal): string {
  if (principal.kind === 'user') return displayDn(principal.dn)
  if (principal.kind === 'service') return `service:${principal.site}`
  if (principal.kind === 'group') return `group:${principal.name}`
  return principal.fqan
}

/**
 * Reads what a person typed: `group:NAME`, `service:SITE`, `/vo/...` (an FQAN), or a distinguished name.
 *
 * @param issuer the CA that vouches for a user, needed for a distinguished name
 * @throws MDM_USAGE
 */
export function parsePrincipal(text: string, issuer?: Dn): Principal {
  const [kind, rest = ''] = text.split(/:(.*)/s)
  if (kind === 'group') return checked({ kind: 'group', name: rest }, 'group name')
  if (kind === 'service') return checked({ kind: 'service', site: rest }, 'site name')
  // A slash form name has `=` in its first part, an FQAN never has.
  if (/^\/[A-Za-z0-9._-]+(\/|$)/.test(text)) return checked({ kind: 'fqan', fqan: text }, 'FQAN')
  if (issuer === undefined)
    throw new MdmError('MDM_USAGE', 'a user is named by name and CA: say which CA with --issuer')
  return { kind: 'user', dn: parseDn(text), issuer }
}

function checked(value: unknown, what: string): Principal {
  const parsed = Principal.safeParse(value)
  if (!parsed.success) throw new MdmError('MDM_USAGE', `this is not a ${what}`)
  return parsed.data
}
