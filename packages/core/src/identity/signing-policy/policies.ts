import { join } from 'node:path'
import { MdmError } from '../../errors.ts'
import type { CertificateIdentity } from '../certificate.ts'
import type { Dn } from '../dn.ts'
import type { FileFault } from '../file-fault.ts'
import type { UserCa } from '../issued.ts'
import { lookAtFile } from '../look-at-file.ts'
import { nameHash } from './name-hash.ts'
import { readPolicies, type SigningPolicy } from './read-policy.ts'
import { matches } from './subject-pattern.ts'

const MAX_FILE = 65_536

/** The signing policies (`HASH.signing_policy`) that a folder of CAs holds for the CAs of a roster. */
export interface SigningPolicies {
  /** Reads what changed. Never throws. */
  refresh(cas: readonly UserCa[]): Promise<void>
  /** policies that cannot be used: nobody of their CA is let in */
  readonly faults: readonly FileFault[]
  /**
   * Fails unless a CA may give this name, as far as its signing policy says; where it has none, the roster alone decides.
   *
   * @throws MDM_UNAUTHENTICATED when it may not; MDM_CRL when its policy cannot be used
   */
  requireMayName(ca: UserCa, certificate: CertificateIdentity): void
}

/** What the file of one CA says: `none` where there is no file. */
type Held = { readonly version: string; readonly policy: SigningPolicy | 'none' | 'unusable' }

/** @param dir path of the folder; nothing is read before refresh() */
export function openPolicies(dir: string): SigningPolicies {
  let held = new Map<Dn, Held>()
  let faults: FileFault[] = []
  return {
    get faults() {
      return faults
    },
    async refresh(cas) {
      const next = new Map<Dn, Held>()
      const wrong: FileFault[] = []
      for (const { identity } of cas) {
        if (next.has(identity.dn)) continue
        const file = join(dir, `${nameHash(identity.subjectDer)}.signing_policy`)
        const found = await look(file, identity.dn, held.get(identity.dn))
        next.set(identity.dn, found)
        if (found.policy === 'unusable')
          wrong.push({ file, message: 'the signing policy cannot be used, so nobody of its CA is let in' })
      }
      held = next
      faults = wrong
    },
    requireMayName(ca, { dn }) {
      const policy = held.get(ca.identity.dn)?.policy
      if (policy === 'none') return
      // A CA that came since the last look is not let in before the next.
      if (policy === undefined || policy === 'unusable')
        throw new MdmError('MDM_CRL', 'the signing policy of the CA cannot be used')
      if (!policy.subjects.some((pattern) => matches(pattern, dn)))
        throw new MdmError('MDM_UNAUTHENTICATED', 'the certificate has a name its issuer may not give')
    },
  }
}

async function look(path: string, ca: Dn, before: Held | undefined): Promise<Held> {
  return await lookAtFile<Held>(path, before, {
    maxBytes: MAX_FILE,
    read(content) {
      const policies = readPolicies(content.toString('utf8')).filter((policy) => policy.ca === ca)
      // Two CAs may share a hash; a file that does not name this one leaves it without any right to sign.
      const [policy, ...more] = policies
      return { policy: policy === undefined || more.length > 0 ? 'unusable' : policy }
    },
    failed: (error) => ({
      policy: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'unusable',
    }),
  })
}
