import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { spkiDigest } from '../../crypto/spki.ts'
import { MdmError } from '../../errors.ts'
import { readCertificate } from '../certificate.ts'
import { findEndEntity } from '../chain.ts'
import type { Dn } from '../dn.ts'
import type { Limits } from '../limits.ts'
import { certificatesIn } from '../pem.ts'
import { inOrder } from './delegate.ts'

/** What a file of certificates says that its holder may do; whether a server accepts it is another question. */
export interface CredentialView {
  /** of the end-entity certificate: in whose name the holder acts */
  readonly owner: Dn
  readonly issuer: Dn
  readonly kind: 'certificate' | 'proxy' | 'limited proxy' | 'capability'
  readonly limits?: Limits
  readonly notBefore: Date
  readonly notAfter: Date
  /** of the leaf, hex */
  readonly serial: string
  /** SHA-256 of the holder's SubjectPublicKeyInfo, hex: audit logs have it as `spki` */
  readonly holder: string
  /** true where the holder's private key is in the file, so that whoever has the file is the holder */
  readonly holdsKey: boolean
  readonly certificate: X509Certificate
}

/** Reads a credential of PEM blocks. @throws MDM_USAGE when it is none, or its proxies do not belong together */
export function describeCredential(text: string): CredentialView {
  try {
    const chain = inOrder(certificatesIn(text))
    const { identity, delegation, notAfter, spki } = findEndEntity(chain)
    const leaf = readCertificate(chain[0]!.raw)
    const begins = chain.map(({ raw }) => readCertificate(raw).notBefore.getTime())
    return {
      ...{ owner: identity.dn, issuer: identity.issuer, kind: kindOf(delegation?.proxy), notAfter },
      ...(delegation?.limits === undefined ? {} : { limits: delegation.limits }),
      ...{ notBefore: new Date(Math.max(...begins)), serial: leaf.serial, holder: spki },
      ...{ holdsKey: keysIn(text).includes(spki), certificate: chain[0]! },
    }
  } catch (cause) {
    throw new MdmError(
      'MDM_USAGE',
      'the file holds no certificate, or no proxy that fits to its certificate',
      {
        cause,
      },
    )
  }
}

const KINDS = { full: 'proxy', limited: 'limited proxy', restricted: 'capability' } as const

function kindOf(proxy: keyof typeof KINDS | undefined): CredentialView['kind'] {
  return proxy === undefined ? 'certificate' : KINDS[proxy]
}

/** SHA-256 of the SubjectPublicKeyInfo of each private key in a PEM text; one with a passphrase makes nobody the holder. */
function keysIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^-]+-----END \1PRIVATE KEY-----/g) ?? []
  return blocks
    .filter((block) => !block.includes('ENCRYPTED'))
    .map((block) => spkiDigest(createPrivateKey(block)))
}
