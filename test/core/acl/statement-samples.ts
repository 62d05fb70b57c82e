import type { KeyObject } from 'node:crypto'
import { signJws } from '@mdm/core/crypto/jws'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import type { Principal } from '@mdm/core/acl/principal'
import {
  appendStatement,
  emptyChain,
  signFounding,
  signStatement,
  type AclEntry,
  type Chain,
  type Change,
} from '@mdm/core/acl/statement'
import { parseDn } from '@mdm/core/identity/dn'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { Guid } from '@mdm/core/names'
import type { AclObject } from '@mdm/core/wire/common'
import { ADMIN, ISSUER, sampleSite, trusted } from '../identity/roster-samples.ts'

export const GUID = Guid.parse('6f1c1e0e-4d0b-4c41-9a53-3f6f2a0c6f55')
export const NOW = new Date('2026-11-24T12:00:00Z')
export const sample = sampleSite()
export const roster: TrustedRoster = await trusted(sample.body, sample.signer)

export const user = (name: string): Principal => ({
  kind: 'user',
  dn: parseDn(`CN=${name},O=Hospital,C=FR`),
  issuer: ISSUER,
})
export const admins: AclEntry = {
  to: { kind: 'user', dn: ADMIN, issuer: ISSUER },
  rights: ['read', 'admin'],
  versions: 'all',
}
export const grantRead = (name: string): Change => ({
  op: 'grant',
  entry: { to: user(name), rights: ['read'], versions: 'all' },
})

/** What signing needs of a credential. */
export function credentialOf(key: KeyObject) {
  return { privateKey: key, identity: { spki: spkiDigest(key), spkiDer: spkiOf(key) } }
}

export const ada = credentialOf(sample.administrator)

/** The chain of the volume's key as the site founds it. */
export async function founded(object: AclObject = 'key', entries: AclEntry[] = [admins]): Promise<Chain> {
  const { site, signer } = sample
  const jws = await signFounding({ site, guid: GUID, object, entries, signer, now: NOW })
  return await appendStatement(emptyChain(site, GUID, object), jws, { roster, now: NOW })
}

/** Appends changes one after the other, signed by the roster's administrator unless told. */
export async function extended(chain: Chain, changes: readonly Change[], by = ada): Promise<Chain> {
  let longer = chain
  for (const change of changes) {
    const jws = await signStatement({ chain: longer, change, credential: by, now: NOW })
    longer = await appendStatement(longer, jws, { roster, now: NOW })
  }
  return longer
}

/** Signs any body at all, well formed or not, as an attacker would. */
export async function signAny(body: object, key: KeyObject, kid = spkiDigest(key)): Promise<string> {
  return await signJws(body, key, { typ: 'mdm-statement+jwt', kid })
}

/** A body that would be the next good statement of a chain, but for what is told. */
export function bodyAfter(chain: Chain, key: KeyObject, changes: object = {}): Record<string, unknown> {
  const { site, scope, object, seq, head } = chain
  const body = {
    v: 1,
    site,
    scope,
    object,
    seq: seq + 1,
    prev: head,
    change: grantRead('Mallory'),
    key: spkiOf(key),
  }
  return { ...body, time: NOW.toISOString(), ...changes }
}

/** Appoints the holder of a key, under the name of Bo. */
export function appoint(privateKey: KeyObject): Change {
  const { kind: _, ...name } = user('Bo') as Extract<ReturnType<typeof user>, { kind: 'user' }>
  return { op: 'appoint', administrator: { ...name, spki: spkiDigest(privateKey) } }
}
