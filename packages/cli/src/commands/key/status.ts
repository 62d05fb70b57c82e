import type { KeyStatus, ShareStatus } from '@mdm/core/access/key-status'
import type { Session } from '@mdm/core/access/session'
import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import type { VolumeName } from '@mdm/core/names'
import { Args } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { failuresOf, type Failure } from '../../failures.ts'
import { table } from '../../output.ts'

/** The key of one volume as this caller finds it. */
interface KeyReport extends KeyStatus {
  /** key servers that may still fail before the key is out of reach; negative when it is */
  readonly mayFail: number
  /** what a get would fail with; absent where the key can be rebuilt */
  readonly code?: ErrorCode
}

const WORDS: Record<ShareStatus['share'], string> = {
  yes: 'has a share for you',
  none: 'no share for you here',
  unreachable: 'does not answer',
  bad: 'is of no use',
}

/** Would the key servers open a volume for this caller? */
export default class KeyStatusCommand extends BaseCommand {
  static override summary = 'ask every key server whether it holds a share for you'
  static override description = [
    'No share and no key is shown or kept. A key server says "not found" to all who have no right, so "no share for you here"',
    'may mean either. Each share that is given counts as a release in the audit log of its server. Exit codes: 0 when the key',
    'can be rebuilt, 6 when too few servers answer, 4 when you may know the volume but not open it, else 3.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> LFN --json',
    '<%= config.bin %> ls --format guids | <%= config.bin %> <%= command.id %>',
  ]
  static override args = {
    name: Args.string({
      multiple: true,
      ignoreStdin: true,
      description: 'GUID, GUID@VERSION, LFN, SURL or instance:GUID; - reads names from stdin',
    }),
  }

  async run(): Promise<{ keys: KeyReport[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(KeyStatusCommand)
    const { namedVolumes } = await import('../../name-input.ts')
    const names = await namedVolumes([args.name ?? []].flat(), { signal: this.signal })
    const { done, failures } = await this.withSession(flags, (session) =>
      failuresOf(
        names,
        (n) => n.text,
        (n) => this.ask(session, n.name),
        this.signal,
      ),
    )
    this.print(done.map(shown).join('\n'))
    this.finish(failures)
    for (const { guid, code } of done)
      if (code !== undefined && !this.jsonEnabled()) this.talk(note(guid, code))
    process.exitCode ||= exitCodeOf(done)
    return { keys: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }

  /** The site says which volume and version a name means; a GUID needs no site. */
  private async ask(session: Session, name: VolumeName): Promise<KeyReport> {
    const [{ keyStatus }, { volumeRow }] = await Promise.all([
      import('@mdm/core/access/key-status'),
      import('@mdm/core/access/metadata'),
    ])
    const row = await volumeRow(session, name, this.signal).catch((error: unknown) => {
      this.signal.throwIfAborted()
      if ('guid' in name) return undefined
      throw error
    })
    const asked = 'guid' in name ? name : undefined
    if (row !== undefined && asked !== undefined && row.guid !== asked.guid)
      throw new MdmError('MDM_USAGE', `this names one slice; the key is that of its volume ${row.guid}`)
    const version = asked?.version ?? row?.version
    const status = await keyStatus(session, row?.guid ?? asked!.guid, { version, signal: this.signal })
    const code = faultOf(status, row !== undefined)
    const mayFail = status.shares - status.threshold
    return { ...status, mayFail, ...(code === undefined ? {} : { code }) }
  }
}

/** What a get would say: "not for you" once so many servers say it that m shares cannot come, else "too few". */
function faultOf({ threshold, shares, servers }: KeyStatus, letIn: boolean): ErrorCode | undefined {
  if (shares >= threshold) return undefined
  const none = servers.filter(({ share }) => share === 'none').length
  if (none <= servers.length - threshold) return 'MDM_BELOW_THRESHOLD'
  return letIn ? 'MDM_DENIED' : 'MDM_NOT_FOUND'
}

/** The one code of all volumes; 10 where only some can be opened, or for different reasons. */
function exitCodeOf(keys: readonly KeyReport[]): number {
  const [first, ...others] = new Set(keys.map(({ code }) => code))
  if (others.length > 0) return ERRORS.MDM_PARTIAL.exitCode
  return first === undefined ? 0 : ERRORS[first].exitCode
}

function note(guid: string, code: ErrorCode): string {
  const { what, next } = code === 'MDM_DENIED' ? DENIED : ERRORS[code]
  return `note: ${guid}: ${what}\n code: ${code}\n next: ${next}`
}

const DENIED = {
  what: 'you may know this volume but not open it',
  next: 'ask the data administrator for the preset "process"',
}

function shown({ guid, version, servers, shares, threshold, mayFail }: KeyReport): string {
  const title = version === undefined ? guid : `${guid}@${version}`
  const rows = servers.map((s) => [s.url, `${WORDS[s.share]}${s.share === 'bad' ? `: ${s.code}` : ''}`])
  const more = mayFail < 0 ? '' : `; ${mayFail} more may fail`
  return `${table(['key server', title], rows)}${shares} of ${servers.length} shares, ${threshold} are needed${more}\n`
}
