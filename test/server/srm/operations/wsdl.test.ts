import t from 'tap'
import type { Operation, RequestOf } from '@mdm/core/wire/srm/messages'
import { complaintsOf } from '../../../conformance/srm-message.ts'
import { STATUS_ALONE } from '../../../conformance/srm-sequences.ts'
import { arc, gfal, surls, tag } from '../../../fixtures/srm-messages.ts'
import { unknown } from '../../http/listener.ts'
import { guidOf, soapSite, surlOf } from './soap-site.ts'

/** Two volumes that are there, one that may not be read, and one that is not there. */
const HELD = [
  { guid: guidOf(1), adler32: '0a1b2c3d' },
  { guid: guidOf(2), polls: 9 },
  { guid: guidOf(3), readBy: [] },
]
const [GOOD, SLOW, DENIED, NONE] = [1, 2, 3, 4].map(surlOf) as [string, string, string, string]
const status = (body: string) => /<returnStatus><statusCode>(.*?)</.exec(body)?.[1]

t.test('replies of every kind are SRM v2.2 by the letter', async (t) => {
  const { post, call } = await soapSite(t, HELD)
  const prepare = (...names: string[]) => ({
    arrayOfFileRequests: names.map((sourceSURL) => ({ sourceSURL })),
  })
  const { requestToken = '' } = await call('srmPrepareToGet', prepare(GOOD, SLOW, DENIED))
  const kinds: { [O in Operation]?: readonly [RequestOf<O>, string][] } = {
    srmGetTransferProtocols: [[{}, 'SRM_SUCCESS']],
    srmLs: [
      [{ arrayOfSURLs: [GOOD], fullDetailedList: true }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: ['srm://localhost/mdm'], fullDetailedList: true, numOfLevels: 1 }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: ['srm://localhost/mdm'], offset: 9, count: 1 }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: [GOOD, NONE] }, 'SRM_PARTIAL_SUCCESS'],
      [{ arrayOfSURLs: [NONE, 'no URL & no <path>'] }, 'SRM_FAILURE'],
      [{ arrayOfSURLs: ['srm://localhost/mdm'], count: 9_999 }, 'SRM_TOO_MANY_RESULTS'],
    ],
    srmPrepareToGet: [
      [prepare(GOOD), 'SRM_SUCCESS'],
      [prepare(SLOW), 'SRM_REQUEST_QUEUED'],
      [prepare(GOOD, NONE), 'SRM_PARTIAL_SUCCESS'],
      [prepare(DENIED), 'SRM_FAILURE'],
      [
        { ...prepare(GOOD), transferParameters: { arrayOfTransferProtocols: ['gsiftp'] } },
        'SRM_NOT_SUPPORTED',
      ],
    ],
    srmStatusOfGetRequest: [
      [{ requestToken }, 'SRM_REQUEST_INPROGRESS'],
      [{ requestToken, arrayOfSourceSURLs: [GOOD, NONE] }, 'SRM_REQUEST_INPROGRESS'],
      [{ requestToken: 'unknown' }, 'SRM_INVALID_REQUEST'],
    ],
    srmCheckPermission: [
      [{ arrayOfSURLs: [GOOD, DENIED] }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: [GOOD, NONE] }, 'SRM_PARTIAL_SUCCESS'],
      [{ arrayOfSURLs: [NONE] }, 'SRM_FAILURE'],
    ],
    srmExtendFileLifeTime: [
      [{ requestToken, arrayOfSURLs: [GOOD], newPinLifeTime: 9 }, 'SRM_SUCCESS'],
      [{ requestToken, arrayOfSURLs: [GOOD, NONE], newPinLifeTime: 9 }, 'SRM_PARTIAL_SUCCESS'],
      [{ arrayOfSURLs: [GOOD], newFileLifeTime: 9 }, 'SRM_NOT_SUPPORTED'],
    ],
    srmAbortFiles: [[{ requestToken, arrayOfSURLs: [SLOW, NONE] }, 'SRM_PARTIAL_SUCCESS']],
    srmReleaseFiles: [
      [{ requestToken, arrayOfSURLs: [GOOD] }, 'SRM_SUCCESS'],
      [{ requestToken }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: [GOOD] }, 'SRM_SUCCESS'],
      [{ arrayOfSURLs: [NONE] }, 'SRM_FAILURE'],
    ],
    srmAbortRequest: [[{ requestToken }, 'SRM_SUCCESS']],
  }
  for (const [operation, asked] of Object.entries(kinds) as ['srmLs', [RequestOf<'srmLs'>, string][]][])
    for (const [request, wanted] of asked) {
      // soapSite holds the reply against the sequences of SRM.
      const { returnStatus } = await call(operation, request)
      t.equal(returnStatus.statusCode, wanted, `${operation} ${JSON.stringify(request)}`)
    }
  t.strictSame(complaintsOf((await post(gfal('srmPing', ''))).body), [])
})

t.test('so are refusals of each of the 39 operations, whoever asks', async (t) => {
  const { post } = await soapSite(t, HELD)
  const served = [
    ...['srmGetTransferProtocols', 'srmLs', 'srmPrepareToGet', 'srmStatusOfGetRequest', 'srmReleaseFiles'],
    ...['srmAbortRequest', 'srmAbortFiles', 'srmExtendFileLifeTime', 'srmCheckPermission'],
  ]
  for (const [names, wanted] of [
    [STATUS_ALONE, 'SRM_NOT_SUPPORTED'],
    [served, undefined],
  ] as const)
    for (const operation of names) {
      const known = await post(gfal(operation, tag('requestToken', 'a') + tag('requestToken', 'b')))
      t.match(known.body, `<${operation}Response>`)
      if (wanted !== undefined) t.equal(status(known.body), wanted, operation)
      const stranger = await post(arc(operation, ''), { as: unknown })
      t.equal(status(stranger.body), 'SRM_AUTHENTICATION_FAILURE', operation)
      t.strictSame([...complaintsOf(known.body), ...complaintsOf(stranger.body)], [])
    }
})

t.test('a list without entries, which SRM has not, is no request', async (t) => {
  const { post, requests } = await soapSite(t, HELD)
  const token = tag('requestToken', 'T')
  for (const [operation, fields] of [
    ['srmLs', surls()],
    ['srmCheckPermission', surls()],
    ['srmPrepareToGet', tag('arrayOfFileRequests')],
    ['srmAbortFiles', token + surls()],
    ['srmExtendFileLifeTime', token + surls() + tag('newPinLifeTime', '9')],
    ['srmLs', '<arrayOfSURLs><urlArray xsi:nil="true"/></arrayOfSURLs>'],
  ] as const)
    t.equal(status((await post(gfal(operation, fields))).body), 'SRM_INVALID_REQUEST', operation)
  t.equal(requests.opened, 0)
})
