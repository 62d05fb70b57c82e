import { X509Certificate } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { revoke } from '@mdm/core/access/acl'
import { openVolume } from '@mdm/core/access/decrypt'
import { openSession } from '@mdm/core/access/session'
import { emptyChain, signStatement } from '@mdm/core/acl/statement'
import { loadConfig } from '@mdm/core/config'
import { der, integer, oid } from '@mdm/core/identity/der-writer'
import type { LimitedOperation } from '@mdm/core/identity/limits'
import type { Guid } from '@mdm/core/names'
import { postStatement } from '@mdm/core/wire/common'
import { capabilityOf, PlainClient, startCapabilityGrid } from '../fixtures/capability-grid.ts'
import { echoVoxel } from '../fixtures/echoes.ts'
import { runMdm } from '../fixtures/grid.ts'
import { proxyFile, proxyOf, type Holder, type ProxyOptions } from '../fixtures/x509/proxies.ts'
import { ec } from '../core/identity/certificates.ts'
import { until, untilServing, type User } from '../server/site-grid.ts'

const hour = 3_600_000
type Brought = ConstructorParameters<typeof PlainClient>[0]

/**
 * What a capability gives, and that it gives nothing to whoever misuses it, over a real site and its key servers: by the statuses
 * that are answered, and by the releases that their audit logs count.
 *
 * @param times how often each misuse is repeated; even
 */
export async function capabilityHolds(t: Test, times: number): Promise<void> {
  const grid = await startCapabilityGrid(t, ['physician', 'scientist', 'backup', 'stranger'])
  const { named, apart } = grid.volumes
  const { site, keyServers } = grid.provisioned
  const servers = [site, ...keyServers]
  const caDir = join(grid.provisioned.dir, 'ca')

  /** Copies the list of the CA to every server. */
  async function publish(): Promise<void> {
    for (const { dir } of servers) {
      await mkdir(join(dir, 'crls'), { recursive: true })
      await copyFile(join(caDir, 'ca.crl'), join(dir, 'crls/ca.crl'))
    }
  }

  /** Nobody is limited, so that every request is decided; and revocation lists count. */
  async function configure(config: string): Promise<void> {
    const fields = JSON.parse(await readFile(config, 'utf8'))
    const limit = { perSecond: 1_000_000, burst: 1_000_000 }
    await writeFile(config, JSON.stringify({ ...fields, limit, crls: 'crls' }))
  }

  await runMdm(['ca', 'crl', '--ca', caDir])
  await publish()
  await grid.stopSite()
  for (const [i, { config }] of keyServers.entries()) {
    await grid.stopKeyServer(i)
    await configure(config)
    await grid.startKeyServer(i)
  }
  await configure(site.config)
  await grid.startSite()
  await untilServing(grid.admin)

  const both: LimitedOperation[] = ['read-file', 'read-key']
  const keyServer = grid.admin.keyServers[0]!.peer.url
  const content = (guid: Guid) => `${site.api}/v1/content/${guid}`
  const shares = (guid: Guid) => `${keyServer}/v1/shares/${guid}`
  const all = (guid: Guid) => [content(guid), shares(guid)]

  /** Records of releases in the audit logs of all servers. */
  async function releases(): Promise<number> {
    const logs = await Promise.all(servers.map(({ dir }) => readFile(join(dir, 'audit.jsonl'), 'utf8')))
    return logs.join('').match(/"event":"(?:volume\.get|shares-released)"/g)?.length ?? 0
  }

  /** How often each status was answered, or a connection failed, when the URLs are asked in turns. */
  async function replay(brought: Brought, urls: readonly string[]): Promise<Record<string, number>> {
    const client = new PlainClient(brought)
    const seen: Record<string, number> = {}
    const asked = Array.from({ length: times }, (_, i) => urls[i % urls.length]!)
    const answers = await Promise.all(asked.map((url) => answerOf(client, url)))
    client.close()
    for (const answer of answers) seen[answer] = (seen[answer] ?? 0) + 1
    return seen
  }

  const owners = new Map<User, Holder>()
  for (const user of ['physician', 'scientist', 'backup', 'stranger'] as const)
    owners.set(user, await grid.owner(user))
  const capability = (user: User, guid: Guid, operations = both, o: ProxyOptions = {}) =>
    capabilityOf(owners.get(user)!, { guids: [guid], operations }, o)

  await t.test('with its key a job gets and opens the volume of the capability', async (t) => {
    const file = join(t.testdir(), 'job.cred')
    await writeFile(file, proxyFile(capability('physician', named)), { mode: 0o600 })
    const config = await loadConfig({ config: grid.provisioned.users.physician!.config, cert: file }, {})
    const session = await openSession(config)
    t.teardown(() => session.close())
    const before = await releases()
    const opened = await openVolume(session, { guid: named })
    t.teardown(() => opened.close())
    const slice = await opened.slice(2)
    const stored = Array.from({ length: slice.length / 2 }, (_, n) => slice.readInt16LE(2 * n))
    const expected = [0, 1].map((echo) =>
      Array.from({ length: 48 }, (_, n) => echoVoxel(echo, n % 8, Math.floor(n / 8), 2)),
    )
    t.ok(
      expected.some((voxels) => JSON.stringify(voxels) === JSON.stringify(stored)),
      'the right voxels',
    )
    t.ok((await releases()) > before + 1, 'which the audit logs count')
  })

  const at = (from: number, to: number) => ({
    notBefore: new Date(Date.now() + from * hour),
    notAfter: new Date(Date.now() + to * hour),
  })
  const good = capability('physician', named)
  const P256 = { key: ec() }

  /** What a thief or a job may try, and what it asks for. */
  const MISUSES: Record<string, readonly [Holder, readonly string[]]> = {
    'for another volume': [good, all(apart)],
    'for the key, when it is for the file alone': [
      capability('physician', named, ['read-file']),
      [shares(named)],
    ],
    'for the file, when it is for the key alone': [
      capability('physician', named, ['read-key']),
      [content(named)],
    ],
    'after its time': [capability('physician', named, both, at(-3, -1)), all(named)],
    'before its time': [capability('physician', named, both, at(1, 3)), all(named)],
    'delegated further than its path': [proxyOf(good), all(named)],
    'delegated further, to less': [
      capabilityOf(good, { guids: [named], operations: ['read-file'] }),
      all(named),
    ],
    'widened by one below it': [
      capabilityOf(capability('physician', apart, both, { pathLength: 1 }), {
        guids: [named],
        operations: both,
      }),
      all(named),
    ],
    'with another GUID written into it': [altered(good, named, apart), all(apart)],
    'with another end written into it': [
      altered(
        capability('physician', named, both, { ...at(-3, -1) }),
        String(utc(at(-3, -1).notAfter)),
        utc(at(0, 5).notAfter),
      ),
      all(named),
    ],
    'signed by the holder of another one': [
      capability('physician', named, both, { signer: capability('physician', named).key }),
      all(named),
    ],
    'put below the certificate of somebody else': [
      { ...good, chain: [good.certificate, owners.get('scientist')!.certificate] },
      all(named),
    ],
    'without the certificate of its owner': [{ ...good, chain: [good.certificate] }, all(named)],
  }

  await t.test(`a capability that is misused ${times} times each releases nothing`, async (t) => {
    t.equal(await statusOf(good, shares(named)), '200', 'it is good for what it is for')
    const before = await releases()
    for (const [misuse, [holder, urls]] of Object.entries(MISUSES)) {
      const answers = await replay(holder, urls)
      t.notOk('200' in answers || '206' in answers, `${misuse}: ${JSON.stringify(answers)}`)
      const refused = Object.entries(answers).filter(([status]) => /^40[134]$/.test(status))
      t.equal(
        refused.reduce((sum, [, n]) => sum + n, 0),
        times,
        'every request is refused for what it is, none for a fault',
      )
    }
    t.equal(await releases(), before)
  })

  await t.test('without its key nobody gets past TLS', async (t) => {
    const holder = capability('physician', named, both, P256)
    t.equal(await statusOf(holder, shares(named)), '200')
    const before = await releases()
    const cert = holder.chain.map(String).join('')
    const answers = await replay({ cert, key: pretended(holder) }, [content(named)])
    t.strictSame(answers, { ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: times })
    t.equal(await releases(), before)
  })

  await t.test('what its owner may no more, a capability gives no more', async (t) => {
    const { issuer } = grid.admin.credential.identity
    const principal = async (user: User) => {
      const session = await grid.as(user)
      return { kind: 'user', dn: session.credential.identity.dn, issuer } as const
    }
    const users = ['scientist', 'backup', 'stranger'] as const
    const capabilities = users.map((user) => capability(user, named))
    for (const holder of capabilities) t.equal(await statusOf(holder, shares(named)), '200')

    await revoke(grid.admin, named, { from: await principal('scientist') })
    const statement = await signStatement({
      chain: emptyChain(grid.admin.roster.body.site, 'site', 'ban'),
      change: { op: 'ban', who: await principal('backup') },
      credential: grid.admin.credential,
      now: new Date(),
    })
    for (const peer of [grid.admin.site, ...grid.admin.keyServers.map((server) => server.peer)])
      await peer.call(postStatement, { body: { statement } })
    const pem = join(dirname(grid.provisioned.users.stranger!.config), 'stranger.pem')
    await runMdm(['ca', 'revoke', pem, '--ca', caDir])
    await publish()
    await until(async () => {
      const answers = await Promise.all(all(named).map((url) => statusOf(capabilities[2]!, url)))
      return answers.every((answer) => answer === '403')
    })

    const before = await releases()
    // Revoked: as if the volume were not. Banned: the site says so, a key server always says the same. A revoked certificate: both say so.
    const half = times / 2
    for (const [i, expected] of [{ 404: times }, { 403: half, 404: half }, { 403: times }].entries())
      t.strictSame(await replay(capabilities[i]!, all(named)), expected, users[i]!)
    t.equal(await releases(), before)
  })
}

/** One question on a connection of its own. */
async function statusOf(brought: Brought, url: string): Promise<string> {
  const client = new PlainClient(brought)
  const answer = await answerOf(client, url)
  client.close()
  return answer
}

/** The status of an answer, or why there was none. */
async function answerOf(client: PlainClient, url: string): Promise<string> {
  return await client.ask(url).then(
    ({ status }) => String(status),
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  )
}

/** A private key that pretends to be the one of a certificate: the public half is right, the secret is another's. */
function pretended(holder: Holder): string {
  const { x, y } = holder.key.export({ format: 'jwk' })
  const { d } = ec().export({ format: 'jwk' })
  const [point, secret] = [[x!, y!], [d!]].map((parts) =>
    Buffer.concat(parts.map((part) => Buffer.from(part, 'base64url'))),
  )
  const key = der(
    0x30,
    integer('01'),
    der(0x04, secret!),
    der(0xa0, oid('1.2.840.10045.3.1.7')),
    der(0xa1, der(0x03, Buffer.from([0, 4]), point!)),
  )
  return `-----BEGIN EC PRIVATE KEY-----\n${key.toString('base64')}\n-----END EC PRIVATE KEY-----\n`
}

/** The same certificate with other bytes of the same length in it, its signature as it was. */
function altered(holder: Holder, from: string, to: string): Holder {
  const raw = Buffer.from(holder.certificate.raw)
  raw.write(to, raw.indexOf(from), 'latin1')
  const certificate = new X509Certificate(raw)
  return { ...holder, certificate, chain: [certificate, ...holder.chain.slice(1)] }
}

function utc(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`
}
