import { MdmError } from '../../errors.ts'
import type { Element } from './xml.ts'

export const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
/** Elements read of one message, each as often as it is referred to. */
const MAX_READ = 200_000
const MAX_DEPTH = 32

/** The fields of a message by name, each as often as it came; an object of its own without prototype, or the text of a leaf. */
export interface Fields {
  [name: string]: (Fields | string)[]
}

/** A field of a message that is written: with content, or `nil` where it must be there and nothing is said. */
export type Written = string | typeof NIL | { [name: string]: Written[] }
export const NIL = Symbol('nil')

/**
 * Reads elements as fields. Those with xsi:nil are not there; a name that means something to JavaScript is one like any other.
 *
 * @param within where elements are looked for that others refer to by `href`; nothing may refer where it is absent
 * @throws MDM_BAD_REQUEST from the reader: for a reference that leads nowhere, to itself or too far
 */
export function fieldReader(within: Element | undefined): (element: Element) => Fields | string {
  const byId = within === undefined ? new Map<string, Element>() : withIds(within)
  let count = 0

  const meant = (element: Element): Element => {
    const href = element.attributes.get('href')
    if (href === undefined) return element
    const target = href.startsWith('#') ? byId.get(href.slice(1)) : undefined
    if (target === undefined || target.attributes.has('href'))
      throw malformed('it refers from one element to another that is not read')
    return target
  }
  const read = (given: Element, depth: number): Fields | string => {
    if (++count > MAX_READ || depth > MAX_DEPTH) throw malformed('its elements refer to each other too often')
    const element = meant(given)
    if (element.children.length === 0) return element.text
    const fields = Object.create(null) as Fields
    for (const child of element.children) {
      if (isNil(child)) continue
      const values = (fields[child.name] ??= [])
      values.push(read(child, depth + 1))
    }
    return fields
  }
  return (element) => read(element, 0)
}

function isNil({ attributes }: Element): boolean {
  return /^(?:1|true)$/.test(attributes.get(`{${XSI}}nil`) ?? '')
}

/** @throws MDM_BAD_REQUEST where two have one id */
function withIds(element: Element, found = new Map<string, Element>()): Map<string, Element> {
  const id = element.attributes.get('id')
  if (id !== undefined) {
    if (found.has(id)) throw malformed('two elements have one id')
    found.set(id, element)
  }
  for (const child of element.children) withIds(child, found)
  return found
}

function malformed(reason: string): MdmError {
  return new MdmError('MDM_BAD_REQUEST', `the message is refused: ${reason}`)
}
