import type { X509Certificate } from 'node:crypto'
import type { Revocations } from '../crl/revocations.ts'
import type { TrustedRoster } from '../roster.ts'

/** The VOMS servers that an operator trusts: whose word counts for which virtual organisation. */
export interface VomsServers {
  /**
   * The FQANs that attribute certificates in a chain vouch for, in their order, without Role=NULL and Capability=NULL. An
   * attribute certificate that does not hold counts as absent: its holder is known, only without attributes.
   *
   * @param chain verified already: leaf first, the end-entity certificate last
   */
  fqansOf(
    chain: readonly X509Certificate[],
    roster: TrustedRoster,
    now: Date,
    revocations: Revocations,
  ): string[]
}

/** Where no folder of VOMS servers is configured nobody has attributes. */
export const NO_VOMS: VomsServers = { fqansOf: () => [] }
