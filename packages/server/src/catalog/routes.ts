import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { parseVolumeName, type Version } from '@mdm/core/names'
import { getStatements, postStatement } from '@mdm/core/wire/common'
import {
  getAcl,
  getInstances,
  getVolume,
  listVolumes,
  type VolumeRow,
  type VolumeStat,
} from '@mdm/core/wire/site'
import { getHeads } from '@mdm/core/wire/witness'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { Access, ListedVolume } from './access.ts'
import type { Catalog, VolumeSummary } from './catalog.ts'
import { readHeads } from './heads.ts'
import { listedPage } from './listed-page.ts'
import type { Statements } from './statements.ts'

const DEFAULT_LIMIT = 100

export interface CatalogRoutes {
  readonly catalog: Catalog
  readonly access: Access
  readonly statements: Statements
  readonly heads: Parameters<typeof readHeads>[0]
}

/** Volumes and their access lists; what is refused and why is decided in access.ts alone. */
export function catalogRoutes(app: App, o: CatalogRoutes): void {
  route(app, listVolumes, async ({ query, caller, timing }) => {
    const limit = query.limit ?? DEFAULT_LIMIT
    // One volume more than asked for, where there is one, so that the end is known.
    const listed = await timing.measure('access-control', () =>
      listedPage(o, caller, { after: query.after, limit: limit + 1 }),
    )
    const rows: VolumeRow[] = []
    const setOf = o.access.sets.memberships(caller)
    for (const volume of listed.slice(0, limit)) rows.push(await rowOf(o, caller, { ...volume, setOf }))
    const last = rows.at(-1)
    return { rows, ...(listed.length > limit && last !== undefined ? { next: last.guid } : {}) }
  })

  route(app, getVolume, async ({ params, caller, timing }) => {
    const name = nameOf(params.name)
    const volume = await timing.measure('access-control', () => o.access.resolveName(caller, name))
    return await statOf(o, caller, volume)
  })

  route(app, getInstances, async ({ params, caller, timing }) => {
    const name = nameOf(params.name)
    const { guid, version } = await timing.measure('access-control', () => o.access.resolveName(caller, name))
    return { guid, version, instances: await o.catalog.instances(guid, version) }
  })

  route(app, getAcl, async ({ params, caller }) => ({
    chains: await o.statements.ofVolume(caller, params.guid),
  }))

  route(app, getStatements, async ({ params, caller }) => ({
    statements: await o.statements.read(caller, params),
  }))

  route(app, getHeads, async ({ params, query, caller, requestId }) =>
    readHeads(o.heads, { caller, site: params.site, after: query.after, requestId }),
  )

  route(
    app,
    postStatement,
    async ({ body, caller, requestId }) => await o.statements.accept(caller, body, requestId),
  )
}

type SetOf = ReturnType<Access['sets']['memberships']>

async function rowOf(
  o: CatalogRoutes,
  caller: Caller,
  volume: ListedVolume & { setOf: SetOf },
): Promise<VolumeRow> {
  return await shown(o, caller, await summaryOf(o, volume), volume.setOf)
}

/** The digest of the voxels says whether two volumes are one, so it is for those who may read them (decision 3). */
async function statOf(
  o: CatalogRoutes,
  caller: Caller,
  volume: ListedVolume & { latest: Version },
): Promise<VolumeStat> {
  const summary = await summaryOf(o, volume)
  const readsFile = await o.access.holds(caller, volume, 'file', 'read')
  const readsKey = await o.access.holds(caller, volume, 'key', 'read')
  const { plaintextSha256 } = summary
  return {
    ...(await shown(o, caller, summary, o.access.sets.memberships(caller))),
    latest: volume.latest,
    replicas: await o.catalog.replicas(volume.guid),
    ...(readsKey && plaintextSha256 !== undefined ? { plaintextSha256 } : {}),
    may: [...(readsFile ? ['read-file' as const] : []), ...(readsKey ? ['read-key' as const] : [])],
  }
}

async function summaryOf(o: CatalogRoutes, { guid, version }: ListedVolume): Promise<VolumeSummary> {
  const summary = await o.catalog.summary(guid, version)
  if (summary === undefined) throw new MdmError('MDM_NOT_FOUND')
  return summary
}

/** Shape and modality are metadata: they have their own rights. */
async function shown(
  o: CatalogRoutes,
  caller: Caller,
  summary: VolumeSummary,
  setOf: SetOf,
): Promise<VolumeRow> {
  const { guid, version, lfn, surl, containerBytes, registered, goneSince } = summary
  const { columns, rows, slices, modality } = summary.volume
  const seesShape = await o.access.holds(caller, summary, 'metadata:image', 'basic')
  const set = await setOf(guid)
  const seesModality = await o.access.holds(caller, summary, 'metadata:medical', 'basic')
  return {
    ...{ guid, version, lfn, surl, bytes: containerBytes, registered },
    ...(seesModality ? { modality } : {}),
    ...(seesShape ? { shape: [columns, rows, slices] } : {}),
    ...(set === undefined ? {} : { set }),
    ...(goneSince === undefined ? {} : { goneSince }),
  }
}

/** On the wire a malformed name is a malformed request. */
export function nameOf(text: string) {
  try {
    return parseVolumeName(text)
  } catch (cause) {
    throw new MdmError(
      'MDM_BAD_REQUEST',
      'the name is not a GUID, GUID@VERSION, LFN, SURL or instance:GUID',
      { cause },
    )
  }
}
