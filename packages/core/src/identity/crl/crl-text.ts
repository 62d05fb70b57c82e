import { MdmError } from '../../errors.ts'

const BEGIN = '-----BEGIN X509 CRL-----'
const END = '-----END X509 CRL-----'
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/**
 * The revocation lists that a file holds, in DER: the file itself, or each `X509 CRL` of its PEM (RFC 7468).
 *
 * @returns empty for a text without any, such as the certificate of a CA
 * @throws MDM_CRL when one of them has no end or is not base64
 */
export function crlsIn(content: Buffer): Buffer[] {
  // No text begins with the octet of a SEQUENCE, "0", and PEM could have words before its first line.
  if (content[0] === 0x30 && !content.includes(BEGIN)) return [content]
  const [, ...blocks] = content.toString('latin1').split(BEGIN)
  return blocks.map((block) => {
    const end = block.indexOf(END)
    const text = block.slice(0, end).replace(/\s+/g, '')
    if (end === -1 || !BASE64.test(text)) throw new MdmError('MDM_CRL', 'the file is cut short or is not PEM')
    return Buffer.from(text, 'base64')
  })
}

/** A revocation list as PEM. */
export function crlPem(der: Buffer): string {
  return `${[BEGIN, ...der.toString('base64').match(/.{1,64}/g)!, END].join('\n')}\n`
}
