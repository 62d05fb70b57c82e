import t, { type Test } from 'tap'
import { StorageConnections } from '@mdm/core/grid/srm/connections'
import { readCaFolder } from '@mdm/core/grid/srm/ca-folder'
import { withPrepared, type PreparedFile, type PrepareOptions } from '@mdm/core/grid/srm/prepare'
import { SrmService } from '@mdm/core/grid/srm/service'
import { parseEndpoint } from '@mdm/core/grid/srm/srm-url'
import { caller, pinOf, service as pair } from '../../../fixtures/loopback.ts'
import { queued, ready, startStorageElement, type StorageElement } from '../../../fixtures/storage-element.ts'

/** A service with one file, how it is asked, and how long was waited between questions, in seconds. */
async function started(t: Test): Promise<{
  element: StorageElement
  service: SrmService
  surl: string
  waited: number[]
  prepare(o?: PrepareOptions): Promise<PreparedFile>
}> {
  const element = await startStorageElement(t, pair)
  element.files.set('/data/f', { content: Buffer.alloc(10), headers: {} })
  const trust = { cas: await readCaFolder('/nonexistent'), pins: new Set([pinOf(pair)]) }
  const connections = new StorageConnections({ trust, credential: caller })
  t.teardown(() => connections.close())
  const service = new SrmService(parseEndpoint(element.endpoint), connections)
  const surl = element.surl('/data/f')
  const waited: number[] = []
  const wait = async (ms: number) => void waited.push(ms / 1_000)
  const prepare = (o: PrepareOptions = {}) =>
    withPrepared(service, surl, { wait, ...o }, async (file) => file)
  return { element, service, surl, waited, prepare }
}

t.test('a file that is ready at once is let go when it was used', async (t) => {
  const { element, service, surl, waited } = await started(t)
  const during = await withPrepared(service, surl, {}, async ({ turl, bytes }) => {
    t.equal(turl.href, element.turl('/data/f'))
    t.equal(bytes, 10)
    return [...element.calls]
  })
  t.strictSame(during, ['srmPrepareToGet'])
  t.strictSame(element.calls, ['srmPrepareToGet', 'srmReleaseFiles'])
  t.strictSame(waited, [])
  const failing = withPrepared(service, surl, {}, async () => {
    throw new Error('no room')
  })
  await t.rejects(failing, { message: 'no room' })
  t.equal(element.calls.at(-1), 'srmReleaseFiles', 'also when what was done with it failed')
})

t.test(
  'the queued form is waited for as the service estimates, and not less or more than is sane',
  async (t) => {
    const { element, surl, waited, prepare } = await started(t)
    const estimates = [0, 3, 600, undefined, undefined]
    element.answers.srmPrepareToGet = () => queued(surl, 2)
    element.answers.srmStatusOfGetRequest = () =>
      estimates.length > 0 ? queued(surl, estimates.shift()) : ready(element, surl)
    t.match(await prepare(), { bytes: 10 })
    t.strictSame(waited, [2, 1, 3, 15, 1, 2], 'without an estimate the wait doubles')
    t.equal(element.calls.at(-1), 'srmReleaseFiles')
  },
)

t.test('a service that fails in itself is asked again, for a while', async (t) => {
  const { element, surl, waited, prepare } = await started(t)
  let times = 2
  element.answers.srmPrepareToGet = () => (times-- > 0 ? 'SRM_INTERNAL_ERROR' : queued(surl))
  t.match(await prepare(), { bytes: 10 })
  t.strictSame(waited, [1, 2, 4])

  element.answers.srmPrepareToGet = () => queued(surl)
  element.answers.srmStatusOfGetRequest = () => 'SRM_INTERNAL_ERROR'
  await t.rejects(prepare(), { code: 'MDM_UNREACHABLE', details: { status: 'SRM_INTERNAL_ERROR' } })
  t.equal(element.calls.at(-1), 'srmAbortRequest')

  const failed = { statusCode: 'SRM_INTERNAL_ERROR' as const }
  let fails = true
  element.answers.srmStatusOfGetRequest = () => {
    if (!fails) return ready(element, surl)
    fails = false
    const { arrayOfFileStatuses, ...rest } = queued(surl)
    return { ...rest, arrayOfFileStatuses: [{ ...arrayOfFileStatuses![0]!, status: failed }] }
  }
  element.calls.length = 0
  t.match(await prepare(), { bytes: 10 })
  t.strictSame(
    element.calls,
    [
      ...['srmPrepareToGet', 'srmStatusOfGetRequest', 'srmAbortRequest'],
      ...['srmPrepareToGet', 'srmStatusOfGetRequest', 'srmReleaseFiles'],
    ],
    'where the file failed the request is over, and another is made',
  )
})

t.test('a refusal is the error that it means', async (t) => {
  const { element, prepare } = await started(t)
  for (const [status, code, exitCode] of [
    ['SRM_INVALID_PATH', 'MDM_NOT_FOUND', 3],
    ['SRM_FILE_LOST', 'MDM_GONE', 3],
    ['SRM_AUTHORIZATION_FAILURE', 'MDM_DENIED', 4],
    ['SRM_AUTHENTICATION_FAILURE', 'MDM_UNAUTHENTICATED', 4],
    ['SRM_FILE_UNAVAILABLE', 'MDM_SOURCE_UNREACHABLE', 5],
    ['SRM_NO_FREE_SPACE', 'MDM_SPOOL_FULL', 5],
    ['SRM_NOT_SUPPORTED', 'MDM_BAD_REQUEST', 2],
    ['SRM_FAILURE', 'MDM_UNREACHABLE', 5],
  ] as const) {
    element.answers.srmPrepareToGet = () => status
    await t.rejects(prepare(), { code, exitCode }, status)
  }
  t.notOk(element.calls.includes('srmAbortRequest'), 'and there is nothing to let go')
})

t.test(
  'the status of the file counts before that of the request, and words of strangers are made harmless',
  async (t) => {
    const { element, surl, prepare } = await started(t)
    const explanation = 'no such \u009b31m\u202efile'
    const status = { statusCode: 'SRM_INVALID_PATH' as const, explanation }
    element.answers.srmPrepareToGet = () => ({
      returnStatus: { statusCode: 'SRM_FAILURE' },
      requestToken: 'x',
      arrayOfFileStatuses: [{ sourceSURL: surl, status }],
    })
    await t.rejects(prepare(), {
      code: 'MDM_NOT_FOUND',
      message: /SRM_INVALID_PATH: no such  31m file/,
    })
    t.equal(element.calls.at(-1), 'srmAbortRequest')
  },
)

t.test('what is offered must be https, and something', async (t) => {
  const { element, surl, prepare } = await started(t)
  const offer = (transferURL: string | undefined) => {
    const { arrayOfFileStatuses, ...rest } = ready(element, surl)
    const { transferURL: _, ...file } = arrayOfFileStatuses![0]!
    const offered = transferURL === undefined ? {} : { transferURL }
    element.answers.srmPrepareToGet = () => ({ ...rest, arrayOfFileStatuses: [{ ...file, ...offered }] })
  }
  for (const turl of ['gsiftp://h/x', 'http://h/x', 'https://user:pass@h/x', 'nonsense', undefined]) {
    offer(turl)
    await t.rejects(prepare(), { code: 'MDM_BAD_REQUEST' }, String(turl))
  }
})

t.test(
  'a preparation that takes too long, and one that is stopped, are aborted at the service',
  async (t) => {
    const { element, surl, prepare } = await started(t)
    element.answers.srmPrepareToGet = () => queued(surl, 15)
    element.answers.srmStatusOfGetRequest = () => queued(surl, 15)
    const late = prepare({ timeoutMs: 1_500, wait: untilAborted })
    await t.rejects(late, { code: 'MDM_SOURCE_UNREACHABLE', exitCode: 5 })
    t.equal(element.calls.at(-1), 'srmAbortRequest')

    const stop = new AbortController()
    const stopped = new Error('stopped')
    const wait = async (ms: number, signal: AbortSignal) => {
      stop.abort(stopped)
      await untilAborted(ms, signal)
    }
    element.calls.length = 0
    await t.rejects(prepare({ signal: stop.signal, wait }), stopped)
    t.strictSame(element.calls, ['srmPrepareToGet', 'srmAbortRequest'])
  },
)

t.test('stat says length and checksum, and what is none is refused', async (t) => {
  const { element, service, surl } = await started(t)
  t.strictSame(await service.stat(surl), { bytes: 10 })
  const detail = { path: '/data/f', size: 10, checkSumType: 'adler32', checkSumValue: 'A0001' }
  element.answers.srmLs = () => ({ returnStatus: { statusCode: 'SRM_SUCCESS' }, details: [detail] })
  t.strictSame(await service.stat(surl), { bytes: 10, adler32: '000a0001' })
  element.answers.srmLs = () => ({
    returnStatus: { statusCode: 'SRM_FAILURE' },
    details: [{ path: '/data/f', status: { statusCode: 'SRM_INVALID_PATH' as const } }],
  })
  await t.rejects(service.stat(surl), { code: 'MDM_NOT_FOUND' })
  element.answers.srmLs = () => ({
    returnStatus: { statusCode: 'SRM_SUCCESS' },
    details: [{ path: '/data', size: 0, type: 'DIRECTORY' as const }],
  })
  await t.rejects(service.stat(surl), { code: 'MDM_BAD_REQUEST' })
})

async function untilAborted(_: number, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
}
