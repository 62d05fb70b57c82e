import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { deflateSync } from 'node:zlib'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { newGuid, type Guid } from '@mdm/core/names'
import { parseResponse, writeRequest, type Operation, type RequestOf } from '@mdm/core/wire/srm/messages'
import { plainRequest } from '../../fixtures/plain-request.ts'
import { CLIENTS } from '../../fixtures/srm-messages.ts'
import { openLane } from '../../fuzz/soap/lane.ts'
import { siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, type User } from '../site-grid.ts'

t.test('a site is a storage element by SRM, with the rights, records and bytes of its api', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [volume, other] = siteRows(grid, 'select guid, lfn from volumes order by guid') as {
    guid: Guid
    lfn: string
  }[]
  const { guid, lfn } = volume!
  const { dn, issuer } = (await grid.as('backup')).credential.identity
  await grant(admin, guid, { to: { kind: 'user', dn, issuer }, preset: 'replicate', versions: 'all' })
  const { port } = new URL(grid.provisioned.site.srm)
  const post = async (user: User, message: string) => {
    const file = grid.provisioned.users[user]!.config
    const { credential } = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, string>>
    const near = (path: string) => readFile(resolve(dirname(file), path), 'utf8')
    const held = { certificate: await near(credential!.certificate!), key: await near(credential!.key!) }
    const lane = openLane({ port: Number(port), path: '/srm/managerv2', credential: held })
    const { body, status } = await lane.ask(Buffer.from(message))
    lane.close()
    return { body, status }
  }
  const call = async <O extends Operation>(user: User, operation: O, request: RequestOf<O>) =>
    parseResponse(operation, (await post(user, writeRequest(operation, request))).body)
  const surl = (path: string) => `srm://localhost:${port}${path}`
  const file = surl(`/mdm/${guid}`)
  const prepare = async (user: User, ...names: string[]) =>
    await call(user, 'srmPrepareToGet', {
      arrayOfFileRequests: names.map((sourceSURL) => ({ sourceSURL })),
      transferParameters: { arrayOfTransferProtocols: ['gsiftp', 'https', 'root'] },
    })
  const settled = async (user: User, requestToken: string) => {
    for (;;) {
      const reply = await call(user, 'srmStatusOfGetRequest', { requestToken })
      if (!/QUEUED|INPROGRESS/.test(reply.returnStatus.statusCode)) return reply
      await new Promise((next) => setTimeout(next, 100))
    }
  }

  await t.test('what one may not list is answered as what does not exist', async (t) => {
    const hidden = await post('stranger', CLIENTS.gfal2.ls(file))
    const invented = newGuid()
    const absent = await post('stranger', CLIENTS.gfal2.ls(surl(`/mdm/${invented}`)))
    t.match(hidden.body.toString(), 'SRM_INVALID_PATH')
    t.equal(hidden.body.toString().replaceAll(guid, 'X'), absent.body.toString().replaceAll(invented, 'X'))
    const refused = [await prepare('stranger', file), await prepare('stranger', surl(`/mdm/${invented}`))]
    t.strictSame(
      refused.map(({ arrayOfFileStatuses }) => arrayOfFileStatuses?.map(({ status }) => status)),
      refused.map(() => [
        { statusCode: 'SRM_INVALID_PATH', explanation: hidden.body.toString().match(/MDM_NOT[^<]*/)![0] },
      ]),
    )
    const log = await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
    t.match(
      log,
      /"event":"request-refused".*"code":"MDM_NOT_FOUND"|"code":"MDM_NOT_FOUND".*"request-refused"/,
    )
  })

  let bytes = Buffer.alloc(0)
  await t.test('a volume is prepared, fetched by its transfer URL, and let go', async (t) => {
    const before = await call('backup', 'srmLs', {
      arrayOfSURLs: [file],
      fullDetailedList: true,
      numOfLevels: 0,
    })
    t.match(before.details, [{ fileLocality: 'NEARLINE', ownerPermission: { mode: 'R' } }])
    const { requestToken } = await prepare('backup', file)
    const { returnStatus, arrayOfFileStatuses } = await settled('backup', requestToken!)
    t.equal(returnStatus.statusCode, 'SRM_SUCCESS')
    const [{ transferURL, fileSize, status, remainingPinTime } = {} as never] = arrayOfFileStatuses ?? []
    t.equal(status?.statusCode, 'SRM_FILE_PINNED')
    t.ok(remainingPinTime! > 3_000)
    const copy = join(t.testdir(), 'copy')
    const config = grid.provisioned.users['backup']!.config
    t.equal((await plainRequest(config, transferURL!, { binary: copy })).status, 200)
    bytes = await readFile(copy)
    t.equal(bytes.length, fileSize)
    t.equal(before.details?.[0]?.size, fileSize)
    for (const operation of ['srmStatusOfGetRequest', 'srmReleaseFiles', 'srmAbortRequest'] as const) {
      const { returnStatus: told } = await call('admin', operation, { requestToken: requestToken! })
      t.equal(told.statusCode, 'SRM_INVALID_REQUEST', `${operation}: a token is its owner's alone`)
    }
    const longer = await call('backup', 'srmExtendFileLifeTime', {
      ...{ requestToken: requestToken!, arrayOfSURLs: [file], newPinLifeTime: 7_200 },
    })
    t.ok((longer.arrayOfFileStatuses?.[0]?.pinLifetime ?? 0) > 7_000)
    const released = await call('backup', 'srmReleaseFiles', {
      requestToken: requestToken!,
      arrayOfSURLs: [file],
    })
    t.match(released, {
      returnStatus: { statusCode: 'SRM_SUCCESS' },
      arrayOfFileStatuses: [{ surl: file, status: { statusCode: 'SRM_SUCCESS' } }],
    })
    t.equal((await plainRequest(config, transferURL!)).status, 404)
  })

  await t.test('what is sealed has its checksum, by GUID and by name, and lies in the folder', async (t) => {
    // The sum that zlib ends its own streams with (RFC 1950).
    const sum = deflateSync(bytes).subarray(-4).toString('hex')
    for (const name of [file, surl(`/lfn${lfn}`), surl(`/srm/managerv2?SFN=/mdm/${guid}@1`)]) {
      const { details } = await call('backup', 'srmLs', { arrayOfSURLs: [name], fullDetailedList: true })
      t.match(details, [{ size: bytes.length, checkSumType: 'ADLER32', checkSumValue: sum }], name)
      t.equal(details?.[0]?.fileLocality, 'ONLINE_AND_NEARLINE')
    }
    const { details } = await call('backup', 'srmLs', { arrayOfSURLs: [surl('/mdm')], numOfLevels: 1 })
    t.strictSame(
      details?.[0]?.arrayOfSubPaths?.map(({ path, size }) => [path, size]),
      [[`/mdm/${guid}`, bytes.length]],
      'and nothing of what he may not know of',
    )
    const whole = await call('admin', 'srmLs', {
      arrayOfSURLs: [surl('/mdm')],
      numOfLevels: 1,
      count: 1,
      offset: 1,
    })
    t.strictSame(
      whole.details?.[0]?.arrayOfSubPaths?.map(({ path }) => path),
      [`/mdm/${other!.guid}`],
    )
  })

  await t.test('a file of a request is refused beside others that are not', async (t) => {
    const both = await prepare('backup', file, surl(`/mdm/${other!.guid}`))
    const { returnStatus, arrayOfFileStatuses } = await settled('backup', both.requestToken!)
    t.equal(returnStatus.statusCode, 'SRM_PARTIAL_SUCCESS')
    t.strictSame(
      arrayOfFileStatuses?.map(({ status }) => status.statusCode),
      ['SRM_FILE_PINNED', 'SRM_INVALID_PATH'],
    )
    t.equal(
      (await call('backup', 'srmAbortRequest', { requestToken: both.requestToken! })).returnStatus.statusCode,
      'SRM_SUCCESS',
    )
    const again = await call('backup', 'srmStatusOfGetRequest', { requestToken: both.requestToken! })
    t.equal(again.arrayOfFileStatuses?.[0]?.status.statusCode, 'SRM_RELEASED')
  })
})
