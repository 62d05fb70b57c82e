import type { X509Certificate } from 'node:crypto'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { asRemembered, remember } from '../../../packages/server/src/http/client-chain.ts'
import { certificate, ec, name } from '../../core/identity/certificates.ts'
import { listen, known, unknown } from './listener.ts'

const key = ec()
const madeFor = (cn: string) => {
  const subject = name(['CN', cn])
  return certificate({ subject, issuer: subject, key })
}

t.test('whoever was let in and connects again shows the certificates that he showed before', async (t) => {
  const shown: (readonly X509Certificate[])[] = []
  const identify = async ([...chain]: readonly X509Certificate[]) => {
    shown.push(chain)
    if (chain[0]?.fingerprint256 === shown[1]?.[0]?.fingerprint256) throw new MdmError('MDM_UNAUTHENTICATED')
    return { kind: 'user' as const, dn: 'CN=x', issuer: 'CN=x', spki: '', notAfter: new Date(), fqans: [] }
  }
  const { ask } = await listen(t, { identify: identify as never }, (app) => void app.get('/', async () => ''))
  const asked = [known, unknown, known, unknown, null]
  for (const [i, as] of asked.entries())
    t.equal((await ask('/', { as })).status, as === unknown ? 401 : 200, `${i}`)
  const [first, stranger, again, strangerAgain, none] = shown as X509Certificate[][]
  t.ok(first![0] === again![0], 'the same object, with what was found out about it')
  t.ok(first![0] !== stranger![0] && first![0]!.fingerprint256 !== stranger![0]!.fingerprint256)
  t.ok(stranger![0] !== strangerAgain![0], 'of a stranger nothing is kept')
  t.strictSame(none, [])
})

t.test('a chain is another one when any of its certificates is', (t) => {
  const [leaf, owner, stranger] = ['leaf', 'owner', 'stranger'].map(madeFor) as [
    X509Certificate,
    X509Certificate,
    X509Certificate,
  ]
  const chain = [leaf, owner]
  remember(chain)
  t.ok(asRemembered([leaf, owner]) === chain)
  for (const other of [[leaf, stranger], [leaf], [owner, leaf]]) t.ok(asRemembered(other) === other)
  t.end()
})

t.test('no more than some are remembered, and none that is long', (t) => {
  const [first, often] = [[madeFor('first')], [madeFor('often')]]
  remember(first)
  remember(often)
  for (let i = 0; i < 256; i++) {
    remember([madeFor(`other ${i}`)])
    if (i === 128) remember([...often])
  }
  t.ok(asRemembered([...often]) === often, 'who comes again stays')
  t.ok(asRemembered([...first]) !== first, 'who was away longest goes')
  const long = Array.from({ length: 10 }, (_, i) => madeFor(`${i} ${'x'.repeat(2_500)}`))
  remember(long)
  t.ok(asRemembered([...long]) !== long)
  t.end()
})
