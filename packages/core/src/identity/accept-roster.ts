import { jwsDigest, peekJws } from '../crypto/jws.ts'
import { spkiDigest } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import { isBelow } from './dn.ts'
import { openRoster } from './open-roster.ts'
import type { Administrator, Roster, TrustedRoster } from './roster.ts'

/**
 * Decides whether a roster is to be trusted.
 *
 * The first one only by its fingerprint, which came another way than the roster. A later one must follow the one held (next
 * seq, prev is its digest) and be signed by a signing key that the held one names too. It needs the fingerprint again when
 * it adds a CA, widens a name space, adds a key server, an administrator or a signing key, or strikes one of the last two out
 * instead of keeping it as former. The roster held, offered again, is fine.
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
    const reason = needsOperator(current.body, next.body)
    if (reason !== undefined) throw refused(`the roster ${reason}, so it needs its fingerprint`)
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

/**
 * Why a roster needs the operator: what it lets someone do that the current one did not, or whose earlier signatures it
 * strikes out; undefined when neither.
 */
function needsOperator(current: Roster, next: Roster): string | undefined {
  return (
    newKeys('a signing key', keys(current), keys(next)) ??
    newKeys('an administrator', administrators(current), administrators(next)) ??
    newCa(current, next) ??
    newKeyServer(current, next)
  )
}

interface Names {
  readonly today: ReadonlySet<string>
  /** of today and former */
  readonly ever: ReadonlySet<string>
}

function newKeys(what: string, current: Names, next: Names): string | undefined {
  if (!within(next.today, current.today) || !within(next.ever, current.ever)) return `adds ${what}`
  return within(current.ever, next.ever) ? undefined : `strikes out ${what} instead of keeping it as former`
}

function within(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((name) => all.has(name))
}

function newCa(current: Roster, next: Roster): string | undefined {
  for (const ca of next.userCas) {
    const known = current.userCas.filter((c) => c.certificate === ca.certificate).flatMap((c) => c.nameSpaces)
    if (known.length === 0) return 'adds a CA'
    if (ca.nameSpaces.some((s) => !known.some((k) => s === k || isBelow(s, k)))) return 'widens a name space'
  }
  return undefined
}

/** Who breaks into a site must not lead the shares of every later volume to servers of his own. */
function newKeyServer(current: Roster, next: Roster): string | undefined {
  const known = new Set(current.keyServers.map((server) => server.id))
  return next.keyServers.every((server) => known.has(server.id)) ? undefined : 'adds a key server'
}

function keys({ signingKeys, formerSigningKeys = [] }: Roster): Names {
  const today = signingKeys.map((k) => k.spki)
  return { today: new Set(today), ever: new Set([...today, ...formerSigningKeys.map((k) => k.spki)]) }
}

function administrators({ administrators, formerAdministrators = [] }: Roster): Names {
  const line = (a: Administrator) => `${a.spki} ${a.dn} < ${a.issuer}`
  const today = administrators.map(line)
  return { today: new Set(today), ever: new Set([...today, ...formerAdministrators.map(line)]) }
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
