import { z } from 'zod'
import { isAdministrator } from '@mdm/core/acl/evaluate'
import { appendWithMissed, type Chain } from '@mdm/core/acl/statement'
import { jwsDigest, peekJws } from '@mdm/core/crypto/jws'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { SiteId, type Guid } from '@mdm/core/names'
import { AclObject, Scope } from '@mdm/core/wire/common'
import { auditCaller } from '../audit/audit-caller.ts'
import type { Audit } from '../audit/audit.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { AccessLists } from './access-lists.ts'
import type { Access } from './access.ts'
import type { Groups } from './groups.ts'
import { mayCompare } from './heads.ts'

/** Which access list: of one object of a volume, or of the site (bans, groups). */
export interface ListName {
  readonly site: SiteId
  readonly scope: Scope
  readonly object: AclObject
}

/** What an administrator sends; `earlier` are statements this site may have missed. */
export interface Posted {
  readonly statement: string
  readonly earlier?: readonly string[] | undefined
}

/** The signed changes of access lists, as administrators read and make them (decision 16). */
export interface Statements {
  /** For administrators, and key servers that compare. @throws MDM_NOT_FOUND | MDM_DENIED | MDM_USAGE as Access.requireAdministrator */
  read(caller: Caller, name: ListName): Promise<string[]>
  /** Every list of a volume that the caller administers. @throws as read */
  ofVolume(caller: Caller, guid: Guid): Promise<{ object: AclObject; statements: string[] }[]>
  /**
   * Appends a statement; the same again changes nothing. Its audit record is durable before it counts.
   *
   * @throws what read throws, MDM_STATEMENT, MDM_STATEMENT_STALE, MDM_STATEMENT_FORKED, MDM_AUDIT
   */
  accept(caller: Caller, posted: Posted, requestId: string): Promise<{ seq: number; head: string }>
}

export interface StatementsOptions {
  readonly db: SiteStore
  readonly site: SiteId
  readonly lists: AccessLists
  readonly access: Access
  readonly groups: Groups
  readonly audit: Audit
  readonly roster: () => TrustedRoster
  readonly now: () => Date
}

export function openStatements(o: StatementsOptions): Statements {
  let queue: Promise<unknown> = Promise.resolve()

  const requireAdministrator = async (caller: Caller, { site, scope, object }: ListName): Promise<void> => {
    if (site !== o.site) throw new MdmError('MDM_NOT_FOUND')
    if (scope !== 'site') return await o.access.requireAdministrator(caller, scope, object)
    const list = await o.lists.get(scope, object)
    if (!isOfSite(object) || !isAdministrator(list, caller, o.roster())) throw new MdmError('MDM_NOT_FOUND')
  }

  /** Its statements were verified when they came: whoever may ask must not make the site do that again, nor learn how many there are. */
  const held = async ({ scope, object }: ListName): Promise<Chain> => ({
    ...(await o.lists.get(scope, object)),
    statements: await o.lists.statements(scope, object),
  })

  const append = async (caller: Caller, posted: Posted, requestId: string) => {
    const name = nameOf(posted.statement)
    const refusal = await requireAdministrator(caller, name).catch((error: unknown) => error)
    if (refusal !== undefined && !isLateAppointment(refusal, posted)) throw refusal
    const before = await held(name)
    const after = await advance(before, posted, o).catch((error: unknown) => {
      throw refusal ?? error
    })
    // A server that missed the appointment of the one who brings it learns of both at once.
    if (refusal !== undefined && !isAdministrator(after, caller, o.roster())) throw refusal
    if (after.seq > before.seq) await store(o, caller, { before, after }, requestId)
    return { seq: after.seq, head: after.head! }
  }

  return {
    async read(caller, name) {
      if (name.site !== o.site || !mayCompare(caller, name)) await requireAdministrator(caller, name)
      return await o.lists.statements(name.scope, name.object)
    },

    async ofVolume(caller, guid) {
      const objects = await o.lists.objects(guid)
      const mine: { object: AclObject; statements: string[] }[] = []
      for (const object of objects) {
        if (!isAdministrator(await o.lists.get(guid, object), caller, o.roster())) continue
        mine.push({ object, statements: await o.lists.statements(guid, object) })
      }
      if (mine.length === 0) await o.access.requireAdministrator(caller, guid, 'file')
      return mine
    },

    /** One at a time, so that of two statements for one place the second is seen as the fork it is. */
    accept(caller, posted, requestId) {
      const next = queue.then(() => append(caller, posted, requestId))
      queue = next.catch(() => undefined)
      return next
    },
  }
}

async function store(
  o: StatementsOptions,
  caller: Caller,
  { before, after }: { before: Chain; after: Chain },
  requestId: string,
): Promise<void> {
  const { site, scope, object, seq } = after
  const publish = await inTransaction(o.db, async (trx) => {
    const done = await o.lists.extend(trx, before, after, o.now())
    // Inside the transaction: without its record the change does not count.
    await o.audit.record({
      eventId: `statement:${after.head}`,
      event: 'statement-accepted',
      outcome: 'done',
      ...{ caller: auditCaller(caller), site, object, requestId },
      ...(scope === 'site' ? {} : { guid: scope }),
      facts: { seq, head: after.head!, caughtUp: seq - before.seq - 1 },
    })
    return done
  }).catch((error: unknown) => {
    // Cut off while it committed, it may count all the same: a revocation must not be overlooked.
    o.lists.forget()
    o.groups.forget()
    throw error
  })
  publish()
  if (scope === 'site') o.groups.forget()
}

async function advance(before: Chain, posted: Posted, o: StatementsOptions): Promise<Chain> {
  const missed = (posted.earlier ?? []).filter((jws) => isNew(before, jws))
  return await appendWithMissed(before, missed, posted.statement, { roster: o.roster(), now: o.now() })
}

/** @throws MDM_STATEMENT_FORKED when another statement holds the place already */
function isNew(chain: Chain, jws: string): boolean {
  const { seq } = z
    .object({ seq: z.int().min(0) })
    .catch({ seq: -1 })
    .parse(peekJws(jws).payload)
  if (seq < 0) throw new MdmError('MDM_BAD_REQUEST', 'an earlier statement names no place')
  if (seq > chain.seq) return true
  if (jwsDigest(chain.statements[seq]!) !== jwsDigest(jws)) throw new MdmError('MDM_STATEMENT_FORKED')
  return false
}

/** The list a statement belongs to, by its own words; they are verified when it is appended. */
function nameOf(statement: string): ListName {
  const claimed = z
    .object({ site: SiteId, scope: Scope, object: AclObject })
    .safeParse(peekJws(statement).payload)
  if (!claimed.success) throw new MdmError('MDM_BAD_REQUEST', 'the statement does not say what it is about')
  return claimed.data
}

function isLateAppointment(refusal: unknown, posted: Posted): boolean {
  const refused = refusal instanceof MdmError && ['MDM_NOT_FOUND', 'MDM_DENIED'].includes(refusal.code)
  return refused && (posted.earlier ?? []).length > 0
}

function isOfSite(object: AclObject): boolean {
  return object === 'ban' || object.startsWith('group:')
}
