import type { KeyObject } from 'node:crypto'
import type { z } from 'zod'
import { signJws } from '../crypto/jws.ts'
import { MdmError } from '../errors.ts'
import type { Guid, SiteId } from '../names.ts'
import type { AclObject } from '../wire/common.ts'
import { applyChange } from './apply-change.ts'
import type { Chain } from './chain.ts'
import { StatementBody, type AclEntry, type Change } from './change.ts'
import { STATEMENT_TYP } from './signer.ts'

export { AclEntry, Change, Right, rightsOf, StatementBody } from './change.ts'
export { appendStatement, appendWithMissed, emptyChain, verifyChain, type Chain } from './chain.ts'

/**
 * Signs the first statement about a volume: the entries the site's policy gives (paper 5.2, use case 1).
 *
 * @param o `signer` is a signing key of the roster, `kid` its name there
 * @throws MDM_STATEMENT when the entries are none of this object
 */
export async function signFounding(o: {
  site: SiteId
  guid: Guid
  object: AclObject
  entries: readonly AclEntry[]
  signer: { readonly kid: string; readonly key: KeyObject }
  now: Date
}): Promise<string> {
  const body = checked({
    v: 1,
    site: o.site,
    scope: o.guid,
    object: o.object,
    seq: 0,
    prev: null,
    change: { op: 'found', entries: [...o.entries] },
    time: o.now.toISOString(),
  })
  applyChange({ entries: [], administrators: [] }, body)
  return await signJws(body, o.signer.key, { typ: STATEMENT_TYP, kid: o.signer.kid })
}

/**
 * Signs one change of a list with the administrator's own key, chained to the last statement.
 *
 * @param o `expires` ends a grant; ISO 8601 in UTC
 * @throws MDM_STATEMENT when the change is none of this list, so nothing is signed that no server would take
 */
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
  const body = checked({
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
  })
  applyChange(o.chain, body)
  return await signJws(body, o.credential.privateKey, {
    typ: STATEMENT_TYP,
    kid: o.credential.identity.spki,
  })
}

function checked(body: z.input<typeof StatementBody>): StatementBody {
  const parsed = StatementBody.safeParse(body)
  if (!parsed.success)
    throw new MdmError('MDM_STATEMENT', 'this cannot be said in a statement', { cause: parsed.error })
  return parsed.data
}
