import { spkiDigest } from '@mdm/core/crypto/spki'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import { Peer } from '@mdm/core/grid/http'
import type { Credential } from '@mdm/core/identity/credential'
import type { Listen } from '../config.ts'
import { urlOf } from '../provision/address.ts'
import { probeSettled } from './settled.ts'

const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/**
 * Does the server itself run, and what does it say of its health?
 *
 * @param o `start` is the command that starts it; `patienceMs` how long it may wait for others
 */
export async function checkOwnServer(
  listen: Listen,
  credential: Credential,
  { start, patienceMs }: { start: string; patienceMs?: number | undefined },
): Promise<Finding> {
  const url = urlOf({ host: EVERYWHERE[listen.host] ?? listen.host, port: listen.port })
  const peer = new Peer({ url, pins: [spkiDigest(credential.privateKey)], credential })
  try {
    const [found] = await probeSettled([peer], { patienceMs })
    const { answers, health, refusal } = found!
    if (refusal?.code === 'MDM_PEER')
      return fault(
        'server',
        url,
        'another program answers there, or the certificate has expired',
        `ss -ltnp "sport = :${listen.port}"`,
      )
    if (!answers) return warn('server', url, 'it does not run', start)
    if (health?.status === 'not ready')
      return fault(
        'server',
        url,
        `it runs and is not ready: ${health.reasons.join(', ')}`,
        health.reasons.includes('catching-up')
          ? 'start the servers that its audit log names in "missing"; one that is lost for ever: mdm-server keys serve-without'
          : `mend that; if it stays: ${start}`,
      )
    return good('server', url, health === undefined ? 'it runs' : 'it runs and is ready')
  } finally {
    await peer.close()
  }
}
