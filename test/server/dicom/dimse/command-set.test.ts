/** Bytes of PS3.7 section 6.3.1 and annex E, written down from what DCMTK's echoscu and storescp say to each other. */
import { COMMAND, decodeCommandSet, encodeCommandSet } from '@mdm/server/dicom/dimse/command-set'
import t from 'tap'
import { ascii, bytes } from './bytes.ts'

const ECHO_RQ = bytes(`
  0000 0000 04000000 38000000                          # group length: 56
  0000 0200 12000000 ${ascii('1.2.840.10008.1.1')} 00  # affected SOP class, padded with NUL
  0000 0001 02000000 3000                              # command field: C-ECHO-RQ
  0000 1001 02000000 0100                              # message id: 1
  0000 0008 02000000 0101                              # no data set
`)
const ECHO_RSP = bytes(`
  0000 0000 04000000 42000000
  0000 0200 12000000 ${ascii('1.2.840.10008.1.1')} 00
  0000 0001 02000000 3080                              # C-ECHO-RSP
  0000 2001 02000000 0100                              # message id being responded to
  0000 0008 02000000 0101
  0000 0009 02000000 0000                              # status: success
`)
const STORE_RQ = bytes(`
  0000 0000 04000000 7a000000
  0000 0200 04000000 ${ascii('1.2')} 00
  0000 0001 02000000 0100
  0000 1001 02000000 0500
  0000 0007 02000000 0000                              # priority: medium
  0000 0008 02000000 0100                              # a data set follows
  0000 0010 06000000 ${ascii('1.2.34')}                # affected SOP instance
  0000 3010 04000000 ${ascii('PACS')}                  # move originator
  0000 3110 02000000 0900
`)

t.test('a C-ECHO of DCMTK is read, and ours has the same bytes', async (t) => {
  const request = {
    commandField: COMMAND.echoRq,
    affectedSopClass: '1.2.840.10008.1.1',
    messageId: 1,
    hasDataSet: false,
  }
  t.same(decodeCommandSet(ECHO_RQ), request)
  t.equal(encodeCommandSet(request).toString('hex'), ECHO_RQ.toString('hex'))
  const { messageId: _, ...rest } = request
  const response = { ...rest, commandField: COMMAND.echoRsp, respondedTo: 1, status: 0 }
  t.same(decodeCommandSet(ECHO_RSP), response)
  t.equal(encodeCommandSet(response).toString('hex'), ECHO_RSP.toString('hex'))
})

t.test('a C-STORE says who moves; its group length is not trusted', async (t) => {
  const request = {
    commandField: COMMAND.storeRq,
    affectedSopClass: '1.2',
    messageId: 5,
    priority: 0,
    affectedSop: '1.2.34',
    moveOriginator: 'PACS',
    moveOriginatorMessageId: 9,
    hasDataSet: true,
  }
  t.same(decodeCommandSet(STORE_RQ), request, 'with a group length that is wrong')
  const ours = encodeCommandSet(request)
  t.equal(ours.readUInt32LE(8), ours.length - 12)
  t.same(decodeCommandSet(ours), request)
})

t.test('counters, unknown elements and a command in any order are read', async (t) => {
  const counters = { remaining: 3, completed: 2, failed: 1, warning: 0, status: 0xff00 }
  const response = { commandField: COMMAND.getRsp, respondedTo: 7, hasDataSet: false, ...counters }
  const encoded = encodeCommandSet(response)
  const comment = bytes(`0000 0209 04000000 ${ascii('fine')}`)
  t.same(decodeCommandSet(Buffer.concat([comment, encoded])), response)
})

t.test('a list of failed objects behind the command, as Orthanc sends it, is passed over', async (t) => {
  const response = { commandField: COMMAND.getRsp, respondedTo: 1, hasDataSet: false, status: 0xc000 }
  const list = bytes(`
    0800 0000 04000000 0e000000                          # group length of group 0008
    0800 5800 06000000 ${ascii('1.2.34')}                # failed SOP instances
  `)
  t.same(decodeCommandSet(Buffer.concat([encodeCommandSet(response), list])), response)
})

t.test('what is no command set is refused', async (t) => {
  for (const [what, text] of Object.entries({
    nothing: '',
    'half an element': '0000 0001 0200',
    'an element longer than what is there': '0000 0001 04000000 3000',
    'an element of 4 GiB': '0000 0001 ffffffff 3000',
    'an element of another group that is cut': '0800 0500 04000000 2020',
    'a number of 4 bytes': '0000 0001 04000000 30000000 0000 0008 02000000 0101',
    'a UID of 66 characters': `0000 0200 42000000 ${ascii('1'.repeat(66))}`,
    'no command field': '0000 0008 02000000 0101',
    'no data set type': '0000 0001 02000000 3000',
  }))
    t.throws(() => decodeCommandSet(bytes(text)), { code: 'MDM_SOURCE_PROTOCOL' }, what)
})
