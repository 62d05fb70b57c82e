import t from 'tap'
import { formatPrincipal, parsePrincipal, Principal, samePrincipal } from '@mdm/core/acl/principal'
import { parseDn } from '@mdm/core/identity/dn'
import { ISSUER } from '../identity/roster-samples.ts'

const alice = { kind: 'user', dn: parseDn('CN=Alice,O=Hospital,C=FR'), issuer: ISSUER }

t.test('principals are read as people write them', async (t) => {
  t.strictSame(parsePrincipal('group:readers'), { kind: 'group', name: 'readers' })
  t.strictSame(parsePrincipal('service:demo'), { kind: 'service', site: 'demo' })
  t.strictSame(parsePrincipal('/vo/physicians/Role=radiologist'), {
    kind: 'fqan',
    fqan: '/vo/physicians/Role=radiologist',
  })
  t.strictSame(parsePrincipal('CN=Alice, O=Hospital, C=FR', ISSUER), alice)
  t.strictSame(parsePrincipal('/C=FR/O=Hospital/CN=Alice', ISSUER), alice)
})

t.test('what is no principal is refused', async (t) => {
  for (const text of [
    'group:',
    'group:a*',
    'group:A',
    'service:',
    'service:a b',
    '/vo/a b',
    '/vo//a',
    '*',
    'Alice',
    '',
  ])
    t.throws(() => parsePrincipal(text, ISSUER), { code: 'MDM_USAGE' }, text)
  t.throws(() => parsePrincipal('CN=Alice'), { code: 'MDM_USAGE' }, 'a user without a CA')
})

t.test('a principal is shown as it can be typed', async (t) => {
  for (const text of ['group:readers', 'service:demo', '/vo/physicians', 'CN=alice, O=hospital, C=fr'])
    t.equal(formatPrincipal(parsePrincipal(text, ISSUER)), text)
})

t.test('two principals are the same only as a whole', async (t) => {
  const all = [
    alice,
    { ...alice, issuer: parseDn('CN=Other CA') },
    { ...alice, dn: parseDn('CN=Alic,O=Hospital,C=FR') },
    { kind: 'group', name: 'demo' },
    { kind: 'service', site: 'demo' },
    { kind: 'fqan', fqan: '/demo' },
  ].map((p) => Principal.parse(p))
  for (const [i, a] of all.entries())
    for (const [j, b] of all.entries()) t.equal(samePrincipal(a, b), i === j)
})
