import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { NO_LISTS } from '@mdm/core/identity/crl/revocations'
import { checkBans } from '../../../packages/server/src/check/bans.ts'
import { checkUser } from '../../../packages/server/src/check/users.ts'
import { proxyOf, vomsSite } from '../../core/identity/voms/voms-site.ts'
import { attributeCertificate, carrying, VO } from '../../fixtures/x509/attribute-certificate.ts'
import type { AttributeOptions } from '../../fixtures/x509/attribute-certificate.ts'

const now = new Date('2026-11-24T12:00:00Z')
const site = await vomsSite(t)
const { alice, bob, folder: voms, roster } = site

async function check(t: { testdirName: string }, ...attributes: Buffer[]) {
  const proxy = proxyOf(alice, attributes.length === 0 ? [] : [carrying(...attributes)])
  const file = join(t.testdirName, 'proxy.pem')
  await writeFile(file, [proxy, alice.certificate].map(String).join(''))
  return await checkUser(roster, file, { config: 'site.json', now, crls: NO_LISTS, voms })
}

t.test('an operator sees what a proxy gives its owner', async (t) => {
  t.testdir()
  t.match(await check(t), [
    { level: 'ok', name: 'user', message: 'let in as CN=alice martin, O=hospital, C=fr' },
  ])
  const role = `/${VO}/Role=x`
  t.match(await check(t, site.attributes(alice, { fqans: [`/${VO}`, role] })), [
    { name: 'user' },
    { level: 'ok', name: 'attributes', message: `voms.mdm-test.org: /${VO}, ${role}` },
  ])
})

t.test('and that he is banned, by a name as his certificate shows it', async (t) => {
  const dir = t.testdir()
  const [bans, file] = [join(dir, 'bans.json'), join(dir, 'user.pem')]
  await writeFile(file, String(alice.certificate))
  const look = async (list: object[]) => {
    await writeFile(bans, JSON.stringify(list))
    const user = await checkUser(roster, file, {
      ...{ config: 'site.json', now, crls: NO_LISTS, voms },
      bans,
    })
    return [user[0], await checkBans(bans)]
  }
  const { subject, issuer } = alice.certificate
  const written = (name: string) => name.split('\n').toReversed().join(', ')
  const entry = { kind: 'user', dn: written(subject), issuer: written(issuer) }
  t.match(await look([entry]), [{ level: 'fault', message: /is banned here/ }, { level: 'ok' }])
  t.match(await look([]), [{ level: 'ok' }, { level: 'ok' }])
  t.match(await look([entry, { ...entry, dn: 'Alice' }]), [
    { level: 'ok' },
    { level: 'fault', message: /entry 2/ },
  ])
})

t.test('and why attributes do not count, while their holder is let in', async (t) => {
  t.testdir()
  const ended = { notAfter: new Date('2026-11-01T00:00:00Z') }
  const reasons: [RegExp, Partial<AttributeOptions>][] = [
    [/they have ended/, ended],
    [/not valid yet/, { notBefore: new Date('2026-12-01T00:00:00Z') }],
    [/for another certificate/, { holder: bob.certificate }],
    [/no LSC file/, { vo: 'other', fqans: ['/other'] }],
    [/names another certificate/, { signer: bob }],
    [/not signed/, { signer: { ...site.server, key: bob.key } }],
    [
      /extension that is not understood/,
      { furtherExtensions: [['1.2.3', true, Buffer.from('0500', 'hex')]] },
    ],
    [/another VO/, { fqans: ['/other'] }],
  ]
  for (const [message, o] of reasons)
    t.match(await check(t, site.attributes(alice, o)), [
      { level: 'ok', name: 'user' },
      { level: 'warn', name: 'attributes', message, next: /vomsdir/ },
    ])
  const server = { ...site.server, certificate: site.issue('voms.mdm-test.org', site.server.key, ended) }
  t.match(await check(t, attributeCertificate({ signer: server, holder: alice.certificate })), [
    { name: 'user' },
    { level: 'warn', message: /the VOMS server: the certificate has expired/ },
  ])
  t.match(await check(t, site.attributes(alice, ended), site.attributes(alice)), [
    { name: 'user' },
    { level: 'warn' },
    { level: 'ok', name: 'attributes' },
  ])
})
