import { MdmError } from '@mdm/core/errors'
import type { App } from '../http/app.ts'
import { WEBDAV_METHODS } from '../http/httpg.ts'
import { routeAny, type AnyContext, type StreamReply } from '../http/route.ts'
import type { Entries, Entry } from './entries.ts'
import { longPropertiesReply, propertiesReply, resourceOf, type Files, type FilesOptions } from './files.ts'
import type { Resource } from './multistatus.ts'
import { FOLDER, placeOf, type Place } from './namespace.ts'

export interface WebdavRoutes {
  readonly files: Files
  readonly entries: Pick<Entries, 'list'>
  /** Who the caller is now, for each page of a long answer. @throws what it refuses a caller with */
  readonly identify: FilesOptions['identify']
  /** volumes of the folder that are looked at in one go */
  readonly pageSize?: number
}

const READS = ['GET', 'HEAD', 'OPTIONS', 'PROPFIND']
const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE', ...WEBDAV_METHODS.filter((method) => method !== 'PROPFIND')]
const PAGE_SIZE = 1_000

/**
 * Volumes by https, without SRM: what curl, davix, gfal and ARC do with a URL of a storage element. It only reads.
 *
 * @see RFC 4918
 */
export function webdavRoutes(app: App, o: WebdavRoutes): void {
  for (const url of ['/', FOLDER, `${FOLDER}/:name`, '/lfn/:site/:source/:modality/:number'])
    readOnly(app, url, async (c) => await answer(o, c, placeIn(c)))
}

/**
 * Serves one URL pattern to those who read, by the method of the request; OPTIONS is answered here. A write is refused before its
 * body is read, alike for what exists and what does not: "only get requests are authorized from the grid side" (paper 4.3).
 */
export function readOnly(app: App, url: string, handler: (c: AnyContext) => Promise<StreamReply>): void {
  const allow = READS.join(', ')
  routeAny(app, { method: 'OPTIONS', url }, async () => ({ headers: { allow, dav: '1' }, body: '' }))
  routeAny(
    app,
    { method: READS.filter((method) => method !== 'OPTIONS'), url, maxBodyBytes: 65_536 },
    handler,
  )
  app.route({
    ...{ method: WRITES, url },
    onRequest: (_request, reply, done) => {
      void reply.header('allow', allow)
      done(new MdmError('MDM_READ_ONLY'))
    },
    handler: () => undefined,
  })
}

/** The place that a request is for. @throws MDM_NOT_FOUND */
function placeIn({ request }: AnyContext): Place {
  const [path = ''] = request.url.split('?')
  const place = placeOf(
    decodeURIComponent(path)
      .replace(/\/+/g, '/')
      .replace(/(.)\/$/, '$1'),
  )
  if (place === undefined) throw new MdmError('MDM_NOT_FOUND')
  return place
}

async function answer(o: WebdavRoutes, c: AnyContext, place: Place): Promise<StreamReply> {
  const { method } = c.request
  if (place.kind === 'folder') return method === 'PROPFIND' ? await folder(o, c) : noFile(c)
  if (method === 'PROPFIND') return await o.files.properties(c, place.name)
  return method === 'HEAD' ? await o.files.head(c, place.name) : await o.files.get(c, place.name)
}

async function folder(o: WebdavRoutes, c: AnyContext): Promise<StreamReply> {
  const self = { path: `${FOLDER}/` }
  const { depth } = c.request.headers
  if (depth === '0') return propertiesReply([self])
  if (depth !== '1') throw new MdmError('MDM_BAD_REQUEST', 'the header Depth must be 0 or 1')
  const limit = o.pageSize ?? PAGE_SIZE
  // Before the answer begins: a store that does not answer is a status of its own.
  const first = await o.entries.list(c.caller, { limit })
  return longPropertiesReply(pagesFrom(o, c, { self, first, limit }))
}

/** The folder, and each page once the one before is on its way: what is registered meanwhile shifts nothing. */
async function* pagesFrom(
  { entries, identify }: WebdavRoutes,
  { chain, signal }: AnyContext,
  { self, first, limit }: { self: Resource; first: readonly Entry[]; limit: number },
): AsyncGenerator<Resource[], void, undefined> {
  yield [self, ...first.map(resourceOf)]
  for (let page = first; page.length === limit;) {
    signal.throwIfAborted()
    page = await entries.list(await identify(chain), { after: page.at(-1)!.guid, limit })
    yield page.map(resourceOf)
  }
}

/** A folder has properties and no content. */
function noFile({ reply }: AnyContext): never {
  void reply.header('allow', 'OPTIONS, PROPFIND')
  throw new MdmError('MDM_READ_ONLY', 'this is a folder: ask for it by PROPFIND, or for a volume in it')
}
