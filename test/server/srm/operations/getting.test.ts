import t from 'tap'
import { guidOf, soapSite, surlOf } from './soap-site.ts'

const files = (...surls: string[]) => ({ arrayOfFileRequests: surls.map((sourceSURL) => ({ sourceSURL })) })

t.test('what lies in the spool is pinned at once', async (t) => {
  const now = new Date('2026-03-01T00:00:00Z')
  const { call } = await soapSite(t, [{ guid: guidOf(1), bytes: 1234 }], { now: () => now })
  const reply = await call('srmPrepareToGet', { ...files(surlOf(1)), desiredPinLifeTime: 60 })
  t.match(reply, {
    returnStatus: { statusCode: 'SRM_SUCCESS' },
    requestToken: /^[0-9a-f-]{36}$/,
    arrayOfFileStatuses: [
      {
        sourceSURL: surlOf(1),
        fileSize: 1234,
        status: { statusCode: 'SRM_FILE_PINNED' },
        remainingPinTime: 60,
        transferURL: /^https:\/\/.*&b=2$/,
      },
    ],
  })
})

t.test('what must be read first is queued, in progress, and then pinned', async (t) => {
  const { call, statusesSeen } = await soapSite(t, [{ guid: guidOf(1), polls: 2 }])
  const { returnStatus, requestToken, arrayOfFileStatuses } = await call('srmPrepareToGet', files(surlOf(1)))
  t.equal(returnStatus.statusCode, 'SRM_REQUEST_QUEUED')
  t.match(arrayOfFileStatuses, [{ status: { statusCode: 'SRM_REQUEST_QUEUED' }, estimatedWaitTime: 1 }])
  t.strictSame(await statusesSeen('srmStatusOfGetRequest', requestToken!), [
    'SRM_REQUEST_QUEUED SRM_REQUEST_QUEUED',
    'SRM_REQUEST_INPROGRESS SRM_REQUEST_INPROGRESS',
    'SRM_REQUEST_INPROGRESS SRM_REQUEST_INPROGRESS',
    'SRM_SUCCESS SRM_FILE_PINNED',
  ])
})

t.test('a client without https is told so, and nothing is prepared', async (t) => {
  const { call, requests } = await soapSite(t, [{ guid: guidOf(1) }])
  const ask = (...protocols: string[]) =>
    call('srmPrepareToGet', {
      ...files(surlOf(1)),
      transferParameters: { arrayOfTransferProtocols: protocols },
    })
  t.equal((await ask('gsiftp', 'root')).returnStatus.statusCode, 'SRM_NOT_SUPPORTED')
  t.equal(requests.opened, 0)
  t.equal((await ask('gsiftp', 'HTTPS')).returnStatus.statusCode, 'SRM_SUCCESS')
  t.equal((await ask()).returnStatus.statusCode, 'SRM_SUCCESS')
})

t.test('each file of a request has its own end', async (t) => {
  const { call } = await soapSite(t, [
    { guid: guidOf(1) },
    { guid: guidOf(2), readBy: [] },
    { guid: guidOf(3), listedBy: [] },
    { guid: guidOf(4), fails: 'MDM_SOURCE_UNREACHABLE' },
    { guid: guidOf(5), fails: 'MDM_SPOOL_FULL' },
    { guid: guidOf(6), fails: 'MDM_GONE' },
  ])
  const asked = [1, 2, 3, 4, 5, 6, 7].map(surlOf).concat('srm://localhost/mdm', 'nothing')
  const { returnStatus, requestToken, arrayOfFileStatuses } = await call('srmPrepareToGet', files(...asked))
  t.equal(returnStatus.statusCode, 'SRM_PARTIAL_SUCCESS')
  const told = arrayOfFileStatuses?.map(({ status }) => status.statusCode)
  t.strictSame(told, [
    'SRM_FILE_PINNED',
    'SRM_AUTHORIZATION_FAILURE',
    'SRM_INVALID_PATH',
    'SRM_FILE_UNAVAILABLE',
    'SRM_NO_FREE_SPACE',
    'SRM_FILE_LOST',
    'SRM_INVALID_PATH',
    'SRM_INVALID_PATH',
    'SRM_INVALID_PATH',
  ])
  t.strictSame(arrayOfFileStatuses?.[2]?.status, arrayOfFileStatuses?.[6]?.status, 'hidden as absent')
  t.strictSame(
    arrayOfFileStatuses?.map(({ sourceSURL }) => sourceSURL),
    asked,
  )
  const some = await call('srmStatusOfGetRequest', {
    requestToken: requestToken!,
    arrayOfSourceSURLs: [`srm://localhost:8446/srm/managerv2?SFN=/mdm/${guidOf(1)}`, surlOf(99)],
  })
  t.match(some.arrayOfFileStatuses, [
    { sourceSURL: /8446/, status: { statusCode: 'SRM_FILE_PINNED' } },
    { sourceSURL: surlOf(99), status: { statusCode: 'SRM_INVALID_PATH' } },
  ])
  const none = await call('srmPrepareToGet', files(surlOf(7)))
  t.equal(none.returnStatus.statusCode, 'SRM_FAILURE')
})

t.test('too many requests are a reason to ask again later', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1) }], { most: 1 })
  await call('srmPrepareToGet', files(surlOf(1)))
  t.match((await call('srmPrepareToGet', files(surlOf(1)))).returnStatus, {
    statusCode: 'SRM_INTERNAL_ERROR',
    explanation: /^MDM_LIMIT: /,
  })
})

t.test('a request is released, aborted and prolonged, as a whole or by SURL', async (t) => {
  const now = new Date('2026-03-01T00:00:00Z')
  const { call } = await soapSite(
    t,
    [{ guid: guidOf(1) }, { guid: guidOf(2) }, { guid: guidOf(3), polls: 9 }],
    {
      now: () => now,
    },
  )
  const open = async () =>
    (await call('srmPrepareToGet', files(surlOf(1), surlOf(2), surlOf(3)))).requestToken!
  const requestToken = await open()

  const longer = await call('srmExtendFileLifeTime', {
    ...{ requestToken, newPinLifeTime: 9_999 },
    arrayOfSURLs: [surlOf(1), surlOf(3), surlOf(4)],
  })
  t.match(longer, {
    returnStatus: { statusCode: 'SRM_PARTIAL_SUCCESS' },
    arrayOfFileStatuses: [
      { surl: surlOf(1), status: { statusCode: 'SRM_SUCCESS' }, pinLifetime: 7_200 },
      { surl: surlOf(3), status: { statusCode: 'SRM_REQUEST_QUEUED' } },
      { surl: surlOf(4), status: { statusCode: 'SRM_INVALID_PATH' } },
    ],
  })
  const file = await call('srmExtendFileLifeTime', { arrayOfSURLs: [surlOf(1)], newFileLifeTime: 9_999 })
  t.equal(file.returnStatus.statusCode, 'SRM_NOT_SUPPORTED', 'how long a file exists is not for clients')

  const released = await call('srmReleaseFiles', { requestToken, arrayOfSURLs: [surlOf(1), surlOf(4)] })
  t.match(released.arrayOfFileStatuses, [
    { surl: surlOf(1), status: { statusCode: 'SRM_SUCCESS' } },
    { surl: surlOf(4), status: { statusCode: 'SRM_INVALID_PATH' } },
  ])
  const status = await call('srmStatusOfGetRequest', { requestToken })
  t.match(status.arrayOfFileStatuses, [
    { status: { statusCode: 'SRM_RELEASED' } },
    { status: { statusCode: 'SRM_FILE_PINNED' } },
    { status: { statusCode: 'SRM_REQUEST_QUEUED' } },
  ])
  t.notOk(status.arrayOfFileStatuses?.[0]?.transferURL)

  const aborted = await call('srmAbortFiles', { requestToken, arrayOfSURLs: [surlOf(3)] })
  t.match(aborted.arrayOfFileStatuses, [{ surl: surlOf(3), status: { statusCode: 'SRM_SUCCESS' } }])
  t.equal((await call('srmReleaseFiles', { requestToken })).returnStatus.statusCode, 'SRM_SUCCESS')
  t.equal(
    (await call('srmAbortRequest', { requestToken: await open() })).returnStatus.statusCode,
    'SRM_SUCCESS',
  )
})

t.test('files are released without a token, in all requests of their caller', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1) }, { guid: guidOf(2), polls: 9 }])
  const open = async () => (await call('srmPrepareToGet', files(surlOf(1), surlOf(2)))).requestToken!
  const tokens = [await open(), await open()]
  const released = await call('srmReleaseFiles', { arrayOfSURLs: [surlOf(1), surlOf(2), surlOf(3)] })
  t.match(released, {
    returnStatus: { statusCode: 'SRM_PARTIAL_SUCCESS' },
    arrayOfFileStatuses: [
      { surl: surlOf(1), status: { statusCode: 'SRM_SUCCESS' } },
      { surl: surlOf(2), status: { statusCode: 'SRM_REQUEST_QUEUED' } },
      { surl: surlOf(3), status: { statusCode: 'SRM_INVALID_PATH' } },
    ],
  })
  for (const requestToken of tokens)
    t.match((await call('srmStatusOfGetRequest', { requestToken })).arrayOfFileStatuses, [
      { status: { statusCode: 'SRM_RELEASED' } },
      { status: { statusCode: 'SRM_REQUEST_QUEUED' } },
    ])
  t.equal((await call('srmReleaseFiles', {})).returnStatus.statusCode, 'SRM_INVALID_REQUEST', 'of nothing')
})

t.test('a thousand names are looked for in a thousand files at once', async (t) => {
  const many = Array.from({ length: 1_000 }, (_, n) => ({ guid: guidOf(n) }))
  const { call } = await soapSite(t, many)
  const asked = many.map((_, n) => surlOf(n))
  const { requestToken } = await call('srmPrepareToGet', files(...asked))
  const named = asked.map((surl, n) => (n % 2 === 0 ? surl.replace('/mdm/', '//mdm/') : surlOf(n + 5_000)))
  const { arrayOfFileStatuses } = await call('srmStatusOfGetRequest', {
    requestToken: requestToken!,
    arrayOfSourceSURLs: named,
  })
  t.strictSame(
    arrayOfFileStatuses?.map(({ sourceSURL, status }) => `${sourceSURL} ${status.statusCode}`),
    named.map((surl, n) => `${surl} ${n % 2 === 0 ? 'SRM_FILE_PINNED' : 'SRM_INVALID_PATH'}`),
  )
})

t.test('a token that is unknown is an invalid request, whatever is done with it', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1) }])
  const requestToken = 'f0e1d2c3-0000-4000-8000-000000000000'
  const arrayOfSURLs = [surlOf(1)]
  for (const { returnStatus } of [
    await call('srmStatusOfGetRequest', { requestToken }),
    await call('srmReleaseFiles', { requestToken }),
    await call('srmAbortRequest', { requestToken }),
    await call('srmAbortFiles', { requestToken, arrayOfSURLs }),
    await call('srmExtendFileLifeTime', { requestToken, arrayOfSURLs, newPinLifeTime: 60 }),
  ])
    t.equal(returnStatus.statusCode, 'SRM_INVALID_REQUEST')
})
