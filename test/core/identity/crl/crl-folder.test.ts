import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openCrlFolder, type CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { crlPem } from '@mdm/core/identity/crl/crl-text'
import { readCertificate } from '@mdm/core/identity/certificate'
import { identify } from '@mdm/core/identity/identify'
import { certificate, CLIENT_AUTH, ec, ed25519, name } from '../certificates.ts'
import { caName, sampleSite, trusted } from '../roster-samples.ts'
import { crl, type CrlOptions } from './crls.ts'

const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const cas = roster.userCas
const [ca] = cas
const now = new Date('2026-03-15T00:00:00Z')
const subject = name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Alice Martin'])
const user = (serial: string, signer = sample.caKey) =>
  certificate({
    ...{ subject, issuer: caName, key: ed25519(), signer, serial },
    ...{ ca: false, eku: [CLIENT_AUTH], keyUsage: 0x80 },
  })
const [alice, bob] = [user('41'), user('42')]
const list = (o: Partial<CrlOptions> = {}) => crl({ signer: sample.caKey, ...o })
const mayCome = (who: typeof alice, folder: CrlFolder, at = now) => identify([who], roster, at, folder)

/** A folder with lists, looked at once. */
async function folderOf(t: Test, files: Record<string, Buffer | string>, o: { graceHours?: number } = {}) {
  const dir = t.testdir()
  for (const [file, content] of Object.entries(files)) writeFileSync(join(dir, file), content)
  const folder = openCrlFolder(dir, o)
  await folder.refresh(cas, now)
  return { dir, folder }
}

t.test('without a folder nobody is looked up, as a client looks nobody up', async (t) => {
  const folder = openCrlFolder(undefined)
  await folder.refresh(cas, now)
  t.equal(mayCome(alice, folder).kind, 'user')
  t.strictSame([folder.faults, folder.foreign, folder.without(cas, now)], [[], [], []])
  t.equal(identify([alice], roster, now).kind, 'user')
})

t.test(
  'a revoked user is refused and others are not, whatever the list is called and written in',
  async (t) => {
    for (const file of ['0a1b2c3d.r0', 'hospital.crl', 'hospital.pem', 'hospital.crl.pem'])
      for (const content of [list({ revoked: ['41'] }), crlPem(list({ revoked: ['41'] }))]) {
        const { folder } = await folderOf(t, { [file]: content })
        t.throws(() => mayCome(alice, folder), { code: 'MDM_REVOKED', exitCode: 4, status: 403 }, file)
        t.equal(mayCome(bob, folder).kind, 'user', file)
        t.strictSame(folder.faults, [])
      }
  },
)

t.test('who is known by the roster itself is not looked up: services and key servers', async (t) => {
  const { folder } = await folderOf(t, {})
  const service = certificate({ subject: name(['CN', 'service']), key: sample.service })
  t.equal(identify([service], roster, now, folder).kind, 'service')
  t.throws(() => mayCome(alice, folder), { code: 'MDM_CRL' })
})

t.test('a list past its end lets in nobody of its CA, and whom it revoked stays revoked', async (t) => {
  const at = (text: string) => new Date(text)
  const { folder } = await folderOf(t, { 'a.crl': list({ revoked: ['41'] }) })
  t.equal(mayCome(bob, folder, at('2026-04-01T00:00:00Z')).kind, 'user', 'to the last second')
  t.throws(() => mayCome(bob, folder, at('2026-04-01T00:00:01Z')), {
    code: 'MDM_CRL',
    exitCode: 5,
    status: 503,
  })
  t.throws(() => mayCome(alice, folder, at('2026-04-01T00:00:01Z')), { code: 'MDM_REVOKED' })
  t.strictSame(folder.without(cas, at('2026-04-02T00:00:00Z')), cas)
  const grace = (await folderOf(t, { 'a.crl': list({ revoked: ['41'] }) }, { graceHours: 24 })).folder
  t.equal(mayCome(bob, grace, at('2026-04-01T23:59:00Z')).kind, 'user')
  t.throws(() => mayCome(bob, grace, at('2026-04-02T00:01:00Z')), { code: 'MDM_CRL' })
})

t.test('a list that cannot be used counts as none, and is named', async (t) => {
  const bad: Record<string, Buffer | string> = {
    'another key': list({ signer: ec() }),
    'a delta': list({ extensions: [['2.5.29.27', true, Buffer.from([2, 1, 1])]] }),
    'not yet': list({ thisUpdate: new Date('2026-03-15T00:06:00Z') }),
    'cut short': list().subarray(0, -3),
    'not a list': 'words',
    nothing: '',
  }
  for (const [what, content] of Object.entries(bad)) {
    const { dir, folder } = await folderOf(t, { 'a.crl': content })
    t.throws(() => mayCome(bob, folder), { code: 'MDM_CRL' }, what)
    t.match(folder.faults, [{ file: join(dir, 'a.crl'), message: /.{8}/ }], what)
  }
  const early = await folderOf(t, { 'a.crl': list({ thisUpdate: new Date('2026-03-15T00:04:00Z') }) })
  t.equal(mayCome(bob, early.folder).kind, 'user', 'clocks differ')
})

t.test('certificates, lists of other CAs and other files in the folder are no fault', async (t) => {
  const other = crl({ signer: ec(), issuer: name(['CN', 'Other CA']), revoked: ['42'] })
  const { dir, folder } = await folderOf(t, {
    ...{
      'a.r0': 'no list by its name',
      'README.txt': 'words',
      '.hidden.crl': 'words',
      '0a1b2c3d.0': 'words',
    },
    ...{ 'ca.pem': sample.ca.toString(), 'b.crl': list({ revoked: ['41'] }), 'other.crl': other },
  })
  t.strictSame(folder.faults, [])
  t.strictSame(folder.foreign, [join(dir, 'other.crl')])
  t.equal(mayCome(bob, folder).kind, 'user')
})

t.test(
  'a new list counts at the next look; an older one, a damaged one and none at all undo nothing',
  async (t) => {
    const { dir, folder } = await folderOf(t, { 'a.crl': list({ number: 1 }) })
    const look = async (content?: Buffer | string) => {
      if (content !== undefined) writeFileSync(join(dir, 'new'), content)
      if (content !== undefined) renameSync(join(dir, 'new'), join(dir, 'a.crl'))
      await folder.refresh(cas, now)
    }
    t.equal(mayCome(alice, folder).kind, 'user')
    await look(list({ number: 2, revoked: ['41'] }))
    t.throws(() => mayCome(alice, folder), { code: 'MDM_REVOKED' }, 'of the same second, by its number')
    await look(list({ number: 1 }))
    t.throws(() => mayCome(alice, folder), { code: 'MDM_REVOKED' }, 'an older one')
    await look('damaged')
    t.throws(() => mayCome(alice, folder), { code: 'MDM_REVOKED' })
    t.equal(folder.faults.length, 1)
    rmSync(join(dir, 'a.crl'))
    await look()
    t.throws(() => mayCome(alice, folder), { code: 'MDM_REVOKED' })
    t.equal(mayCome(bob, folder).kind, 'user')
    t.strictSame(folder.faults, [])
    rmSync(dir, { recursive: true })
    await look()
    t.match(folder.faults, [{ file: dir }])
    t.equal(mayCome(bob, folder).kind, 'user', 'the last one is in force to its end')
    mkdirSync(dir)
    await look(list({ thisUpdate: new Date('2026-03-02T00:00:00Z') }))
    t.equal(mayCome(alice, folder).kind, 'user', 'its CA took it back')
    t.strictSame(folder.faults, [])
  },
)

t.test('a list is read once, and again when its file changes', async (t) => {
  const { dir, folder } = await folderOf(t, { 'a.crl': list() })
  const first = folder.listOf(ca!)
  await folder.refresh(cas, now)
  t.equal(folder.listOf(ca!), first)
  writeFileSync(join(dir, 'a.crl'), list({ number: 1 }))
  utimesSync(join(dir, 'a.crl'), now, now)
  await folder.refresh(cas, now)
  t.not(folder.listOf(ca!), first)
})

t.test('a CA with two keys needs a list of each, and each revokes for both', async (t) => {
  const renewedKey = ec()
  const renewed = certificate({ subject: caName, key: renewedKey, ca: true, keyUsage: 0x06 })
  const [first] = sample.body.userCas
  const userCas = [first!, { ...first!, certificate: renewed.raw.toString('base64') }]
  const both = await trusted({ ...sample.body, userCas }, sample.signer)
  const dir = t.testdir()
  const folder = openCrlFolder(dir)
  const carol = user('43', renewedKey)
  writeFileSync(join(dir, 'new.crl'), crl({ signer: renewedKey, revoked: ['41'] }))
  await folder.refresh(both.userCas, now)
  t.throws(() => identify([alice], both, now, folder), { code: 'MDM_REVOKED' })
  t.throws(() => identify([bob], both, now, folder), { code: 'MDM_CRL' }, 'no list of the key that issued it')
  t.equal(identify([carol], both, now, folder).kind, 'user')
  t.equal(folder.without(both.userCas, now).length, 1)
  writeFileSync(join(dir, 'old.crl'), list())
  await folder.refresh(both.userCas, now)
  t.equal(identify([bob], both, now, folder).kind, 'user')
  t.throws(
    () => identify([alice], both, now, folder),
    { code: 'MDM_REVOKED' },
    'on the list of the other key',
  )
  const again = certificate({
    subject: caName,
    key: sample.caKey,
    ca: true,
    notAfter: new Date('2040-01-01T00:00:00Z'),
  })
  const sameKey = { ...ca!, certificate: again, identity: readCertificate(again.raw) }
  t.ok(folder.listOf(sameKey), 'a new certificate for the same key goes on with its list')
})

t.test(
  'an expired certificate is said to have expired, a stranger to be unknown, revoked or not',
  async (t) => {
    const { folder } = await folderOf(t, { 'a.crl': list({ revoked: ['41', '44'] }) })
    const old = certificate({
      ...{ subject, issuer: caName, key: ed25519(), signer: sample.caKey, serial: '44' },
      ...{ ca: false, notAfter: new Date('2026-02-01T00:00:00Z') },
    })
    t.throws(() => mayCome(old, folder), { code: 'MDM_CREDENTIAL_EXPIRED' })
    t.throws(() => mayCome(user('41', ec()), folder), { code: 'MDM_UNAUTHENTICATED' })
  },
)
