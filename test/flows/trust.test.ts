import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { signFounding, signStatement, verifyChain, type Change } from '@mdm/core/acl/statement'
import { openSession, keyServerPeers, type Session } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { createServiceCertificate, issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { parseDn } from '@mdm/core/identity/dn'
import { signRoster, vouchTls, type Roster } from '@mdm/core/identity/roster'
import { newGuid, newKid, type Guid, type SiteId } from '@mdm/core/names'
import { getStatements, postRoster, postStatement, type AclObject } from '@mdm/core/wire/common'
import { putShare } from '@mdm/core/wire/key-server'
import { startGrid, type Grid, type User } from '../fixtures/grid.ts'
import { gone, startKeyServer } from '../fixtures/site-process.ts'

const session = async (grid: Grid, user: User) =>
  await openSession(await loadConfig({ config: grid.users[user].config }, {}))

/** What an attacker who broke into the site holds: its signing key and its TLS key. */
async function siteKeys(
  grid: Grid,
): Promise<{ signer: { kid: string; key: KeyObject }; credential: { certificate: string; key: string } }> {
  const read = (name: string) => readFile(join(grid.site.dir, name), 'utf8')
  const key = createPrivateKey(await read('signing.key'))
  return {
    signer: { kid: spkiDigest(key), key },
    credential: { certificate: await read('tls.pem'), key: await read('tls.key') },
  }
}

const strangerSigner = () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { kid: spkiDigest(privateKey), key: privateKey }
}

const strangerKey = strangerSigner()

t.test('what nobody vouched for is refused by site, key servers and client', async (t) => {
  const grid = await startGrid(t)
  const { guid } = (await grid.ok('admin', ['register', '--json'])).json.registered[0]
  const admin = await session(grid, 'admin')
  t.teardown(() => admin.close())
  const servers = [admin.site, ...admin.keyServers.map((k) => k.peer)]
  const { signer, credential } = await siteKeys(grid)
  const body = admin.roster.body
  const next: Roster = { ...body, seq: 2, prev: admin.roster.digest, created: new Date().toISOString() }
  const site = 'demo' as SiteId

  const statement = async (o: { object: AclObject; change?: Change; at?: Date; as?: Session }) => {
    const { statements } = await admin.site.call(getStatements, {
      params: { site, scope: guid, object: o.object },
    })
    const chain = await verifyChain(statements, { roster: admin.roster, site, scope: guid, object: o.object })
    const to = {
      kind: 'user',
      dn: parseDn(grid.users.stranger.dn),
      issuer: admin.credential.identity.issuer,
    } as const
    const right = o.object === 'file' ? ['list' as const, 'read' as const] : ['read' as const]
    const change: Change = o.change ?? { op: 'grant', entry: { to, rights: right, versions: 'all' } }
    return await signStatement({
      chain,
      change,
      credential: (o.as ?? admin).credential,
      now: o.at ?? new Date(),
    })
  }
  const holders = (object: AclObject) => (object === 'key' ? servers : [admin.site])
  const lists = async () =>
    await Promise.all(
      (['file', 'key'] as const).flatMap((object) =>
        holders(object).map(
          async (peer) =>
            (await peer.call(getStatements, { params: { site, scope: guid, object } })).statements,
        ),
      ),
    )

  t.test('a changed roster', async (t) => {
    const forged = {
      'signed by an unknown key': await signRoster(
        { ...next, signingKeys: [keyEntry(strangerKey)] },
        strangerKey,
      ),
      'with another administrator': await signRoster(
        {
          ...next,
          administrators: [
            ...next.administrators,
            {
              dn: parseDn(grid.users.stranger.dn),
              issuer: admin.credential.identity.issuer,
              spki: 'ab'.repeat(32),
            },
          ],
        },
        signer,
      ),
      'with a former administrator who never was': await signRoster(
        {
          ...next,
          formerAdministrators: [
            {
              dn: parseDn(grid.users.stranger.dn),
              issuer: admin.credential.identity.issuer,
              spki: 'cd'.repeat(32),
            },
          ],
        },
        signer,
      ),
      'that does not follow': await signRoster({ ...next, prev: 'ef'.repeat(32) }, signer),
    }
    for (const [what, roster] of Object.entries(forged)) {
      for (const peer of servers)
        await t.rejects(
          peer.call(postRoster, { body: { roster } }),
          { code: 'MDM_ROSTER' },
          `${what}: ${peer.url === admin.site.url ? 'site' : 'key server'}`,
        )
      const file = join(grid.scratch, 'forged.jws')
      await writeFile(file, roster)
      const run = await grid.mdm('scientist', ['config', 'add', file, '--json'])
      t.equal(run.json.error.code, 'MDM_ROSTER', `${what}: client`)
      t.equal(run.code, 7)
    }
  })

  t.test('a manifest by an unknown signing key, of another site, or for an unknown key server', async (t) => {
    const asSite = keyServerPeers(admin.roster, credential)
    t.teardown(() => Promise.all(asSite.map((k) => k.peer.close())))
    const servers = body.keyServers.map((k) => k.id)
    const offers = {
      'unknown key': { signer: strangerSigner(), site, servers },
      'another site': { signer, site: 'elsewhere' as SiteId, servers },
      'unknown key server': {
        signer,
        site,
        servers: servers.map((id) => spkiDigest(Buffer.from(id))) as typeof servers,
      },
    }
    for (const [what, offer] of Object.entries(offers)) {
      const [id, kid] = [newGuid(), newKid()]
      const made = await createFileKey({ ...offer, guid: id, version: 1, kid, epoch: 1, m: 2, n: 3 })
      const founding = await signFounding({
        site,
        guid: id,
        object: 'key',
        entries: [],
        signer,
        now: new Date(),
      })
      const share = made.shares[0]!.toString('base64')
      await t.rejects(
        asSite[0]!.peer.call(putShare, {
          params: { guid: id, kid, epoch: 1 },
          body: { share, manifest: made.manifest, founding },
        }),
        { code: /^MDM_(MANIFEST|BAD_SHARE|NOT_FOUND)$/ },
        what,
      )
    }
  })

  t.test('a key server with another TLS key than the roster names', async (t) => {
    const victim = grid.keyServers[2]!
    await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.physician.dn, '--preset', 'process'])
    process.kill(victim.pid, 'SIGKILL')
    await gone(victim.pid)
    const tls = await createServiceCertificate({ commonName: 'impostor', hosts: ['127.0.0.1'], days: 1 })
    let asked = 0
    const impostor = createServer(
      { cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' },
      (_, reply) => {
        asked++
        reply.end('{}')
      },
    )
    impostor.listen(Number(new URL(victim.url).port), '127.0.0.1')
    await once(impostor, 'listening')
    const run = await grid.mdm('physician', ['get', guid, '-o', join(grid.scratch, 'v.nii'), '--json'])
    t.equal(run.code, 0, 'two true servers are enough')
    t.match(run.stderr, spkiDigestOf(admin, victim.url), 'the impostor is named')
    t.equal(asked, 0, 'and was not told what is wanted')
    impostor.closeAllConnections()
    impostor.close()
    await startKeyServer(victim)
  })

  t.test('a statement that is stale, or signed by one who does not count', async (t) => {
    const physician = await session(grid, 'physician')
    t.teardown(() => physician.close())
    for (const object of ['file', 'key'] as const) {
      const late = await statement({ object, at: new Date(Date.now() - 6 * 60_000) })
      const early = await statement({ object, at: new Date(Date.now() + 6 * 60_000) })
      const usurped = await statement({ object, as: physician })
      for (const peer of holders(object)) {
        for (const s of [late, early])
          await t.rejects(peer.call(postStatement, { body: { statement: s } }), {
            code: 'MDM_STATEMENT_STALE',
          })
        await t.rejects(peer.call(postStatement, { body: { statement: usurped } }), { code: 'MDM_STATEMENT' })
      }
    }
  })

  t.test('with the keys of the site and of the user CA an attacker changes no access list', async (t) => {
    const held = await lists()
    const ca = {
      certificate: await readFile(join(grid.dir, 'ca', 'ca.pem'), 'utf8'),
      key: await readFile(join(grid.dir, 'ca', 'ca.key'), 'utf8'),
    }
    // A certificate that says it is the administrator: same name, same CA, another key.
    const twin = await issueCertificate({ ca, dn: 'CN=admin,O=MDM demo', days: 1, usage: 'client' })
    const identity = readCertificate(new X509Certificate(twin.certificate).raw)
    t.equal(identity.dn, admin.credential.identity.dn, 'the name is the administrator’s')
    const attacker = { ...twin, privateKey: createPrivateKey(twin.key), identity }
    const as = { ...admin, credential: attacker } as Session
    for (const object of ['file', 'key'] as const) {
      const attempts = [
        await statement({ object, as }),
        await statement({
          object,
          as,
          change: {
            op: 'appoint',
            administrator: { dn: identity.dn, issuer: identity.issuer, spki: identity.spki },
          },
        }),
      ]
      const entry = {
        to: { kind: 'user' as const, dn: identity.dn, issuer: identity.issuer },
        rights: ['read' as const],
        versions: 'all' as const,
      }
      attempts.push(
        await signFounding({ site, guid: guid as Guid, object, entries: [entry], signer, now: new Date() }),
      )
      for (const credentials of [twin, credential]) {
        const peers = [...keyServerPeers(admin.roster, credentials).map((k) => k.peer)]
        for (const peer of object === 'key' ? peers : []) {
          for (const attempt of attempts)
            await t.rejects(peer.call(postStatement, { body: { statement: attempt } }), {
              code: /^MDM_(STATEMENT|STATEMENT_FORKED|NOT_FOUND|DENIED)$/,
            })
        }
        await Promise.all(peers.map((p) => p.close()))
      }
      for (const attempt of attempts)
        await t.rejects(admin.site.call(postStatement, { body: { statement: attempt } }), {
          code: /^MDM_STATEMENT/,
        })
    }
    t.same(await lists(), held, 'every list is as it was')
  })

  t.test('two statements for one place: a fork is refused, and then nobody signs', async (t) => {
    const [one, other] = [
      await statement({ object: 'key' }),
      await statement({ object: 'key', at: new Date(Date.now() - 1000) }),
    ]
    const [first, second] = admin.keyServers.map((k) => k.peer)
    await first!.call(postStatement, { body: { statement: one } })
    await t.rejects(first!.call(postStatement, { body: { statement: other } }), {
      code: 'MDM_STATEMENT_FORKED',
    })
    await second!.call(postStatement, { body: { statement: other } })
    const run = await grid.mdm('admin', [
      'acl',
      'grant',
      guid,
      '--to',
      grid.users.scientist.dn,
      '--preset',
      'process',
      '--json',
    ])
    t.equal(run.code, 7)
    t.equal(run.json.error.code, 'MDM_STATEMENT_FORKED', 'the client sees that the servers differ')
    const audit = await readFile(join(grid.keyServers[0]!.dir, 'audit.jsonl'), 'utf8')
    t.match(audit, 'MDM_STATEMENT_FORKED', 'and the server keeps a record of the attempt')
  })
})

t.test('a key server with renewed TLS keys goes on serving old GUIDs', async (t) => {
  const grid = await startGrid(t)
  const { guid } = (await grid.ok('admin', ['register', '--json'])).json.registered[0]
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const admin = await session(grid, 'admin')
  t.teardown(() => admin.close())
  const { signer } = await siteKeys(grid)
  const keyServers = []
  for (const [i, server] of grid.keyServers.entries()) {
    const tls = await createServiceCertificate({ commonName: 'renewed', hosts: ['127.0.0.1'], days: 30 })
    const spki = spkiOf(new X509Certificate(tls.certificate).publicKey)
    const identity = createPrivateKey(await readFile(join(server.dir, 'identity.key')))
    const entry = admin.roster.body.keyServers.find((k) => k.url === server.url)!
    keyServers.push({
      ...entry,
      tls:
        i === 0
          ? [...entry.tls, { spki, voucher: vouchTls(identity, spki) }]
          : [{ spki, voucher: vouchTls(identity, spki) }],
    })
    await writeFile(join(server.dir, 'tls.pem'), tls.certificate)
    await writeFile(join(server.dir, 'tls.key'), tls.key)
  }
  const roster = await signRoster(
    {
      ...admin.roster.body,
      seq: 2,
      prev: admin.roster.digest,
      created: new Date().toISOString(),
      keyServers,
    },
    signer,
  )
  for (const peer of [admin.site, ...admin.keyServers.map((k) => k.peer)])
    t.equal((await peer.call(postRoster, { body: { roster } })).seq, 2, 'accepted without the operator')
  for (const server of grid.keyServers) {
    process.kill(server.pid, 'SIGTERM')
    await gone(server.pid)
    await startKeyServer(server)
  }
  const run = await grid.mdm('scientist', ['get', guid, '-o', join(grid.scratch, 'v.nii'), '--json'])
  t.equal(run.code, 0, `an old GUID, new TLS keys, a client with the old roster: ${run.stderr}`)
  const again = await grid.mdm('scientist', ['whoami', '--check', '--json'])
  t.equal(again.code, 0, 'the client has the new roster now')
})

/** The name a key server goes by in messages. */
function spkiDigestOf(session: Session, url: string): string {
  return session.roster.body.keyServers.find((k) => k.url === url)!.id.slice(0, 12)
}

function keyEntry({ kid, key }: { kid: string; key: KeyObject }): { kid: string; spki: string } {
  return { kid, spki: spkiOf(key) }
}
