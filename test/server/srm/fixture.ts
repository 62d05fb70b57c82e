import { createSecretKey, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Guid, VolumeName } from '@mdm/core/names'
import type { Access } from '@mdm/server/catalog/access'
import type { Catalog } from '@mdm/server/catalog/catalog'
import type { Delivery, DeliveryOptions } from '@mdm/server/deliver/delivery'
import { createDelivery } from '@mdm/server/deliver/delivery'
import type { SliceSource } from '@mdm/server/dicom/source'
import { SrmLimits } from '@mdm/server/srm/requests/limits'
import { openRequests, type RequestsOptions } from '@mdm/server/srm/requests/open-requests'
import type { PreparationRequest, OpenedRequests } from '@mdm/server/srm/requests/requests'
import { openSiteStore, type SiteStore } from '@mdm/server/store/site-store'
import { databaseOfTest } from '../../fixtures/postgres.ts'
import { scriptedSource, sends, testVolume, type Script, type TestVolume } from '../deliver/fixture.ts'

/** Names a set of volumes, which everybody may know of. */
export const SET = '5e700000-0000-4000-8000-000000000000' as Guid
export const BASE = 'https://site.example:8444'

/** A person, by one of his certificates or proxies. */
export function person(name: string, o: Partial<Extract<Caller, { kind: 'user' }>> = {}): Caller {
  return {
    ...{ kind: 'user', dn: `CN=${name}`, issuer: 'CN=ca', spki: name.padEnd(64, '0') },
    ...{ notAfter: new Date('2100-01-01'), fqans: [] },
    ...o,
  } as Caller
}

export const alice = person('alice')
export const bob = person('bob')

export interface World {
  readonly volumes: readonly TestVolume[]
  readonly requests: OpenedRequests
  readonly delivery: Delivery
  readonly db: SiteStore
  readonly dir: string
  readonly access: Pick<Access, 'resolveName' | 'resolveVolume' | 'requireRight' | 'holds' | 'listed'>
  readonly catalog: Pick<Catalog, 'volume' | 'summary' | 'page' | 'requireThere'>
  readonly audited: Record<string, unknown>[]
  /** times the source of a volume was asked */
  reads(i: number): number
  /** the GUID of a volume as a client writes it */
  surl(i: number): string
  asked(...of: number[]): { surl: string; name: VolumeName }[]
  get(caller: Caller, ...of: number[]): Promise<PreparationRequest>
  /** Who may know of and read what: `*` is everybody. */
  readonly rights: {
    list: Map<string, Set<Guid>>
    read: Map<string, Set<Guid>>
    gone: Set<Guid>
    banned: Set<string>
  }
  /** Ends everything as a crash does, and starts again with the same store and spool. */
  restart(o?: Partial<WorldOptions>): Promise<World>
}

export interface WorldOptions {
  volumes: readonly TestVolume[]
  /** of the source of volume i */
  script: (volume: TestVolume, i: number) => Script
  limits: Partial<SrmLimits>
  quotaBytes: number
  now: () => Date
  /** of store and spool */
  dir: string
  store: string
  spoolDir: string
  rights: World['rights']
  delivery: Partial<DeliveryOptions>
  turlKey: RequestsOptions['turlKey']
  againMs: number
  /** told of who a right is asked for */
  looked: (caller: Caller) => void
}

const KEY = createSecretKey(randomBytes(32))

export function volumesOf(n: number, size = { columns: 16, rows: 16, slices: 2 }): TestVolume[] {
  return Array.from({ length: n }, (_, i) => {
    const volume = testVolume(size)
    Object.assign(volume.record, { source: `s${i}` })
    return volume
  })
}

/** A real store and a real delivery over volumes of this process; who may do what is played, and may be changed. */
export async function world(
  t: Test,
  o: Partial<WorldOptions> & Pick<WorldOptions, 'volumes'>,
): Promise<World> {
  const { volumes } = o
  // before testdir(): its folder is to be removed after this
  t.teardown(() => end())
  // once: it empties the folder
  const dir = o.dir ?? t.testdir()
  // timers of the requests alone do not keep a process
  const keep = setInterval(() => {}, 1_000)
  const store = o.store ?? databaseOfTest() ?? join(dir, 'site.sqlite')
  const spoolDir = o.spoolDir ?? join(dir, 'spool')
  const everyone = new Map([['*', new Set(volumes.map(({ record }) => record.guid))]])
  const rights = o.rights ?? { list: everyone, read: new Map(everyone), gone: new Set(), banned: new Set() }
  const forward: WorldOptions['script'] = (volume) =>
    sends(
      volume,
      volume.record.slices.map(({ index }) => index),
    )
  const sources = new Map<string, SliceSource & { attempts: number }>()
  for (const [i, volume] of volumes.entries())
    sources.set(`s${i}`, scriptedSource(volume, (o.script ?? forward)(volume, i)))
  const of = (guid: Guid) => volumes.find(({ record }) => record.guid === guid)
  const has = (which: 'list' | 'read', caller: Caller, guid: Guid) =>
    [caller.dn, '*'].some((name) => rights[which].get(name)?.has(guid))
  const now = o.now ?? (() => new Date())
  const db = await openSiteStore(store)
  const delivery = createDelivery({
    ...{ catalog: { recordDigest: async () => {} }, sources, site: volumes[0]!.record.site, spoolDir, now },
    keys: { fetch: async (record) => of(record.guid)!.fileKey },
    quotaBytes: o.quotaBytes ?? 1024 ** 3,
    ...o.delivery,
  })
  const access = {
    async resolveName(caller: Caller, name: VolumeName) {
      const guid = 'guid' in name ? name.guid : undefined
      if (guid === SET) throw new MdmError('MDM_USAGE', 'this names a set')
      if (guid === undefined || of(guid) === undefined || !has('list', caller, guid))
        throw new MdmError('MDM_NOT_FOUND')
      return { guid, version: 1, latest: 1 }
    },
    async resolveVolume(caller: Caller, name: VolumeName) {
      const { guid, latest } = await access.resolveName(caller, name)
      return { record: of(guid)!.record, latest }
    },
    async requireRight(caller: Caller, { guid }: { guid: Guid }) {
      o.looked?.(caller)
      if (!has('list', caller, guid)) throw new MdmError('MDM_NOT_FOUND')
      if (!has('read', caller, guid)) throw new MdmError('MDM_DENIED')
    },
    holds: async (caller: Caller, { guid }: { guid: Guid }) => has('read', caller, guid),
    listed: async (caller: Caller, { guid }: { guid: Guid }) => (has('list', caller, guid) ? 1 : undefined),
  }
  const catalog = {
    volume: async (guid: Guid) => of(guid)?.record,
    summary: async (guid: Guid) => {
      const record = of(guid)?.record
      return record && rights.gone.has(guid) ? { ...record, goneSince: '2026-01-01T00:00:00Z' } : record
    },
    page: async () => volumes.map(({ record }) => ({ guid: record.guid, latest: 1, isGone: false })),
    requireThere: async (guid: Guid) => {
      if (rights.gone.has(guid)) throw new MdmError('MDM_GONE')
    },
  }
  const audited: Record<string, unknown>[] = []
  const requests = await openRequests({
    ...{ db, delivery, now, base: BASE, turlKey: o.turlKey ?? KEY },
    limits: SrmLimits.parse(o.limits ?? {}),
    audit: { record: async (event) => void audited.push({ ...event }) },
    requireAdmitted: async ({ dn }) => {
      if (rights.banned.has(dn)) throw new MdmError('MDM_BANNED')
    },
    ...{ access, catalog },
    ...(o.againMs === undefined ? {} : { againMs: o.againMs }),
  })
  let ended: Promise<void> | undefined
  const end = () => {
    clearInterval(keep)
    return (ended ??= requests
      .close()
      .then(() => delivery.close())
      .then(() => db.destroy()))
  }
  const surl = (i: number) => `srm://site.example/mdm/${volumes[i]!.record.guid}`
  const asked = (...which: number[]) =>
    which.map((i) => ({ surl: surl(i), name: { guid: volumes[i]!.record.guid } }))
  return {
    ...{ volumes, requests, delivery, db, audited, rights, surl, asked, dir, access, catalog },
    reads: (i) => sources.get(`s${i}`)!.attempts,
    get: (caller, ...which) =>
      requests.open(caller, { kind: 'get', files: asked(...which), requestId: 'r'.repeat(32) }),
    async restart(again) {
      await end()
      return await world(t, { ...o, dir, store, spoolDir, rights, now, ...again })
    },
  }
}

/** Asks until no file waits any more; a minute at the most. */
export async function finished(
  { requests }: Pick<World, 'requests'>,
  caller: Caller,
  { token, kind }: Pick<PreparationRequest, 'token' | 'kind'>,
): Promise<PreparationRequest> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    const request = await requests.find(caller, kind, token)
    if (request.files.every(({ state }) => state !== 'QUEUED' && state !== 'IN_PROGRESS')) return request
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('the request has not ended within a minute')
}

export const states = ({ files }: PreparationRequest): string[] => files.map(({ state }) => state)
export const tokenOfTurl = (turl: string | undefined): string => turl!.split('/')[4]!
