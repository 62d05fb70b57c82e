import type { Test } from 'tap'
import type { Guid } from '@mdm/core/names'
import {
  parseResponse,
  writeRequest,
  type Operation,
  type ReplyOf,
  type RequestOf,
} from '@mdm/core/wire/srm/messages'
import type { AppOptions, Refusal } from '../../../../packages/server/src/http/app.ts'
import { soapRoutes } from '../../../../packages/server/src/srm/operations/routes.ts'
import { complaintsOf } from '../../../conformance/srm-message.ts'
import { memoryEntries, memoryRequests, type Held } from '../../../fixtures/srm-memory.ts'
import { listen, type Answer, type AskOptions } from '../../http/listener.ts'

export const guidOf = (n: number): Guid => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as Guid
export const surlOf = (n: number): string => `srm://localhost/mdm/${guidOf(n)}`
/** who asks unless told */
export const ME = 'CN=known'

/** The SOAP interface on a real httpg listener, in front of a storage element in memory. */
export async function soapSite(
  t: Test,
  held: readonly Held[],
  o: { app?: Partial<AppOptions>; now?: () => Date; most?: number } = {},
) {
  const refusals: Refusal[] = []
  const entries = memoryEntries(held)
  const requests = memoryRequests(held, o)
  const listener = await listen(
    t,
    { speaks: 'httpg', refused: async (refusal) => void refusals.push(refusal), ...o.app },
    (app) =>
      soapRoutes(app, {
        ...{ entries, requests, now: o.now ?? (() => new Date()) },
        refused: async (refusal) => void refusals.push(refusal),
      }),
  )
  const post = async (body: string, options: AskOptions = {}): Promise<Answer> => {
    const answer = await listener.ask('/srm/managerv2', {
      method: 'POST',
      ...options,
      body,
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""', ...options.headers },
    })
    // Whatever a test is about, what is answered is SRM v2.2 by the letter.
    const complaints = complaintsOf(answer.body)
    if (complaints.length > 0) t.fail(complaints.join('; '), { body: answer.body })
    return answer
  }
  async function call<O extends Operation>(
    operation: O,
    request: RequestOf<O>,
    options: AskOptions = {},
  ): Promise<ReplyOf<O>> {
    const answer = await post(writeRequest(operation, request), options)
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}: ${answer.body}`)
    return parseResponse(operation, Buffer.from(answer.body))
  }
  return {
    ...listener,
    ...{ entries, requests, refusals, post },
    /** One operation as a client does it; fails where HTTP says anything but 200. */
    call,
    /** The statuses of a request and of its first file, asked for until all is a success, nine times at most. */
    async statusesSeen(
      operation: 'srmStatusOfGetRequest' | 'srmStatusOfBringOnlineRequest',
      requestToken: string,
    ): Promise<string[]> {
      const seen: string[] = []
      for (let last = ''; last !== 'SRM_SUCCESS' && seen.length < 9;) {
        const reply = await call(operation, { requestToken })
        last = reply.returnStatus.statusCode
        seen.push(`${last} ${reply.arrayOfFileStatuses?.[0]?.status.statusCode}`)
      }
      return seen
    },
  }
}
