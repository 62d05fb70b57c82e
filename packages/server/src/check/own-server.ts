import { spkiDigest } from '@mdm/core/crypto/spki'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import { Peer } from '@mdm/core/grid/http'
import { probe } from '@mdm/core/grid/probe'
import type { Credential } from '@mdm/core/identity/credential'
import type { Listen } from '../config.ts'
import { urlOf } from '../provision/address.ts'

const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** Does the server itself run, and what does it say of its health? @param start the command that starts it */
export async function checkOwnServer(
  listen: Listen,
  credential: Credential,
  start: string,
): Promise<Finding> {
  const url = urlOf({ host: EVERYWHERE[listen.host] ?? listen.host, port: listen.port })
  const peer = new Peer({ url, pins: [spkiDigest(credential.privateKey)], credential })
  try {
    const { answers, health, refusal } = await probe(peer)
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
        `mend that; if it stays: ${start}`,
      )
    return good('server', url, health === undefined ? 'it runs' : 'it runs and is ready')
  } finally {
    await peer.close()
  }
}
