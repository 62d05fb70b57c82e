import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import type { Session } from '@mdm/core/access/session'
import { signStatement, type Chain } from '@mdm/core/acl/statement'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import type { AclObject } from '@mdm/core/wire/common'
import {
  ada,
  appoint,
  credentialOf,
  extended,
  founded,
  grantRead,
  GUID,
  NOW,
  sample,
  user,
} from '../acl/statement-samples.ts'
import { ed25519 } from '../identity/certificates.ts'
import { trusted } from '../identity/roster-samples.ts'

const mallory = ed25519()
const heirKey = ed25519()
const [left] = sample.body.administrators
/** Ada has left; her heir administers. */
const roster = await trusted(
  {
    ...sample.body,
    administrators: [{ ...left!, spki: spkiDigest(heirKey) }],
    formerAdministrators: [left!],
  },
  sample.signer,
)

/** The heir's session with a site and three key servers of others, which say what they are told to hold. */
function sessionOf(lists: readonly Chain[]) {
  const posted: string[][] = []
  const peerOf = (key: Chain) => ({
    call: async (contract: { method: string }, o: { params?: { object: AclObject }; body?: object }) => {
      if (contract.method === 'POST') {
        posted.push((o.body as { earlier: string[] }).earlier)
        throw new MdmError('MDM_UNREACHABLE')
      }
      const { object } = o.params!
      return { statements: object === 'key' ? key.statements : (await founded(object, [])).statements }
    },
  })
  const [site, ...keyServers] = lists.map(peerOf)
  const session = {
    ...{ roster, credential: credentialOf(heirKey), site },
    keyServers: keyServers.map((peer, i) => ({ id: roster.body.keyServers[i]!.id, peer })),
  }
  return { session: session as unknown as Session, posted }
}

const give = (session: Session) =>
  grant(session, GUID, { to: user('Bo'), preset: 'process', versions: 'all' })

t.test('nobody signs after what a former administrator says at one server alone', async (t) => {
  const held = await extended(await founded(), [grantRead('Alice')])
  const forged = await signStatement({ chain: held, change: appoint(mallory), credential: ada, now: NOW })
  const lying = { ...held, statements: [...held.statements, forged] }
  for (const lists of [
    [held, lying, held, held],
    [lying, held, held, held],
  ]) {
    const { session, posted } = sessionOf(lists)
    await t.rejects(give(session), { code: 'MDM_STATEMENT' })
    t.strictSame(posted, [])
  }
})

t.test('what most servers hold of him is brought to the one that missed it', async (t) => {
  const behind = await founded()
  const held = await extended(behind, [grantRead('Alice')])
  const { session, posted } = sessionOf([held, held, held, behind])
  await t.rejects(give(session), { code: 'MDM_UNREACHABLE' })
  t.strictSame(
    posted.find((earlier) => earlier.length > 0),
    held.statements.slice(1),
  )
})
