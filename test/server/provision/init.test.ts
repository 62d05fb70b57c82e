import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import forge from 'node-forge'
import t from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { createCa } from '@mdm/core/identity/ca'
import { parseDn } from '@mdm/core/identity/dn'
import { acceptRoster, openRoster, rosterFingerprint } from '@mdm/core/identity/roster'
import { parseCommand } from '../../../packages/server/src/commands/command.ts'
import { COMMANDS } from '../../../packages/server/src/commands/index.ts'
import { KeysConfig, readConfig } from '../../../packages/server/src/config.ts'
import { parseAddress } from '../../../packages/server/src/provision/address.ts'
import { dropFrom } from '../../../packages/server/src/provision/roster-drop.ts'
import { SiteConfig } from '../../../packages/server/src/site-config.ts'
import { certificate, ed25519, name } from '../../core/identity/certificates.ts'
import { makePeople } from '../check/installation.ts'

const bin = resolve(import.meta.dirname, '../../../packages/server/bin/run.js')
const dir = t.testdir({ images: {}, other: {} })
const at = (...names: string[]) => join(dir, ...names)
const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' })
/** What a command line is refused with, without a process of its own. */
const refusal = async (...args: string[]): Promise<unknown> => {
  try {
    const { command, values, args: rest } = parseCommand(COMMANDS, args)
    await command.run(values, rest)
    return undefined
  } catch (error) {
    return error
  }
}
const initKeys = (i: number, ...rest: string[]) =>
  run('init', 'keys', '--dir', at(`keys-${i}`), '--url', `https://keys${i}.example:4431`, '--json', ...rest)

const { ca, user } = await makePeople(dir, 'Lab CA')
const other = await makePeople(at('other'), 'Other CA')
const servers: { id: string; server: string; config: string }[] = []

/** The command line of a site that can be made; the last of two equal options counts. */
const siteLine = (to: string, ...rest: string[]) => [
  ...['init', 'site', '--dir', at(to), '--site', 'example', '--url', 'https://mdm.example:4430'],
  ...['--source', at('images'), '--ca', ca, '--administrator', user],
  ...servers.slice(0, 3).flatMap(({ server }) => ['--key-server', server]),
  ...rest,
]

t.test(
  "a key server is made: every file its owner's only, a configuration with comments, server.json",
  async (t) => {
    for (const i of [1, 2, 3, 4]) {
      const made = initKeys(i, '--operator', `Lab ${i}`)
      t.equal(made.status, 0, made.stderr)
      servers.push(JSON.parse(made.stdout))
    }
    const home = at('keys-1')
    t.equal(statSync(home).mode & 0o777, 0o700)
    t.strictSame(
      Object.fromEntries(
        readdirSync(home).map((f) => [f, (statSync(join(home, f)).mode & 0o777).toString(8)]),
      ),
      Object.fromEntries(
        ['identity.key', 'keys.json', 'server.json', 'tls.csr', 'tls.key', 'tls.pem']
          .map((f) => [f, '600'])
          .concat([['store.key', '400']]),
      ),
    )
    t.match(readFileSync(join(home, 'keys.json'), 'utf8'), /^\/\/ One key server/)
    const { config } = await readConfig(join(home, 'keys.json'), KeysConfig)
    t.match(config, { listen: { host: '0.0.0.0', port: 4431 }, store: 'keys.sqlite' })
    t.match(JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')), {
      server: { id: servers[0]!.id, url: 'https://keys1.example:4431' },
      operator: 'Lab 1',
    })
    const again = initKeys(1)
    t.match(again, { status: 11, stderr: /^MDM_CONFLICT/ })
  },
)

t.test('the certificate request is for the key of the listener', async (t) => {
  const request = forge.pki.certificationRequestFromPem(readFileSync(at('keys-1', 'tls.csr'), 'utf8'))
  t.ok(request.verify())
  const key = createPublicKey(forge.pki.publicKeyToPem(request.publicKey as forge.pki.rsa.PublicKey))
  t.equal(spkiDigest(key), spkiDigest(createPrivateKey(readFileSync(at('keys-1', 'tls.key')))))
  t.match(request.getAttribute({ name: 'extensionRequest' })?.extensions, [
    { name: 'subjectAltName', altNames: [{ value: 'keys1.example' }] },
  ])
})

t.test('the options of a key server: address, listener, database', async (t) => {
  const url = 'postgres://mdm@db.example/keys'
  const made = initKeys(5, '--listen', '[::1]:9443', '--store', url)
  t.equal(made.status, 0, made.stderr)
  const { config } = await readConfig(at('keys-5', 'keys.json'), KeysConfig)
  t.match(config, { listen: { host: '::1', port: 9443 }, store: url })
  for (const wrong of [
    ['--url', 'http://keys.example:1'],
    ['--url', 'https://keys.example/path'],
    ['--url', 'https://user@keys.example'],
    ['--listen', 'nothing'],
    ['--listen', 'host:70000'],
    ['--store', 'keys.sqlite'],
    ['--store', 'postgres://mdm:CANARY@db.example/keys'],
  ]) {
    const line = ['init', 'keys', '--dir', at('keys-6'), '--url', 'https://keys6.example:4431', ...wrong]
    const refused = await refusal(...line)
    t.match(refused, { code: 'MDM_USAGE', exitCode: 2 }, wrong.join(' '))
    t.notMatch(String(refused), 'CANARY')
  }
  t.notOk(existsSync(at('keys-6')))
  t.strictSame(parseAddress('https://[::1]:444'), { host: '::1', port: 444 })
  t.strictSame(parseAddress('https://mdm.example'), { host: 'mdm.example', port: 443 })
})

t.test('what does not fit together makes no site', async (t) => {
  const altered = JSON.parse(readFileSync(servers[0]!.server, 'utf8'))
  altered.server.tls[0].spki = JSON.parse(readFileSync(servers[3]!.server, 'utf8')).server.tls[0].spki
  writeFileSync(at('altered.json'), JSON.stringify(altered))
  altered.server.id = servers[3]!.id
  writeFileSync(at('renamed.json'), JSON.stringify(altered))
  const bare = await createCa({ dn: 'CN=Bare CA', days: 30 })
  writeFileSync(at('bare.pem'), bare.certificate)
  const key = servers[0]!.server
  const replace = (line: string[], from: string, to: string) =>
    line.map((word) => (word === from ? to : word))
  const cases: [line: string[], exitCode: number, code: string][] = [
    [replace(siteLine('x'), key, at('altered.json')), 2, 'MDM_CONFIG'],
    [replace(siteLine('x'), key, at('renamed.json')), 2, 'MDM_CONFIG'],
    [replace(siteLine('x'), key, at('absent.json')), 2, 'MDM_USAGE'],
    [replace(siteLine('x'), key, user), 2, 'MDM_CONFIG'],
    [replace(siteLine('x'), key, servers[1]!.server), 2, 'MDM_USAGE'],
    [replace(siteLine('x'), user, other.user), 2, 'MDM_USAGE'],
    [replace(siteLine('x'), user, ca), 4, 'MDM_UNAUTHENTICATED'],
    [replace(siteLine('x'), ca, user), 2, 'MDM_CONFIG'],
    [replace(siteLine('x'), ca, at('bare.pem')), 2, 'MDM_USAGE'],
    [replace(siteLine('x'), at('images'), at('nowhere')), 2, 'MDM_USAGE'],
    [replace(siteLine('x'), 'example', 'Not A Site'), 2, 'MDM_USAGE'],
    [siteLine('x', '--threshold', '3'), 2, 'MDM_USAGE'],
    [siteLine('x', '--threshold', 'two'), 2, 'MDM_USAGE'],
    [siteLine('x', '--srm-port', '65536'), 2, 'MDM_USAGE'],
    [siteLine('x', '--name-space', 'O=Elsewhere'), 4, 'MDM_UNAUTHENTICATED'],
    [siteLine('other'), 11, 'MDM_CONFLICT'],
  ]
  for (const [i, [line, exitCode, code]] of cases.entries())
    t.match(await refusal(...line), { code, exitCode, message: /.+/, next: /.+/ }, `case ${i}`)
  t.notOk(existsSync(at('x')))
})

t.test(
  'a site is made: more than half of the key servers by default, a roster by its fingerprint',
  async (t) => {
    const made = run(...siteLine('site', '--json'))
    t.equal(made.status, 0, made.stderr)
    const { roster, fingerprint, config, keyServers } = JSON.parse(made.stdout)
    const { body } = await acceptRoster(undefined, readFileSync(roster, 'utf8'), { fingerprint })
    t.match(body, { site: 'example', seq: 1, m: 2, n: 3, api: 'https://mdm.example:4430' })
    t.strictSame(body.userCas[0]!.nameSpaces, ['O=example hospital'])
    t.strictSame(
      keyServers,
      servers.slice(0, 3).map(({ id }, i) => ({ id, url: `https://keys${i + 1}.example:4431` })),
    )
    const read = (await readConfig(config, SiteConfig)).config
    t.strictSame(Object.values(read.operators ?? {}), ['Lab 1', 'Lab 2', 'Lab 3'])
    t.match(read.srm, { host: 'mdm.example', port: 8443, listen: undefined }, 'no grid client is listened to')
    for (const file of readdirSync(at('site'), { recursive: true, encoding: 'utf8' }))
      t.equal(statSync(at('site', file)).mode & 0o077, 0, file)
    t.match(await refusal(...siteLine('site')), { code: 'MDM_CONFLICT', exitCode: 11 })
  },
)

t.test('a site is a storage element from the start where a port for it is told', async (t) => {
  t.equal(
    await refusal(...siteLine('element', '--srm-port', '8446', '--listen', '127.0.0.1:4430')),
    undefined,
  )
  const { srm } = (await readConfig(at('element', 'site.json'), SiteConfig)).config
  t.match(srm, { host: 'mdm.example', port: 8446, listen: { host: '127.0.0.1', port: 8446 } })
})

t.test(
  'the next roster takes a key server, a CA and an administrator, and follows from the first',
  async (t) => {
    const config = at('site', 'site.json')
    const first = await openRoster(readFileSync(at('site', 'example.roster.jws'), 'utf8').trim())
    t.match(await refusal('roster', '--config', config), { code: 'MDM_USAGE' })
    t.match(run('roster', '--config', config, '--administrator', other.user), {
      status: 2,
      stderr: /^MDM_USAGE/,
    })
    const people = ['--ca', other.ca, '--administrator', other.user]
    const next = run(
      'roster',
      '--config',
      config,
      ...people,
      '--key-server',
      servers[3]!.server,
      '--threshold',
      '3',
      '--json',
    )
    t.equal(next.status, 0, next.stderr)
    const { seq, roster, fingerprint } = JSON.parse(next.stdout)
    t.equal(seq, 2)
    const jws = readFileSync(roster, 'utf8').trim()
    t.equal(rosterFingerprint(jws), fingerprint)
    const { body } = await acceptRoster(first, jws, { fingerprint })
    t.match(body, { seq: 2, m: 3, n: 4 })
    t.strictSame([body.userCas.length, body.administrators.length, body.services.length], [2, 2, 1])
    t.match(await refusal('roster', '--config', config, ...people), {
      code: 'MDM_USAGE',
      message: /nothing to change/,
    })
  },
)

t.test(
  'who leaves: a key server, a CA, and an administrator whose earlier statements still count',
  async (t) => {
    const config = at('site', 'site.json')
    const second = await openRoster(readFileSync(at('site', 'rosters', 'example.2.jws'), 'utf8').trim())
    const admin = 'CN=Ann Lee, O=Example Hospital'
    const drop = (...names: string[]) => [
      'roster',
      '--config',
      config,
      ...names.flatMap((n) => ['--drop', n]),
    ]
    for (const names of [['CN=Nobody'], ['not a name'], [admin], [servers[0]!.id]])
      t.match(await refusal(...drop(...names)), { code: 'MDM_USAGE' }, names.join())
    const made = run(...drop(servers[0]!.id, 'CN=Other CA,O=Example Hospital'), '--threshold', '2', '--json')
    t.equal(made.status, 0, made.stderr)
    const { roster } = JSON.parse(made.stdout)
    const { body } = await acceptRoster(second, readFileSync(roster, 'utf8'))
    t.match(body, { seq: 3, m: 2, n: 3 })
    t.notOk(body.keyServers.some(({ id }) => id === servers[0]!.id))
    t.strictSame(body.userCas, second.body.userCas.slice(0, 1))
    const dropped = dropFrom(
      {
        ...body,
        administrators: [body.administrators[0]!, { ...body.administrators[1]!, dn: parseDn('CN=Bo') }],
      },
      ['cn=bo'],
    )
    t.strictSame(dropped.administrators, [body.administrators[0]])
    t.match(dropped.formerAdministrators, [{ spki: body.administrators[1]!.spki }])
  },
)

t.test('a certificate is renewed for the same key, and one that a CA issued is left alone', async (t) => {
  const [pem, config] = [at('keys-1', 'tls.pem'), at('keys-1', 'keys.json')]
  const before = new X509Certificate(readFileSync(pem))
  t.equal(run('renew', '--config', config, '--days', '100').status, 0)
  const after = new X509Certificate(readFileSync(pem))
  t.equal(spkiDigest(after.publicKey), spkiDigest(before.publicKey))
  t.equal(after.subjectAltName, before.subjectAltName)
  t.equal(after.subject, before.subject)
  t.not(after.validTo, before.validTo)
  t.equal(statSync(pem).mode & 0o777, 0o600)
  for (const days of ['0', 'x', '9999'])
    t.match(await refusal('renew', '--config', config, '--days', days), { code: 'MDM_USAGE' })
  const key = createPrivateKey(readFileSync(at('keys-1', 'tls.key')))
  const issued = certificate({
    key,
    signer: ed25519(),
    subject: name(['CN', 'x']),
    issuer: name(['CN', 'A CA']),
  })
  writeFileSync(pem, issued.toString())
  t.match(await refusal('renew', '--config', config), { code: 'MDM_CONFLICT', message: /tls\.csr/ })
  t.equal(readFileSync(pem, 'utf8'), issued.toString())
})

t.test('check exits 10 where something is a fault, and its JSON is one list of findings', async (t) => {
  const config = at('keys-2', 'keys.json')
  const found = run('check', 'keys', '--config', config, '--json')
  t.equal(found.status, 10)
  const { kind, faults, findings } = JSON.parse(found.stdout)
  t.equal(kind, 'keys')
  t.equal(faults, findings.filter(({ level }: { level: string }) => level === 'fault').length)
  t.ok(
    findings.some(
      ({ name, next }: { name: string; next: string }) => name === 'roster' && /keys trust/.test(next),
    ),
  )
  const trusted = readFileSync(at('site', 'example.roster.jws'), 'utf8')
  const trust = [
    'keys',
    'trust',
    at('site', 'example.roster.jws'),
    '--fingerprint',
    rosterFingerprint(trusted),
  ]
  t.equal(run(...trust, '--config', config).status, 0)
  chmodSync(at('keys-2'), 0o700)
  const text = run('check', 'keys', '--config', config)
  t.match(text, { status: 0, stdout: /^ok +node .*\n[^]*\n0 faults, [0-9]+ warnings\n$/ })
  t.match(run('check', 'keys', '--config', at('nowhere')), { status: 10, stdout: /fault +configuration/ })
  t.match(await refusal('check', 'keys'), { code: 'MDM_USAGE' })
})
