import { MdmError } from '../../errors.ts'
import { parseDn, type Dn } from '../dn.ts'

/** A VOMS server's certificate as its LSC file names it: the subject, and the CA that issued it. */
export interface VomsServerName {
  readonly subject: Dn
  readonly issuer: Dn
}

/** Longest LSC file that is read, bytes. */
export const MAX_LSC = 65_536
const NEXT_CHAIN = /^-+\s*NEXT CHAIN\s*-+$/

/**
 * Reads an LSC file ("list of certificates"): the names in the chain of a VOMS server's certificate, its own first and its CA's
 * second, one to a line, with slashes or as RFC 4514; a line `------ NEXT CHAIN ------` begins another chain. Names further up
 * are read and not used, for the CA must be one of the roster.
 *
 * @returns one name pair for each chain, at least one
 * @throws MDM_CONFIG naming the line
 */
export function readLsc(text: string): VomsServerName[] {
  const chains: Dn[][] = [[]]
  for (const [i, line] of text
    .split(/\r?\n/)
    .map((one) => one.trim())
    .entries()) {
    if (NEXT_CHAIN.test(line)) chains.push([])
    else if (line !== '') chains.at(-1)!.push(nameIn(line, i + 1))
  }
  return chains.map(([subject, issuer]) => {
    if (subject === undefined || issuer === undefined)
      throw new MdmError('MDM_CONFIG', 'each chain is two lines: the subject, then its issuer')
    return { subject, issuer }
  })
}

function nameIn(line: string, number: number): Dn {
  try {
    return parseDn(line)
  } catch (cause) {
    const why = cause instanceof MdmError ? cause.message : 'not a name'
    throw new MdmError('MDM_CONFIG', `line ${number}: ${why}`, { cause })
  }
}
