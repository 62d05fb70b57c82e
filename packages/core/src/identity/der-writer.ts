import { sign, type KeyObject } from 'node:crypto'
import { TAG } from './der.ts'

/** AlgorithmIdentifiers (RFC 4055, RFC 5758, RFC 8410), and the hash that node:crypto takes for each. */
const ALGORITHMS: Readonly<Record<string, readonly [der: string, hash: string | null]>> = {
  rsa: ['300d06092a864886f70d01010b0500', 'sha256'],
  ec: ['300a06082a8648ce3d040302', 'sha256'],
  ed25519: ['300506032b6570', null],
}

/** One DER value, its length in the shortest form (X.690 section 10.1). */
export function der(tag: number, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const size = body.length.toString(16)
  const octets = Buffer.from(size.padStart(size.length + (size.length % 2), '0'), 'hex')
  const length = body.length < 0x80 ? octets : Buffer.concat([Buffer.from([0x80 | octets.length]), octets])
  return Buffer.concat([Buffer.from([tag]), length, body])
}

/** @param dotted numbers of any size with dots between (X.690 section 8.19) */
export function oid(dotted: string): Buffer {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  const arcs = [first * 40n + second, ...rest].flatMap((arc) => {
    const groups = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    return groups
  })
  return der(TAG.oid, Buffer.from(arcs))
}

/** An INTEGER. @param value not negative; or hex of its two's complement, in its shortest form */
export function integer(value: bigint | string): Buffer {
  return der(TAG.integer, Buffer.from(typeof value === 'string' ? value : hexOf(value), 'hex'))
}

/** A leading zero bit keeps it positive (X.690 section 8.3). */
function hexOf(value: bigint): string {
  const digits = value.toString(16)
  const even = digits.padStart(digits.length + (digits.length % 2), '0')
  return even < '8' ? even : `00${even}`
}

/** UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  return date.getUTCFullYear() < 2050
    ? der(TAG.utcTime, Buffer.from(digits.slice(2)))
    : der(TAG.generalizedTime, Buffer.from(digits))
}

/** One extension (RFC 5280 section 4.2). @param type its OID */
export function extension(type: string, value: Buffer, o: { critical?: boolean } = {}): Buffer {
  const critical = o.critical === true ? [der(TAG.boolean, Buffer.from([0xff]))] : []
  return der(TAG.sequence, oid(type), ...critical, der(TAG.octetString, value))
}

/**
 * Signs what certificates and revocation lists have in common: the signed part, the algorithm and the signature (RFC 5280
 * sections 4.1 and 5.1), with SHA-256, or Ed25519.
 *
 * @param key RSA, EC or Ed25519
 * @param part makes the signed part, which holds the algorithm too
 */
export function signed(key: KeyObject, part: (algorithm: Buffer) => Buffer): Buffer {
  const [identifier, hash] = ALGORITHMS[key.asymmetricKeyType!]!
  const algorithm = Buffer.from(identifier, 'hex')
  const tbs = part(algorithm)
  return der(TAG.sequence, tbs, algorithm, der(TAG.bitString, Buffer.from([0]), sign(hash, tbs, key)))
}
