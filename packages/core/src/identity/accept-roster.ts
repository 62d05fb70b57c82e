import { jwsDigest, peekJws } from '../crypto/jws.ts'
import { spkiDigest } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import { isBelow } from './dn.ts'
import { openRoster } from './open-roster.ts'
import type { Roster, TrustedRoster } from './roster.ts'

/**
 * Decides whether a roster is to be trusted.
 *
 * The first one only by its fingerprint, which came another way than the roster. A later one must follow the one held (next
 * seq, prev is its digest) and be signed by a signing key that the held one names too. It needs the fingerprint again when
 * it adds a CA, widens a name space, or adds an administrator or a signing key. The roster held, offered again, is fine.
 *
 * @param current the roster held for this site, if any
 * @param o       `fingerprint` as rosterFingerprint shows it; case and separators do not matter
 * @throws MDM_ROSTER
 */
export async function acceptRoster(
  current: TrustedRoster | undefined,
  jws: string,
  o: { fingerprint?: string | undefined } = {},
): Promise<TrustedRoster> {
  const text = jws.trim()
  if (o.fingerprint !== undefined && bare(o.fingerprint) !== jwsDigest(text))
    throw refused('the fingerprint is another one')
  if (current?.jws === text) return current
  const next = await openRoster(text)
  if (current !== undefined) requireFollows(current, next)
  if (o.fingerprint === undefined) {
    if (current === undefined) throw refused('a first roster is accepted by its fingerprint only')
    const reason = newAuthority(current.body, next.body)
    if (reason !== undefined) throw refused(`the roster adds ${reason}, so it needs its fingerprint`)
  }
  return next
}

function requireFollows(current: TrustedRoster, next: TrustedRoster): void {
  if (next.body.site !== current.body.site) throw refused('the roster is of another site')
  if (next.body.seq !== current.body.seq + 1 || next.body.prev !== current.digest) {
    throw refused('the roster does not follow the one held')
  }
  const { kid } = peekJws(next.jws)
  const signer = next.signers.find((s) => s.kid === kid)!
  if (!current.signing.has(spkiDigest(signer.key)))
    throw refused('the roster is signed by a key the one held does not name')
}

/** What the next roster lets someone do that the current one did not; undefined when nothing. */
function newAuthority(current: Roster, next: Roster): string | undefined {
  const signing = new Set(current.signingKeys.map((k) => k.spki))
  const signed = new Set([...signing, ...(current.formerSigningKeys ?? []).map((k) => k.spki)])
  if (next.signingKeys.some((k) => !signing.has(k.spki))) return 'a signing key'
  if (next.formerSigningKeys?.some((k) => !signed.has(k.spki))) return 'a signing key'
  const line = (a: Roster['administrators'][number]) => `${a.spki} ${a.dn} < ${a.issuer}`
  const administrators = new Set(current.administrators.map(line))
  const ever = new Set([...administrators, ...(current.formerAdministrators ?? []).map(line)])
  if (next.administrators.some((a) => !administrators.has(line(a)))) return 'an administrator'
  if (next.formerAdministrators?.some((a) => !ever.has(line(a)))) return 'an administrator'
  for (const ca of next.userCas) {
    const known = current.userCas.filter((c) => c.certificate === ca.certificate).flatMap((c) => c.nameSpaces)
    if (known.length === 0) return 'a CA'
    if (ca.nameSpaces.some((s) => !known.some((k) => s === k || isBelow(s, k)))) return 'a name space'
  }
  return undefined
}

function bare(fingerprint: string): string {
  return fingerprint
    .replace(/^\s*sha256:/i, '')
    .replace(/[\s:.-]/g, '')
    .toLowerCase()
}

function refused(why: string): MdmError {
  return new MdmError('MDM_ROSTER', why)
}
