import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { MESSAGES, UNSUPPORTED, writeRequest } from '@mdm/core/wire/srm/messages'
import { sharedVectors } from '../../../fixtures/shared-data.ts'
import { CLIENTS, gfal, surls } from '../../../fixtures/srm-messages.ts'
import { unknown } from '../../http/listener.ts'
import { guidOf, soapSite, surlOf } from './soap-site.ts'

const canary = 'CANARY-DOE'

t.test('gfal2 and ARC get what they ask for, in their own ways of writing', async (t) => {
  for (const [name, client] of Object.entries(CLIENTS)) {
    const { post } = await soapSite(t, [{ guid: guidOf(1), bytes: 77, polls: 1 }])
    t.match((await post(client.ping())).body, '<versionInfo>v2.2</versionInfo>', name)
    const listed = await post(client.ls(surlOf(1)))
    t.match(listed, { status: 200, body: '<size>77</size>' })
    t.equal(listed.headers['content-type'], 'text/xml; charset=utf-8')
    const prepared = await post(client.prepare(surlOf(1)))
    t.match(prepared.body, 'SRM_REQUEST_QUEUED')
    const token = /<requestToken>(.*?)<\/requestToken>/.exec(prepared.body)?.[1] ?? ''
    for (let i = 0; i < 2; i++) await post(client.status(token))
    t.match((await post(client.status(token))).body, /SRM_FILE_PINNED.*<transferURL>https:.*a=1&amp;b=2</)
    t.match((await post(client.release(token, surlOf(1)))).body, 'SRM_SUCCESS')
  }
})

t.test('the requests that were recorded of gfal2 and ARC are answered in SRM', async (t) => {
  const folder = sharedVectors('srm-requests')
  if (folder === undefined) return t.comment('the recorded requests are not there')
  const { post } = await soapSite(t, [])
  const names = readdirSync(folder)
  t.ok(names.length >= 9)
  for (const name of names) {
    const answer = await post(readFileSync(join(folder, name), 'utf8'))
    const operation = /(srm[A-Za-z]+)\.xml$/.exec(name)![1]!
    t.equal(answer.status, 200, name)
    t.match(answer.body, `<${operation}Response>`, name)
    t.notMatch(answer.body, 'Fault', name)
  }
})

t.test('every operation that is not served says so in its own response', async (t) => {
  const { post } = await soapSite(t, [])
  for (const operation of UNSUPPORTED) {
    const { status, body } = await post(gfal(operation, surls(surlOf(1))))
    t.equal(status, 200)
    t.match(body, `<${operation}Response><returnStatus><statusCode>SRM_NOT_SUPPORTED</statusCode>`)
  }
})

t.test('what is no SOAP, or no SRM, is a fault with a code', async (t) => {
  const { post, log } = await soapSite(t, [])
  const fault =
    /^<\?xml.*\n<soapenv:Envelope.*<faultcode>soapenv:Client<\/faultcode><faultstring>MDM_BAD_REQUEST: /
  for (const body of [
    '',
    canary,
    '<a/>',
    `<!DOCTYPE a [<!ENTITY b "${canary}">]><a>&b;</a>`,
    '\0',
    '<a'.repeat(999),
  ]) {
    const answer = await post(body)
    t.match(answer, { status: body === '<a/>' ? 500 : 400, body: fault }, body.slice(0, 20))
    t.match(answer.headers['content-type'], 'text/xml')
  }
  t.match(await post(gfal(canary, '')), { status: 500, body: fault })
  t.match(await post('x'.repeat(1024 * 1024 + 1)), { status: 400, body: fault })
  t.match(await post('{}', { headers: { 'content-type': 'application/json' } }), { status: 400, body: fault })
  t.match(await post(gfal('srmPing', '').replace('soap/envelope', 'soap/e')), {
    status: 500,
    body: 'VersionMismatch',
  })
  t.match((await post(gfal('srmStatusOfGetRequest', ''))).body, 'SRM_INVALID_REQUEST')
  t.notMatch(log.join(''), canary)
})

t.test('who is not let in is told so in SRM, and nothing is done for him', async (t) => {
  const { post, call, entries, requests, refusals } = await soapSite(t, [{ guid: guidOf(1) }])
  const request = { arrayOfSURLs: [surlOf(1)] }
  for (const as of [null, unknown]) {
    const { returnStatus, details } = await call('srmLs', request, { as })
    t.match(returnStatus, { statusCode: 'SRM_AUTHENTICATION_FAILURE', explanation: /^MDM_UNAUTHENTICATED: / })
    t.notOk(details)
    const prepared = await call(
      'srmPrepareToGet',
      { arrayOfFileRequests: [{ sourceSURL: surlOf(1) }] },
      { as },
    )
    t.equal(prepared.returnStatus.statusCode, 'SRM_AUTHENTICATION_FAILURE')
    t.match((await post(gfal('srmRm', ''), { as })).body, 'SRM_AUTHENTICATION_FAILURE')
    t.match(await post(gfal('srmPing', ''), { as }), { status: 401, body: 'MDM_UNAUTHENTICATED' })
    for (const body of ['', 'x', '<a/>', gfal('srmNothing', '')])
      t.match(await post(body, { as }), { status: 401, body: 'MDM_UNAUTHENTICATED: ' }, 'nor who he would be')
  }
  t.equal(entries.stats + requests.opened, 0)
  t.ok(refusals.length > 0 && refusals.every(({ code, caller }) => code === 'MDM_UNAUTHENTICATED' && !caller))
})

t.test('a fault of ours is told by its code alone', async (t) => {
  const site = await soapSite(t, [{ guid: guidOf(1) }])
  site.requests.open = async () => {
    throw new TypeError(canary)
  }
  const reply = await site.call('srmPrepareToGet', { arrayOfFileRequests: [{ sourceSURL: surlOf(1) }] })
  t.match(reply.returnStatus, { statusCode: 'SRM_FATAL_INTERNAL_ERROR', explanation: /^MDM_INTERNAL: / })
  t.match(site.log.join(''), /"event":"fault","code":"MDM_INTERNAL"/)
  t.notMatch(site.log.join(''), canary)
})

t.test('where a refusal cannot be written down, it is not given either', async (t) => {
  const { call } = await soapSite(t, [], {
    app: {
      refused: async () => {
        throw new MdmError('MDM_AUDIT')
      },
    },
  })
  const { returnStatus } = await call('srmLs', { arrayOfSURLs: [surlOf(1)] }, { as: unknown })
  t.match(returnStatus, { statusCode: 'SRM_INTERNAL_ERROR', explanation: /^MDM_AUDIT: / })
})

t.test('protocols and version are told to whom is let in', async (t) => {
  const { call } = await soapSite(t, [])
  t.strictSame(await call('srmPing', {}), {
    versionInfo: 'v2.2',
    otherInfo: [{ key: 'backend_type', value: 'MDM' }],
  })
  t.strictSame((await call('srmGetTransferProtocols', {})).protocolInfo, [{ transferProtocol: 'https' }])
  t.equal(Object.keys(MESSAGES).length, 12)
})

t.test('a ping that is wrong is a fault, since its reply has no status', async (t) => {
  const { post } = await soapSite(t, [])
  const good = writeRequest('srmPing', {})
  const wrong = good.replace(
    /<srmPingRequest(?:\/>|><\/srmPingRequest>)/,
    '<srmPingRequest>x</srmPingRequest>',
  )
  t.not(wrong, good)
  const { status, body } = await post(wrong)
  t.equal(status, 400)
  t.match(body, /Fault>.*MDM_BAD_REQUEST/s)
  t.notMatch(body, 'returnStatus')
})
