/** Gathers a key as its argument says, lets go of the servers, and says "key"; how long it then lives on is for its parent to see. */
import { createPublicKey } from 'node:crypto'
import { Peer } from '@mdm/core/grid/http'
import { gatherFileKey } from '@mdm/core/grid/key-servers'

const o = JSON.parse(process.argv[2]!)
const peers = o.servers.map(({ id, url }: { id: string; url: string }) => ({
  id,
  peer: new Peer({ url, pins: [o.pin], credential: o.credential }),
}))
await gatherFileKey({
  ...o.volume,
  servers: peers,
  signers: [{ kid: o.signer.kid, key: createPublicKey(o.signer.key) }],
})
await Promise.all(peers.map(({ peer }: { peer: Peer }) => peer.close()))
process.stdout.write('key')
