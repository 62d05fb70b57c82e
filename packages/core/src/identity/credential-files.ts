import { MdmError } from '../errors.ts'

/** Where a certificate and its key are; the same path twice where one file holds both, as a proxy file does. */
export interface CredentialFiles {
  readonly certificate: string
  readonly key: string
}

/** The same as somebody names it: without `key` the file of the certificate holds it, too. */
export interface NamedFiles {
  readonly certificate: string
  readonly key?: string | undefined
}

/**
 * The files that flags name, or MDM_CERT and MDM_KEY, or what grid tools set: X509_USER_PROXY, else X509_USER_CERT and
 * X509_USER_KEY. No proxy is looked for where nobody named one. Of a flag without its pair, the pair is the variable's.
 *
 * @returns undefined when nothing is named
 * @throws MDM_CONFIG for a key without certificate
 */
export function namedFiles(
  { cert, key }: { readonly cert?: string | undefined; readonly key?: string | undefined },
  env: NodeJS.ProcessEnv,
): NamedFiles | undefined {
  const [envCert, envKey, proxy, gridCert, gridKey] = VARIABLES.map((variable) => env[variable] || undefined)
  const certificate = cert ?? envCert
  if (certificate !== undefined) {
    // A variable that has its own certificate says nothing of the key of another one.
    const paired = cert === undefined || envCert === undefined ? envKey : undefined
    return { certificate, key: key ?? paired }
  }
  if (key !== undefined || envKey !== undefined)
    throw new MdmError('MDM_CONFIG', 'a key is of no use without its certificate: give both')
  if (proxy !== undefined) return { certificate: proxy }
  return gridCert !== undefined && gridKey !== undefined ? { certificate: gridCert, key: gridKey } : undefined
}

/** @param at makes a path absolute */
export function filesOf({ certificate, key }: NamedFiles, at: (path: string) => string): CredentialFiles {
  return { certificate: at(certificate), key: at(key ?? certificate) }
}

const VARIABLES = ['MDM_CERT', 'MDM_KEY', 'X509_USER_PROXY', 'X509_USER_CERT', 'X509_USER_KEY'] as const
