import { BaseCommand } from '../../base-command.ts'
import { changeMember, memberArgs, memberFlags, type MemberChange } from '../../member-change.ts'

/** One statement about one member. */
export default class GroupAdd extends BaseCommand {
  static override summary = 'make a user a member of a group'
  static override description =
    'Signed with your key and sent to the site and to every key server; for administrators of the site. A group is what "acl grant --to group:NAME" gives rights to, so a new member has at once all that the group has. The first member makes the group.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> radiology --member "DN"',
    '<%= config.bin %> <%= command.id %> radiology --member "DN" --issuer "ISSUER" --json',
  ]
  static override args = memberArgs
  static override flags = memberFlags

  async run(): Promise<MemberChange> {
    const { args, flags } = await this.parse(GroupAdd)
    const { member, issuer } = flags
    const changed = await this.withSession(flags, (session) =>
      changeMember(session, args.group, { op: 'join', member, issuer }),
    )
    this.print(`${changed.member}  is now in group:${changed.group}`)
    return changed
  }
}
