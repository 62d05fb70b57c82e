import { MdmError } from '@mdm/core/errors'
import { dimseError } from './faults.ts'
import { ITEM, item, items, readUid, textItem } from './items.ts'
import { encodePdu, PDU } from './pdu.ts'
import { APPLICATION_CONTEXT } from './uids.ts'
import { decodeUserInformation, encodeUserInformation, type UserInformation } from './user-information.ts'

const MAX_CONTEXTS = 128
const MAX_SYNTAXES = 128
/** Protocol version, AE titles and reserved bytes before the items. */
const FIXED_BYTES = 68

export interface ProposedContext {
  id: number
  abstractSyntax: string
  transferSyntaxes: readonly string[]
}

/** 0 accepted, 1 user rejects, 3 abstract syntax, 4 transfer syntaxes not supported (PS3.8 9.3.3.2). */
export interface AnsweredContext {
  id: number
  result: number
  transferSyntax: string
}

interface Titles {
  called: string
  calling: string
}

export interface AssociateRequest extends Titles, UserInformation {
  contexts: readonly ProposedContext[]
}

export interface AssociateAccept extends Titles, UserInformation {
  contexts: readonly AnsweredContext[]
}

/** A-ASSOCIATE-RQ (PS3.8 9.3.2). @throws MDM_CONFIG for an AE title that is none */
export function encodeAssociateRq(request: AssociateRequest): Buffer {
  const contexts = request.contexts.map(({ id, abstractSyntax, transferSyntaxes }) =>
    item(ITEM.proposedContext, [
      Uint8Array.of(id, 0, 0, 0),
      textItem(ITEM.abstractSyntax, abstractSyntax),
      ...transferSyntaxes.map((uid) => textItem(ITEM.transferSyntax, uid)),
    ]),
  )
  return encode(PDU.associateRq, request, contexts)
}

/** A-ASSOCIATE-AC (PS3.8 9.3.3). */
export function encodeAssociateAc(accept: AssociateAccept): Buffer {
  const contexts = accept.contexts.map(({ id, result, transferSyntax }) =>
    item(ITEM.acceptedContext, [
      Uint8Array.of(id, 0, result, 0),
      textItem(ITEM.transferSyntax, transferSyntax),
    ]),
  )
  return encode(PDU.associateAc, accept, contexts)
}

/**
 * The body of an A-ASSOCIATE-RQ. Items that we do not know are passed over, as the standard wants.
 * @throws MDM_SOURCE_PROTOCOL
 */
export function decodeAssociateRq(
  body: Buffer,
): AssociateRequest & { protocolVersion: number; application: string } {
  const parts = split(body, ITEM.proposedContext)
  const application = readUid(parts.application)
  return { ...readTitles(body), application, contexts: parts.contexts.map(proposedContext), ...parts.user }
}

/**
 * The body of an A-ASSOCIATE-AC.
 * @throws MDM_SOURCE_PROTOCOL
 */
export function decodeAssociateAc(body: Buffer): AssociateAccept {
  const { contexts, user } = split(body, ITEM.acceptedContext)
  return { ...readTitles(body), contexts: contexts.map(answeredContext), ...user }
}

function encode(type: number, of: Titles & UserInformation, contexts: readonly Buffer[]): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES)
  fixed.writeUInt16BE(1, 0)
  fixed.write(title(of.called), 4, 'latin1')
  fixed.write(title(of.calling), 20, 'latin1')
  const application = textItem(ITEM.application, APPLICATION_CONTEXT)
  return encodePdu(type, Buffer.concat([fixed, application, ...contexts, encodeUserInformation(of)]))
}

/** An AE title, padded to its 16 characters (PS3.5 6.2). */
function title(ae: string): string {
  if (!/^(?=.*[^ ])[\x20-\x5b\x5d-\x7e]{1,16}$/.test(ae))
    throw new MdmError('MDM_CONFIG', 'an AE title has 1 to 16 characters of ASCII, and no backslash')
  return ae.padEnd(16)
}

function readTitles(body: Buffer): Titles & { protocolVersion: number } {
  return {
    protocolVersion: body.readUInt16BE(0),
    called: body.toString('latin1', 4, 20).replaceAll('\0', ' ').trim(),
    calling: body.toString('latin1', 20, 36).replaceAll('\0', ' ').trim(),
  }
}

function split(body: Buffer, contextType: number) {
  const parts = items(body.subarray(FIXED_BYTES))
  const contexts = parts.filter(({ type }) => type === contextType).map(({ value }) => value)
  if (contexts.length > MAX_CONTEXTS) throw dimseError('protocol', 'more than 128 presentation contexts')
  if (contexts.some((value) => value.length < 4))
    throw dimseError('protocol', 'a presentation context is cut short')
  const information = parts.find(({ type }) => type === ITEM.userInformation)
  const user = decodeUserInformation(information?.value ?? Buffer.alloc(0))
  return { application: parts.find(({ type }) => type === ITEM.application)?.value, contexts, user }
}

function proposedContext(value: Buffer): ProposedContext {
  const parts = items(value.subarray(4))
  const syntaxes = parts.filter(({ type }) => type === ITEM.transferSyntax)
  if (syntaxes.length > MAX_SYNTAXES) throw dimseError('protocol', 'more than 128 transfer syntaxes')
  return {
    id: value[0]!,
    abstractSyntax: readUid(parts.find(({ type }) => type === ITEM.abstractSyntax)?.value),
    transferSyntaxes: syntaxes.map((syntax) => readUid(syntax.value)),
  }
}

/** Of a context that was refused the transfer syntax means nothing, and some leave it out. */
function answeredContext(value: Buffer): AnsweredContext {
  const parts = value[2] === 0 ? items(value.subarray(4)) : []
  const syntax = parts.find(({ type }) => type === ITEM.transferSyntax)
  return { id: value[0]!, result: value[2]!, transferSyntax: readUid(syntax?.value) }
}
