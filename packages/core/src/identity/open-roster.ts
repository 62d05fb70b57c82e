import { X509Certificate, type KeyObject } from 'node:crypto'
import { jwsDigest, peekJws, verifyJws } from '../crypto/jws.ts'
import { keyFromSpki, spkiDigest } from '../crypto/spki.ts'
import { MdmError } from '../errors.ts'
import { readCertificate } from './certificate.ts'
import { requireCa, type UserCa } from './issued.ts'
import { Roster, ROSTER_TYPE, type TrustedRoster } from './roster.ts'
import { isVouched } from './voucher.ts'

/**
 * Opens a roster: its form, its signature by one of its own signing keys, the ids and vouchers of its key servers, and that
 * nobody stands in it in two roles. This proves that it is whole, NOT that it is the site's: acceptRoster does that.
 *
 * @throws MDM_ROSTER
 */
export async function openRoster(jws: string): Promise<TrustedRoster> {
  try {
    return await open(jws)
  } catch (cause) {
    if (cause instanceof MdmError && cause.code === 'MDM_ROSTER') throw cause
    throw new MdmError('MDM_ROSTER', 'the roster is malformed or not signed by its own key', { cause })
  }
}

async function open(jws: string): Promise<TrustedRoster> {
  const { kid, payload } = peekJws(jws)
  const unverified = Roster.parse(payload)
  const current = unverified.signingKeys.map((k) => ({ kid: k.kid, key: keyFromSpki(k.spki) }))
  const former = (unverified.formerSigningKeys ?? []).map((k) => ({ kid: k.kid, key: keyFromSpki(k.spki) }))
  const signer = current.find((s) => s.kid === kid)
  if (signer === undefined) throw refused('the key that signed the roster is none of its signing keys')
  const body = Roster.parse(await verifyJws(jws, signer.key, ROSTER_TYPE))
  const roster: TrustedRoster = {
    body,
    jws,
    digest: jwsDigest(jws),
    signers: [...current, ...former],
    signing: new Set(current.map((s) => spkiDigest(s.key))),
    services: new Set(body.services.map((s) => spkiDigest(keyFromSpki(s.spki)))),
    keyServerTls: new Map(
      body.keyServers.flatMap(({ id, tls }) =>
        tls.map(({ spki }) => [spkiDigest(Buffer.from(spki, 'base64')), id] as const),
      ),
    ),
    administrators: new Set(body.administrators.map((a) => a.spki)),
    userCas: body.userCas.map(readCa),
    keyServer: (id) => {
      const server = body.keyServers.find((k) => k.id === id)
      if (server === undefined) throw refused('the roster names no such key server')
      return server
    },
  }
  requireConsistent(roster)
  return roster
}

function requireConsistent(roster: TrustedRoster): void {
  const { body } = roster
  if ((body.seq === 1) !== (body.prev === null)) throw refused('only roster 1 follows no other')
  if (body.n !== body.keyServers.length || body.m >= body.n)
    throw refused('m and n do not fit the key servers')
  requireUnique(body.keyServers.map((k) => k.id))
  requireUnique(roster.signers.map((s) => s.kid))
  requireUnique(roster.signers.map((s) => spkiDigest(s.key)))
  // With one key in two roles, who breaks into the site could change access lists.
  const administrators = [...body.administrators, ...(body.formerAdministrators ?? [])].map((a) => a.spki)
  requireUnique([...administrators, ...roster.services, ...roster.signers.map((s) => spkiDigest(s.key))])
  const tls = body.keyServers.flatMap((k) => [k.key, ...k.tls.map((t) => t.spki)])
  requireUnique([...tls, ...body.services.map((s) => s.spki)])
  for (const server of body.keyServers) {
    const identity = keyFromSpki(server.key)
    if (!isIdentity(identity, server.id)) throw refused('the id of a key server is not the digest of its key')
    for (const pinned of server.tls) {
      keyFromSpki(pinned.spki)
      if (!isVouched(identity, pinned)) throw refused('a key server does not vouch for a TLS key')
    }
  }
  requireOneNameSpace(roster.userCas)
}

function isIdentity(key: KeyObject, id: string): boolean {
  return key.asymmetricKeyType === 'ed25519' && spkiDigest(key) === id
}

/** Two certificates of one CA name are one issuer to an access list, so both must be as wide. */
function requireOneNameSpace(userCas: readonly UserCa[]): void {
  const widths = new Map<string, string>()
  for (const { identity, nameSpaces } of userCas) {
    const width = JSON.stringify([...nameSpaces].sort())
    if ((widths.get(identity.dn) ?? width) !== width)
      throw refused('two CAs of one name have different name spaces')
    widths.set(identity.dn, width)
  }
}

function readCa(entry: Roster['userCas'][number]): UserCa {
  const der = Buffer.from(entry.certificate, 'base64')
  const identity = readCertificate(der)
  requireCa(identity)
  return { certificate: new X509Certificate(der), identity, nameSpaces: entry.nameSpaces }
}

function requireUnique(names: readonly string[]): void {
  if (new Set(names).size < names.length) throw refused('the roster names the same key or server twice')
}

function refused(why: string): MdmError {
  return new MdmError('MDM_ROSTER', why)
}
