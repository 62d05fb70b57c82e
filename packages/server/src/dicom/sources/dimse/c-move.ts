import { lookup } from 'node:dns/promises'
import { MdmError } from '@mdm/core/errors'
import type { IncomingAssociation } from '../../dimse/index.ts'
import type { Arrivals } from '../arrivals.ts'
import type { Lease } from './associations.ts'
import { wanted, type Retrieval } from './retrieval.ts'

/** Where a peer's objects come from, when it sends them to us. */
export interface Sender {
  readonly ae: string
  readonly host: string
  /** addresses it sends from, where they are not those of `host` */
  readonly addresses: readonly string[] | undefined
}

/**
 * C-MOVE of the whole series to the site's own listener, which the peer has to know by title, host and port.
 * Only what was asked for is taken, and only from the peer that was asked.
 *
 * @throws MDM_SOURCE_INCOMPLETE
 */
export async function* byMove<T>(
  r: Retrieval<T>,
  lease: Lease,
  o: { arrivals: Arrivals; sender: Sender },
): AsyncGenerator<T> {
  const addresses = new Set(o.sender.addresses ?? (await addressesOf(o.sender.host)))
  const isSender = ({ calling, peerAddress }: IncomingAssociation) =>
    calling === o.sender.ae && addresses.has(plain(peerAddress))
  const expected = o.arrivals.expect({ sops: r.missing, isSender })
  const gone = () => expected.end(r.signal.reason)
  r.signal.addEventListener('abort', gone, { once: true })
  // Every object is answered, so read, before the last response.
  lease.association.move({ level: 'SERIES', ...r.ref, destination: o.arrivals.ae }).then(
    () => expected.end(),
    (error: unknown) => expected.end(error),
  )
  try {
    r.signal.throwIfAborted()
    yield* wanted(r, expected)
  } finally {
    expected.end()
    r.signal.removeEventListener('abort', gone)
  }
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host.replace(/^\[|\]$/g, ''), { all: true }).catch((cause: unknown) => {
    throw new MdmError('MDM_SOURCE_UNREACHABLE', 'the name of the source has no address', { cause })
  })
  return found.map(({ address }) => plain(address))
}

/** An IPv4 address that a socket of IPv6 shows is the same address. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, '')
}
