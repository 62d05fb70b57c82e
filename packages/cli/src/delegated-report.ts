import type { KeyObject } from 'node:crypto'
import type { Credential } from '@mdm/core/identity/credential'
import type { ProxyPolicy } from '@mdm/core/identity/proxy/write-proxy'
import { writeDelegated } from './credential-file.ts'

/** A delegated credential as --json shows it. */
export interface DelegatedReport {
  readonly path: string
  /** ISO date and time */
  readonly notAfter: string
  /** hex, of the proxy certificate */
  readonly serial: string
  /** SHA-256 of the holder's public key (SubjectPublicKeyInfo), hex: audit logs of the servers have it */
  readonly holder: string
  /** true where the holder's private key is in the file */
  readonly holdsKey: boolean
}

/** Makes a credential, writes it, and says what must be known of it. */
export async function delegatedReport(
  credential: Credential,
  o: { policy: ProxyPolicy; hours: number; holder?: KeyObject | undefined; output: string },
): Promise<{ report: DelegatedReport; notes: (what: string) => string[] }> {
  const [{ delegate }, { spkiDigest }] = await Promise.all([
    import('@mdm/core/identity/proxy/delegate'),
    import('@mdm/core/crypto/spki'),
  ])
  const { policy, hours, holder } = o
  const made = await delegate(credential, { policy, hours, holder, now: new Date() })
  await writeDelegated(o.output, made.pem)
  const report = {
    ...{ path: o.output, notAfter: made.notAfter.toISOString() },
    serial: made.certificate.serialNumber.toLowerCase(),
    holder: spkiDigest(made.certificate.publicKey),
    holdsKey: holder === undefined,
  }
  const notes = (what: string) => [
    `${what}, until ${report.notAfter}, for the holder of key ${report.holder.slice(0, 16)}`,
    ...(made.cut ? [`note: it ends before the ${hours} hours, with your own credential`] : []),
    ...(report.holdsKey ? ['note: the key is in the file: whoever reads it has these rights'] : []),
  ]
  return { report, notes }
}
