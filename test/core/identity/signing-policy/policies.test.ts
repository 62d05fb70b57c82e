import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openCrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { parseDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { nameHash } from '@mdm/core/identity/signing-policy/name-hash'
import { readPolicies } from '@mdm/core/identity/signing-policy/read-policy'
import { matches, readPattern } from '@mdm/core/identity/signing-policy/subject-pattern'
import { holderOf, proxyOf } from '../../../fixtures/x509/proxies.ts'
import { certificate, ed25519, name, type Part } from '../certificates.ts'
import { lacksOpenssl } from '../../../fixtures/openssl.ts'
import { crl } from '../crl/crls.ts'
import { caName, sampleSite, trusted } from '../roster-samples.ts'

const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const now = new Date('2026-03-15T00:00:00Z')
const FILE = `${nameHash(caName)}.signing_policy`
const CA = '/C=FR/O=Hospital/CN=Hospital CA'

const policy = (...subjects: string[]) => `# what the CA may sign
access_id_CA   X509    '${CA}'

pos_rights     globus  CA:sign
cond_subjects  globus  '${subjects.map((subject) => `"${subject}"`).join(' ')}'
`

const user = (...parts: Part[]) => {
  const key = ed25519()
  const subject = name(['C', 'FR'], ['O', 'Hospital'], ...parts)
  return holderOf(certificate({ subject, issuer: caName, key, signer: sample.caKey }), key)
}
const alice = user(['OU', 'Radiology'], ['CN', 'Alice Martin'])

/** What becomes of Alice while the folder holds this file. */
async function codeBy(t: Test, files: Record<string, string>, who = alice): Promise<string> {
  const dir = t.testdir()
  writeFileSync(join(dir, 'ca.crl'), crl({ signer: sample.caKey }))
  for (const [file, content] of Object.entries(files)) writeFileSync(join(dir, file), content)
  const folder = openCrlFolder(dir)
  await folder.refresh(roster.userCas, now)
  try {
    return identify(who.chain, roster, now, folder).kind
  } catch (error) {
    return (error as { code: string }).code
  }
}

t.test('a CA names whom its signing policy lets it name, within its name spaces', async (t) => {
  t.equal(await codeBy(t, {}), 'user', 'without a policy the roster decides')
  t.equal(await codeBy(t, { [FILE]: policy('/C=FR/O=Hospital/*') }), 'user')
  t.equal(await codeBy(t, { [FILE]: policy('/C=DE/*', '/C=FR/O=Hospital/OU=Radiology/*') }), 'user')
  t.equal(await codeBy(t, { [FILE]: policy('/C=FR/O=Hospital/OU=Cardiology/*') }), 'MDM_UNAUTHENTICATED')
  t.equal(await codeBy(t, { [FILE]: policy('/C=DE/*') }), 'MDM_UNAUTHENTICATED')
  const outside = holderOf(
    certificate({
      subject: name(['C', 'DE'], ['CN', 'x']),
      issuer: caName,
      key: ed25519(),
      signer: sample.caKey,
    }),
    ed25519(),
  )
  t.equal(
    await codeBy(t, { [FILE]: policy('/*') }, outside),
    'MDM_UNAUTHENTICATED',
    'never beyond the roster',
  )
})

t.test('a proxy is judged by the name of its owner', async (t) => {
  const files = { [FILE]: policy('/C=FR/O=Hospital/OU=Radiology/CN=Alice Martin') }
  t.equal(await codeBy(t, files, proxyOf(alice)), 'user')
  t.equal(await codeBy(t, files, proxyOf(user(['CN', 'Bob']))), 'MDM_UNAUTHENTICATED')
})

t.test('a policy that cannot be used lets in nobody of its CA, and is named', async (t) => {
  const bad: Record<string, string> = {
    empty: '',
    'of another CA': policy('/*').replace('Hospital CA', 'Other CA'),
    'without subjects': policy('/*').replace(/cond_subjects.*/, ''),
    'without the right to sign': policy('/*').replace(/pos_rights.*/, ''),
    'with another right': policy('/*').replace('CA:sign', 'CA:revoke'),
    'with a right taken': `${policy('/*')}neg_rights globus CA:sign\n`,
    'with a word nobody knows': `${policy('/*')}cond_times globus "x"\n`,
    'with quotes that do not end': policy('/*').replace(`/*"'`, '/*'),
    'with a subject that is no name': policy('Hospital/*'),
    'with a type nobody knows': policy('/C=FR/XYZ=1/*'),
    'twice of the CA': policy('/*') + policy('/C=FR/*'),
    'very long': `${policy('/*')}#${' '.repeat(70_000)}\n`,
  }
  for (const [what, content] of Object.entries(bad))
    t.equal(await codeBy(t, { [FILE]: content }), 'MDM_CRL', what)
  const dir = t.testdir()
  writeFileSync(join(dir, 'ca.crl'), crl({ signer: sample.caKey }))
  mkdirSync(join(dir, FILE))
  const folder = openCrlFolder(dir)
  await folder.refresh(roster.userCas, now)
  t.throws(() => identify(alice.chain, roster, now, folder), { code: 'MDM_CRL' }, 'a folder')
  t.match(folder.faults, [{ file: join(dir, FILE) }])
  const service = certificate({ subject: name(['CN', 'service']), key: sample.service })
  t.equal(identify([service], roster, now, folder).kind, 'service', 'services are known by the roster')
})

t.test('a policy of a CA that no roster names is not looked at', async (t) => {
  t.equal(await codeBy(t, { '00000000.signing_policy': 'damaged', 'x.signing_policy': 'damaged' }), 'user')
})

t.test('a changed policy counts with the next look, and so does a deleted one', async (t) => {
  const dir = t.testdir()
  const file = join(dir, FILE)
  writeFileSync(join(dir, 'ca.crl'), crl({ signer: sample.caKey }))
  const folder = openCrlFolder(dir)
  const look = async () => {
    await folder.refresh(roster.userCas, now)
    return identify(alice.chain, roster, now, folder).kind
  }
  t.throws(
    () => identify(alice.chain, roster, now, folder),
    { code: 'MDM_CRL' },
    'nobody before the first look',
  )
  t.equal(await look(), 'user')
  writeFileSync(file, policy('/C=DE/*'))
  await t.rejects(look(), { code: 'MDM_UNAUTHENTICATED' })
  writeFileSync(file, 'damaged')
  await t.rejects(look(), { code: 'MDM_CRL' })
  rmSync(file)
  t.equal(await look(), 'user')
})

t.test('a folder that is gone does not widen what its policies allow', async (t) => {
  const dir = join(t.testdir({ ca: {} }), 'ca')
  writeFileSync(join(dir, 'ca.crl'), crl({ signer: sample.caKey }))
  writeFileSync(join(dir, FILE), policy('/C=DE/*'))
  const folder = openCrlFolder(dir)
  const look = async () => {
    await folder.refresh(roster.userCas, now)
    return identify(alice.chain, roster, now, folder).kind
  }
  await t.rejects(look(), { code: 'MDM_UNAUTHENTICATED' })
  renameSync(dir, `${dir}-unmounted`)
  await t.rejects(look(), { code: 'MDM_UNAUTHENTICATED' })
  t.match(folder.faults, [{ file: dir }])
  renameSync(`${dir}-unmounted`, dir)
  rmSync(join(dir, FILE))
  t.equal(await look(), 'user')
})

t.test('policies are read as grid CAs write them', async (t) => {
  const read = (text: string) => readPolicies(text).map(({ ca, subjects }) => [ca, ...subjects])
  t.strictSame(
    read(
      `access_id_CA X509 "/C=AT/O=Grid/CN=CA"\r\npos_rights globus CA:sign # all\r\ncond_subjects globus /C=AT/*\r\n`,
    ),
    [['CN=ca,O=grid,C=at', '/C=at/*']],
  )
  const two = `${policy('/C=FR/*', '/C=DE/O=A B/*')}\n${policy('/emailAddress=x*').replace('Hospital CA', 'Other')}`
  t.strictSame(read(two), [
    ['CN=hospital ca,O=hospital,C=fr', '/C=fr/*', '/C=de/O=a b/*'],
    ['CN=other,O=hospital,C=fr', '/emailAddress=x*'],
  ])
})

t.test(
  'stars and question marks stand for characters, never for the borders a value only looks like',
  async (t) => {
    const cases: [pattern: string, dn: string, allowed: boolean][] = [
      ['/DC=org/DC=terena/*', 'CN=alice,DC=terena,DC=org', true],
      ['/DC=org/DC=terena/*', 'DC=terena,DC=org', false],
      ['/DC=org/DC=terena/*', 'CN=alice,DC=terena-evil,DC=org', false],
      ['/DC=org/DC=terena*', 'CN=alice,DC=terena-tcs,DC=org', true],
      ['/C=FR/O=CNRS/*', 'CN=a,O=cnrs/x,C=fr', false],
      ['/O=a/O=b/*', 'CN=x,O=a/O\\=b', false],
      ['/C=FR/O=*/CN=alice', 'CN=alice,OU=x,O=y,C=fr', true],
      ['/C=FR/O=*/CN=alice', 'CN=bob,O=y,C=fr', false],
      ['/C=F?/CN=a', 'CN=a,C=fr', true],
      ['/C=F?/CN=a', 'CN=a,C=f', false],
      ['/E=a@b/*', 'CN=x,emailAddress=a@b', true],
      ['/c=fr/cn=ALICE', 'CN=alice,C=fr', true],
      ['/*', 'CN=anyone', true],
      ['/C=*a*a*a*a*a*b', `CN=${'a'.repeat(1_000)},C=x`, false],
    ]
    for (const [pattern, dn, allowed] of cases)
      t.equal(matches(readPattern(pattern)!, parseDn(dn)), allowed, `${pattern} and ${dn.slice(0, 40)}`)
  },
)

t.test('a name is hashed as OpenSSL hashes it', async (t) => {
  if (lacksOpenssl(t)) return
  const names = [
    caName,
    name(['DC', 'org', 'ia5'], ['DC', 'mdm-test', 'ia5'], ['CN', 'MDM Test CA']),
    name(['C', 'FR', 'printable'], ['O', '  Two   Spaces '], ['CN', 'ÉCOLE Ünï', 'bmp']),
    name(
      ['O', 'x'],
      [
        ['OU', 'b'],
        ['CN', 'a'],
      ],
    ),
  ]
  for (const subject of names) {
    const made = certificate({ subject, key: ed25519() })
    const hash = execFileSync('openssl', ['x509', '-noout', '-subject_hash'], { input: made.toString() })
    t.equal(nameHash(subject), hash.toString().trim())
  }
})
