import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { catchUp, type Offer } from '@mdm/core/acl/catch-up'
import type { Chain } from '@mdm/core/acl/statement'
import { takesAway } from '@mdm/core/identity/roster-losses'
import { ADMIN, ISSUER, trusted } from '../identity/roster-samples.ts'
import { credentialOf, extended, founded, grantRead, roster, sample, user } from './statement-samples.ts'

const bob = credentialOf(generateKeyPairSync('ed25519').privateKey)
const held = await founded()
const appointed = await extended(held, [
  { op: 'appoint', administrator: { dn: ADMIN, issuer: ISSUER, spki: bob.identity.spki } },
])
const offer = (witness: string, { statements }: Chain): Offer => ({ witness, statements })

t.test('what an administrator of today signed is taken from any single witness', async (t) => {
  const revoked = await extended(held, [grantRead('eve'), { op: 'revoke', from: user('eve') }])
  const { chain, refused, inDoubt } = await catchUp(held, [offer('k1', revoked), offer('k2', held)], {
    roster,
  })
  t.equal(chain.head, revoked.head)
  t.strictSame([refused, inDoubt], [[], false])
})

t.test('what nobody signed is refused and names its witness, and the others count', async (t) => {
  const longer = await extended(held, [grantRead('eve')])
  const forged = {
    ...longer,
    statements: [...longer.statements, longer.statements[1]!.replace(/.{8}$/, 'AAAAAAAA')],
  }
  const result = await catchUp(held, [offer('liar', forged), offer('k2', longer)], { roster })
  t.equal(result.chain.head, longer.head)
  t.match(result.refused, [{ witness: 'liar', code: /^MDM_STATEMENT/ }])
  t.notOk(result.inDoubt)
})

t.test('a fork of what is held is refused, and what is held stays in force', async (t) => {
  const mine = await extended(held, [grantRead('eve')])
  const other = await extended(held, [grantRead('mallory'), grantRead('eve')])
  const { chain, refused, inDoubt } = await catchUp(mine, [offer('k1', other)], { roster })
  t.equal(chain.head, mine.head)
  t.strictSame(refused, [{ witness: 'k1', code: 'MDM_STATEMENT_FORKED' }])
  t.notOk(inDoubt)
})

t.test('one who was dismissed since does not win by signing more than the others', async (t) => {
  const dismissed = await extended(appointed, [{ op: 'dismiss', spki: bob.identity.spki }])
  const forged = await extended(appointed, [grantRead('bob'), grantRead('eve'), grantRead('mallory')], bob)
  const vouched = [offer('liar', forged), offer('site', dismissed), offer('k2', dismissed)]
  const known = await catchUp(appointed, vouched, { roster })
  t.equal(known.chain.head, dismissed.head, 'the site and a key server vouch for the dismissal')
  t.strictSame(known.refused, [{ witness: 'liar', code: 'MDM_STATEMENT_FORKED' }])
  const open = await catchUp(appointed, [offer('liar', forged), offer('k2', dismissed)], { roster })
  t.equal(open.chain.head, appointed.head, 'of two stories without a second voice none is taken')
  t.ok(open.inDoubt, 'and nothing is released by the list')
})

t.test('what somebody signed who has left the roster needs a second voice, or an heir', async (t) => {
  const heir = credentialOf(generateKeyPairSync('ed25519').privateKey)
  const administrators = [{ dn: ADMIN, issuer: ISSUER, spki: heir.identity.spki }]
  const next = { ...sample.body, administrators, formerAdministrators: sample.body.administrators }
  const later = await trusted(next, sample.signer)
  const his = await extended(held, [grantRead('eve')])
  const alone = await catchUp(held, [offer('k1', his)], { roster: later })
  t.equal(alone.chain.head, held.head)
  t.ok(alone.inDoubt)
  const both = await catchUp(held, [offer('k1', his), offer('site', his)], { roster: later })
  t.equal(both.chain.head, his.head)
  t.notOk(both.inDoubt)
  t.ok(takesAway(sample.body, next), 'a roster that retires somebody takes something away')
  t.notOk(
    takesAway(sample.body, {
      ...sample.body,
      administrators: [...sample.body.administrators, ...administrators],
    }),
  )
})
