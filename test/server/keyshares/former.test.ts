import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  appendStatement,
  emptyChain,
  signStatement,
  verifyChain,
  type Chain,
  type Change,
} from '@mdm/core/acl/statement'
import { openRoster, rosterFingerprint, signRoster } from '@mdm/core/identity/roster'
import { getWhoami, postStatement } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import { trustRoster } from '../../../packages/server/src/keys.ts'
import { makeGrid, makeVolume, peerOf, principalOf, put, reader, startServer } from './grid.ts'

const dir = t.testdir()
const grid = await makeGrid(join(dir, 'grid'))
const { admin, scientist, physician } = grid.users
const former = admin!
const heir = scientist!
const { body, digest } = grid.roster

t.test('an administrator who left brings no statement that lets him in again', async (t) => {
  const volume = await makeVolume(grid)
  const { dn, issuer, spki } = heir.identity
  const next = {
    ...{ ...body, seq: 2, prev: digest },
    administrators: [{ dn, issuer, spki }],
    formerAdministrators: body.administrators,
  }
  const jws = await signRoster(next, grid.signer)
  const file = join(dir, 'roster.jws')
  writeFileSync(file, jws)
  await trustRoster(grid.made.keyServers[0]!.config, file, rosterFingerprint(jws))
  const roster = await openRoster(jws)
  await startServer(t, grid)
  await put(peerOf(t, grid, grid.service), volume)
  const his = peerOf(t, grid, former)
  t.match(await his.call(getWhoami), { kind: 'user' }, 'he is a user still')

  const { site } = grid
  const scope = volume.guid
  const founded = await verifyChain([volume.founding], { roster, site, scope, object: 'key' })
  const now = new Date()
  const appointment: Change = {
    op: 'appoint',
    administrator: { dn: former.identity.dn, issuer: former.identity.issuer, spki: former.identity.spki },
  }
  /** What he signs alone: his own appointment, as if he had made it while he counted, and then a change. */
  const takeover = async (chain: Chain, change: Change) => {
    const appoint = await signStatement({ chain, change: appointment, credential: former, now })
    const after = await appendStatement(chain, appoint, { roster: grid.roster, now })
    const statement = await signStatement({ chain: after, change, credential: former, now })
    return { statement, earlier: [appoint] }
  }
  const own = await takeover(founded, { op: 'grant', entry: reader(former) })
  const group = await takeover(emptyChain(site, 'site', 'group:readers'), {
    op: 'join',
    member: principalOf(former),
  })
  for (const posted of [own, group]) {
    await t.rejects(his.call(postStatement, { body: posted }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(
      peerOf(t, grid, heir).call(postStatement, { body: posted }),
      { code: 'MDM_STATEMENT' },
      'nor does anyone bring it for him',
    )
  }
  await t.rejects(his.call(getShares, { params: { guid: volume.guid } }), { code: 'MDM_NOT_FOUND' })

  const before = await signStatement({
    chain: founded,
    change: { op: 'grant', entry: reader(physician!) },
    credential: former,
    now,
  })
  const chain = await appendStatement(founded, before, { roster: grid.roster, now })
  const statement = await signStatement({
    chain,
    change: { op: 'grant', entry: reader(heir) },
    credential: heir,
    now,
  })
  const caughtUp = await peerOf(t, grid, heir).call(postStatement, { body: { statement, earlier: [before] } })
  t.match(caughtUp, { seq: 2 }, 'what he changed while he counted is vouched for by his heir')

  const now3 = await appendStatement(chain, statement, { roster, now })
  const again = await signStatement({ chain: now3, change: appointment, credential: former, now })
  for (const fresh of [statement, again]) {
    const posted = { statement: fresh, earlier: [again] }
    await t.rejects(his.call(postStatement, { body: posted }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(
      peerOf(t, grid, heir).call(postStatement, { body: posted }),
      { code: /^MDM_STATEMENT/ },
      'a statement that is held already vouches for nothing after it',
    )
  }
})
