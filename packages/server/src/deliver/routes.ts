import { MdmError } from '@mdm/core/errors'
import { getContent, getPreparation } from '@mdm/core/wire/site'
import type { Access } from '../catalog/access.ts'
import { nameOf } from '../catalog/routes.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import { contentReply, type Containers } from './content.ts'

export interface DeliveryRoutes extends Containers {
  readonly access: Pick<Access, 'resolveVolume' | 'requireRight'>
}

/** The container of a volume, whole or a part, and the state of a preparation. */
export function deliveryRoutes(app: App, o: DeliveryRoutes): void {
  route(app, getContent, async (c) => {
    const name = nameOf(c.params.name)
    const volume = await c.timing.measure('resolve-surl', () => o.access.resolveVolume(c.caller, name))
    return contentReply(o, { ...c, ...volume, headers: c.request.headers })
  })

  route(app, getPreparation, async (c) => {
    const { guid, etag } = c.params
    const known = o.delivery.report(guid, etag)
    if (known === undefined) throw new MdmError('MDM_NOT_FOUND')
    await o.access.requireRight(c.caller, { guid, version: known.version }, 'file', 'read')
    return known.report
  })
}
