import { MdmError } from '@mdm/core/errors'
import type { LimitedOperation } from '@mdm/core/identity/limits'
import type { Guid } from '@mdm/core/names'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { delegatedReport, type DelegatedReport } from '../../delegated-report.ts'
import { hours } from '../../flags.ts'

interface CapabilityReport extends DelegatedReport {
  readonly guids: readonly Guid[]
  readonly operations: readonly LimitedOperation[]
  /** what the owner may not do himself, one sentence a volume */
  readonly lacking: readonly string[]
}

const OPERATIONS = ['read-file', 'read-key'] as const

/** A job's own credential: a proxy certificate with limits (decision 53). */
export default class CredentialDelegate extends BaseCommand {
  static override summary = 'make a credential for a job, for some volumes and some hours'
  static override description = [
    'The file is a capability: its holder acts in your name, on these volumes only, never on metadata or access lists, until it ends, and with no',
    'right that you have not when it is used. Whoever has the file with its key has these rights: give --holder the public key that',
    '"mdm credential key" printed on the node, and the file is of no use to anybody else. Names are GUIDs, LFNs or SURLs, or a set for its',
    'volumes; - reads them from stdin. "mdm get --cert FILE" uses it, and so do curl, davix and gfal2.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --guid GUID --hours 12 -o job.cred',
    '<%= config.bin %> <%= command.id %> --guid GUID LFN SET --operations read-file -o job.cred',
    '<%= config.bin %> query "modality=MR" --format guids | <%= config.bin %> <%= command.id %> --hours 2 -o job.cred',
    '<%= config.bin %> <%= command.id %> --guid GUID --holder PUBLIC_KEY -o job.cred',
  ]
  static override flags = {
    guid: Flags.string({
      multiple: true,
      helpValue: 'NAME...',
      description: 'volumes and sets; - or none reads names from stdin',
    }),
    operations: Flags.string({
      default: OPERATIONS.join(','),
      helpValue: OPERATIONS.join(','),
      description: 'read-file: fetch containers; read-key: open them',
    }),
    hours: hours(),
    holder: Flags.string({
      helpValue: 'FILE',
      description: "the holder's public key or certificate request, PEM; a new key in the file without it",
    }),
    offline: Flags.boolean({ description: 'ask nobody: only GUIDs, and no look at your own rights' }),
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'FILE|-',
      description: 'where to; - for stdout',
    }),
  }

  async run(): Promise<CapabilityReport> {
    const { flags } = await this.parse(CredentialDelegate)
    if (flags.output === '-' && this.jsonEnabled())
      throw new MdmError('MDM_USAGE', '-o - and --json both want stdout')
    const operations = operationsIn(flags.operations)
    const [{ delegatedVolumes, namedGuids }, { namedVolumes }, { readHolderKey }] = await Promise.all([
      import('../../delegated-volumes.ts'),
      import('../../name-input.ts'),
      import('@mdm/core/identity/proxy/holder-key'),
    ])
    const holder = flags.holder === undefined ? undefined : readHolderKey(await this.readText(flags.holder))
    const names = await namedVolumes(flags.guid ?? [], { signal: this.signal })
    const { credential, guids, lacking } = flags.offline
      ? { credential: await this.ownCredential(flags), guids: namedGuids(names), lacking: [] }
      : await this.withSession(flags, async (session) => ({
          credential: session.credential,
          ...(await delegatedVolumes(session, names, operations, this.signal)),
        }))
    for (const sentence of lacking) this.talk(`note: ${sentence}`)
    const policy = { language: 'mdmLimits' as const, limits: { guids: [...guids], operations } }
    const made = await delegatedReport(credential, { ...flags, policy, holder })
    const what = `${guids.length} ${guids.length === 1 ? 'volume' : 'volumes'}, ${operations.join(' and ')}`
    for (const line of made.notes(what)) this.talk(line)
    if (flags.output !== '-') this.print(flags.output)
    return { ...made.report, guids, operations, lacking }
  }
}

/** @throws MDM_USAGE */
function operationsIn(text: string): LimitedOperation[] {
  const words = new Set(text.split(',').map((word) => word.trim()))
  const known = OPERATIONS.filter((operation) => words.has(operation))
  if (known.length === 0 || known.length < words.size)
    throw new MdmError('MDM_USAGE', `--operations takes ${OPERATIONS.join(' and ')}, with a comma between`)
  return known
}
