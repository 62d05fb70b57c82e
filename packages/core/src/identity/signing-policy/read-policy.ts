import { MdmError } from '../../errors.ts'
import { parseDn, type Dn } from '../dn.ts'
import { readPattern, type SubjectPattern } from './subject-pattern.ts'

/** Which names one CA may give, as its signing policy says. */
export interface SigningPolicy {
  readonly ca: Dn
  readonly subjects: readonly SubjectPattern[]
}

const MAX_LINES = 2_000
const LINE =
  /^\s*(?<word>[A-Za-z_]+)\s+(?<kind>[A-Za-z0-9]+)\s+(?:'(?<single>[^']*)'|"(?<double>[^"]*)"|(?<bare>[^\s'"]+))\s*$/

/**
 * Reads a signing policy, an extended access control list as grid CAs publish it beside their certificates: for each CA
 * (`access_id_CA`) the right to sign (`pos_rights globus CA:sign`) and the subjects it may sign (`cond_subjects globus`).
 *
 * Anything else in it refuses the whole file, since what is not understood might narrow what the rest allows.
 *
 * @throws MDM_CRL
 */
export function readPolicies(text: string): SigningPolicy[] {
  const lines = text.split(/\r?\n/)
  if (lines.length > MAX_LINES) throw unusable()
  const policies: { ca: Dn; maySign: boolean; subjects: SubjectPattern[] }[] = []
  for (const line of lines) {
    if (/^\s*(?:#|$)/.test(line)) continue
    const { word, kind, single, double, bare } = LINE.exec(line.replace(/\s#[^'"]*$/, ''))?.groups ?? {}
    const value = single ?? double ?? bare ?? ''
    const policy = policies.at(-1)
    if (word === 'access_id_CA' && kind === 'X509')
      policies.push({ ca: nameOf(value), maySign: false, subjects: [] })
    else if (policy === undefined || kind !== 'globus') throw unusable()
    else if (word === 'pos_rights' && value === 'CA:sign') policy.maySign = true
    else if (word === 'cond_subjects' && policy.maySign) policy.subjects.push(...patternsOf(value))
    else throw unusable()
  }
  if (policies.length === 0 || policies.some(({ subjects }) => subjects.length === 0)) throw unusable()
  return policies
}

/** Several patterns stand in double quotes within the single ones; one may stand alone. */
function patternsOf(value: string): SubjectPattern[] {
  if (!value.includes('"')) return [patternOf(value)]
  const quoted = [...value.matchAll(/\s*"([^"]*)"\s*/gy)]
  if (quoted.map(([all]) => all).join('') !== value) throw unusable()
  return quoted.map(([, pattern]) => patternOf(pattern!))
}

function patternOf(text: string): SubjectPattern {
  const pattern = readPattern(text)
  if (pattern === undefined) throw unusable()
  return pattern
}

function nameOf(text: string): Dn {
  try {
    return parseDn(text)
  } catch (cause) {
    throw unusable(cause)
  }
}

function unusable(cause?: unknown): MdmError {
  return new MdmError('MDM_CRL', 'the signing policy cannot be understood', { cause })
}
