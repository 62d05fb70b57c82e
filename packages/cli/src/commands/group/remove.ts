import { BaseCommand } from '../../base-command.ts'
import { changeMember, memberArgs, memberFlags, type MemberChange } from '../../member-change.ts'

/** One statement about one member. */
export default class GroupRemove extends BaseCommand {
  static override summary = 'take a user out of a group'
  static override description =
    'Signed with your key and sent to the site and to every key server; for administrators of the site. Rights that the user has by name stay.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> radiology --member "DN"',
    '<%= config.bin %> <%= command.id %> radiology --member "DN" --issuer "ISSUER" --json',
  ]
  static override args = memberArgs
  static override flags = memberFlags

  async run(): Promise<MemberChange> {
    const { args, flags } = await this.parse(GroupRemove)
    const { member, issuer } = flags
    const changed = await this.withSession(flags, (session) =>
      changeMember(session, args.group, { op: 'leave', member, issuer }),
    )
    this.print(`${changed.member}  is no longer in group:${changed.group}`)
    return changed
  }
}
