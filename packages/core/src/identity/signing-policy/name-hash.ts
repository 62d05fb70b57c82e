import { createHash } from 'node:crypto'
import { der } from '../der-writer.ts'
import { derChildren, readDer, TAG } from '../der.ts'
import { textOf } from '../name-values.ts'

/**
 * The hash by which folders of CAs name their files, as `openssl x509 -subject_hash` prints it: SHA-1 over the name in OpenSSL's
 * canonical form, its first four octets read from the last. It finds a file and proves nothing.
 *
 * @param name in DER
 * @returns 8 hex digits
 */
export function nameHash(name: Buffer): string {
  const canonical = derChildren(readDer(name, TAG.sequence)).map((part) => {
    const attributes = derChildren(part, TAG.set).map((attribute) => {
      const [type, value] = derChildren(attribute, TAG.sequence)
      const text = textOf(value!)
      return der(TAG.sequence, type!.raw, text === undefined ? value!.raw : der(TAG.utf8, folded(text)))
    })
    return der(TAG.set, ...attributes.sort(Buffer.compare))
  })
  const digest = createHash('sha1').update(Buffer.concat(canonical)).digest()
  return digest.subarray(0, 4).reverse().toString('hex')
}

/** ASCII letters only, as OpenSSL does it: other names of other alphabets keep their case. */
function folded(text: string): Buffer {
  const spaces = text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, '').replace(/[\t-\r ]+/g, ' ')
  return Buffer.from(spaces.replace(/[A-Z]/g, (letter) => letter.toLowerCase()))
}
