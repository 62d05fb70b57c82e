import { Args, Flags } from '@oclif/core'
import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import { principalFrom } from './principal-input.ts'

/** What both commands of a group take. */
export const memberArgs = {
  group: Args.string({
    required: true,
    ignoreStdin: true,
    description: 'lower case letters, digits and dashes',
  }),
}

export const memberFlags = {
  member: Flags.string({
    required: true,
    helpValue: 'DN',
    description: 'distinguished name of a user, or an FQAN (/vo/group)',
  }),
  issuer: Flags.string({
    helpValue: 'DN',
    description: 'CA that names the user; needed when the site accepts several',
  }),
}

/** Who joined or left which group; the answer of `mdm group add` and `mdm group remove`. */
export interface MemberChange {
  readonly group: string
  readonly member: string
  readonly seq: number
}

/** Changes the membership of one user or FQAN. @throws MDM_USAGE when group or member is not named as one; what changeGroup throws */
export async function changeMember(
  session: Session,
  name: string,
  o: { op: 'join' | 'leave'; member: string; issuer: string | undefined },
): Promise<MemberChange> {
  const [{ changeGroup }, { formatPrincipal, GroupName }] = await Promise.all([
    import('@mdm/core/access/acl'),
    import('@mdm/core/acl/principal'),
  ])
  const group = GroupName.safeParse(name)
  if (!group.success)
    throw new MdmError('MDM_USAGE', 'a group name has lower case letters, digits and dashes, 32 at the most')
  const member = await principalFrom(o.member, o.issuer, session.roster)
  if (member.kind !== 'user' && member.kind !== 'fqan')
    throw new MdmError('MDM_USAGE', 'a member of a group is a user or an FQAN')
  const { seq } = await changeGroup(session, group.data, { op: o.op, member })
  return { group: group.data, member: formatPrincipal(member), seq }
}
