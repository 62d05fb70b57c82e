import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { parseVolumeName, type Guid } from '@mdm/core/names'
import { getStatements, postStatement } from '@mdm/core/wire/common'
import { getAcl, getInstances, getVolume, listVolumes, type VolumeRow } from '@mdm/core/wire/site'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import type { Access, ListedVolume } from './access.ts'
import type { Catalog } from './catalog.ts'
import type { Statements } from './statements.ts'

const DEFAULT_LIMIT = 100
/** Volumes looked at in one go: most of them may be hidden from the caller. */
const PAGE = 1000

export interface CatalogRoutes {
  readonly catalog: Catalog
  readonly access: Access
  readonly statements: Statements
}

/** Volumes and their access lists; what is refused and why is decided in access.ts alone. */
export function catalogRoutes(app: App, o: CatalogRoutes): void {
  route(app, listVolumes, async ({ query, caller, timing }) => {
    const limit = query.limit ?? DEFAULT_LIMIT
    const listed = await timing.measure('access-control', () => listPage(o, caller, query.after, limit))
    const rows: VolumeRow[] = []
    for (const volume of listed.slice(0, limit)) rows.push(await rowOf(o, caller, volume))
    const last = rows.at(-1)
    return { rows, ...(listed.length > limit && last !== undefined ? { next: last.guid } : {}) }
  })

  route(app, getVolume, async ({ params, caller, timing }) => {
    const name = nameOf(params.name)
    const volume = await timing.measure('access-control', () => o.access.resolveName(caller, name))
    return await rowOf(o, caller, volume)
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

  route(
    app,
    postStatement,
    async ({ body, caller, requestId }) => await o.statements.accept(caller, body, requestId),
  )
}

/** One volume more than asked for, where there is one, so that the end is known. */
async function listPage(
  o: CatalogRoutes,
  caller: Caller,
  from: Guid | undefined,
  limit: number,
): Promise<ListedVolume[]> {
  const listed: ListedVolume[] = []
  for (let after = from; ;) {
    const page = await o.catalog.page(after, PAGE)
    for (const volume of page) {
      const version = await o.access.listed(caller, volume)
      if (version !== undefined) listed.push({ guid: volume.guid, version })
      if (listed.length > limit) return listed
    }
    if (page.length < PAGE) return listed
    after = page.at(-1)!.guid
  }
}

/** Shape and modality are metadata: they have their own rights. */
async function rowOf(o: CatalogRoutes, caller: Caller, volume: ListedVolume): Promise<VolumeRow> {
  const summary = await o.catalog.summary(volume.guid, volume.version)
  if (summary === undefined) throw new MdmError('MDM_NOT_FOUND')
  const { guid, version, lfn, surl, containerBytes, registered } = summary
  const { columns, rows, slices, modality } = summary.volume
  const seesShape = await o.access.holds(caller, volume, 'metadata:image', 'basic')
  const seesModality = await o.access.holds(caller, volume, 'metadata:medical', 'basic')
  return {
    ...{ guid, version, lfn, surl, bytes: containerBytes, registered },
    ...(seesModality ? { modality } : {}),
    ...(seesShape ? { shape: [columns, rows, slices] } : {}),
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
