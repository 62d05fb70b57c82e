import t from 'tap'
import type { FolderDetail } from '@mdm/core/wire/srm/listing'
import { guidOf, ME, soapSite, surlOf } from './soap-site.ts'

const folder = 'srm://localhost/mdm'

t.test('a volume is a file, with all that is known of it where that is asked for', async (t) => {
  const { call } = await soapSite(t, [
    { guid: guidOf(1), bytes: 1234, locality: 'ONLINE', adler32: '0a1b2c3d' },
  ])
  const full = await call('srmLs', { arrayOfSURLs: [surlOf(1)], fullDetailedList: true, numOfLevels: 0 })
  t.strictSame(full, {
    returnStatus: { statusCode: 'SRM_SUCCESS' },
    details: [
      {
        path: `/mdm/${guidOf(1)}`,
        status: { statusCode: 'SRM_SUCCESS' },
        size: 1234,
        createdAtTime: new Date('2026-01-02T03:04:05Z'),
        lastModificationTime: new Date('2026-01-02T03:04:05Z'),
        fileStorageType: 'PERMANENT',
        retentionPolicyInfo: { retentionPolicy: 'CUSTODIAL', accessLatency: 'NEARLINE' },
        fileLocality: 'ONLINE_AND_NEARLINE',
        type: 'FILE',
        lifetimeAssigned: -1,
        lifetimeLeft: -1,
        ownerPermission: { userID: 'mdm', mode: 'R' },
        groupPermission: { groupID: 'mdm', mode: 'R' },
        otherPermission: 'NONE',
        checkSumType: 'ADLER32',
        checkSumValue: '0a1b2c3d',
      },
    ],
  })
  const short = await call('srmLs', { arrayOfSURLs: [surlOf(1)] })
  t.strictSame(Object.keys(short.details?.[0] ?? {}), ['path', 'status', 'size', 'type'])
})

t.test('a volume that one may list and not read has no rights and no checksum', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1), readBy: [], adler32: '0a1b2c3d' }])
  const { details } = await call('srmLs', { arrayOfSURLs: [surlOf(1)], fullDetailedList: true })
  t.match(details, [{ status: { statusCode: 'SRM_SUCCESS' }, ownerPermission: { mode: 'NONE' } }])
  t.notOk(details?.[0]?.checkSumValue)
})

t.test(
  'what a caller may not know of is answered as what does not exist, and both are written down',
  async (t) => {
    const { call, refusals } = await soapSite(t, [{ guid: guidOf(1), listedBy: ['CN=other'] }])
    const answers: FolderDetail[] = []
    for (const n of [1, 2]) {
      const { returnStatus, details } = await call('srmLs', {
        arrayOfSURLs: [surlOf(n)],
        fullDetailedList: true,
      })
      t.equal(returnStatus.statusCode, 'SRM_FAILURE')
      answers.push(details![0]!)
    }
    t.match(answers[0], {
      path: `/mdm/${guidOf(1)}`,
      status: { statusCode: 'SRM_INVALID_PATH', explanation: /^MDM_NOT_FOUND: / },
    })
    t.strictSame({ ...answers[0], path: '' }, { ...answers[1], path: '' })
    t.match(refusals, [
      { code: 'MDM_NOT_FOUND', caller: { dn: ME }, params: { guid: guidOf(1) } },
      { code: 'MDM_NOT_FOUND', params: { guid: guidOf(2) } },
    ])
  },
)

t.test('paths are echoed as they came, whatever they are', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(10) }])
  const asked = [
    `srm://localhost:8446/srm/managerv2?SFN=/mdm/${guidOf(10)}`,
    `srm://localhost//mdm//${guidOf(10)}`,
    'srm://localhost/etc/passwd',
    'srm://localhost/mdm/../../etc/passwd',
    `srm://localhost/mdm/${guidOf(10)}/x`,
    'https://localhost/mdm/x',
    'no URL & no <path>',
  ]
  const { returnStatus, details } = await call('srmLs', { arrayOfSURLs: asked, numOfLevels: 0 })
  t.equal(returnStatus.statusCode, 'SRM_PARTIAL_SUCCESS')
  t.strictSame(
    details?.map(({ path, status }) => `${path} ${status?.statusCode}`),
    [
      `/mdm/${guidOf(10)} SRM_SUCCESS`,
      `//mdm//${guidOf(10)} SRM_SUCCESS`,
      '/etc/passwd SRM_INVALID_PATH',
      '/mdm/../../etc/passwd SRM_INVALID_PATH',
      `/mdm/${guidOf(10)}/x SRM_INVALID_PATH`,
      'https://localhost/mdm/x SRM_INVALID_PATH',
      'no URL & no <path> SRM_INVALID_PATH',
    ],
  )
})

t.test('the folder lists what its caller may know of', async (t) => {
  const { call } = await soapSite(t, [
    { guid: guidOf(2), bytes: 20 },
    { guid: guidOf(1), bytes: 10 },
    { guid: guidOf(3), listedBy: ['CN=other'] },
  ])
  const zero = await call('srmLs', { arrayOfSURLs: [folder], fullDetailedList: true, numOfLevels: 0 })
  t.match(zero.details, [{ path: '/mdm', type: 'DIRECTORY', size: 0, ownerPermission: { mode: 'RX' } }])
  t.notOk(zero.details?.[0]?.arrayOfSubPaths)
  for (const levels of [
    { numOfLevels: 1 },
    {},
    { allLevelRecursive: true, numOfLevels: 0 },
    { numOfLevels: 9 },
  ]) {
    const one = await call('srmLs', { arrayOfSURLs: [folder], ...levels })
    t.strictSame(
      one.details?.[0]?.arrayOfSubPaths?.map(({ path, size }) => `${path} ${size}`),
      [`/mdm/${guidOf(1)} 10`, `/mdm/${guidOf(2)} 20`],
    )
  }
})

t.test('a listing is paged by GUID: what comes or goes meanwhile shifts no page', async (t) => {
  const held = [1, 3, 5, 7, 9].map((n) => ({ guid: guidOf(n) }))
  const live = [...held]
  const { call } = await soapSite(t, live)
  const page = async (offset: number, count: number) =>
    (
      await call('srmLs', { arrayOfSURLs: [folder], numOfLevels: 1, offset, count })
    ).details?.[0]?.arrayOfSubPaths?.map(({ path }) => Number(path.slice(-4)))
  t.strictSame(await page(0, 2), [1, 3])
  t.strictSame(await page(2, 2), [5, 7])
  t.strictSame(await page(4, 2), [9])
  t.strictSame(await page(3, 2), [7, 9], 'a page that follows no other is counted to')
  t.strictSame(await page(5, 2), undefined, 'behind the last one there is none')
  t.strictSame(await page(900, 2), undefined)
})

t.test('more than a reply may hold is too many results, until it is asked for in pages', async (t) => {
  const { call } = await soapSite(
    t,
    Array.from({ length: 1_001 }, (_, n) => ({ guid: guidOf(n) })),
  )
  const ask = async (more: object) => await call('srmLs', { arrayOfSURLs: [folder], numOfLevels: 1, ...more })
  const all = await ask({})
  t.equal(all.returnStatus.statusCode, 'SRM_TOO_MANY_RESULTS', 'ARC reads this one, gfal2 that of the path')
  t.equal(all.details?.[0]?.status?.statusCode, 'SRM_TOO_MANY_RESULTS')
  t.equal((await ask({ count: 1_001 })).details?.[0]?.status?.statusCode, 'SRM_TOO_MANY_RESULTS')
  const first = await ask({ offset: 0, count: 1_000, fullDetailedList: true })
  t.equal(first.details?.[0]?.arrayOfSubPaths?.length, 1_000)
  t.equal((await ask({ offset: 1_000, count: 1_000 })).details?.[0]?.arrayOfSubPaths?.length, 1)
  t.equal((await ask({ offset: 20_000, count: 1 })).details?.[0]?.status?.statusCode, 'SRM_TOO_MANY_RESULTS')
})

t.test('a fault of the site is told of the whole request, so that clients ask again', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1), fails: 'MDM_STORE' }])
  const { returnStatus } = await call('srmLs', { arrayOfSURLs: [surlOf(2), surlOf(1)] })
  t.match(returnStatus, { statusCode: 'SRM_INTERNAL_ERROR', explanation: /^MDM_STORE: / })
})

t.test('permissions are those of the caller, to read at most', async (t) => {
  const { call } = await soapSite(t, [
    { guid: guidOf(1) },
    { guid: guidOf(2), readBy: [] },
    { guid: guidOf(3), listedBy: [] },
  ])
  const surls = [surlOf(1), surlOf(2), surlOf(3), folder]
  const { returnStatus, arrayOfPermissions } = await call('srmCheckPermission', { arrayOfSURLs: surls })
  t.equal(returnStatus.statusCode, 'SRM_PARTIAL_SUCCESS')
  t.strictSame(
    arrayOfPermissions?.map(({ surl, status, permission }) => [surl, status.statusCode, permission]),
    [
      [surlOf(1), 'SRM_SUCCESS', 'R'],
      [surlOf(2), 'SRM_SUCCESS', 'NONE'],
      [surlOf(3), 'SRM_INVALID_PATH', undefined],
      [folder, 'SRM_SUCCESS', 'RX'],
    ],
  )
})

t.test('a reply names a thousand entries, however often the folder is asked for', async (t) => {
  const { call } = await soapSite(
    t,
    Array.from({ length: 600 }, (_, n) => ({ guid: guidOf(n) })),
  )
  const twice = await call('srmLs', { arrayOfSURLs: [folder, surlOf(1), folder, `${folder}/`] })
  t.equal(twice.returnStatus.statusCode, 'SRM_TOO_MANY_RESULTS')
  t.strictSame(
    twice.details?.map(({ status, arrayOfSubPaths = [] }) => [status?.statusCode, arrayOfSubPaths.length]),
    [
      ['SRM_SUCCESS', 600],
      ['SRM_SUCCESS', 0],
      ['SRM_TOO_MANY_RESULTS', 0],
      ['SRM_TOO_MANY_RESULTS', 0],
    ],
  )
  const pages = await call('srmLs', { arrayOfSURLs: [folder, folder, folder], count: 400 })
  t.strictSame(
    pages.details?.map(({ arrayOfSubPaths = [] }) => arrayOfSubPaths.length),
    [400, 400, 0],
  )
})

t.test('a question that means nothing is an invalid request', async (t) => {
  const { call } = await soapSite(t, [{ guid: guidOf(1) }])
  for (const wrong of [{ numOfLevels: -1 }, { offset: -1 }, { count: -1 }]) {
    const { returnStatus } = await call('srmLs', { arrayOfSURLs: [folder], ...wrong })
    t.match(returnStatus, { statusCode: 'SRM_INVALID_REQUEST' }, JSON.stringify(wrong))
  }
})
