import type { KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { jwsDigest, signJws } from '../crypto/jws.ts'
import { KeyServerId, Sha256, SiteId } from '../names.ts'
import { Dn } from './dn.ts'
import type { CertificateIdentity } from './certificate.ts'

export const ROSTER_TYPE = 'mdm-roster+jwt'

/** DER in base64 with padding. */
const Der = z.base64().min(4).max(16_384)
const HttpsUrl = z.url({ protocol: /^https$/ }).max(256)
const KeyName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/)

const SigningKey = z.object({ kid: KeyName, spki: Der }).strict()
const Administrator = z.object({ dn: Dn, issuer: Dn, spki: Sha256 }).strict()
/** Who may change access lists; the key counts, the names are for people. */
export type Administrator = z.infer<typeof Administrator>

const KeyServer = z
  .object({
    id: KeyServerId,
    key: Der,
    url: HttpsUrl,
    tls: z
      .array(z.object({ spki: Der, voucher: z.base64().max(128) }).strict())
      .min(1)
      .max(8),
  })
  .strict()
export type KeyServer = z.infer<typeof KeyServer>

/**
 * What a site says about itself and the servers it works with; field by field in docs/formats/roster.md.
 * The former keys sign nothing new: they keep what they signed verifiable.
 */
export const Roster = z
  .object({
    v: z.literal(1),
    site: SiteId,
    seq: z.int().min(1).max(1_000_000),
    prev: Sha256.nullable(),
    created: z.iso.datetime(),
    api: HttpsUrl,
    signingKeys: z.array(SigningKey).min(1).max(16),
    formerSigningKeys: z.array(SigningKey).max(64).optional(),
    services: z
      .array(z.object({ spki: Der }).strict())
      .min(1)
      .max(16),
    userCas: z.array(z.object({ certificate: Der, nameSpaces: z.array(Dn).min(1).max(32) }).strict()).max(16),
    administrators: z.array(Administrator).min(1).max(64),
    formerAdministrators: z.array(Administrator).max(256).optional(),
    keyServers: z.array(KeyServer).min(3).max(32),
    m: z.int().min(2).max(32),
    /** more than m: the first server lost would take every volume along */
    n: z.int().min(3).max(32),
  })
  .strict()
export type Roster = z.infer<typeof Roster>

/** A roster that was opened: consistent in itself and read into keys. */
export interface TrustedRoster {
  readonly body: Roster
  readonly jws: string
  /** SHA-256 of the JWS, hex: the `prev` of the next one */
  readonly digest: string
  /** Keys whose manifests and founding statements verify: of today first, then former ones */
  readonly signers: readonly { readonly kid: string; readonly key: KeyObject }[]
  /** SPKI digests (hex) of the signing keys of today, that alone may sign anything new */
  readonly signing: ReadonlySet<string>
  /** SPKI digests (hex) of the site's services */
  readonly services: ReadonlySet<string>
  /** which key server holds a TLS key, by SPKI digest (hex) */
  readonly keyServerTls: ReadonlyMap<string, KeyServerId>
  /** SPKI digests (hex) of the administrators of today */
  readonly administrators: ReadonlySet<string>
  readonly userCas: readonly {
    readonly certificate: X509Certificate
    readonly identity: CertificateIdentity
    readonly nameSpaces: readonly Dn[]
  }[]
  /** @throws MDM_ROSTER when the roster names no such key server */
  keyServer(id: string): KeyServer
}

/**
 * Signs a roster with one of its own signing keys; for roster 2 and later that key must stand in the roster before, too.
 *
 * @throws MDM_CONFIG when the key is of a kind that cannot sign
 */
export async function signRoster(
  body: z.input<typeof Roster>,
  signer: { kid: string; key: KeyObject },
): Promise<string> {
  return await signJws(Roster.parse(body), signer.key, { typ: ROSTER_TYPE, kid: signer.kid })
}

/** The fingerprint that an operator compares: `sha256:` and the digest of the JWS in groups of four. */
export function rosterFingerprint(jws: string): string {
  return `sha256:${jwsDigest(jws.trim()).match(/.{4}/g)!.join('-')}`
}

export { acceptRoster } from './accept-roster.ts'
export { openRoster } from './open-roster.ts'
export { vouchTls } from './voucher.ts'
