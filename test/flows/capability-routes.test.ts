import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import t from 'tap'
import { emptyChain, signStatement, type Change } from '@mdm/core/acl/statement'
import { volumeRow } from '@mdm/core/access/metadata'
import { Guid, newGuid, type SiteId } from '@mdm/core/names'
import type { Contract } from '@mdm/core/wire/contract'
import { capabilityOf, PlainClient, startCapabilityGrid } from '../fixtures/capability-grid.ts'
import { freePort } from '../fixtures/peers/peer.ts'
import { siteRows } from '../server/register/invariants.ts'
import { until } from '../server/site-grid.ts'

const WIRE = resolve(import.meta.dirname, '../../packages/core/src/wire')

/** Every contract there is, by its export. */
const contracts = new Map<string, Contract>()
for (const file of readdirSync(WIRE).filter((name) => name.endsWith('.ts'))) {
  const exported: Record<string, unknown> = await import(`${WIRE}/${file}`)
  for (const [name, value] of Object.entries(exported))
    if (typeof value === 'object' && value !== null && 'method' in value && 'path' in value)
      contracts.set(name, value as Contract)
}

/** A name of a volume in one of its forms, and the same form of a volume that never was. */
type Pair = readonly [real: string, invented: string]

const grid = await startCapabilityGrid(t, [])
const { named, other } = grid.volumes
// An administrator has every right there is, so what is refused is refused for the capability.
const owner = await grid.owner('admin')
const holder = capabilityOf(owner, { guids: [named], operations: ['read-file', 'read-key'] })
const [limited, own] = [new PlainClient(holder), new PlainClient(owner)]
t.teardown(() => [limited, own].forEach((client) => client.close()))
/** Storage clients are listened to, too. */
const storagePort = await freePort()
const fields = JSON.parse(await readFile(grid.provisioned.site.config, 'utf8'))
const srm = { host: 'localhost', port: storagePort, listen: { host: '127.0.0.1', port: storagePort } }
await writeFile(grid.provisioned.site.config, JSON.stringify({ ...fields, srm }))
await grid.stopSite()
await grid.startSite()
const storage = `https://127.0.0.1:${storagePort}`
const [site, ...keyServers] = [
  grid.provisioned.site.api,
  ...grid.admin.keyServers.map(({ peer }) => peer.url),
] as [string, ...string[]]
const invented = newGuid()
const rows = siteRows(grid, 'select * from volumes') as { guid: Guid; lfn: string }[]
const lfnOf = (guid: Guid) => rows.find((row) => row.guid === guid)!.lfn
const { surl } = await volumeRow(grid.admin, { guid: other })
const [instance] = siteRows(grid, `select instance_guid from slices where guid = '${other}'`) as {
  instance_guid: Guid
}[]
const pairs: readonly Pair[] = [
  [other, invented],
  [`${other}@1`, `${invented}@1`],
  [lfnOf(other), '/demo/folder/MR/999999'],
  [surl, surl.replace(other, invented)],
  [instance!.instance_guid, invented],
  [`instance:${instance!.instance_guid}`, `instance:${invented}`],
  [grid.set, invented],
]
/** those that a statement can name */
const guids = pairs.filter(([real]) => Guid.safeParse(real).success)
const quarantined = `q-${'0'.repeat(16)}`

const grantTo = async (guid: string) => {
  const { dn, issuer } = grid.admin.credential.identity
  const chain = { ...emptyChain('demo' as SiteId, guid as Guid, 'key'), seq: 0, head: 'ab'.repeat(32) }
  const change: Change = {
    op: 'grant',
    entry: { to: { kind: 'user', dn, issuer }, rights: ['read'], versions: 'all' },
  }
  return await signStatement({ chain, change, credential: grid.admin.credential, now: new Date() })
}
const share = async (guid: string) => {
  const statement = await grantTo(guid)
  return { share: Buffer.alloc(124).toString('base64'), manifest: statement, founding: statement }
}

interface Row {
  /** the last parts of the path, by their names */
  readonly params?: (name: string) => Record<string, string>
  readonly body?: (guid: string) => unknown
  /**
   * `volume`: of another volume as of none; `refused`: for nobody with limits; `mine`: the named volume and nothing else;
   * `tape`: as `volume`, for its own listener; `open`: for everyone who is let in, and of no volume
   */
  readonly is: 'volume' | 'refused' | 'mine' | 'tape' | 'open'
}

const byName: Row = { is: 'volume', params: (name) => ({ name }) }
const byGuid: Row = { is: 'volume', params: (guid) => ({ guid }) }
const statements = (object: string) => (guid: string) => ({ site: 'demo', scope: guid, object })
const reason = () => ({ reason: 'an example' })

/** What a capability gets at each endpoint; a new one fails the test until it is here. */
const TABLE: Record<string, Row> = {
  getContent: byName,
  getVolume: byName,
  getMetadata: byName,
  getInstances: byName,
  getSet: byName,
  getAcl: byGuid,
  getShares: byGuid,
  getPreparation: { is: 'volume', params: (guid) => ({ guid, etag: 'A'.repeat(43) }) },
  getStatements: { is: 'volume', params: statements('key') },
  postStatement: { is: 'volume', body: async (guid) => ({ statement: await grantTo(guid) }) },
  putShare: {
    is: 'volume',
    params: (guid) => ({ guid, kid: '0'.repeat(32), epoch: '1' }),
    body: share,
  },
  deleteShares: { is: 'volume', params: (guid) => ({ guid, kid: '0'.repeat(32) }) },
  listVolumes: { is: 'mine' },
  listSets: { is: 'mine' },
  listChanges: { is: 'mine' },
  postQuery: { is: 'mine', body: () => ({ expr: `set=${grid.set}` }) },
  listSources: { is: 'refused' },
  testSource: { is: 'refused', params: () => ({ name: 'folder' }) },
  listQuarantine: { is: 'refused' },
  getQuarantine: { is: 'refused', params: () => ({ id: quarantined }) },
  postDropQuarantine: { is: 'refused', params: () => ({ id: quarantined }), body: reason },
  postReleaseQuarantine: { is: 'refused', params: () => ({ id: quarantined }), body: reason },
  postRetractQuarantine: { is: 'refused', params: () => ({ id: quarantined }), body: reason },
  postRegister: { is: 'refused', body: () => ({}) },
  postDeidPreview: { is: 'refused', body: () => ({ where: 'modality=CT' }) },
  getHeads: { is: 'refused', params: () => ({ site: 'demo' }) },
  getHeldKeys: { is: 'refused', params: () => ({ site: 'demo' }) },
  discoverTape: { is: 'tape' },
  stageFiles: { is: 'tape', body: (name) => ({ files: [{ path: `/mdm/${name}` }] }) },
  archiveInfo: { is: 'tape', body: (name) => ({ paths: [`/mdm/${name}`] }) },
  getStage: { is: 'tape', params: (id) => ({ id }) },
  cancelStage: { is: 'tape', params: (id) => ({ id }), body: () => ({ paths: [`/mdm/${other}`] }) },
  releaseStaged: { is: 'tape', params: (id) => ({ id }), body: () => ({ paths: [`/mdm/${other}`] }) },
  deleteStage: { is: 'tape', params: (id) => ({ id }) },
  getWhoami: { is: 'open' },
  getHealth: { is: 'open' },
  getRosters: { is: 'open', params: () => ({ site: 'demo' }) },
  postRoster: { is: 'open', body: async () => ({ roster: await grantTo(invented) }) },
}

async function ask(client: PlainClient, origin: string, name: string, of: string) {
  const { method, path } = contracts.get(name)!
  const row = TABLE[name]!
  const params = row.params?.(of) ?? {}
  const url = path.replace(/:(\w+)/g, (_, param: string) => encodeURIComponent(params[param]!))
  return await client.ask(origin + url, { method, body: await row.body?.(of) })
}

/** GUIDs and LFNs that an answer must not hold. */
const secrets = [
  other,
  grid.volumes.apart,
  grid.set,
  lfnOf(other),
  lfnOf(grid.volumes.apart),
  instance!.instance_guid,
]

t.test('the table names every endpoint', async (t) => {
  t.strictSame(Object.keys(TABLE).toSorted(), [...contracts.keys()].toSorted())
})

t.test('of another volume a capability is told what it is told of none, whatever it is called', async (t) => {
  const names = [...contracts.keys()].filter((name) => TABLE[name]?.is === 'volume')
  let served = 0
  for (const name of names)
    for (const origin of [site, keyServers[0]!])
      for (const [real, none] of TABLE[name]!.body === undefined ? pairs : guids) {
        const [a, b] = [await ask(limited, origin, name, real), await ask(limited, origin, name, none)]
        t.strictSame(a, b, `${name} of ${real}`)
        t.ok(a.status >= 400, `${name} is refused`)
        // Asked with his own key, so that the answer is not one and the same for everybody.
        if (contracts.get(name)!.method === 'GET' && (await ask(own, origin, name, real)).status === 200)
          served++
      }
  t.ok(served >= 20, `${served} of these questions are answered to the owner`)
})

t.test(
  'storage clients learn of another volume what they learn of none, and get nothing of it',
  async (t) => {
    const tape = async (name: string) => {
      const without = (text: string) => text.replaceAll(name, 'NAME')
      const told = await ask(limited, storage, 'archiveInfo', name)
      const staged = await ask(limited, storage, 'stageFiles', name)
      const { requestId } = JSON.parse(staged.body)
      await until(
        async () => 'completedAt' in JSON.parse((await ask(limited, storage, 'getStage', requestId)).body),
      )
      const { files } = JSON.parse((await ask(limited, storage, 'getStage', requestId)).body)
      const left = await ask(limited, storage, 'deleteStage', requestId)
      return [told.status, without(told.body), staged.status, without(JSON.stringify(files)), left.status]
    }
    const [real, none, mine] = [await tape(other), await tape(invented), await tape(named)]
    t.strictSame(real, none)
    t.match(real[3], /MDM_NOT_FOUND/)
    t.notMatch(mine[3], /MDM_NOT_FOUND/, 'the named one is staged')
    for (const path of [other, lfnOf(other).slice(1)])
      for (const method of ['GET', 'HEAD', 'PROPFIND']) {
        const twin = path === other ? invented : 'demo/folder/MR/999999'
        const [a, b] = [
          await limited.ask(`${storage}/mdm/${path}`, { method }),
          await limited.ask(`${storage}/mdm/${twin}`, { method }),
        ]
        t.strictSame(a, { ...b, body: b.body.replaceAll(twin, path) }, `${method} ${path}`)
        t.equal(a.status, 404)
      }
    t.equal((await limited.ask(`${storage}/mdm/${named}`, { method: 'HEAD' })).status, 200)
    const folder = await limited.ask(`${storage}/mdm/`, { method: 'PROPFIND' })
    for (const secret of secrets) t.notOk(folder.body.includes(secret), 'nor does the folder say so')
  },
)

t.test('lists hold the named volume and nothing else', async (t) => {
  for (const name of ['listVolumes', 'listChanges', 'listSets', 'postQuery']) {
    const [mine, all] = [await ask(limited, site, name, named), await ask(own, site, name, named)]
    t.equal(mine.status, 200, `${name}: ${mine.body}`)
    for (const secret of secrets)
      t.notOk(mine.body.includes(secret), `${name} tells nothing of another volume`)
    t.ok(all.body.includes(other) || all.body.includes(grid.set), `${name} tells the owner`)
    t.equal(mine.body.includes(named), name === 'listVolumes' || name === 'listChanges', name)
  }
})

t.test('of the named volume it is told nothing but where it is', async (t) => {
  const { status, body } = await ask(limited, site, 'getVolume', named)
  t.equal(status, 200)
  const stat = JSON.parse(body)
  t.strictSame(stat.may, ['read-file', 'read-key'])
  t.notOk('modality' in stat || 'shape' in stat || 'set' in stat, 'metadata have their own rights')
  const metadata = JSON.parse((await ask(limited, site, 'getMetadata', named)).body)
  t.strictSame(metadata.tables, {})
  t.strictSame(JSON.parse((await ask(limited, site, 'getInstances', named)).body).guid, named)
  for (const name of ['getAcl', 'getStatements', 'postStatement', 'deleteShares', 'putShare'])
    for (const origin of [site, keyServers[0]!]) {
      const answer = await ask(limited, origin, name, named)
      t.ok(answer.status >= 400, `${name}: ${answer.status}`)
    }
  for (const expr of ['modality=MR', 'patient_name=X', 'madeup=1']) {
    const answer = await limited.ask(`${site}/v1/query`, { method: 'POST', body: { expr } })
    t.equal(answer.status, 400, `no column is there: ${expr}`)
  }
})

t.test('what an administrator does is done by his own key, never by a proxy that he made', async (t) => {
  const full = new PlainClient(
    capabilityOf(owner, { guids: [named], operations: ['read-file'] }, { key: owner.key }),
  )
  t.teardown(() => full.close())
  for (const name of [...contracts.keys()].filter((name) => TABLE[name]?.is === 'refused'))
    for (const client of [limited, full])
      for (const origin of [site, keyServers[0]!]) {
        const answer = await ask(client, origin, name, named)
        t.ok([403, 404].includes(answer.status), `${name}: ${answer.status}`)
        for (const secret of [...secrets, named]) t.notOk(answer.body.includes(secret))
      }
})

t.test(
  'with his own key the administrator is answered, so the refusals are for the capability',
  async (t) => {
    for (const name of ['listSources', 'testSource', 'listQuarantine', 'postDeidPreview'])
      t.equal((await ask(own, site, name, named)).status, 200, name)
  },
)

t.test('what is open to everybody tells of no volume', async (t) => {
  for (const name of ['getWhoami', 'getHealth', 'getRosters', 'postRoster'])
    for (const origin of [site, keyServers[0]!]) {
      const { body } = await ask(limited, origin, name, named)
      for (const secret of secrets) t.notOk(body.includes(secret), name)
    }
})
