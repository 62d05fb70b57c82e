import type { AclReport } from '@mdm/core/access/acl'
import { MdmError } from '@mdm/core/errors'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { failuresOf, type Failure } from '../../failures.ts'
import { parseExpiry, parseVersions } from '../../flags.ts'
import { principalFrom } from '../../principal-input.ts'

/** Signed statements of an administrator, sent to the site and to every key server. */
export default class AclGrant extends BaseCommand {
  static override summary = 'give somebody the rights of a preset on volumes'
  static override description = [
    'Presets: replicate (list, file), process (and the key), research (and image, protocol and research metadata), clinical',
    '(and all metadata), admin (and changing access). The change is signed with your key, sent to the site and to every',
    'key server, and read back from each. A grant covers the versions there are now unless --versions says otherwise. A set',
    'stands for its volumes: each gets the change, and those that do not are listed.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID --to "DN" --preset process',
    '<%= config.bin %> <%= command.id %> GUID --to "DN" --issuer "ISSUER" --preset clinical --versions all --expires 30d',
    '<%= config.bin %> <%= command.id %> SET --to "DN" --preset process',
    '<%= config.bin %> ls --format guids | <%= config.bin %> <%= command.id %> --to "DN" --preset replicate --json',
  ]
  static override args = {
    guid: Args.string({
      multiple: true,
      ignoreStdin: true,
      description: 'GUID, LFN or SURL of a volume, or GUID of a set; - reads them from stdin',
    }),
  }
  static override flags = {
    to: Flags.string({
      required: true,
      helpValue: 'DN',
      description: 'distinguished name (CN=Ann Lee,O=Lab), group:NAME, or an FQAN (/vo/group/Role=role)',
    }),
    issuer: Flags.string({
      helpValue: 'DN',
      description: 'CA that names the user; needed when the site accepts several',
    }),
    preset: Flags.option({
      required: true,
      options: ['replicate', 'process', 'research', 'clinical', 'admin'] as const,
      description: 'rights to give',
    })(),
    versions: Flags.string({
      helpValue: 'all|1,2',
      description: 'versions covered; those there are now when absent',
    }),
    expires: Flags.string({ helpValue: '30d', description: 'days or hours from now, or a date' }),
  }

  async run(): Promise<{ grants: AclReport[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(AclGrant)
    const [{ namedVolumes }, { volumeOf }, { membersNamed }] = await Promise.all([
      import('../../name-input.ts'),
      import('../../volume-of.ts'),
      import('../../volume-or-set.ts'),
    ])
    const expires = flags.expires === undefined ? undefined : parseExpiry(flags.expires, new Date())
    const versions = flags.versions === undefined ? undefined : parseVersions(flags.versions)
    const names = await namedVolumes([args.guid ?? []].flat(), { signal: this.signal })
    return await this.withSession(flags, async (session) => {
      const { grant } = await import('@mdm/core/access/acl')
      const to = await principalFrom(flags.to, flags.issuer, session.roster)
      const { done, failures } = await failuresOf(
        await membersNamed(session, names, this.signal),
        (n) => n.text,
        async ({ name }) => {
          const volume = await volumeOf(session, name)
          if (versions === undefined && 'guid' in name && name.version !== undefined)
            throw new MdmError('MDM_USAGE', 'use --versions instead of GUID@VERSION')
          const covered = versions ?? Array.from({ length: volume.version }, (_, i) => i + 1)
          const report = await grant(session, volume.guid, {
            to,
            preset: flags.preset,
            versions: covered,
            expires,
          })
          this.print(
            `${report.guid}  ${flags.preset} given: ${report.changed.map((c) => c.object).join(', ')}`,
          )
          return report
        },
        this.signal,
      )
      this.finish(failures)
      return { grants: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
    })
  }
}
