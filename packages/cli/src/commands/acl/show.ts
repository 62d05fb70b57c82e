import type { ObjectAcl } from '@mdm/core/access/acl'
import { Args } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** The access lists as their signed statements give them, verified by this client. */
export default class AclShow extends BaseCommand {
  static override summary = 'show who may do what with a volume'
  static override description =
    'For administrators of the volume. Every statement is verified here, so the site is not believed.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> GUID --json',
  ]
  static override args = {
    guid: Args.string({ required: true, ignoreStdin: true, description: 'GUID, LFN or SURL of a volume' }),
  }

  async run(): Promise<{ guid: string; lists: ObjectAcl[] }> {
    const { args, flags } = await this.parse(AclShow)
    const [{ parseVolumeName }, { volumeOf }] = await Promise.all([
      import('@mdm/core/names'),
      import('../../volume-of.ts'),
    ])
    const name = parseVolumeName(args.guid)
    const found = await this.withSession(flags, async (session) => {
      const { show } = await import('@mdm/core/access/acl')
      const { guid } = await volumeOf(session, name, this.signal)
      return { guid, lists: await show(session, guid) }
    })
    const { formatPrincipal } = await import('@mdm/core/acl/principal')
    const rows = found.lists.flatMap(({ object, entries }) =>
      entries.map((e) => [
        object,
        formatPrincipal(e.to),
        e.rights.join(' '),
        [e.versions].flat().join(','),
        e.expires ?? '',
      ]),
    )
    this.print(table(['list', 'who', 'rights', 'versions', 'expires'], rows))
    return found
  }
}
