import t from 'tap'
import { parseRequest, parseResponse } from '@mdm/core/wire/srm/messages'

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
const SRM = 'http://srm.lbl.gov/StorageResourceManager'
const bytes = (body: string) =>
  Buffer.from(`<s:Envelope xmlns:s="${SOAP}" xmlns:m="${SRM}"><s:Body>${body}</s:Body></s:Envelope>`)
const status = '<statusCode>SRM_SUCCESS</statusCode>'
const reply = (inner: string, beside = '') =>
  bytes(`<m:srmReleaseFilesResponse>${inner}</m:srmReleaseFilesResponse>${beside}`)
const read = (message: Buffer) => parseResponse('srmReleaseFiles', message)
const bad = { code: 'MDM_BAD_REQUEST' }

t.test('a reply may keep its parts beside the operation, as services on Axis write them', async (t) => {
  const message = reply(
    '<srmReleaseFilesReturn href="#id0"/>',
    `<multiRef id="id0"><returnStatus href="#id1"/></multiRef><multiRef id="id1">${status}</multiRef>`,
  )
  t.match(read(message), { returnStatus: { statusCode: 'SRM_SUCCESS' } })
})

t.test('a part that stands in two places is written once, as gSOAP does', async (t) => {
  const files = `<arrayOfFileStatuses><statusArray><surl>srm://h/a</surl><status href="#_1"/></statusArray></arrayOfFileStatuses>`
  const message = reply(`<r><returnStatus id="_1">${status}</returnStatus>${files}</r>`)
  t.match(read(message), {
    returnStatus: { statusCode: 'SRM_SUCCESS' },
    arrayOfFileStatuses: [{ surl: 'srm://h/a', status: { statusCode: 'SRM_SUCCESS' } }],
  })
})

t.test('references that lead nowhere, in a circle or to two places are refused', async (t) => {
  const wrong = {
    'to nothing': reply('<r href="#id0"/>'),
    'to another document': reply('<r href="https://elsewhere.example/#id0"/>'),
    'to itself': reply('<r id="a" href="#a"/>'),
    'in a circle': reply('<r href="#a"/>', '<multiRef id="a"><returnStatus href="#a"/></multiRef>'),
    'to two': reply('<r href="#a"/>', `<multiRef id="a"/><multiRef id="a">${status}</multiRef>`),
  }
  for (const [what, message] of Object.entries(wrong)) t.throws(() => read(message), bad, what)
})

t.test('references within references cost no more than a long reply', async (t) => {
  const levels = Array.from({ length: 30 }, (_, i) => {
    const twice = `<x href="#l${i + 1}"/>`.repeat(8)
    return `<multiRef id="l${i}">${twice}</multiRef>`
  })
  const message = reply('<r href="#l0"/>', `${levels.join('')}<multiRef id="l30">end</multiRef>`)
  t.throws(() => read(message), bad)
})

t.test('a request refers to nothing', async (t) => {
  const message = bytes(
    `<m:srmReleaseFiles><srmReleaseFilesRequest href="#a"/></m:srmReleaseFiles><multiRef id="a"><requestToken>x</requestToken></multiRef>`,
  )
  t.throws(() => parseRequest(message), bad)
  const inside = bytes('<m:srmReleaseFiles><r><requestToken href="#a"/></r></m:srmReleaseFiles>')
  t.throws(() => parseRequest(inside), bad)
})
