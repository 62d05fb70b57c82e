import { parseXml, REPLY_LIMITS, type Element } from '@mdm/core/wire/srm/xml'
import { SEQUENCES, STATUS_ALONE, WORDS } from './srm-sequences.ts'

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
const ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/'
const SRM = 'http://srm.lbl.gov/StorageResourceManager'
const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
const INT = [-(2n ** 31n), 2n ** 31n - 1n] as const
const UNSIGNED_LONG = [0n, 2n ** 64n - 1n] as const

interface Field {
  readonly name: string
  readonly mark: string
  readonly type: string
}

/** The types that have fields; a response that is never more than its status is one of them. */
const TYPES = new Map<string, readonly Field[]>([
  ...STATUS_ALONE.map((name) => [`${name}Response`, fieldsOf('returnStatus TReturnStatus')] as const),
  ...Object.entries(SEQUENCES).map(([name, text]) => [name, fieldsOf(text)] as const),
])

function fieldsOf(text: string): Field[] {
  return text.split(', ').map((field) => {
    const [, name, mark, type] = /^(\w+) ([?~!+*]?)(\w+)$/.exec(field)!
    return { name: name!, mark: mark!, type: type! }
  })
}

/** What is wrong with a message by the letter of SRM v2.2, each with the path to it; nothing where it is well or a SOAP fault. */
export function complaintsOf(message: string | Buffer): string[] {
  const envelope = parseXml(Buffer.from(message), REPLY_LIMITS)
  const [body, ...more] = envelope.children
  if (envelope.namespace !== SOAP || body?.name !== 'Body' || body.namespace !== SOAP || more.length > 0)
    return ['it is no envelope with a body alone']
  const [operation, ...others] = body.children
  if (operation === undefined || others.length > 0) return ['it has not one operation']
  if (operation.namespace === SOAP) return operation.name === 'Fault' ? [] : ['it has a strange body']
  return operationOf(operation)
}

/** Style rpc, use encoded: the operation in the namespace of SRM, in it its one part, and all below in none. */
function operationOf(operation: Element): string[] {
  const { name, namespace, attributes, children } = operation
  const found: string[] = []
  if (namespace !== SRM) found.push(`${name} is in another namespace`)
  if (attributes.get(`{${SOAP}}encodingStyle`) !== ENCODING)
    found.push(`${name} does not say how it is encoded`)
  const wanted = name.endsWith('Response') ? name : `${name}Request`
  const [part, ...others] = children
  if (part?.name !== wanted || others.length > 0) return [...found, `${name} has not the part ${wanted}`]
  return [...found, ...structOf(part, wanted, wanted)]
}

function structOf(element: Element, type: string, path: string): string[] {
  const fields = TYPES.get(type)
  if (fields === undefined) return [`${path}: there is no ${type}`]
  const found: string[] = []
  if (element.children.length === 0 && element.text !== '') found.push(`${path} has text`)
  const rest = [...element.children]
  for (const { name, mark, type: inner } of fields) {
    const count = rest.findIndex((child) => child.name !== name)
    const here = rest.splice(0, count === -1 ? rest.length : count)
    if (here.length === 0 && !'?~'.includes(mark || ' ')) found.push(`${path} has no ${name}`)
    if (here.length > 1 && !'+*'.includes(mark || ' ')) found.push(`${path} has ${name} twice`)
    for (const child of here) found.push(...fieldOf(child, { mark, inner, path: `${path}/${name}` }))
  }
  if (rest.length > 0) found.push(`${path} has ${rest[0]!.name} where it does not belong`)
  return found
}

function fieldOf(element: Element, o: { mark: string; inner: string; path: string }): string[] {
  const { mark, inner, path } = o
  const found = element.namespace === '' ? [] : [`${path} is in a namespace`]
  if (element.attributes.get(`{${XSI}}nil`) !== undefined)
    return '?!*'.includes(mark || ' ') && element.children.length === 0 && element.text === ''
      ? found
      : [...found, `${path} may not be nil`]
  if (TYPES.has(inner)) return [...found, ...structOf(element, inner, path)]
  if (element.children.length > 0) return [...found, `${path} has elements`]
  return isOf(inner, element.text)
    ? found
    : [...found, `${path} is no ${inner}: ${element.text.slice(0, 40)}`]
}

function isOf(type: string, text: string): boolean {
  if (Object.hasOwn(WORDS, type)) return WORDS[type as keyof typeof WORDS].split(' ').includes(text)
  switch (type) {
    case 'string':
      return true
    case 'anyURI':
      // Any text is one by XML Schema; what we make ourselves has no white space in it.
      return text.trim() !== ''
    case 'boolean':
      return ['true', 'false', '1', '0'].includes(text)
    case 'int':
      return isWithin(text, INT)
    case 'unsignedLong':
      return isWithin(text, UNSIGNED_LONG)
    case 'dateTime':
      return (
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.test(text) &&
        !Number.isNaN(Date.parse(text))
      )
    default:
      return false
  }
}

function isWithin(text: string, [least, most]: readonly [bigint, bigint]): boolean {
  return (
    /^[+-]?\d{1,20}$/.test(text) &&
    BigInt(text.replace('+', '')) >= least &&
    BigInt(text.replace('+', '')) <= most
  )
}
