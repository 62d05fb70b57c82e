import { fstatSync, readFileSync, statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant, show } from '../../../packages/core/src/access/acl.ts'
import { fetchFileKey } from '../../../packages/core/src/access/file-key.ts'
import { list, query } from '../../../packages/core/src/access/metadata.ts'
import { getRaw } from '../../../packages/core/src/access/raw.ts'
import type { Guid } from '../../../packages/core/src/names.ts'
import { getHealth } from '../../../packages/core/src/wire/common.ts'
import { deleteShares, getShares } from '../../../packages/core/src/wire/key-server.ts'
import { verifyAudit } from '../../../packages/server/src/audit/verify.ts'
import { siteRows } from '../register/invariants.ts'
import { addSeries, registerAll, startSiteGrid, until } from '../site-grid.ts'

type Call = 'appendFile' | 'datasync'

/** Makes every write, or every sync, of these files fail as the system would, until the result is called. */
async function breaking(files: readonly string[], call: Call, code: 'ENOSPC' | 'EIO'): Promise<() => void> {
  const probe = await open(files[0]!, 'r')
  const prototype = Object.getPrototypeOf(probe) as Record<Call, (...args: unknown[]) => Promise<void>>
  await probe.close()
  const inodes = new Set(files.map((file) => statSync(file).ino))
  const intact = prototype[call]
  prototype[call] = async function (this: FileHandle, ...args) {
    if (!inodes.has(fstatSync(this.fd).ino)) return await intact.apply(this, args)
    // What a full disk does: a part of it is written.
    if (call === 'appendFile') await intact.apply(this, [String(args[0]).slice(0, 20)])
    throw Object.assign(new Error(`${code}: injected`), { code })
  }
  return () => void (prototype[call] = intact)
}

t.test('nothing is released, changed or registered that cannot be written down', async (t) => {
  let registered = async () => {}
  const grid = await startSiteGrid(t, {
    series: [{}],
    site: { after: async (step) => (step === 'J5' ? await registered() : undefined) },
  })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const physician = await grid.as('physician')
  const { dn, issuer } = physician.credential.identity
  const to = { kind: 'user', dn, issuer } as const
  const guids = async (): Promise<Guid[]> => {
    const found = []
    for await (const { guid } of list(admin)) found.push(guid)
    return found
  }
  const [guid] = (await guids()) as [Guid]
  await grant(admin, guid, { to, preset: 'clinical' })
  const fetched = async () => {
    const raw = await getRaw(physician, { guid })
    let bytes = 0
    for await (const chunk of raw.body) bytes += chunk.length
    return { kid: raw.kid, bytes }
  }
  const { kid, bytes } = await fetched()
  const siteLog = join(grid.provisioned.site.dir, 'audit.jsonl')
  const keyLogs = grid.provisioned.keyServers.map(({ dir }) => join(dir, 'audit.jsonl'))
  const lengths = () => [siteLog, ...keyLogs].map((file) => statSync(file).size)
  const ready = async () =>
    await until(async () => {
      const peers = [admin.site, ...admin.keyServers.map(({ peer }) => peer)]
      const answers = await Promise.all(peers.map((peer) => peer.call(getHealth)))
      return answers.every(({ status }) => status === 'ready')
    })
  const seqs = async () => (await show(admin, guid)).map(({ object, seq }) => `${object} ${seq}`)
  const heads = () => siteRows(grid, 'select count(*) as n from statements')

  await t.test('the site, on a disk that fails', async (t) => {
    const before = { lengths: lengths(), seqs: await seqs(), heads: heads() }
    const mend = await breaking([siteLog], 'datasync', 'EIO')
    t.teardown(mend)
    await t.rejects(fetched(), { code: 'MDM_AUDIT' }, 'a get')
    await t.rejects(query(physician, 'modality=CT'), { code: 'MDM_AUDIT' }, 'a query')
    t.match(await admin.site.call(getHealth), { status: 'not ready', reasons: ['audit-unwritable'] })
    const revoked = await grant(admin, guid, { to, preset: 'process', versions: 'all' }).catch(
      (error: unknown) => error,
    )
    t.match(revoked, { code: 'MDM_PARTIAL' }, 'the site does not confirm a statement')
    t.strictSame(heads(), before.heads, 'and keeps none')
    const events = await registerAll(admin).catch((error: { code: string }) => error.code)
    t.equal(events, 'MDM_AUDIT', 'no job begins')
    t.equal(lengths()[0], before.lengths[0], 'nothing stays in the log')
    mend()
    await ready()
    t.equal((await fetched()).bytes, bytes, 'and it goes on without a restart')
    await grant(admin, guid, { to, preset: 'process', versions: 'all' })
    t.not(String(await seqs()), String(before.seqs))
  })

  await t.test('key servers, on a disk that is full', async (t) => {
    const before = { lengths: lengths() }
    const mend = await breaking(keyLogs, 'appendFile', 'ENOSPC')
    t.teardown(mend)
    for (const { peer } of physician.keyServers)
      await t.rejects(peer.call(getShares, { params: { guid } }), { code: 'MDM_AUDIT' }, 'a release')
    await t.rejects(fetchFileKey(physician, guid, kid, {}), { code: 'MDM_BELOW_THRESHOLD' })
    await t.rejects(grant(admin, guid, { to, preset: 'clinical', versions: 'all' }), {
      code: 'MDM_PARTIAL',
    })
    for (const { peer } of admin.keyServers) {
      t.match(await peer.call(getHealth), { reasons: ['audit-unwritable'] })
      await t.rejects(peer.call(deleteShares, { params: { guid, kid } }), { code: 'MDM_AUDIT' }, 'a delete')
    }
    t.strictSame(lengths().slice(1), before.lengths.slice(1), 'nothing stays in the logs')
    mend()
    await ready()
    await fetchFileKey(physician, guid, kid, {})
    await grant(admin, guid, { to, preset: 'clinical', versions: 'all' })
    t.match(await admin.keyServers[0]!.peer.call(getShares, { params: { guid } }), { releases: [{ kid }] })
  })

  await t.test('a volume that was committed stays in the outbox until it can be written down', async (t) => {
    await addSeries(grid.source, 'second')
    let mend = () => {}
    t.teardown(() => mend())
    registered = async () => void (mend = await breaking([siteLog], 'appendFile', 'ENOSPC'))
    const events = await registerAll(admin)
    t.match(events.at(-1), { type: 'error', code: 'MDM_AUDIT' })
    t.equal(siteRows(grid, 'select event_id from outbox').length, 1)
    registered = async () => {}
    mend()
    await until(async () => siteRows(grid, 'select event_id from outbox').length === 0)
    t.equal((await guids()).length, 2)
    const records = readFileSync(siteLog, 'utf8').match(/"volume-registered"/g)
    t.equal(records?.length, 2, 'each once')
  })
  for (const file of [siteLog, ...keyLogs]) t.equal((await verifyAudit(file)).fault, undefined)
})
