/** Whole conversations, as the PDUs that one side sends: what an attack starts from. */
import { encodeAssociateAc, encodeAssociateRq } from '@mdm/server/dicom/dimse/associate-pdu'
import { COMMAND, encodeCommandSet, type CommandSet } from '@mdm/server/dicom/dimse/command-set'
import { encodeIdentifier } from '@mdm/server/dicom/dimse/identifier'
import { QUERY_RETRIEVE, VERIFICATION, type Proposal } from '@mdm/server/dicom/dimse/index'
import { encodeDataHeader, RELEASE_RP, RELEASE_RQ } from '@mdm/server/dicom/dimse/pdu'

const ELE = '1.2.840.10008.1.2.1'
export const MR = '1.2.840.10008.5.1.4.1.1.4'
const FIND = QUERY_RETRIEVE.study.find
const GET = QUERY_RETRIEVE.study.get

/** What our user proposes, contexts 1, 3 and 5. */
export const PROPOSALS: readonly Proposal[] = [
  { abstractSyntax: FIND, transferSyntaxes: [ELE] },
  { abstractSyntax: GET, transferSyntaxes: [ELE] },
  { abstractSyntax: MR, transferSyntaxes: [ELE], scpRole: true },
]

export function dataPdu(context: number, isCommand: boolean, isLast: boolean, bytes: Buffer): Buffer {
  return Buffer.concat([encodeDataHeader(context, { isCommand, isLast }, bytes.length), bytes])
}

function message(context: number, command: CommandSet, ...data: Buffer[]): Buffer[] {
  return [
    dataPdu(context, true, true, encodeCommandSet(command)),
    ...data.map((bytes, at) => dataPdu(context, false, at === data.length - 1, bytes)),
  ]
}

const PIXELS = Buffer.alloc(20_000, 'pixels')
const store = (context: number, messageId: number): Buffer[] =>
  message(
    context,
    {
      ...{
        commandField: COMMAND.storeRq,
        messageId,
        affectedSopClass: MR,
        affectedSop: '1.2.3.4',
        priority: 0,
      },
      hasDataSet: true,
    },
    PIXELS.subarray(0, 9_000),
    PIXELS,
  )

/** What a storing user sends to our provider. */
export const userTalk: readonly Buffer[] = [
  encodeAssociateRq({
    ...{ called: 'MDM', calling: 'FUZZ', maxPdu: 65_536 },
    contexts: [
      { id: 1, abstractSyntax: VERIFICATION, transferSyntaxes: ['1.2.840.10008.1.2'] },
      { id: 3, abstractSyntax: MR, transferSyntaxes: [ELE, '1.2.840.10008.1.2'] },
    ],
    roles: [{ sopClass: MR, scu: true, scp: false }],
    userIdentity: { user: 'fuzz', password: 'passcode' },
  }),
  ...message(1, {
    commandField: COMMAND.echoRq,
    messageId: 1,
    affectedSopClass: VERIFICATION,
    hasDataSet: false,
  }),
  ...store(3, 2),
  ...store(3, 3),
  RELEASE_RQ,
]

const match = encodeIdentifier(
  {
    '00080005': 'ISO_IR 192',
    '00080018': '1.2.3.4',
    '00100010': 'Ä^B',
    '0020000d': '1.2',
    '00280010': '512',
  },
  ELE,
)
const response = (
  commandField: number,
  respondedTo: number,
  status: number,
  more: Partial<CommandSet> = {},
) => ({
  ...{ commandField, respondedTo, affectedSopClass: FIND, status, hasDataSet: false },
  ...more,
})

/** What a server of images sends to our user, whose first message is a C-FIND and the second a C-GET. */
export const providerTalk: readonly Buffer[] = [
  encodeAssociateAc({
    ...{ called: 'MDM', calling: 'FUZZ', maxPdu: 65_536 },
    contexts: [1, 3, 5].map((id) => ({ id, result: 0, transferSyntax: ELE })),
    roles: [{ sopClass: MR, scu: true, scp: true }],
  }),
  ...message(1, response(COMMAND.findRsp, 1, 0xff00, { hasDataSet: true }), match),
  ...message(1, response(COMMAND.findRsp, 1, 0xff00, { hasDataSet: true }), match),
  ...message(1, response(COMMAND.findRsp, 1, 0)),
  ...store(5, 1),
  ...message(3, response(COMMAND.getRsp, 2, 0xff00, { remaining: 1, completed: 1 })),
  ...store(5, 2),
  ...message(3, response(COMMAND.getRsp, 2, 0, { completed: 2, failed: 0 })),
  RELEASE_RP,
]
