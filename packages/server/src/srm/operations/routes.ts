import { MdmError } from '@mdm/core/errors'
import { REQUEST_LIMITS } from '@mdm/core/wire/srm/xml'
import type { App, Refusal } from '../../http/app.ts'
import { routeAny } from '../../http/route.ts'
import type { Entries } from '../entries.ts'
import { answer, refuseMessage } from './answer.ts'
import type { Preparations } from './operation.ts'
import { createPageEnds } from './page-ends.ts'

/** Where SRM v2.2 is served, by custom of all storage elements. */
export const SRM_PATH = '/srm/managerv2'
const XML = { 'content-type': 'text/xml; charset=utf-8' }

export interface SoapOptions {
  readonly entries: Entries
  readonly requests: Preparations
  readonly now: () => Date
  /** Told of files that are refused within an answer, before it is given; of all else the listener tells by itself. */
  readonly refused?: ((refusal: Refusal) => Promise<void>) | undefined
}

/**
 * The SOAP interface of the storage element. Refusals are SOAP too, of callers that are not let in as well: their clients then
 * say why, instead of "connection failed".
 */
export function soapRoutes(app: App, o: SoapOptions): void {
  const services = { ...o, pageEnds: createPageEnds() }
  const refusal = (error: MdmError, body: unknown) => {
    const { status, text } = refuseMessage(error, body)
    return { status, headers: XML, body: text }
  }
  routeAny(
    app,
    { method: 'POST', url: SRM_PATH, maxBodyBytes: REQUEST_LIMITS.maxBytes, refusal },
    async ({ request, caller, requestId, signal }) => {
      if (!(request.body instanceof Uint8Array))
        throw new MdmError('MDM_BAD_REQUEST', 'the message is no XML')
      const { text, refused } = await answer(request.body, { ...services, caller, requestId, signal })
      if (refused !== undefined) {
        const { code, place } = refused
        const guid = place?.kind === 'volume' && 'guid' in place.name ? { guid: place.name.guid } : {}
        await o.refused?.({ code, caller, requestId, params: guid })
      }
      return { headers: XML, body: text }
    },
  )
}
