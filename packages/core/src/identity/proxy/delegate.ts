import type { KeyObject, X509Certificate } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { findEndEntity } from '../chain.ts'
import type { Credential } from '../credential.ts'
import { newHolderKey } from './holder-key.ts'
import { MOST_HOURS } from './policy.ts'
import { writeProxy, type ProxyPolicy } from './write-proxy.ts'

/** A proxy certificate with what belongs to it, as files have it. */
export interface Delegated {
  /** PEM: the proxy, the holder's private key where it was made here, then the certificates above the proxy */
  readonly pem: string
  readonly certificate: X509Certificate
  readonly notAfter: Date
  /** true where the owner's own credential ends before the hours asked for */
  readonly cut: boolean
}

/**
 * Delegates rights of a credential to a key: of the holder, or a new one. What limits narrow may not be delegated further.
 *
 * @param o `hours` from now, at most MOST_HOURS; `holder` is a public key
 * @throws MDM_USAGE; MDM_CREDENTIAL_EXPIRED; MDM_CONFIG when the credential may not be delegated, as one that is limited itself
 */
export async function delegate(
  owner: Pick<Credential, 'chain' | 'privateKey'>,
  o: { policy: ProxyPolicy; hours: number; now: Date; holder?: KeyObject | undefined },
): Promise<Delegated> {
  if (!(o.hours > 0 && o.hours <= MOST_HOURS))
    throw new MdmError('MDM_USAGE', `what is delegated ends within ${MOST_HOURS} hours`)
  const chain = inOrder(owner.chain)
  const made = o.holder === undefined ? await newHolderKey() : undefined
  const asked = new Date(o.now.getTime() + o.hours * 3_600_000)
  const certificate = writeProxy({
    issuer: { chain, key: owner.privateKey },
    holder: o.holder ?? made!.publicKey,
    ...{ policy: o.policy, now: o.now, notAfter: asked },
    ...(o.policy.language === 'mdmLimits' ? { pathLen: 0 } : {}),
  })
  requireAcceptable([certificate, ...chain])
  const key = made === undefined ? [] : [made.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string]
  const notAfter = certificate.validToDate
  return {
    pem: [certificate.toString(), ...key, ...chain.map((one) => one.toString())].join(''),
    ...{ certificate, notAfter },
    cut: asked.getTime() - notAfter.getTime() >= 1_000,
  }
}

/** Certificates in the order in which each is issued by the next, from the first on; a self-signed one is nobody's to send. */
export function inOrder([leaf, ...others]: readonly X509Certificate[]): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let next = leaf; next !== undefined;) {
    const { issuer } = next
    if (issuer === next.subject) break
    chain.push(next)
    next = others.find((one) => one.subject === issuer && !chain.includes(one))
  }
  return chain
}

/** Fails where no server would accept the chain, so that a job does not find out. */
function requireAcceptable(chain: readonly X509Certificate[]): void {
  try {
    findEndEntity(chain)
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'this credential may not be delegated further', { cause })
  }
}
