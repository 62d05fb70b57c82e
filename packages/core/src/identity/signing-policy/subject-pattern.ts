import { attributeName, attributeOid } from '../attribute-types.ts'
import { escapeValue } from '../dn-text.ts'
import { rdnsOf, type Dn } from '../dn.ts'
import { foldText } from '../name-values.ts'

/** A name with wildcards, from the root down: `*` stands for any characters, `?` for one. */
export type SubjectPattern = string & { readonly brand: 'SubjectPattern' }

/** A slash within a value, so that no value of a subject passes for a part of its name. */
const INNER_SLASH = '\u0001'
const MAX_PATTERN = 1_024

/**
 * Reads a pattern in the form of older grid tools, such as `/C=FR/O=Hospital/*`, and writes it as our canonical names are: types
 * by their one spelling, values case folded.
 *
 * @returns undefined when it is none
 */
export function readPattern(text: string): SubjectPattern | undefined {
  if (text.length > MAX_PATTERN || !text.startsWith('/')) return undefined
  const parts = text.slice(1).split('/').map(readPart)
  return parts.includes(undefined) ? undefined : (parts.map((part) => `/${part}`).join('') as SubjectPattern)
}

/** True when a pattern allows a name; `*` goes over parts of the name, too, as it does for other readers of such files. */
export function matches(pattern: SubjectPattern, dn: Dn): boolean {
  const subject = rdnsOf(dn)
    .reverse()
    .map((part) => `/${part.replaceAll('/', INNER_SLASH)}`)
    .join('')
  return matchesText(pattern, subject)
}

function readPart(part: string): string | undefined {
  if (part === '*') return part
  const at = part.indexOf('=')
  const oid = at === -1 ? undefined : attributeOid(part.slice(0, at))
  if (oid === undefined) return undefined
  return `${attributeName(oid) ?? oid}=${escapeValue(foldText(part.slice(at + 1)))}`
}

/** Linear but for the last star: what came before it need never be tried again. */
function matchesText(pattern: string, text: string): boolean {
  let [p, i, star, from] = [0, 0, -1, 0]
  while (i < text.length) {
    if (pattern[p] === '*') [star, from] = [p++, i]
    else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[i])) [p, i] = [p + 1, i + 1]
    else if (star !== -1) [p, i] = [star + 1, ++from]
    else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
