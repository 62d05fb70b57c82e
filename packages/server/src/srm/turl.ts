import { MdmError } from '@mdm/core/errors'
import type { Guid, VolumeName } from '@mdm/core/names'
import type { Access } from '../catalog/access.ts'
import type { App } from '../http/app.ts'
import type { AnyContext, StreamReply } from '../http/route.ts'
import { openFiles, type FilesOptions } from './files.ts'
import type { OpenedRequests, TurlVolume } from './requests/requests.ts'
import { readOnly } from './webdav.ts'

export interface TurlRoutes {
  readonly requests: Pick<OpenedRequests, 'turlOf'>
  /** what a file is served with by its own path */
  readonly files: FilesOptions
}

/**
 * The URLs that pinned files are transferred by: each gives one version of one volume, to the caller who had it prepared, as long as it is
 * pinned and he may read it. Whatever is wrong with one, it does not exist.
 */
export function turlRoutes(app: App, o: TurlRoutes): void {
  readOnly(app, '/turl/:token/:guid', async (c) => {
    const { token = '', guid = '' } = c.request.params as { token?: string; guid?: string }
    const volume = o.requests.turlOf(c.caller, token)
    if (volume?.guid !== guid) throw new MdmError('MDM_NOT_FOUND')
    try {
      await o.files.access.requireRight(c.caller, volume, 'file', 'read')
      await o.files.catalog.requireThere(volume.guid)
      return await answer(c, volume, openFiles({ ...o.files, access: whileLive(o.files.access, volume) }))
    } catch (error) {
      throw hidden(error)
    }
  })
}

/**
 * A URL is never more than its right: that its file is not let go of is asked where the right is, so that a transfer under way ends
 * with it. The end of its time alone stops nobody who is reading.
 */
function whileLive(
  access: FilesOptions['access'],
  { mayGoOn }: Pick<TurlVolume, 'mayGoOn'>,
): FilesOptions['access'] {
  const requireRight: Access['requireRight'] = async (caller, volume, object, right) => {
    if (!mayGoOn(caller)) throw new MdmError('MDM_NOT_FOUND')
    await access.requireRight(caller, volume, object, right)
  }
  return { resolveVolume: (caller, name) => access.resolveVolume(caller, name), requireRight }
}

async function answer(
  c: AnyContext,
  { guid, version }: { guid: Guid; version: number },
  files: ReturnType<typeof openFiles>,
): Promise<StreamReply> {
  const name: VolumeName = { guid, version }
  const { method, url } = c.request
  if (method === 'PROPFIND') return await files.properties(c, name, url.split('?')[0]!)
  return method === 'HEAD' ? await files.head(c, name) : await files.get(c, name)
}

/** Why a URL gives nothing is not said: revoked, gone or never there, its holder asks by the name of the file. */
function hidden(error: unknown): unknown {
  const isRefusal = error instanceof MdmError && ['MDM_DENIED', 'MDM_GONE'].includes(error.code)
  return isRefusal ? new MdmError('MDM_NOT_FOUND') : error
}
