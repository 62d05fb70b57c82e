import t from 'tap'
import { writeFault } from '@mdm/core/wire/srm/envelope'
import { FileLocality, FileStorageType, FileType, PermissionMode } from '@mdm/core/wire/srm/listing'
import {
  MESSAGES,
  UNSUPPORTED,
  writeRefusal,
  writeRequest,
  writeResponse,
  type Operation,
} from '@mdm/core/wire/srm/messages'
import { refusal, SrmStatus } from '@mdm/core/wire/srm/status'
import { complaintsOf } from '../../../conformance/srm-message.ts'
import { STATUS_ALONE, WORDS } from '../../../conformance/srm-sequences.ts'
import { REPLIES, REQUESTS } from '../../../fixtures/srm-samples.ts'

const operations = Object.keys(MESSAGES) as Operation[]
const request = (operation: Operation) => writeRequest(operation, REQUESTS[operation] as never)
const reply = (operation: Operation) => writeResponse(operation, REPLIES[operation] as never)

t.test('every request and every reply is written as SRM v2.2 says', async (t) => {
  for (const operation of operations) {
    t.strictSame(complaintsOf(request(operation)), [], request(operation))
    t.strictSame(complaintsOf(reply(operation)), [], reply(operation))
  }
})

t.test('so is a request with nothing but what it needs', async (t) => {
  const surls = { arrayOfSURLs: ['srm://h/a'] }
  const token = { requestToken: 'T' }
  const least = {
    ...{ srmLs: surls, srmPrepareToGet: { arrayOfFileRequests: [{ sourceSURL: 'srm://h/a' }] } },
    ...{ srmStatusOfGetRequest: token, srmAbortRequest: token, srmAbortFiles: { ...token, ...surls } },
    srmStatusOfLsRequest: token,
    ...{ srmExtendFileLifeTime: surls, srmCheckPermission: surls, srmReleaseFiles: token },
  }
  for (const [operation, fields] of Object.entries(least)) {
    const message = writeRequest(operation as 'srmLs', fields as never)
    t.strictSame(complaintsOf(message), [], message)
  }
})

t.test('a list without entries is left out: there is none of them in SRM', async (t) => {
  const returnStatus = { statusCode: 'SRM_SUCCESS' } as const
  const folder = { path: '/mdm', arrayOfSubPaths: [] }
  for (const message of [
    writeResponse('srmLs', { returnStatus, details: [folder] }),
    writeResponse('srmLs', { returnStatus, details: [] }),
    writeResponse('srmReleaseFiles', { returnStatus, arrayOfFileStatuses: [] }),
    writeResponse('srmCheckPermission', { returnStatus, arrayOfPermissions: [] }),
  ])
    t.strictSame(complaintsOf(message), [], message)
})

t.test('each of the 39 operations can be refused in a response of its own', async (t) => {
  t.strictSame([...UNSUPPORTED].sort(), [...STATUS_ALONE].sort())
  for (const operation of [...UNSUPPORTED, ...operations.filter((name) => name !== 'srmPing')])
    for (const status of [refusal('MDM_DENIED'), { statusCode: 'SRM_NOT_SUPPORTED' as const }])
      t.strictSame(complaintsOf(writeRefusal(operation, status)), [])
  t.strictSame(complaintsOf(writeFault('Client', 'MDM_BAD_REQUEST')), [])
})

t.test('the closed sets of words are those of SRM v2.2', async (t) => {
  const sets = {
    ...{ TStatusCode: SrmStatus, TFileLocality: FileLocality, TFileType: FileType },
    ...{ TFileStorageType: FileStorageType, TPermissionMode: PermissionMode },
  }
  for (const [type, { options }] of Object.entries(sets))
    t.equal(options.join(' '), WORDS[type as keyof typeof sets], type)
})

t.test('the judge of messages sees what is wrong', async (t) => {
  const good = request('srmLs')
  const wrong: Record<string, string> = {
    'has no arrayOfSURLs': good.replace(/<arrayOfSURLs>.*<\/arrayOfSURLs>/, ''),
    'has no storageSystemInfo': good.replace(/<storageSystemInfo[^>]*>/, ''),
    'where it does not belong': good.replace(/(<offset>.*<\/offset>)(<count>.*<\/count>)/, '$2$1'),
    'count twice': good.replace(/<count>.*<\/count>/, '$&$&'),
    'is no int': good.replace('<count>2<', '<count>2147483648<'),
    'is no boolean': good.replace('>false<', '>no<'),
    'is in another namespace': good.replace('lbl.gov', 'lbl.com'),
    'how it is encoded': good.replace(/ soapenv:encodingStyle="[^"]*"/, ''),
    'the part srmLsRequest': good.replaceAll('srmLsRequest', 'srmLsResponse'),
    'may not be nil': good.replace(
      /<arrayOfSURLs>.*<\/arrayOfSURLs>/,
      '<arrayOfSURLs xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>',
    ),
    'is no TStatusCode': reply('srmAbortRequest').replace('SRM_SUCCESS', 'SRM_OK'),
    'has no statusArray': reply('srmReleaseFiles').replace(/<statusArray>.*<\/statusArray>/, ''),
    'is no dateTime': reply('srmLs').replace('2026-01-02T', '2026-13-02T'),
    'is in a namespace': reply('srmAbortRequest').replaceAll('returnStatus>', 'srm:returnStatus>'),
  }
  for (const [complaint, message] of Object.entries(wrong)) {
    t.not(message, good)
    t.match(complaintsOf(message).join('; '), complaint, complaint)
  }
})
