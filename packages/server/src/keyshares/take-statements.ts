import { catchUp, type Offer, type Refused } from '@mdm/core/acl/catch-up'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Scope } from '@mdm/core/wire/common'
import { inTransaction } from '../store/transaction.ts'
import { extendChain, wholeChain, type ChainName } from './chain-store.ts'
import type { KeyServer } from './key-server.ts'
import { claimGuid, ownerOf, type Db } from './share-store.ts'

export interface Taken {
  readonly refused: readonly Refused[]
  readonly inDoubt: boolean
}

/**
 * Brings one list up to date from what witnesses show, with its audit record in one transaction. The list of a GUID that is not
 * known here is kept too: a share of it that comes later must not be released by its first statement alone.
 */
export async function takeStatements(
  server: KeyServer,
  name: ChainName,
  offers: readonly Offer[],
  roster: TrustedRoster,
): Promise<Taken> {
  return await inTransaction(server.db, async (trx) => {
    const owner = name.scope === 'site' ? name.site : await ownerOf(trx, name.scope)
    if (owner !== undefined && owner !== name.site) {
      return { refused: all(offers, 'MDM_STATEMENT_FORKED'), inDoubt: false }
    }
    const before = await wholeChain(trx, name)
    const { chain, refused, inDoubt } = await catchUp(before, offers, { roster })
    if (chain.seq > before.seq) {
      if (owner === undefined) await claimGuid(trx, name.scope, name.site)
      await extendChain(trx, name, before, chain)
      await server.audit.record({
        eventId: `caught-up:${chain.head}`,
        event: 'statements-caught-up',
        outcome: 'done',
        ...guidOf(name.scope),
        ...{ site: name.site, object: name.object },
        facts: { seq: chain.seq, head: chain.head!, missed: chain.seq - before.seq },
      })
    }
    return { refused, inDoubt }
  })
}

/** What an audit record says of a list that belongs to one volume. */
export function guidOf(scope: Scope): { guid?: string } {
  return scope === 'site' ? {} : { guid: scope }
}

/** The mark of a store that was put back. */
export async function isRestored(db: Db): Promise<boolean> {
  return (await db.selectFrom('restored').select('since').executeTakeFirst()) !== undefined
}

/** Witnesses that the operator goes on without. */
export async function waivers(db: Db): Promise<ReadonlySet<string>> {
  return new Set((await db.selectFrom('waiver').select('witness').execute()).map((row) => row.witness))
}

function all(offers: readonly Offer[], code: Refused['code']): Refused[] {
  return offers.map(({ witness }) => ({ witness, code }))
}
