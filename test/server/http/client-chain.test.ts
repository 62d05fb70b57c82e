import type { X509Certificate } from 'node:crypto'
import t from 'tap'
import { remembered } from '../../../packages/server/src/http/client-chain.ts'
import { certificate, ec, name } from '../../core/identity/certificates.ts'
import { listen, known, unknown } from './listener.ts'

const key = ec()
const madeFor = (cn: string) => {
  const subject = name(['CN', cn])
  return certificate({ subject, issuer: subject, key })
}

t.test('whoever connects again shows the certificates that he showed before', async (t) => {
  const shown: (readonly X509Certificate[])[] = []
  const identify = ([...chain]: readonly X509Certificate[]) => {
    shown.push(chain)
    return { kind: 'user' as const, dn: 'CN=x', issuer: 'CN=x', spki: '', notAfter: new Date(), fqans: [] }
  }
  const { ask } = await listen(t, { identify: identify as never }, (app) => void app.get('/', async () => ''))
  for (const as of [known, unknown, known, null]) t.equal((await ask('/', { as })).status, 200)
  const [first, other, again, none] = shown as [X509Certificate[], X509Certificate[], X509Certificate[], []]
  t.ok(first[0] === again[0], 'the same object, with what was found out about it')
  t.ok(first[0] !== other[0] && first[0]!.fingerprint256 !== other[0]!.fingerprint256)
  t.strictSame(none, [])
})

t.test('a chain is another one when any of its certificates is', (t) => {
  const [leaf, owner, stranger] = ['leaf', 'owner', 'stranger'].map(madeFor) as [
    X509Certificate,
    X509Certificate,
    X509Certificate,
  ]
  const chain = remembered([leaf, owner])
  t.ok(remembered([leaf, owner]) === chain)
  t.ok(remembered([leaf, stranger]) !== chain && remembered([leaf]) !== chain)
  t.ok(remembered([owner, leaf]) !== chain)
  t.end()
})

t.test('no more than some are remembered, and none that is long', (t) => {
  const first = remembered([madeFor('first')])
  const often = remembered([madeFor('often')])
  for (let i = 0; i < 256; i++) {
    remembered([madeFor(`other ${i}`)])
    if (i === 128) remembered([...often])
  }
  t.ok(remembered([...often]) === often, 'who comes again stays')
  t.ok(remembered([...first]) !== first, 'who was away longest goes')
  const long = Array.from({ length: 10 }, (_, i) => madeFor(`${i} ${'x'.repeat(2_500)}`))
  t.ok(remembered(long) === long && remembered([...long]) !== long)
  t.end()
})
