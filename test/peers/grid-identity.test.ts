import { generateKeyPairSync, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { parseDn } from '@mdm/core/identity/dn'
import { writeProxy } from '@mdm/core/identity/proxy/write-proxy'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { CA_DN, RADIOLOGIST, type Issued } from '../fixtures/peers/grid-pki.ts'
import { startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { registerAll } from '../server/site-grid.ts'

t.test('whom real clients are let in as, and what they say when they are not', async (t) => {
  const grid = await startStorageGrid(t)
  if (grid === undefined) return t.pass('skipped: the tools of a grid are not installed here')
  const clients = await gridClients(t, grid.pki)
  if (clients === undefined) return t.pass('skipped: the clients of a grid are not installed here')
  const { pki } = grid
  const admin = await grid.as('admin')
  const [guid] = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
  await grant(admin, guid!, { to: { kind: 'fqan', fqan: RADIOLOGIST }, preset: 'process' })
  const of = (user: Issued, o: object = {}) => pki.proxy(user, { fqans: [RADIOLOGIST], ...o })

  let files = 0
  /** Exit codes of a copy over SRM and over https by gfal2, over SRM by ARC, and over https by curl. */
  const codes = async (proxy: string) => {
    const at = () => join(clients.folder, `copy-${++files}`)
    const runs = await Promise.all([
      clients.run(proxy, 'gfal-copy', grid.surl(guid!), `file://${at()}`),
      clients.run(proxy, 'gfal-copy', grid.url(guid!), `file://${at()}`),
      clients.run(proxy, 'arccp', grid.surl(guid!), at()),
      clients.run(proxy, 'curl', '-sSf', '--cacert', pki.ca, '--cert', proxy, '-o', at(), grid.url(guid!)),
    ])
    for (const { code, stderr } of runs) if (code !== 0) t.comment(stderr.trim().slice(-300))
    return runs.map(({ code }) => code)
  }

  const user = await pki.issue('ann', 'Ann Lee')
  const proxy = await of(user)
  t.strictSame(await codes(proxy), [0, 0, 0, 0], 'an attribute that the list names')
  t.strictSame(await codes(await pki.proxy(user)), [2, 2, 1, 22], 'the same person without attributes')

  const liar = await pki.issue('liar', 'Some Body', '')
  const own = await of(user, { signer: liar })
  t.strictSame(await codes(own), [2, 2, 1, 22], 'attributes that no VOMS server of ours vouches for')

  t.ok(
    (await codes(await expired(user, join(pki.dir, 'expired.pem')))).every((code) => code !== 0),
    'expired',
  )

  const bans = join(grid.provisioned.site.dir, 'bans.json')
  await writeFile(bans, JSON.stringify([{ kind: 'user', dn: parseDn(user.dn), issuer: parseDn(CA_DN) }]))
  await sleep(1_500)
  t.strictSame(await codes(proxy), [13, 1, 1, 22], 'banned')
  await writeFile(bans, '[]')
  await sleep(1_500)
  t.strictSame(await codes(proxy), [0, 0, 0, 0], 'and no longer')

  const other = await of(await pki.issue('bo', 'Bo Chen'))
  await pki.revoke(user)
  await sleep(1_500)
  t.strictSame(await codes(proxy), [13, 1, 1, 22], 'revoked by the CA')
  t.strictSame(await codes(other), [0, 0, 0, 0], 'which is nobody else')
  await pki.revoke(pki.voms)
  await sleep(1_500)
  t.strictSame(await codes(other), [2, 2, 1, 22], 'the VOMS server itself is revoked')
})

/** A proxy that has just ended. */
async function expired(user: Issued, file: string): Promise<string> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const eec = new X509Certificate(await readFile(user.certificate))
  const now = new Date()
  const proxy = writeProxy({
    issuer: { chain: [eec], key: createPrivateKey(await readFile(user.key)) },
    ...{ holder: publicKey, policy: { language: 'inheritAll' }, now },
    notAfter: new Date(now.getTime() + 2_000),
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(file, `${proxy}${key}${eec}`, { mode: 0o600 })
  await sleep(2_500)
  return file
}
