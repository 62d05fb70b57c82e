import type { ContainerDigests } from '../deliver/digests.ts'

/** Names of RFC 3230 and its registry, as they are written in an answer. */
const ALGORITHMS: Readonly<Record<string, keyof ContainerDigests>> = {
  adler32: 'adler32',
  'sha-256': 'sha256',
}

/**
 * What a Want-Digest header asks for of what there is: Adler-32 and SHA-256. Of other algorithms nothing is told, in no case of
 * one that is broken.
 *
 * @see RFC 3230 section 4.3.1
 */
export function wantedDigests(header: string | string[] | undefined): string[] {
  const wanted = String(header ?? '')
    .slice(0, 500)
    .split(',')
    .flatMap((item) => {
      const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
      return parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter)) ? [] : [name]
    })
  return Object.keys(ALGORITHMS).filter((name) => wanted.includes(name))
}

/** The value of a Digest header (RFC 3230 section 4.3.2). @param names as wantedDigests() gives them */
export function digestHeader(digests: ContainerDigests, names: readonly string[]): string {
  return names.map((name) => `${name}=${digests[ALGORITHMS[name]!]}`).join(',')
}
