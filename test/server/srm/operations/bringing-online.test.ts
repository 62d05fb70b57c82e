import t from 'tap'
import { guidOf, soapSite, surlOf } from './soap-site.ts'

const files = (...surls: string[]) => ({ arrayOfFileRequests: surls.map((sourceSURL) => ({ sourceSURL })) })

t.test('what must be read first is brought online, and then a URL is had at once', async (t) => {
  const now = new Date('2026-03-01T00:00:00Z')
  const { call, statusesSeen, requests } = await soapSite(t, [{ guid: guidOf(1), bytes: 1234, polls: 2 }], {
    now: () => now,
  })
  const asked = await call('srmBringOnline', files(surlOf(1)))
  t.match(asked, {
    returnStatus: { statusCode: 'SRM_REQUEST_QUEUED' },
    requestToken: /^[0-9a-f-]{36}$/,
    arrayOfFileStatuses: [
      { sourceSURL: surlOf(1), status: { statusCode: 'SRM_REQUEST_QUEUED' }, estimatedWaitTime: 1 },
    ],
  })
  const requestToken = asked.requestToken!
  t.strictSame(await statusesSeen('srmStatusOfBringOnlineRequest', requestToken), [
    'SRM_REQUEST_QUEUED SRM_REQUEST_QUEUED',
    'SRM_REQUEST_INPROGRESS SRM_REQUEST_INPROGRESS',
    'SRM_REQUEST_INPROGRESS SRM_REQUEST_INPROGRESS',
    'SRM_SUCCESS SRM_SUCCESS',
  ])
  const online = await call('srmStatusOfBringOnlineRequest', { requestToken })
  t.strictSame(online.arrayOfFileStatuses, [
    {
      sourceSURL: surlOf(1),
      status: { statusCode: 'SRM_SUCCESS' },
      fileSize: 1234,
      remainingPinTime: 600,
    },
  ])
  t.equal(requests.opened, 1)
})

t.test('what a client asks for is how long it stays, and it lets go of it as of any other', async (t) => {
  const now = new Date('2026-03-01T00:00:00Z')
  const { call } = await soapSite(t, [{ guid: guidOf(1) }, { guid: guidOf(2) }], { now: () => now })
  const pinned = await call('srmBringOnline', {
    ...{ ...files(surlOf(1), surlOf(2)), desiredLifeTime: 60 },
    transferParameters: { arrayOfTransferProtocols: ['gsiftp'] },
  })
  t.match(pinned, { returnStatus: { statusCode: 'SRM_SUCCESS' } })
  t.strictSame(
    pinned.arrayOfFileStatuses?.map(({ remainingPinTime }) => remainingPinTime),
    [60, 60],
  )
  const requestToken = pinned.requestToken!
  await call('srmReleaseFiles', { requestToken, arrayOfSURLs: [surlOf(2)] })
  const some = await call('srmStatusOfBringOnlineRequest', {
    ...{ requestToken, arrayOfSourceSURLs: [surlOf(2), surlOf(1), surlOf(9)] },
  })
  t.match(some.arrayOfFileStatuses, [
    { sourceSURL: surlOf(2), status: { statusCode: 'SRM_RELEASED' } },
    { sourceSURL: surlOf(1), status: { statusCode: 'SRM_SUCCESS' } },
    { sourceSURL: surlOf(9), status: { statusCode: 'SRM_INVALID_PATH' } },
  ])
  t.equal((await call('srmAbortRequest', { requestToken })).returnStatus.statusCode, 'SRM_SUCCESS')
})

t.test('each file is refused as by every other operation, and so is a token of nobody', async (t) => {
  const { call } = await soapSite(t, [
    { guid: guidOf(1) },
    { guid: guidOf(2), readBy: [] },
    { guid: guidOf(3), listedBy: [] },
    { guid: guidOf(4), fails: 'MDM_SOURCE_UNREACHABLE' },
  ])
  const asked = [1, 2, 3, 4, 5].map(surlOf)
  const { returnStatus, arrayOfFileStatuses } = await call('srmBringOnline', files(...asked))
  t.equal(returnStatus.statusCode, 'SRM_PARTIAL_SUCCESS')
  t.strictSame(
    arrayOfFileStatuses?.map(({ status }) => status.statusCode),
    [
      'SRM_SUCCESS',
      'SRM_AUTHORIZATION_FAILURE',
      'SRM_INVALID_PATH',
      'SRM_FILE_UNAVAILABLE',
      'SRM_INVALID_PATH',
    ],
  )
  t.strictSame(arrayOfFileStatuses?.[2]?.status, arrayOfFileStatuses?.[4]?.status, 'hidden as absent')
  t.equal((await call('srmBringOnline', files(surlOf(2)))).returnStatus.statusCode, 'SRM_FAILURE')
  const unknown = await call('srmStatusOfBringOnlineRequest', { requestToken: 'nothing' })
  t.equal(unknown.returnStatus.statusCode, 'SRM_INVALID_REQUEST')
})
