import { MdmError } from '../../errors.ts'
import { SOAP } from '../../wire/srm/envelope.ts'
import { writeRequest } from '../../wire/srm/messages.ts'
import type { StorageConnections } from './connections.ts'

/**
 * At which of several addresses an SRM service is: each is asked for its version (srmPing) when nothing at the one before speaks SOAP.
 *
 * @param addresses the likeliest first
 * @throws what was wrong with the first that answered as somebody else, or else with the first
 */
export async function findService(
  connections: StorageConnections,
  addresses: readonly URL[],
  signal: AbortSignal | undefined,
): Promise<URL> {
  const wrong: unknown[] = []
  for (const url of addresses)
    try {
      const { status, text } = await connections.post(url, writeRequest('srmPing', {}), signal)
      // A fault is an answer too: whether it lets us in is said by the call that follows.
      if (text.includes(`"${SOAP}"`) || text.includes(`'${SOAP}'`)) return url
      throw new MdmError('MDM_UNREACHABLE', `there is no storage service, but a status of ${status}`)
    } catch (error) {
      if (signal?.aborted === true) throw error
      wrong.push(error)
    }
  throw wrong.find((error) => error instanceof MdmError && error.code !== 'MDM_UNREACHABLE') ?? wrong[0]
}
