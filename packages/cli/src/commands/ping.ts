import type { Session } from '@mdm/core/access/session'
import type { Peer } from '@mdm/core/grid/http'
import { ERRORS, MdmError, type ErrorCode } from '@mdm/core/errors'
import { BaseCommand } from '../base-command.ts'
import { storage } from '../flags.ts'
import { table } from '../output.ts'

/** One server as it is found from here. */
interface ServerState {
  readonly role: 'site' | 'key server' | 'SRM service'
  readonly url: string
  readonly reachable: boolean
  /** of the whole request, the new connection included; null where nothing came back */
  readonly ms: number | null
  /** whether it holds the TLS key of the roster, or is known to a CA as an SRM service may be; null where it did not come to that */
  readonly pinned: boolean | null
  /** how far its clock is ahead of ours, to a second */
  readonly clockAheadMs: number | null
  /** null where it does not say */
  readonly ready: boolean | null
  /** why it is not ready: its codes */
  readonly reasons: readonly string[]
  /** why it does not answer, or does not let us in */
  readonly code?: ErrorCode
}

interface Pinged {
  readonly servers: readonly ServerState[]
  /** key servers that are ready, minus those needed for a key; negative when no volume can be opened */
  readonly mayFail: number
}

/** Are the site and its key servers there, and are they the right ones? */
export default class Ping extends BaseCommand {
  static override summary =
    'ask the site, every key server and the SRM service that is configured whether they are there and ready'
  static override description = [
    'Exit codes: 0 when the site is ready and enough key servers are; 7 when a server holds another TLS key than the roster',
    'names, 5 when the site or the SRM service does not answer or is not ready, the code of its refusal when it does not accept you, 6 when fewer',
    'key servers are ready than a key needs.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
    '<%= config.bin %> <%= command.id %> --srm SRM --ca-dir CERTIFICATES',
  ]
  static override flags = storage

  async run(): Promise<Pinged> {
    const { flags } = await this.parse(Ping)
    return await this.withSession(flags, async (session) => {
      const servers = await everyServer(session)
      this.signal.throwIfAborted()
      const ready = servers.filter((s) => s.role === 'key server' && isWell(s)).length
      const pinged = { servers, mayFail: ready - session.roster.body.m }
      process.exitCode = exitCodeOf(pinged)
      this.print(table(['role', 'server', 'ms', 'TLS key', 'clock', 'state'], servers.map(cells)))
      if (!this.jsonEnabled()) this.talk(summary(pinged))
      return pinged
    })
  }
}

async function everyServer(session: Session): Promise<ServerState[]> {
  return await Promise.all([
    look('site', session.site),
    ...session.keyServers.map(({ peer }) => look('key server', peer)),
    ...(session.config.srm === undefined ? [] : [lookAtSrm(session, session.config.srm)]),
  ])
}

/** An SRM service says neither the time nor how it is: that it answers is all. */
async function lookAtSrm({ config }: Session, url: string): Promise<ServerState> {
  const { srmVersion } = await import('../srm-version.ts')
  const begun = performance.now()
  const fixed = { role: 'SRM service', url, clockAheadMs: null, reasons: [] } as const
  try {
    await srmVersion(config, url)
    return { ...fixed, reachable: true, ms: Math.round(performance.now() - begun), pinned: true, ready: true }
  } catch (error) {
    const code = error instanceof MdmError ? error.code : 'MDM_UNREACHABLE'
    const pinned = code === 'MDM_PEER' ? false : null
    return { ...fixed, reachable: false, ms: null, pinned, ready: null, code }
  }
}

async function look(role: ServerState['role'], peer: Peer): Promise<ServerState> {
  const { probe } = await import('@mdm/core/grid/probe')
  const begun = performance.now()
  const { url, answers, clockAheadMs, health, refusal } = await probe(peer)
  const ms = Math.round(performance.now() - begun)
  return {
    role,
    url,
    reachable: answers,
    ms: answers ? ms : null,
    pinned: answers ? true : refusal?.code === 'MDM_PEER' ? false : null,
    clockAheadMs: clockAheadMs === undefined ? null : Math.round(clockAheadMs),
    ready: health === undefined ? null : health.status === 'ready',
    reasons: health?.reasons ?? [],
    ...(refusal === undefined ? {} : { code: refusal.code }),
  }
}

function isWell(server: ServerState): boolean {
  return server.reachable && server.ready === true
}

function exitCodeOf({ servers, mayFail }: Pinged): number {
  if (servers.some((s) => s.pinned === false)) return ERRORS.MDM_PEER.exitCode
  const site = servers.find((s) => s.role === 'site')!
  const srm = servers.find((s) => s.role === 'SRM service') ?? site
  for (const needed of [site, srm])
    if (!isWell(needed) && !lacksKeyServers(needed)) return ERRORS[needed.code ?? 'MDM_UNREACHABLE'].exitCode
  return mayFail < 0 || lacksKeyServers(site) ? ERRORS.MDM_BELOW_THRESHOLD.exitCode : 0
}

/** The site sees what we see, sooner or later: key servers are what is to be mended, not the site. */
function lacksKeyServers({ ready, reasons }: ServerState): boolean {
  return (
    ready === false &&
    reasons.length > 0 &&
    reasons.every((reason) => reason === 'key-servers-below-threshold')
  )
}

function cells(s: ServerState): (string | number | null)[] {
  const clock =
    s.clockAheadMs === null ? '' : Math.abs(s.clockAheadMs) < 2000 ? 'agrees' : clockText(s.clockAheadMs)
  const key =
    s.pinned === null ? '' : s.pinned ? (s.role === 'SRM service' ? 'trusted' : 'of the roster') : 'ANOTHER'
  const state = s.code ?? (s.ready === true ? 'ready' : `not ready: ${s.reasons.join(', ')}`)
  return [s.role, s.url, s.ms, key, clock, state]
}

function clockText(aheadMs: number): string {
  return `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`
}

function summary({ servers, mayFail }: Pinged): string {
  if (mayFail < 0) return 'too few key servers are ready to rebuild any key'
  const keyServers = servers.filter((s) => s.role === 'key server').length
  return `${mayFail} of the ${keyServers} key servers may still fail`
}
