import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { MdmError } from '../../errors.ts'

/** One element of a document, its names resolved: no prefix is left. */
export interface Element {
  readonly namespace: string
  /** without prefix */
  readonly name: string
  /** by `{namespace}name`, or name where it has no prefix; declarations of namespaces are not among them */
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly Element[]
  /** empty where there are children */
  readonly text: string
}

/** How much is read of a document. */
export interface XmlLimits {
  readonly maxBytes: number
  /** start and end tags together; and as many references to characters */
  readonly maxTags: number
}

/** Of requests, which anybody may send. */
export const REQUEST_LIMITS: XmlLimits = { maxBytes: 1024 * 1024, maxTags: 12_000 }
/** Of replies, to what was asked: a page of a listing is 1,000 files of 40 tags. */
export const REPLY_LIMITS: XmlLimits = { maxBytes: 8 * 1024 * 1024, maxTags: 200_000 }
const MAX_DEPTH = 32
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'

const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"utf-8"|'utf-8'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/i
const ILLEGAL = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u
const ANY_REFERENCE = /&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});/y
const REFERENCE = /&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));/g
const PREDEFINED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" } as const
/** A tag as XML has it, with 32 attributes at most: the parser passes over much that it does not understand. */
const TAG =
  /<(?:\/[A-Za-z_:][\w.:-]{0,200}[ \t\r\n]*|[A-Za-z_:][\w.:-]{0,200}(?:[ \t\r\n]+[A-Za-z_:][\w.:-]{0,200}[ \t\r\n]*=[ \t\r\n]*(?:"[^"<]*"|'[^'<]*')){0,32}[ \t\r\n]*\/?)>/y
const QNAME = /^(?:([A-Za-z_][\w.-]{0,99}):)?([A-Za-z_][\w.-]{0,99})$/

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  trimValues: false,
  // References are decoded below, the closed set of them alone.
  processEntities: false,
  // The parser counts what is around an element.
  maxNestedTags: MAX_DEPTH - 1,
  jPath: false,
})

/** Where prefixes lead, from the innermost element outwards; '' is what names without prefix are in. */
interface Scope {
  readonly bindings: ReadonlyMap<string, string>
  readonly outer?: Scope
}

/**
 * Reads a document as SOAP 1.1 allows it: no DTD, no processing instruction, and neither comment nor CDATA section, which no
 * client sends. UTF-8 alone; lengths, depth and counts are bounded before and while it is parsed.
 *
 * @throws MDM_BAD_REQUEST, never with a word of the document
 * @see SOAP 1.1 section 3; XML 1.0; Namespaces in XML 1.0
 */
export function parseXml(bytes: Uint8Array, limits: XmlLimits = REQUEST_LIMITS): Element {
  const text = guarded(bytes, limits)
  let nodes: readonly Record<string, unknown>[]
  try {
    if (XMLValidator.validate(text) !== true) throw malformed('it is not well-formed')
    nodes = parser.parse(text)
  } catch (error) {
    throw error instanceof MdmError ? error : malformed('it cannot be parsed', error)
  }
  const { children, text: around } = contentOf(nodes, {
    bindings: new Map([
      ['', ''],
      ['xml', XML_NAMESPACE],
    ]),
  })
  if (children.length !== 1 || around !== '') throw malformed('it has not one root')
  return children[0]!
}

/** The text of a document in which nothing is that a parser could be led astray by. */
function guarded(bytes: Uint8Array, { maxBytes, maxTags }: XmlLimits): string {
  if (bytes.length > maxBytes) throw malformed('it is too long')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(DECLARATION, '')
  } catch (error) {
    throw malformed('it is not UTF-8', error)
  }
  if (ILLEGAL.test(text)) throw malformed('it holds a character that XML has not')
  // The parser forgets text that no tag follows.
  if (!text.trimEnd().endsWith('>')) throw malformed('it does not end with its root')
  if (text.includes('<!')) throw malformed('it holds a DTD, a comment or a CDATA section')
  if (text.includes('<?')) throw malformed('it holds a processing instruction')
  if (text.includes(']]>')) throw malformed('it holds a loose delimiter')
  requireEach(text, { mark: '<', pattern: TAG, most: maxTags, name: 'tag' })
  requireEach(text, { mark: '&', pattern: ANY_REFERENCE, most: maxTags, name: 'reference' })
  return text
}

/** Holds what begins with a mark to its grammar, wherever it is. */
function requireEach(
  text: string,
  { mark, pattern, most, name }: { mark: string; pattern: RegExp; most: number; name: string },
): void {
  let count = 0
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, pattern.lastIndex)) {
    if (++count > most) throw malformed(`it has too many of a ${name}`)
    pattern.lastIndex = at
    if (!pattern.test(text)) throw malformed(`it has a ${name} that is none, or has too much in it`)
  }
}

/** The content of an element as the parser gives it: children in their order, or text. */
function contentOf(
  nodes: readonly Record<string, unknown>[],
  scope: Scope,
): Pick<Element, 'children' | 'text'> {
  const children: Element[] = []
  let text = ''
  for (const node of nodes) {
    if (Object.hasOwn(node, '#text')) text += String(node['#text'])
    else children.push(elementOf(node, scope))
  }
  if (children.length === 0) return { children, text: decode(text) }
  if (/[^ \t\r\n]/.test(text)) throw malformed('it has text between elements')
  return { children, text: '' }
}

function elementOf(node: Record<string, unknown>, outer: Scope): Element {
  const tag = Object.keys(node).find((key) => key !== ':@')!
  const given = Object.entries((node[':@'] ?? {}) as Record<string, string>)
  const bindings = new Map<string, string>()
  const plain: [string, string][] = []
  for (const [name, raw] of given) {
    const value = decode(raw)
    const [, prefix, local = ''] = qname(name)
    if (prefix === 'xmlns') bindings.set(local, value)
    else if (name === 'xmlns') bindings.set('', value)
    else
      plain.push([
        prefix === undefined ? local : `{${lookUp(prefix, { bindings, outer }, given)}}${local}`,
        value,
      ])
  }
  const scope = bindings.size === 0 ? outer : { bindings, outer }
  const [, prefix = '', name = ''] = qname(tag)
  const attributes = new Map(plain)
  if (attributes.size !== plain.length) throw malformed('it has an attribute twice')
  return {
    namespace: lookUp(prefix, scope),
    name,
    attributes,
    ...contentOf(node[tag] as Record<string, unknown>[], scope),
  }
}

/** The namespace of a prefix; `given` are attributes of the same element, whose declarations may come later. */
function lookUp(prefix: string, scope: Scope, given: readonly (readonly [string, string])[] = []): string {
  const here = given.find(([name]) => name === `xmlns:${prefix}`)
  if (here !== undefined) return decode(here[1])
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const namespace = at.bindings.get(prefix)
    if (namespace !== undefined) return namespace
  }
  throw malformed('it has a prefix that stands for no namespace')
}

function qname(text: string): RegExpExecArray {
  const match = QNAME.exec(text)
  if (match === null) throw malformed('it has a name that is none')
  return match
}

function decode(text: string): string {
  return text.replace(
    REFERENCE,
    (_, name: keyof typeof PREDEFINED | undefined, decimal?: string, hex?: string) => {
      if (name !== undefined) return PREDEFINED[name]
      const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number.parseInt(decimal, 10)
      const character = code <= 0x10ffff ? String.fromCodePoint(code) : '\0'
      if (ILLEGAL.test(character)) throw malformed('it refers to a character that XML has not')
      return character
    },
  )
}

function malformed(reason: string, cause?: unknown): MdmError {
  return new MdmError('MDM_BAD_REQUEST', `the XML is refused: ${reason}`, { cause })
}

/** Text as it may stand within an element. @throws MDM_BAD_REQUEST where it holds a character that XML has not */
export function escapeXml(text: string): string {
  if (ILLEGAL.test(text)) throw new MdmError('MDM_BAD_REQUEST', 'a text holds a character that XML has not')
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
}
