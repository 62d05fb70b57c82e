import type { ObjectAcl } from '@mdm/core/access/acl'
import type { Guid } from '@mdm/core/names'
import { Args } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** The access lists as their signed statements give them, verified by this client. */
export default class AclShow extends BaseCommand {
  static override summary = 'show who may do what with a volume'
  static override description =
    'For administrators of the volume. Every statement is verified here, so the site is not believed. Of a set the lists of each of its volumes are shown: it has none of its own.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> GUID --json',
    '<%= config.bin %> <%= command.id %> SET',
  ]
  static override args = {
    guid: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'GUID, LFN or SURL of a volume, or GUID of a set',
    }),
  }

  async run(): Promise<VolumeAcl | { set: string; volumes: VolumeAcl[] }> {
    const { args, flags } = await this.parse(AclShow)
    const [{ parseVolumeName }, { volumeOf }, { volumeOrSet }] = await Promise.all([
      import('@mdm/core/names'),
      import('../../volume-of.ts'),
      import('../../volume-or-set.ts'),
    ])
    const name = parseVolumeName(args.guid)
    const found = await this.withSession(flags, async (session) => {
      const { show } = await import('@mdm/core/access/acl')
      const listsOf = async (guid: Guid) => ({ guid, lists: await show(session, guid) })
      return await volumeOrSet(session, name, {
        volume: async () => await listsOf((await volumeOf(session, name, this.signal)).guid),
        set: async ({ guid, members }) => {
          const volumes: VolumeAcl[] = []
          for (const member of members) volumes.push(await listsOf(member.guid))
          return { set: guid, volumes }
        },
        signal: this.signal,
      })
    })
    const { formatPrincipal } = await import('@mdm/core/acl/principal')
    const ofSet = 'set' in found
    const rows = (ofSet ? found.volumes : [found]).flatMap(({ guid, lists }) =>
      lists.flatMap(({ object, entries }) =>
        entries.map((e) => [
          ...(ofSet ? [guid] : []),
          object,
          formatPrincipal(e.to),
          e.rights.join(' '),
          [e.versions].flat().join(','),
          e.expires ?? '',
        ]),
      ),
    )
    const headings = ['list', 'who', 'rights', 'versions', 'expires']
    this.print(table([...(ofSet ? ['GUID'] : []), ...headings], rows))
    return found
  }
}

interface VolumeAcl {
  readonly guid: string
  readonly lists: ObjectAcl[]
}
