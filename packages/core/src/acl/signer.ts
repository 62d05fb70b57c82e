import type { KeyObject } from 'node:crypto'
import { peekJws, verifyJws } from '../crypto/jws.ts'
import { keyFromSpki, spkiDigest } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import type { Chain } from './chain.ts'
import type { StatementBody } from './change.ts'

export const STATEMENT_TYP = 'mdm-statement+jwt'

/** How strictly a signer is judged: a new statement needs a key of today, a replayed one may be by a former key. */
export interface Judge {
  readonly roster: TrustedRoster
  readonly live: boolean
}

/**
 * Fails unless the statement is signed by someone who counts: seq 0 of a volume by a signing key of the roster, all else by
 * the own key of an administrator, of the roster or appointed in this chain. Names in certificates do not count, so the key
 * of a CA changes nothing.
 *
 * @throws MDM_STATEMENT
 */
export async function verifySigner(chain: Chain, jws: string, body: StatementBody, o: Judge): Promise<void> {
  const founding = body.change.op === 'found'
  if (founding !== (body.seq === 0 && body.scope !== 'site') || (founding && body.key !== undefined)) {
    throw refused('only the first statement about a volume founds its list')
  }
  try {
    const { kid } = peekJws(jws)
    const key = founding ? foundingKey(kid, o) : administratorKey(chain, kid, body.key, o)
    if (key !== undefined) {
      await verifyJws(jws, key, STATEMENT_TYP)
      return
    }
  } catch (cause) {
    throw refused('the signature of the statement does not verify', cause)
  }
  throw refused()
}

/** True for a key that may change this list today: the roster's administrators, and those appointed since. */
export function isAdministratorKey(
  chain: Pick<Chain, 'administrators'>,
  spkiDigest: string,
  roster: TrustedRoster,
): boolean {
  return roster.administrators.has(spkiDigest) || chain.administrators.includes(spkiDigest)
}

/** A key that signs no longer still proves what it signed. */
function foundingKey(kid: string, { roster, live }: Judge): KeyObject | undefined {
  const signer = roster.signers.find((s) => s.kid === kid)?.key
  return signer !== undefined && (!live || roster.signing.has(spkiDigest(signer))) ? signer : undefined
}

function administratorKey(
  chain: Chain,
  kid: string,
  spki: string | undefined,
  { roster, live }: Judge,
): KeyObject | undefined {
  const former = live ? [] : (roster.body.formerAdministrators ?? [])
  const counts = isAdministratorKey(chain, kid, roster) || former.some((a) => a.spki === kid)
  if (!counts || spki === undefined) return undefined
  const key = keyFromSpki(spki)
  return spkiDigest(key) === kid ? key : undefined
}

function refused(why?: string, cause?: unknown): MdmError {
  return new MdmError('MDM_STATEMENT', why, { cause })
}
