import { derChildren, derInteger, derOid, expectTag, malformed, TAG, type DerValue } from '../der.ts'

/** How a proxy may act for its owner, as its certificate says (RFC 3820 section 3.8). */
export interface ProxyInfo {
  /** how many proxies may follow it; undefined for any number */
  readonly pathLength: number | undefined
  /** OID of the policy language */
  readonly language: string
  readonly policy: Buffer | undefined
}

/** Reads the value of a proxyCertInfo extension; undefined stays so. @throws MDM_UNAUTHENTICATED when malformed */
export function readProxyInfo(value: DerValue | undefined): ProxyInfo | undefined {
  if (value === undefined) return undefined
  const parts = derChildren(value, TAG.sequence)
  const pathLength = parts[0]?.tag === TAG.integer ? lengthOf(derInteger(parts.shift())) : undefined
  const [proxyPolicy, ...more] = parts
  const [language, policy, ...rest] = derChildren(expectTag(proxyPolicy, TAG.sequence))
  if (more.length > 0 || rest.length > 0) throw malformed('what a proxy may do')
  return {
    pathLength,
    language: derOid(language),
    policy: policy === undefined ? undefined : expectTag(policy, TAG.octetString).content,
  }
}

/** @param hex of an INTEGER; one of more than four octets limits nothing that we let in, and a negative one is none */
function lengthOf(hex: string): number {
  if (/^[89a-f]/.test(hex)) throw malformed('what a proxy may do')
  return hex.length > 8 ? Number.MAX_SAFE_INTEGER : Number.parseInt(hex, 16)
}
