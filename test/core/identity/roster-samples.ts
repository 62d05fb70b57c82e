import type { KeyObject, X509Certificate } from 'node:crypto'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { parseDn } from '@mdm/core/identity/dn'
import {
  acceptRoster,
  Roster,
  rosterFingerprint,
  signRoster,
  vouchTls,
  type TrustedRoster,
} from '@mdm/core/identity/roster'
import { KeyServerId, SiteId } from '@mdm/core/names'
import { certificate, ec, ed25519, name } from './certificates.ts'

/** A small site with its keys at hand: signing key, service, user CA, one administrator, three key servers. */
export interface SampleSite {
  readonly site: SiteId
  readonly signer: { readonly kid: string; readonly key: KeyObject }
  readonly service: KeyObject
  readonly caKey: KeyObject
  readonly ca: X509Certificate
  readonly administrator: KeyObject
  readonly keyServers: readonly { readonly identity: KeyObject; readonly tls: KeyObject }[]
  readonly body: Roster
}

export const caName = name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Hospital CA'])
export const ISSUER = parseDn('CN=Hospital CA,O=Hospital,C=FR')
export const ADMIN = parseDn('CN=Ada Admin,O=Hospital,C=FR')

export function sampleSite(id = 'demo'): SampleSite {
  const site = SiteId.parse(id)
  const signingKey = ed25519()
  const signer = { kid: spkiDigest(signingKey), key: signingKey }
  const [service, caKey, administrator] = [ed25519(), ec(), ed25519()]
  const ca = certificate({ subject: caName, key: caKey, ca: true, keyUsage: 0x06 })
  const keyServers = [1, 2, 3].map(() => ({ identity: ed25519(), tls: ed25519() }))
  const body = Roster.parse({
    v: 1,
    site,
    seq: 1,
    prev: null,
    created: '2026-01-01T00:00:00Z',
    api: 'https://site.example.org:8443',
    signingKeys: [{ kid: signer.kid, spki: spkiOf(signingKey) }],
    services: [{ spki: spkiOf(service) }],
    userCas: [{ certificate: ca.raw.toString('base64'), nameSpaces: [parseDn('O=Hospital,C=FR')] }],
    administrators: [{ dn: ADMIN, issuer: ISSUER, spki: spkiDigest(administrator) }],
    keyServers: keyServers.map(({ identity, tls }, i) => keyServerOf(identity, [tls], i)),
    m: 2,
    n: 3,
  })
  return { site, signer, service, caKey, ca, administrator, keyServers, body }
}

export function keyServerOf(
  identity: KeyObject,
  tls: readonly KeyObject[],
  i: number,
): Roster['keyServers'][number] {
  return {
    id: KeyServerId.parse(spkiDigest(identity)),
    key: spkiOf(identity),
    url: `https://keys${i}.example.org`,
    tls: tls.map((key) => ({ spki: spkiOf(key), voucher: vouchTls(identity, spkiOf(key)) })),
  }
}

/** Signs a roster and accepts it by its fingerprint, as an operator would. */
export async function trusted(body: Roster, signer: { kid: string; key: KeyObject }): Promise<TrustedRoster> {
  const jws = await signRoster(body, signer)
  return await acceptRoster(undefined, jws, { fingerprint: rosterFingerprint(jws) })
}

/** The next roster: what changes, chained to the one held. */
export function after(current: TrustedRoster, changes: Partial<Roster>): Roster {
  return { ...current.body, seq: current.body.seq + 1, prev: current.digest, ...changes }
}
