import t from 'tap'
import { writeFault } from '@mdm/core/wire/srm/envelope'
import {
  MESSAGES,
  parseRequest,
  parseResponse,
  UNSUPPORTED,
  writeRefusal,
  writeRequest,
  writeResponse,
  type ReplyOf,
} from '@mdm/core/wire/srm/messages'
import { arc, CLIENTS, gfal, surls } from '../../../fixtures/srm-messages.ts'
import { REPLIES, REQUESTS } from '../../../fixtures/srm-samples.ts'

const surl = 'srm://localhost/mdm/3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const bytes = (text: string) => Buffer.from(text)

t.test('what gfal2 and ARC send is understood, whatever its order and prefixes', async (t) => {
  for (const client of Object.values(CLIENTS)) {
    t.strictSame(parseRequest(bytes(client.ping())), { operation: 'srmPing', request: {} })
    t.strictSame(parseRequest(bytes(client.ls(surl, 1))), {
      operation: 'srmLs',
      request: { arrayOfSURLs: [surl], fullDetailedList: true, numOfLevels: 1 },
    })
    t.match(parseRequest(bytes(client.prepare(surl))), {
      operation: 'srmPrepareToGet',
      request: {
        arrayOfFileRequests: [{ sourceSURL: surl }],
        transferParameters: { arrayOfTransferProtocols: /https/ },
      },
    })
    t.strictSame(parseRequest(bytes(client.status('T'))), {
      operation: 'srmStatusOfGetRequest',
      request: { requestToken: 'T' },
    })
    t.match(parseRequest(bytes(client.bringOnline(surl))), {
      operation: 'srmBringOnline',
      request: { arrayOfFileRequests: [{ sourceSURL: surl }] },
    })
    t.match(parseRequest(bytes(client.release('T', surl))), {
      operation: 'srmReleaseFiles',
      request: { requestToken: 'T' },
    })
  }
})

t.test('what the client writes is what the server reads', async (t) => {
  for (const [operation, request] of Object.entries(REQUESTS))
    t.strictSame(parseRequest(bytes(writeRequest(operation as 'srmLs', request as never))), {
      operation,
      request,
    })
})

t.test('what the server writes is what the client reads', async (t) => {
  for (const [operation, reply] of Object.entries(REPLIES) as ['srmLs', ReplyOf<'srmLs'>][])
    t.strictSame(parseResponse(operation, bytes(writeResponse(operation, reply))), reply)
})

t.test('fields are written in the order of the WSDL, whatever the order they are given in', async (t) => {
  const text = writeResponse('srmLs', {
    details: [
      { type: 'FILE', size: 7, path: '/mdm/x', status: { explanation: 'x', statusCode: 'SRM_SUCCESS' } },
    ],
    returnStatus: { statusCode: 'SRM_SUCCESS' },
  })
  const names = [...text.matchAll(/<([A-Za-z]+)>/g)].map((match) => match[1])
  const wanted =
    'srmLsResponse returnStatus statusCode details pathDetailArray path status statusCode explanation size type'
  t.equal(names.join(' '), wanted)
})

t.test('every other operation of the WSDL is known and refused in its own response', async (t) => {
  t.equal(new Set([...UNSUPPORTED, ...Object.keys(MESSAGES)]).size, 39, 'as many as the WSDL has')
  for (const operation of UNSUPPORTED) {
    t.strictSame(parseRequest(bytes(gfal(operation, surls(surl)))), {
      operation,
      refused: 'SRM_NOT_SUPPORTED',
    })
    t.match(
      writeRefusal(operation, { statusCode: 'SRM_NOT_SUPPORTED' }),
      `Response"><${operation}Response><returnStatus><statusCode>SRM_NOT_SUPPORTED`.slice(10),
    )
  }
})

t.test(
  'a request without what it needs, twice the same field, or numbers that are none, is invalid',
  async (t) => {
    for (const fields of [
      '',
      'text',
      '<requestToken></requestToken>',
      '<requestToken>T</requestToken><requestToken>U</requestToken>',
      '<requestToken><a>T</a></requestToken>',
      '<requestToken xsi:nil="true">T</requestToken>',
      `<requestToken>${'T'.repeat(400)}</requestToken>`,
    ])
      t.match(
        parseRequest(bytes(arc('srmStatusOfGetRequest', fields))),
        { refused: 'SRM_INVALID_REQUEST' },
        fields,
      )
    for (const number of ['', 'x', '1e3', '0x10', '99999999999', '-2147483649', '1.5'])
      t.match(
        parseRequest(bytes(arc('srmLs', `${surls(surl)}<numOfLevels>${number}</numOfLevels>`))),
        { refused: 'SRM_INVALID_REQUEST' },
        number,
      )
    t.match(parseRequest(bytes(arc('srmLs', surls(...Array<string>(1_001).fill(surl))))), {
      refused: 'SRM_INVALID_REQUEST',
    })
  },
)

t.test(
  'an operation that SRM v2.2 has not, or that is not in its namespace, is a fault of the client',
  async (t) => {
    const fault = { code: 'MDM_BAD_REQUEST', faultCode: 'Client' }
    for (const name of ['srmNothing', 'constructor', 'toString', 'hasOwnProperty'])
      t.throws(() => parseRequest(bytes(gfal(name, ''))), { code: 'MDM_BAD_REQUEST' }, name)
    t.throws(() => parseRequest(bytes(gfal('srmNothing', ''))), fault)
    t.throws(() => parseRequest(bytes(gfal('srmPing', '').replace('lbl.gov', 'lbl.com'))), fault)
    t.throws(
      () => parseRequest(bytes(gfal('srmPing', '').replaceAll('SOAP-ENV:Body', 'SOAP-ENV:Corpus'))),
      fault,
    )
    t.throws(() => parseRequest(bytes(gfal('srmPing', '<a/></srmPingRequest><srmPingRequest>'))), fault)
    t.throws(() => parseRequest(bytes(gfal('srmPing', '').replace('soap/envelope', 'soap2/envelope'))), {
      code: 'MDM_BAD_REQUEST',
      faultCode: 'VersionMismatch',
    })
    const header = '<SOAP-ENV:Header><x SOAP-ENV:mustUnderstand="1"/></SOAP-ENV:Header><SOAP-ENV:Body'
    t.throws(() => parseRequest(bytes(gfal('srmPing', '').replace('<SOAP-ENV:Body', header))), {
      code: 'MDM_BAD_REQUEST',
      faultCode: 'MustUnderstand',
    })
    t.match(
      parseRequest(bytes(gfal('srmPing', '').replace('<SOAP-ENV:Body', header.replace('"1"', '"0"')))),
      {
        operation: 'srmPing',
      },
    )
  },
)

t.test('a reply to something else, and a fault, are errors with a code', async (t) => {
  const ping = bytes(writeResponse('srmPing', { versionInfo: 'v2.2' }))
  t.throws(() => parseResponse('srmLs', ping), { code: 'MDM_BAD_REQUEST' })
  t.throws(() => parseResponse('srmPing', bytes(writeFault('Client', 'MDM_UNAUTHENTICATED'))), {
    code: 'MDM_UNAUTHENTICATED',
  })
  t.throws(
    () =>
      parseResponse('srmPing', bytes(writeFault('Server', 'MDM_STORE').replace('MDM_STORE', 'of theirs'))),
    { code: 'MDM_UNREACHABLE' },
  )
})

t.test('what JavaScript has names for is a field like any other', async (t) => {
  const before = Object.keys(Object.prototype).length
  for (const name of ['hasOwnProperty', 'valueOf', 'then', 'toJSON', 'length'])
    t.match(
      parseRequest(
        bytes(arc('srmStatusOfGetRequest', `<${name}><a>1</a></${name}><requestToken>T</requestToken>`)),
      ),
      { request: { requestToken: 'T' } },
      name,
    )
  for (const name of ['__proto__', 'constructor', 'prototype'])
    try {
      parseRequest(bytes(arc('srmPing', `<${name}><polluted>1</polluted></${name}>`)))
    } catch (error) {
      t.match(error, { code: 'MDM_BAD_REQUEST' }, name)
    }
  t.equal(Object.keys(Object.prototype).length, before)
  t.notOk('polluted' in {})
})
