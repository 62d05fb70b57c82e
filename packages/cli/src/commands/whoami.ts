import type { Session } from '@mdm/core/access/session'
import type { Limits } from '@mdm/core/identity/limits'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { reportOf } from '../report-error.ts'
import { table } from '../output.ts'

/** What one server makes of us. */
interface ServerView {
  readonly role: 'site' | 'key server'
  readonly url: string
  /** the name it sees, when it lets us in */
  readonly dn?: string
  /** the attributes of a virtual organisation that it accepts */
  readonly fqans?: readonly string[]
  /** why it does not */
  readonly code?: string
}

interface Whoami {
  /** of the owner, also where a proxy is used */
  readonly dn: string
  readonly issuer: string
  /** how a proxy may act for its owner, and to what it is narrowed */
  readonly proxy?: 'full' | 'limited' | 'restricted'
  readonly limits?: Limits
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hex */
  readonly spki: string
  readonly notBefore: string
  readonly notAfter: string
  readonly site: string
  readonly roster: { readonly seq: number; readonly fingerprint: string }
  readonly servers?: readonly ServerView[]
}

/** The identity of the configuration in force. */
export default class WhoAmI extends BaseCommand {
  static override summary = 'show who you are, and with --check whether the servers agree'
  static override description =
    'Without --check nothing is sent. With it, a server that does not accept you gives the exit code of the first refusal.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --check --json',
  ]
  static override flags = { check: Flags.boolean({ description: 'ask the site and every key server' }) }

  async run(): Promise<Whoami> {
    const { flags } = await this.parse(WhoAmI)
    const who = await this.withSession(flags, async (session) => ({
      ...(await identityOf(session)),
      ...(flags.check ? { servers: await this.ask(session) } : {}),
    }))
    this.print(table(['', ''], lines(who)).replace(/^\s*\n/, ''))
    return who
  }

  private async ask(session: Session): Promise<ServerView[]> {
    const { getWhoami } = await import('@mdm/core/wire/common')
    const peers = [
      { role: 'site' as const, peer: session.site },
      ...session.keyServers.map(({ peer }) => ({ role: 'key server' as const, peer })),
    ]
    return await Promise.all(
      peers.map(async ({ role, peer }) => {
        try {
          const { dn, fqans } = await peer.call(getWhoami, {}, { signal: this.signal })
          return { role, url: peer.url, dn, ...(fqans === undefined ? {} : { fqans }) }
        } catch (error) {
          const { exitCode, note } = reportOf(error)
          process.exitCode ||= exitCode
          return { role, url: peer.url, code: note?.code ?? 'MDM_INTERNAL' }
        }
      }),
    )
  }
}

async function identityOf(session: Session): Promise<Whoami> {
  const [{ displayDn }, { rosterFingerprint }] = await Promise.all([
    import('@mdm/core/identity/dn'),
    import('@mdm/core/identity/roster'),
  ])
  const { identity, delegation, spki, notBefore, notAfter } = session.credential
  return {
    dn: displayDn(identity.dn),
    issuer: displayDn(identity.issuer),
    ...delegation,
    spki,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    site: session.roster.body.site,
    roster: { seq: session.roster.body.seq, fingerprint: rosterFingerprint(session.roster.jws) },
  }
}

function lines(who: Whoami): [string, string][] {
  return [
    ['name', who.dn],
    ['issuer', who.issuer],
    ...(who.proxy === undefined ? [] : [['proxy', proxyOf(who)] satisfies [string, string]]),
    ['public key', who.spki],
    ['valid', `${who.notBefore} to ${who.notAfter}`],
    ['site', who.site],
    ['roster', `${who.roster.seq}, ${who.roster.fingerprint}`],
    ...(who.servers ?? []).map((s): [string, string] => [s.role, `${s.url}  ${viewOf(s)}`]),
  ]
}

function proxyOf({ proxy, limits }: Whoami): string {
  if (limits === undefined) return proxy ?? ''
  const [first] = limits.guids
  const volumes = limits.guids.length === 1 ? first : `${limits.guids.length} volumes`
  return `restricted to ${limits.operations.join(' and ')} of ${volumes}`
}

function viewOf({ code, fqans = [] }: ServerView): string {
  return code ?? ['accepts you', ...fqans].join('  ')
}
