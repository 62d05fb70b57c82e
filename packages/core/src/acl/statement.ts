import type { KeyObject } from 'node:crypto'
import { signJws } from '../crypto/jws.ts'
import type { Guid, SiteId } from '../names.ts'
import type { AclObject } from '../wire/common.ts'
import { STATEMENT_TYP, type Chain } from './chain.ts'
import { StatementBody, type AclEntry, type Change } from './change.ts'

export { AclEntry, Change, Right, rightsOf, StatementBody } from './change.ts'
export { appendStatement, emptyChain, verifyChain, type Chain } from './chain.ts'

/** Signs the first statement about a volume: the entries the site's policy gives (paper 5.2, use case 1). */
export async function signFounding(o: {
  site: SiteId
  guid: Guid
  object: AclObject
  entries: readonly AclEntry[]
  signer: { readonly kid: string; readonly key: KeyObject }
  now: Date
}): Promise<string> {
  const change: Change = { op: 'found', entries: [...o.entries] }
  const body: StatementBody = {
    v: 1,
    site: o.site,
    scope: o.guid,
    object: o.object,
    seq: 0,
    prev: null,
    change,
    time: o.now.toISOString(),
  }
  return await signJws(StatementBody.parse(body), o.signer.key, { typ: STATEMENT_TYP, kid: o.signer.kid })
}

/** Signs one change of a list with the administrator's own key, chained to the last statement. */
export async function signStatement(o: {
  chain: Chain
  change: Change
  credential: {
    readonly privateKey: KeyObject
    readonly identity: { readonly spki: string; readonly spkiDer: string }
  }
  now: Date
  expires?: string
}): Promise<string> {
  const { site, scope, object, seq, head } = o.chain
  const time = o.now.toISOString()
  const body = {
    v: 1,
    site,
    scope,
    object,
    seq: seq + 1,
    prev: head,
    change: o.change,
    key: o.credential.identity.spkiDer,
    time,
    ...(o.expires === undefined ? {} : { expires: o.expires }),
  }
  return await signJws(StatementBody.parse(body), o.credential.privateKey, {
    typ: STATEMENT_TYP,
    kid: o.credential.identity.spki,
  })
}
