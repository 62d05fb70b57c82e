import type { AclReport } from '@mdm/core/access/acl'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { failuresOf, type Failure } from '../../failures.ts'
import { principalFrom } from '../../principal-input.ts'

/** The opposite of `mdm acl grant`. */
export default class AclRevoke extends BaseCommand {
  static override summary = 'take every right on volumes from somebody'
  static override description =
    'What was fetched before cannot be taken back; new requests are refused from now on. A set stands for its volumes.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID --from "DN"',
    '<%= config.bin %> <%= command.id %> GUID --from "DN" --json',
  ]
  static override args = {
    guid: Args.string({
      multiple: true,
      ignoreStdin: true,
      description: 'GUID, LFN or SURL of a volume, or GUID of a set; - reads them from stdin',
    }),
  }
  static override flags = {
    from: Flags.string({
      required: true,
      helpValue: 'DN',
      description: 'distinguished name, group:NAME or an FQAN',
    }),
    issuer: Flags.string({
      helpValue: 'DN',
      description: 'CA that names the user; needed when the site accepts several',
    }),
  }

  async run(): Promise<{ revocations: AclReport[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(AclRevoke)
    const [{ namedVolumes }, { volumeOf }, { membersNamed }] = await Promise.all([
      import('../../name-input.ts'),
      import('../../volume-of.ts'),
      import('../../volume-or-set.ts'),
    ])
    const names = await namedVolumes([args.guid ?? []].flat(), { signal: this.signal })
    return await this.withSession(flags, async (session) => {
      const { revoke } = await import('@mdm/core/access/acl')
      const from = await principalFrom(flags.from, flags.issuer, session.roster)
      const { done, failures } = await failuresOf(
        await membersNamed(session, names, this.signal),
        (n) => n.text,
        async ({ name }) => {
          const report = await revoke(session, (await volumeOf(session, name, this.signal)).guid, { from })
          const lists = report.changed.map((c) => c.object).join(', ')
          this.print(`${report.guid}  ${lists === '' ? 'there was nothing to take' : `taken: ${lists}`}`)
          return report
        },
        this.signal,
      )
      this.finish(failures)
      return { revocations: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
    })
  }
}
