import { isErrorCode, MdmError, type ErrorCode } from '../../errors.ts'
import { fieldReader, NIL, XSI, type Fields, type Written } from './fields.ts'
import { explain, printable } from './status.ts'
import { escapeXml, parseXml, REQUEST_LIMITS, type Element, type XmlLimits } from './xml.ts'

export const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
const ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/'
/** The namespace of every operation of SRM v2.2; what lies within them is in none. */
export const SRM = 'http://srm.lbl.gov/StorageResourceManager'

type WrittenFields = Exclude<Written, string | typeof NIL>

/** Who is to blame for a fault (SOAP 1.1 section 4.4.1). */
export type FaultCode = 'VersionMismatch' | 'MustUnderstand' | 'Client' | 'Server'

/** A message that is no SOAP 1.1, or whose operation nobody knows: answered by a fault instead of by the operation. */
export class SoapFault extends MdmError {
  readonly faultCode: FaultCode

  constructor(code: ErrorCode, faultCode: FaultCode, message: string) {
    super(code, message)
    this.name = 'SoapFault'
    this.faultCode = faultCode
  }
}

/**
 * The operation that a message is about: the first child of its Body, in the namespace of SRM. The header SOAPAction says
 * nothing, and no client agrees with another on it.
 *
 * @param o `references`: elements may refer to others (SOAP 1.1 section 5.4.1), as services on Axis and gSOAP answer
 * @returns `name` such as srmLs or srmLsResponse; `fields` of the one element within it
 * @throws MDM_BAD_REQUEST, as SoapFault where it is XML but not such a message; what a fault of the other side says
 */
export function readEnvelope(
  bytes: Uint8Array,
  limits: XmlLimits = REQUEST_LIMITS,
  o: { references?: boolean } = {},
): { name: string; fields: Fields | string } {
  const envelope = parseXml(bytes, limits)
  if (envelope.name !== 'Envelope') throw fault('Client', 'the message has no Envelope')
  if (envelope.namespace !== SOAP) throw fault('VersionMismatch', 'the message is not SOAP 1.1')
  const parts = envelope.children.filter(({ namespace }) => namespace === SOAP)
  const [header] = parts.filter(({ name }) => name === 'Header')
  if (
    header?.children.some((entry) =>
      /^(?:1|true)$/.test(entry.attributes.get(`{${SOAP}}mustUnderstand`) ?? ''),
    )
  )
    throw fault('MustUnderstand', 'the message has a header that is not understood')
  const [body, ...more] = parts.filter(({ name }) => name === 'Body')
  const referred = (element: Element) => o.references === true && element.attributes.has('id')
  const [operation, ...others] = body?.children.filter((element) => !referred(element)) ?? []
  if (operation === undefined || more.length + others.length > 0)
    throw fault('Client', 'the message has not one operation')
  if (operation.namespace === SOAP && operation.name === 'Fault') throw readFault(operation)
  if (operation.namespace !== SRM) throw fault('Client', 'the operation is not one of SRM v2.2')
  const [inner, ...rest] = operation.children
  if (rest.length > 0) throw fault('Client', 'the operation has more than one part')
  return { name: operation.name, fields: inner === undefined ? '' : read(inner, o.references && body) }
}

function read(inner: Element, within: Element | false | undefined): Fields | string {
  try {
    return fieldReader(within || undefined)(inner)
  } catch (error) {
    throw error instanceof MdmError ? fault('Client', error.message) : error
  }
}

/** A message about an operation, of style rpc and use encoded as the WSDL has it. @param fields in the order of the WSDL */
export function writeEnvelope(name: string, inner: string, fields: WrittenFields): string {
  return wrap(
    `<srm:${name} xmlns:srm="${SRM}" soapenv:encodingStyle="${ENCODING}"><${inner}>${writeFields(fields)}</${inner}></srm:${name}>`,
  )
}

/** A fault with the code of our table, so that nobody needs to guess. */
export function writeFault(faultCode: FaultCode, code: ErrorCode): string {
  return wrap(
    `<soapenv:Fault><faultcode>soapenv:${faultCode}</faultcode><faultstring>${escapeXml(explain(code))}</faultstring></soapenv:Fault>`,
  )
}

function wrap(body: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="${SOAP}"><soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`
}

function readFault(element: Element): MdmError {
  const told = element.children.find(({ name }) => name === 'faultstring')?.text ?? ''
  const code = /^(MDM_[A-Z_]{1,40}): /.exec(told)?.[1]
  return isErrorCode(code)
    ? new MdmError(code)
    : new MdmError('MDM_UNREACHABLE', `the storage element answers with a SOAP fault: ${printable(told)}`)
}

function writeFields(fields: WrittenFields): string {
  return Object.entries(fields)
    .flatMap(([name, values]) => (values ?? []).map((value) => writeField(name, value)))
    .join('')
}

/** A list without entries is none: the WSDL wants one at least in each. */
function writeField(name: string, value: Written): string {
  if (value === NIL) return `<${name} xmlns:xsi="${XSI}" xsi:nil="true"/>`
  if (typeof value === 'string') return `<${name}>${escapeXml(value)}</${name}>`
  const content = writeFields(value)
  return content === '' ? '' : `<${name}>${content}</${name}>`
}

function fault(faultCode: FaultCode, message: string): SoapFault {
  return new SoapFault('MDM_BAD_REQUEST', faultCode, message)
}
