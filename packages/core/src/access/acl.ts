import { presetEntries, type Preset } from '../acl/presets.ts'
import type { Principal } from '../acl/principal.ts'
import { signStatement, verifyChain, type AclEntry, type Chain, type Change } from '../acl/statement.ts'
import { MdmError } from '../errors.ts'
import type { Peer } from '../grid/http.ts'
import { requireOwnKey } from '../identity/credential.ts'
import type { Guid } from '../names.ts'
import { getStatements, postStatement, type AclObject, type Scope } from '../wire/common.ts'
import { getAcl } from '../wire/site.ts'
import { volumeRow } from './metadata.ts'
import type { Session } from './session.ts'

export interface AclReport {
  readonly guid: Guid
  readonly changed: readonly { readonly object: AclObject; readonly seq: number }[]
}

export interface ObjectAcl {
  readonly object: AclObject
  readonly seq: number
  readonly entries: readonly AclEntry[]
}

export interface GrantOptions {
  readonly to: Principal
  readonly preset: Preset
  /** the version that is newest now, unless told */
  readonly versions?: 'all' | readonly number[]
  readonly expires?: string | undefined
}

/**
 * Gives a principal the rights of a preset on one volume: one signed statement per list, the key list at every key server.
 *
 * @throws MDM_CONFIG for a proxy, before anything is sent
 * @throws MDM_STATEMENT_FORKED when servers hold different lists: nothing is signed then
 * @throws MDM_PARTIAL when a server did not confirm; `details.changed` says what holds
 */
export async function grant(session: Session, guid: Guid, o: GrantOptions): Promise<AclReport> {
  requireOwnKey(session.credential)
  const versions =
    o.versions === 'all' ? 'all' : [...(o.versions ?? [(await volumeRow(session, { guid })).version])]
  const entries = presetEntries(o.preset, o.to, {
    versions,
    ...(o.expires === undefined ? {} : { expires: o.expires }),
  })
  return await change(
    session,
    guid,
    entries.map(({ object, entry }) => ({ object, change: { op: 'grant', entry } })),
  )
}

/** Takes every right on one volume from a principal, on every list that names it. @throws as grant */
export async function revoke(session: Session, guid: Guid, o: { from: Principal }): Promise<AclReport> {
  requireOwnKey(session.credential)
  const named = (await show(session, guid)).filter((list) => list.entries.some((e) => same(e.to, o.from)))
  return await change(
    session,
    guid,
    named.map(({ object }) => ({ object, change: { op: 'revoke', from: o.from } })),
  )
}

/** Makes somebody a member of a group, or no longer one, at the site and at every key server. @throws as grant */
export async function changeGroup(
  session: Session,
  name: string,
  o: { readonly op: 'join' | 'leave'; readonly member: Principal },
): Promise<{ seq: number }> {
  const { changed } = await change(session, 'site', [{ object: `group:${name}`, change: o }])
  return { seq: changed[0]!.seq }
}

/** The access lists of one volume as its signed statements give them; verified here, not believed. @throws MDM_NOT_FOUND */
export async function show(session: Session, guid: Guid): Promise<ObjectAcl[]> {
  const { chains } = await session.site.call(getAcl, { params: { guid } })
  const site = session.roster.body.site
  return await Promise.all(
    chains.map(async ({ object, statements }) => {
      const chain = await verifyChain(statements, { roster: session.roster, site, scope: guid, object })
      return { object, seq: chain.seq, entries: chain.entries }
    }),
  )
}

interface PlannedChange {
  readonly object: AclObject
  readonly change: Change
}

async function change(session: Session, scope: Scope, planned: readonly PlannedChange[]): Promise<AclReport> {
  requireOwnKey(session.credential)
  const changed: { object: AclObject; seq: number }[] = []
  // The key list first: a server that refuses stops the grant before the file list promises anything.
  const ordered = planned.toSorted((a, b) => Number(b.object === 'key') - Number(a.object === 'key'))
  const held = await Promise.all(
    ordered.map(async (p) => ({ ...p, ...(await heads(session, scope, p.object)) })),
  )
  for (const { object, change, chain, holders } of held) {
    const statement = await signStatement({ chain, change, credential: session.credential, now: new Date() })
    const missing: string[] = []
    await Promise.all(
      holders.map(async ({ name, peer, statements }) => {
        try {
          await peer.call(postStatement, {
            body: { statement, earlier: chain.statements.slice(statements.length) },
          })
          const back = await readChain(session, peer, scope, object)
          if (back.at(-1) !== statement) throw new MdmError('MDM_STATEMENT_FORKED')
        } catch (error) {
          if (missing.push(name) === holders.length) throw error
        }
      }),
    )
    if (missing.length > 0) {
      throw new MdmError(
        'MDM_PARTIAL',
        `the change of "${object}" was not confirmed by ${missing.join(', ')}`,
        { details: { changed, object, missing } },
      )
    }
    changed.push({ object, seq: chain.seq + 1 })
  }
  return { guid: scope as Guid, changed }
}

const THE_SITE = 'the site'

interface Holder {
  readonly name: string
  readonly peer: Peer
  readonly statements: readonly string[]
}

/** Reads one list from everyone who holds it; a server may be behind, but never tell another story. */
async function heads(
  session: Session,
  scope: Scope,
  object: AclObject,
): Promise<{ chain: Chain; holders: Holder[] }> {
  const shared = object === 'key' || scope === 'site'
  const peers = [
    { name: THE_SITE, peer: session.site },
    ...(shared
      ? session.keyServers.map(({ id, peer }) => ({ name: `key server ${id.slice(0, 12)}`, peer }))
      : []),
  ]
  const answers = await Promise.allSettled(
    peers.map(async ({ name, peer }) => ({
      name,
      peer,
      statements: await readChain(session, peer, scope, object),
    })),
  )
  // In the order asked, so the site's refusal is the one reported: a key server says "not found" to whoever may not read.
  const holders = answers.map((answer, i) => {
    if (answer.status === 'fulfilled') return answer.value
    throw unsigned(answer.reason, peers[i]!.name)
  })
  const longest = holders.reduce((a, b) => (b.statements.length > a.statements.length ? b : a))
  for (const { name, statements } of holders) {
    if (statements.some((s, i) => s !== longest.statements[i])) {
      throw new MdmError(
        'MDM_STATEMENT_FORKED',
        `${longest.name} and ${name} hold different lists of "${object}"; nothing was signed`,
      )
    }
  }
  const lengths = holders.map(({ statements }) => statements.length).toSorted((a, b) => b - a)
  const most = lengths[Math.floor(lengths.length / 2)]!
  const { roster } = session
  const of = { roster, site: roster.body.site, scope, object }
  // What more than half hold is history, in which former administrators count. What fewer say must be signed by one of today: a
  // single server could else have us sign on top of what somebody who left made up with it.
  const history = await verifyChain(longest.statements.slice(0, most), of)
  const chain = await verifyChain(longest.statements.slice(most), { ...of, from: history, live: true })
  return { chain, holders }
}

function unsigned(error: unknown, name: string): unknown {
  if (!(error instanceof MdmError)) return error
  if (error.code === 'MDM_UNREACHABLE')
    return new MdmError(error.code, `${name} does not answer, so nothing was signed`, { cause: error })
  if (error.code === 'MDM_NOT_FOUND' && name !== THE_SITE)
    return new MdmError(
      'MDM_DENIED',
      `${name} does not take you for an administrator of it; nothing was signed`,
      {
        cause: error,
      },
    )
  return error
}

async function readChain(
  session: Session,
  peer: Peer,
  scope: Scope,
  object: AclObject,
): Promise<readonly string[]> {
  return (await peer.call(getStatements, { params: { site: session.roster.body.site, scope, object } }))
    .statements
}

function same(a: Principal, b: Principal): boolean {
  return JSON.stringify(Object.entries(a).toSorted()) === JSON.stringify(Object.entries(b).toSorted())
}
