import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { StorageConnections } from '@mdm/core/grid/srm/connections'
import { readCaFolder } from '@mdm/core/grid/srm/ca-folder'
import { withPrepared, type PreparedFile } from '@mdm/core/grid/srm/prepare'
import { SrmService } from '@mdm/core/grid/srm/service'
import { parseEndpoint } from '@mdm/core/grid/srm/srm-url'
import { caller, pinOf, service as pair } from '../../../fixtures/loopback.ts'
import { axis, axisApart, axisFault, gsoap, status } from '../../../fixtures/srm-others.ts'
import { startStorageElement, type StorageElement } from '../../../fixtures/storage-element.ts'

interface Started {
  element: StorageElement
  service: SrmService
  surl: string
  turl: string
  connections: StorageConnections
  /** how long was waited between questions, in seconds */
  waited: number[]
  prepare(): Promise<PreparedFile>
}

async function started(t: Test): Promise<Started> {
  const element = await startStorageElement(t, pair)
  element.files.set('//pnfs/f', { content: Buffer.alloc(10), headers: {} })
  const trust = { cas: await readCaFolder('/nonexistent'), pins: new Set([pinOf(pair)]) }
  const connections = new StorageConnections({ trust, credential: caller })
  t.teardown(() => connections.close())
  const service = new SrmService(parseEndpoint(element.endpoint), connections)
  const [surl, turl] = [element.surl('/pnfs/f'), element.turl('//pnfs/f')]
  const waited: number[] = []
  const wait = async (ms: number) => void waited.push(ms / 1_000)
  const prepare = () => withPrepared(service, surl, { wait }, async (file) => file)
  return { element, service, surl, turl, connections, waited, prepare }
}

const PINNED = status('status', 'SRM_FILE_PINNED')
const QUEUED = status('status', 'SRM_REQUEST_QUEUED')
const file = (surl: string, rest: string) =>
  `<arrayOfFileStatuses><statusArray><sourceSURL>${surl}</sourceSURL>${rest}</statusArray></arrayOfFileStatuses>`

t.test('a file of a service on Axis is fetched: types, nil fields, a TURL with two slashes', async (t) => {
  const { element, surl, turl, connections, waited, prepare } = await started(t)
  const nil =
    '<remainingPinTime xsi:type="xsd:int" xsi:nil="true"/><transferURL xsi:nil="true"/><transferProtocolInfo xsi:nil="true"/>'
  element.messages.srmPrepareToGet = () =>
    axis(
      'srmPrepareToGet',
      `${status('returnStatus', 'SRM_REQUEST_QUEUED')}<requestToken xsi:type="xsd:string">-2147478881</requestToken>` +
        `${file(surl, `<fileSize xsi:nil="true"/>${QUEUED}<estimatedWaitTime>4</estimatedWaitTime>${nil}`)}<remainingTotalRequestTime xsi:nil="true"/>`,
    )
  element.messages.srmStatusOfGetRequest = () =>
    axisApart(
      'srmStatusOfGetRequest',
      '<returnStatus href="#id1"/><arrayOfFileStatuses href="#id2"/><remainingTotalRequestTime href="#id6"/>',
      {
        id1: '<statusCode href="#id5"/><explanation xsi:type="xsd:string"></explanation>',
        id2: '<statusArray href="#id3"/>',
        id3: `<sourceSURL>${surl}</sourceSURL><fileSize href="#id7"/><status href="#id4"/><transferURL>\n ${turl}</transferURL>`,
        id4: '<statusCode>SRM_FILE_PINNED</statusCode>',
        id5: 'SRM_SUCCESS',
        id6: '14400',
        id7: '10',
      },
    )
  const { turl: given, bytes } = await prepare()
  t.equal(given.href, turl)
  t.equal(bytes, 10)
  t.strictSame(waited, [4])
  const reply = await connections.get(given, {}, undefined)
  t.strictSame([reply.status, element.transfers], [200, ['GET //pnfs/f']], 'and both slashes arrive')
  reply.discard()
})

t.test('a file of StoRM is fetched: a wait of -1, empty words, no token once it is ready', async (t) => {
  const { element, surl, turl, waited, prepare } = await started(t)
  const empty = '<explanation></explanation>'
  element.messages.srmPrepareToGet = () =>
    gsoap(
      'srmPrepareToGet',
      `${status('returnStatus', 'SRM_REQUEST_QUEUED', empty)}<requestToken>2b8a4c1e-6b8f</requestToken>${file(surl, QUEUED)}`,
    )
  let asked = 0
  element.messages.srmStatusOfGetRequest = () =>
    ++asked < 4
      ? gsoap(
          'srmStatusOfGetRequest',
          status('returnStatus', 'SRM_REQUEST_INPROGRESS', empty) +
            file(
              surl,
              `${status('status', 'SRM_REQUEST_INPROGRESS', empty)}<estimatedWaitTime>-1</estimatedWaitTime><transferURL></transferURL>`,
            ),
        )
      : gsoap(
          'srmStatusOfGetRequest',
          status('returnStatus', 'SRM_SUCCESS', empty) +
            file(
              surl,
              `<fileSize>10</fileSize>${PINNED}<transferURL>${turl.replace('https', 'davs')}</transferURL>`,
            ),
        )
  t.equal((await prepare()).turl.href, turl, 'davs is https by another name')
  t.strictSame(waited, [1, 2, 4, 8], 'where nobody knows how long, the wait doubles')
  t.equal(element.calls.at(-1), 'srmReleaseFiles')
})

t.test('nothing but the status and the TURL needs to be as SRM has it', async (t) => {
  const { element, surl, turl, prepare } = await started(t)
  element.messages.srmPrepareToGet = () =>
    gsoap(
      'srmPrepareToGet',
      `${status('returnStatus', 'SRM_SUCCESS', `<explanation>${'so '.repeat(5_000)}</explanation>`)}<requestToken></requestToken>` +
        file(
          surl,
          `<fileSize>18446744073709551615</fileSize>${status('status', 'SRM_SUCCESS')}<estimatedWaitTime></estimatedWaitTime>` +
            `<remainingPinTime>99999999999</remainingPinTime><transferURL>${turl}</transferURL><more>of it</more>`,
        ),
    )
  const prepared = await prepare()
  t.equal(prepared.turl.href, turl)
  t.equal(prepared.bytes, undefined, 'a length that is none is not known')
  t.notOk(element.calls.includes('srmReleaseFiles'), 'and without a token there is nothing to release')
})

t.test('a queue without a token cannot be waited in, and says so', async (t) => {
  const { element, surl, prepare } = await started(t)
  element.messages.srmPrepareToGet = () =>
    gsoap('srmPrepareToGet', status('returnStatus', 'SRM_REQUEST_QUEUED') + file(surl, QUEUED))
  await t.rejects(prepare(), { code: 'MDM_BAD_REQUEST' })
  t.strictSame(element.calls, ['srmPrepareToGet'])
})

t.test('a request that has ended is not waited for, whatever it says of its file', async (t) => {
  const { element, surl, prepare, waited } = await started(t)
  const reply = (code: string) =>
    status('returnStatus', code, '<explanation>timed out</explanation>') + '<requestToken>1</requestToken>'
  for (const [code, meant] of [
    ['SRM_REQUEST_TIMED_OUT', 'MDM_UNREACHABLE'],
    ['SRM_ABORTED', 'MDM_UNREACHABLE'],
    ['SRM_AUTHORIZATION_FAILURE', 'MDM_DENIED'],
  ] as const) {
    element.messages.srmPrepareToGet = () => axis('srmPrepareToGet', reply(code) + file(surl, QUEUED))
    await t.rejects(prepare(), { code: meant, details: { status: code } }, code)
  }
  t.strictSame(waited, [])
  const partial = status('status', 'SRM_FILE_UNAVAILABLE')
  element.messages.srmPrepareToGet = () =>
    axis('srmPrepareToGet', reply('SRM_PARTIAL_SUCCESS') + file(surl, partial))
  await t.rejects(
    prepare(),
    { code: 'MDM_SOURCE_UNREACHABLE' },
    'of a partial success the file is what counts',
  )
})

t.test('a listing of others is read: modes, dates, spaces and checksums of their own', async (t) => {
  const { element, service, surl } = await started(t)
  const details = (rest: string) =>
    `${status('returnStatus', 'SRM_SUCCESS')}<requestToken xsi:nil="true"/><details><pathDetailArray><path>/pnfs/f</path>` +
    `${status('status', 'SRM_SUCCESS')}<size>10</size>${rest}<type>FILE</type><arrayOfSubPaths xsi:nil="true"/></pathDetailArray></details>`
  const odd =
    '<createdAtTime>1970-01-01T00:00:00.000Z</createdAtTime><lastModificationTime>yesterday</lastModificationTime>' +
    '<fileLocality>SOMEWHERE</fileLocality><arrayOfSpaceTokens><stringArray>12</stringArray></arrayOfSpaceTokens>' +
    '<lifetimeAssigned>4294967295</lifetimeAssigned><ownerPermission><userID>1</userID><mode>RR</mode></ownerPermission><otherPermission>NONE</otherPermission>'
  const sum = (type: string, value: string) =>
    `<checkSumType>${type}</checkSumType><checkSumValue>${value}</checkSumValue>`
  for (const [rest, wanted] of [
    [odd + sum('ADLER32', '3DA0195'), '03da0195'],
    [sum('adler32', ''), undefined],
    [sum('adler32', 'not yet'), undefined],
    [sum('md5', 'd41d8cd98f00b204e9800998ecf8427e'), undefined],
  ] as const)
    for (const write of [axis, gsoap]) {
      element.messages.srmLs = () => write('srmLs', details(rest))
      t.strictSame(await service.stat(surl), {
        bytes: 10,
        ...(wanted === undefined ? {} : { adler32: wanted }),
      })
    }
})

t.test('a listing that comes later is waited for', async (t) => {
  const { element, service, surl } = await started(t)
  const later = status('returnStatus', 'SRM_REQUEST_QUEUED')
  element.messages.srmLs = () =>
    axis('srmLs', `${later}<requestToken>7</requestToken><details xsi:nil="true"/>`)
  let asked = 0
  element.messages.srmStatusOfLsRequest = () =>
    axis(
      'srmStatusOfLsRequest',
      ++asked < 2
        ? `${status('returnStatus', 'SRM_REQUEST_INPROGRESS')}<details xsi:nil="true"/>`
        : `${status('returnStatus', 'SRM_SUCCESS')}<details><pathDetailArray><path>/pnfs/f</path><size>10</size></pathDetailArray></details>`,
    )
  t.strictSame(await service.stat(surl), { bytes: 10 })
  t.strictSame(element.calls, ['srmLs', 'srmStatusOfLsRequest', 'srmStatusOfLsRequest'])
  element.messages.srmLs = () => axis('srmLs', later)
  await t.rejects(service.stat(surl), { code: 'MDM_UNREACHABLE' }, 'but not without a token')
})

t.test('a fault of others is told in their words, as far as they are letters', async (t) => {
  const { element, prepare } = await started(t)
  element.messages.srmPrepareToGet = () => axisFault('no mapping for \u202eyou&#10;')
  await t.rejects(prepare(), { code: 'MDM_UNREACHABLE', message: /SOAP fault: no mapping for +you$/ })
})

t.test('where no port was named, the service is at the first that speaks SOAP', async (t) => {
  const { element, connections } = await started(t)
  const other = await startStorageElement(t, pair)
  const closed = createServer()
  closed.listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const at = (number: number, path = '/srm/managerv2') => new URL(`https://127.0.0.1:${number}${path}`)
  const service = (...[url, ...others]: [URL, ...URL[]]) =>
    new SrmService({ url, others, text: 'srm://127.0.0.1/srm/managerv2' }, connections)

  const found = service(at(port), at(other.port, '/webdav'), at(element.port))
  t.equal(await found.ping(), 'v2.2', 'one that is closed and one that is something else are passed over')
  t.equal(await found.ping(), 'v2.2')
  t.strictSame(element.calls, ['srmPing', 'srmPing', 'srmPing'], 'and the one that was found is kept')

  element.messages.srmPing = () => axisFault('who are you')
  await t.rejects(service(at(element.port), at(port)).ping(), {
    code: 'MDM_UNREACHABLE',
    message: /who are you/,
  })
  await t.rejects(service(at(port), at(other.port, '/webdav')).ping(), { code: 'MDM_UNREACHABLE' })
})
