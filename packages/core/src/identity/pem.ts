import { X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g
const PRIVATE_KEY = /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[^]*?-----END \1-----/

/**
 * The certificates of a PEM text in their order, whatever stands between them: a proxy file has a key after the first.
 *
 * @returns empty for a text without any
 * @throws Error when one of them is malformed
 */
export function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).map((block) => new X509Certificate(block))
}

/** The first private key of a PEM text, as PEM; undefined when it holds none. */
export function privateKeyIn(pem: string): string | undefined {
  const [block] = PRIVATE_KEY.exec(pem) ?? []
  return block === undefined ? undefined : `${block}\n`
}
