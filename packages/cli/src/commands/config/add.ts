import { MdmError } from '@mdm/core/errors'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'

interface AddedSite {
  readonly site: string
  readonly seq: number
  readonly fingerprint: string
}

/** Acceptance of a roster: nothing is trusted on first use. */
export default class ConfigAdd extends BaseCommand {
  static override summary = 'accept the roster of a site'
  static override description = [
    'The roster says where a site and its key servers are and which keys they hold. Get its fingerprint from the site by',
    'another way than the roster itself, such as paper or telephone. A later roster needs the fingerprint again only when',
    'it brings a new CA, key server, administrator or signing key.',
  ].join(' ')
  static override examples = ['<%= config.bin %> <%= command.id %> ROSTER --fingerprint FINGERPRINT']
  static override args = {
    roster: Args.string({ required: true, ignoreStdin: true, description: 'file with the roster' }),
  }
  static override flags = {
    fingerprint: Flags.string({
      helpValue: 'sha256:…',
      description: 'fingerprint the site gave you; spaces and case do not matter',
    }),
  }

  async run(): Promise<AddedSite> {
    const { args, flags } = await this.parse(ConfigAdd)
    const jws = await this.readText(args.roster).catch((cause: unknown) => {
      throw new MdmError('MDM_USAGE', 'the roster file cannot be read', { cause })
    })
    const { addRoster } = await import('@mdm/core/config')
    const { rosterFingerprint } = await import('@mdm/core/identity/roster')
    const config = await this.storedConfig(flags)
    const { roster } = await addRoster(
      config,
      jws.trim(),
      flags.fingerprint === undefined ? {} : { fingerprint: flags.fingerprint },
    )
    const added = { site: roster.body.site, seq: roster.body.seq, fingerprint: rosterFingerprint(roster.jws) }
    this.print(`roster ${added.seq} of site "${added.site}" accepted`)
    return added
  }
}
