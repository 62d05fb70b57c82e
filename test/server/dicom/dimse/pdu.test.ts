/** Bytes of PS3.8 section 9.3, written down from what DCMTK's echoscu and storescp say to each other. */
import {
  decodeAssociateAc,
  decodeAssociateRq,
  encodeAssociateAc,
  encodeAssociateRq,
} from '@mdm/server/dicom/dimse/associate-pdu'
import { rejectError } from '@mdm/server/dicom/dimse/faults'
import {
  decodePduHeader,
  encodeAbort,
  encodeDataHeader,
  encodeReject,
  RELEASE_RP,
  RELEASE_RQ,
} from '@mdm/server/dicom/dimse/pdu'
import t from 'tap'
import { ascii, bytes } from './bytes.ts'

const ZEROS = '00'.repeat(32)
/** Ours, in every A-ASSOCIATE that we send. */
const OUR_CLASS = '2.25.161803398874989484820458683436563811772'

const DCMTK_RQ = bytes(`
  01 00 000000cd                             # A-ASSOCIATE-RQ, reserved, 205 bytes follow
  0001 0000                                  # protocol version 1, reserved
  ${ascii('CALLED          ')}               # called AE title, 16 characters
  ${ascii('CALLER          ')}               # calling AE title
  ${ZEROS}                                   # reserved
  10 00 0015 ${ascii('1.2.840.10008.3.1.1.1')}   # application context name
  20 00 002e 01 00 ff 00                     # presentation context 1
    30 00 0011 ${ascii('1.2.840.10008.1.1')} # abstract syntax: Verification
    40 00 0011 ${ascii('1.2.840.10008.1.2')} # transfer syntax: implicit VR little endian
  50 00 003a                                 # user information
    51 00 0004 00004000                      # longest PDU: 16384
    52 00 001b ${ascii('1.2.276.0.7230010.3.0.3.6.7')}
    55 00 000f ${ascii('OFFIS_DCMTK_367')}
`)
const DCMTK_AC = bytes(`
  02 00 000000b8                             # A-ASSOCIATE-AC, reserved, 184 bytes follow
  0001 0000
  ${ascii('CALLED          ')}
  ${ascii('CALLER          ')}
  ${ZEROS}
  10 00 0015 ${ascii('1.2.840.10008.3.1.1.1')}
  21 00 0019 01 00 00 00                     # presentation context 1: 0 accepted
    40 00 0011 ${ascii('1.2.840.10008.1.2')}
  50 00 003a
    51 00 0004 00004000
    52 00 001b ${ascii('1.2.276.0.7230010.3.0.3.6.7')}
    55 00 000f ${ascii('OFFIS_DCMTK_367')}
`)
const OUR_RQ = bytes(`
  01 00 00000112                             # 274 bytes follow
  0001 0000
  ${ascii('PACS            ')}
  ${ascii('MDM             ')}
  ${ZEROS}
  10 00 0015 ${ascii('1.2.840.10008.3.1.1.1')}
  20 00 0036 03 00 00 00                     # presentation context 3
    30 00 0019 ${ascii('1.2.840.10008.5.1.4.1.1.4')}   # MR Image Storage
    40 00 0011 ${ascii('1.2.840.10008.1.2')}
  50 00 0077
    51 00 0004 00010000                      # longest PDU: 64 KiB
    52 00 002c ${ascii(OUR_CLASS)}
    54 00 001d 0019 ${ascii('1.2.840.10008.5.1.4.1.1.4')} 01 01   # role: SCU and SCP
    55 00 0003 ${ascii('MDM')}
    58 00 0013 02 00 0005 ${ascii('alice')} 0008 ${ascii('passcode')}   # user identity: name and passcode
`)

t.test('an A-ASSOCIATE-RQ of DCMTK is read', async (t) => {
  t.match(decodeAssociateRq(DCMTK_RQ.subarray(6)), {
    protocolVersion: 1,
    called: 'CALLED',
    calling: 'CALLER',
    application: '1.2.840.10008.3.1.1.1',
    contexts: [{ id: 1, abstractSyntax: '1.2.840.10008.1.1', transferSyntaxes: ['1.2.840.10008.1.2'] }],
    maxPdu: 16384,
    roles: [],
    userIdentity: undefined,
  })
})

t.test('an A-ASSOCIATE-AC of DCMTK is read', async (t) => {
  t.match(decodeAssociateAc(DCMTK_AC.subarray(6)), {
    called: 'CALLED',
    contexts: [{ id: 1, result: 0, transferSyntax: '1.2.840.10008.1.2' }],
    maxPdu: 16384,
  })
})

t.test('our A-ASSOCIATE-RQ has these bytes, with role and user identity, and reads back', async (t) => {
  const request = {
    called: 'PACS',
    calling: 'MDM',
    contexts: [
      { id: 3, abstractSyntax: '1.2.840.10008.5.1.4.1.1.4', transferSyntaxes: ['1.2.840.10008.1.2'] },
    ],
    maxPdu: 65536,
    roles: [{ sopClass: '1.2.840.10008.5.1.4.1.1.4', scu: true, scp: true }],
    userIdentity: { user: 'alice', password: 'passcode' },
  }
  t.equal(encodeAssociateRq(request).toString('hex'), OUR_RQ.toString('hex'))
  t.match(decodeAssociateRq(OUR_RQ.subarray(6)), request)
})

t.test('a user name alone is type 1, and Kerberos, SAML and JWT are no name', async (t) => {
  const request = { called: 'A', calling: 'B', contexts: [], maxPdu: 0, roles: [] }
  const named = encodeAssociateRq({ ...request, userIdentity: { user: 'bob', responseWanted: true } })
  t.equal(
    named.subarray(-13).toString('hex'),
    bytes(`5800 0009 01 01 0003 ${ascii('bob')} 0000`).toString('hex'),
  )
  t.same(decodeAssociateRq(named.subarray(6)).userIdentity, { user: 'bob', responseWanted: true })
  named[named.length - 9] = 3
  t.equal(decodeAssociateRq(named.subarray(6)).userIdentity, undefined)
})

t.test('our A-ASSOCIATE-AC reads back, refused contexts and identity included', async (t) => {
  const accept = {
    called: 'MDM',
    calling: 'PACS',
    contexts: [
      { id: 1, result: 0, transferSyntax: '1.2.840.10008.1.2' },
      { id: 3, result: 4, transferSyntax: '' },
    ],
    maxPdu: 65536,
    roles: [{ sopClass: '1.2.3', scu: false, scp: true }],
    identityTaken: true,
  }
  const { identityTaken: _, ...read } = accept
  t.match(decodeAssociateAc(encodeAssociateAc(accept).subarray(6)), read)
  t.ok(encodeAssociateAc(accept).includes(bytes('59 00 0002 0000')), 'the acceptor vouches for the name')
})

t.test('an AE title has 1 to 16 characters and no backslash', async (t) => {
  const request = (called: string) => ({ called, calling: 'B', contexts: [], maxPdu: 0, roles: [] })
  for (const wrong of ['', '   ', 'SEVENTEEN LETTERS', 'A\\B', 'Ä', 'A\n'])
    t.throws(() => encodeAssociateRq(request(wrong)), { code: 'MDM_CONFIG' }, JSON.stringify(wrong))
  t.doesNotThrow(() => encodeAssociateRq(request('SIXTEEN  LETTERS')))
})

t.test(
  'every A-ASSOCIATE that is cut short, or lies about a length, is refused or read, and nothing else',
  async (t) => {
    for (const [name, whole, decode] of [
      ['RQ', OUR_RQ, decodeAssociateRq],
      ['AC', DCMTK_AC, decodeAssociateAc],
    ] as const) {
      for (let length = 68; length < whole.length - 6; length++) {
        const refused = attempt(() => decode(whole.subarray(6, 6 + length)))
        t.ok(refused === undefined || refused === 'MDM_SOURCE_PROTOCOL', `${name} of ${length} bytes`)
      }
      for (let at = 74; at < whole.length; at++) {
        const altered = Buffer.from(whole)
        altered[at]! ^= 0xff
        const refused = attempt(() => decode(altered.subarray(6)))
        t.ok(refused === undefined || refused === 'MDM_SOURCE_PROTOCOL', `${name}, byte ${at}`)
      }
    }
    t.equal(
      attempt(() => decodeAssociateRq(OUR_RQ.subarray(6, -1))),
      'MDM_SOURCE_PROTOCOL',
    )
  },
)

t.test('more than 128 contexts, transfer syntaxes or roles are refused', async (t) => {
  const one = { abstractSyntax: '1.2', transferSyntaxes: ['1.2.3'] }
  const request = { called: 'A', calling: 'B', contexts: [{ ...one, id: 1 }], maxPdu: 0, roles: [] }
  const many = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of)
  const read = (o: object) =>
    attempt(() => decodeAssociateRq(encodeAssociateRq({ ...request, ...o }).subarray(6)))
  for (const [count, expected] of [
    [128, undefined],
    [129, 'MDM_SOURCE_PROTOCOL'],
  ] as const) {
    t.equal(read({ contexts: many(count, { ...one, id: 1 }) }), expected)
    t.equal(read({ contexts: [{ ...one, id: 1, transferSyntaxes: many(count, '1.2') }] }), expected)
    t.equal(read({ roles: many(count, { sopClass: '1.2', scu: true, scp: true }) }), expected)
  }
})

t.test('the short PDUs are these', async (t) => {
  t.equal(RELEASE_RQ.toString('hex'), '05000000000400000000')
  t.equal(RELEASE_RP.toString('hex'), '06000000000400000000')
  t.equal(encodeAbort(2, 6).toString('hex'), '07000000000400000206')
  t.equal(encodeReject(1, 1, 7).toString('hex'), '03000000000400010107')
  // 74 bytes: a fragment of 68 in context 3, a data set (bit 0 clear) and its last part (bit 1 set)
  const header = encodeDataHeader(3, { isCommand: false, isLast: true }, 68)
  t.equal(header.toString('hex'), bytes('04 00 0000004a 00000046 03 02').toString('hex'))
})

t.test('a PDU header is held to what its type may be', async (t) => {
  const refused = (text: string) => attempt(() => decodePduHeader(bytes(text), 65536))
  for (const [what, header] of Object.entries({
    'type 0': '00 00 00000004',
    'type 8': '08 00 00000004',
    'P-DATA-TF longer than agreed': '04 00 00010001',
    'P-DATA-TF without a fragment': '04 00 00000005',
    'A-ASSOCIATE-RQ of 256 KiB and a byte': '01 00 00040001',
    'A-ASSOCIATE-AC without its fixed fields': '02 00 00000043',
    'A-RELEASE-RQ of 5 bytes': '05 00 00000005',
    'A-ABORT of 4 GiB': '07 00 ffffffff',
  }))
    t.equal(refused(header), 'MDM_SOURCE_PROTOCOL', what)
  t.same(decodePduHeader(bytes('04 00 00010000'), 65536), { type: 4, length: 65536 })
})

t.test('a rejection is said in words, and only a transient one is worth a retry', async (t) => {
  t.match(rejectError(1, 1, 7), { code: 'MDM_SOURCE_REFUSED', message: /called AE title not recognized/ })
  t.match(rejectError(2, 3, 1), { code: 'MDM_SOURCE_UNREACHABLE', message: /temporary congestion/ })
  t.match(rejectError(9, 9, 9), { code: 'MDM_SOURCE_REFUSED', message: /no reason given/ })
})

function attempt(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error)
  }
}
