import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { MdmError } from '@mdm/core/errors'
import { openCrlFolder, type CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { openVomsFolder, type VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import { faultyLine, parseCommentedJson } from './commented-json.ts'
import { LOG_LEVELS } from './http/log.ts'

/** Where a server listens; port 0 takes a free one. */
export const Listen = z.strictObject({ host: z.string().min(1).max(255), port: z.int().min(0).max(65_535) })
export type Listen = z.infer<typeof Listen>

/** Paths of PEM files. */
export const TlsFiles = z.strictObject({ certificate: z.string().min(1), key: z.string().min(1) })

/** How many requests one caller may make. */
export const Rate = z.strictObject({ perSecond: z.number().positive(), burst: z.number().min(1) })

/** Addresses that no other machine reaches. */
export const LOOPBACK = /^(?:127(?:\.[0-9]{1,3}){3}|::1|localhost)$/

/** What site and key server have alike for those who run them. */
export const operations = {
  /** the lowest that the log writes; read again on SIGHUP */
  log: z.enum(LOG_LEVELS).default('info'),
  /** plain HTTP for the operator: /metrics and /health; no listener when absent */
  metrics: Listen.extend({
    /** needed where the host is not a loopback address: whoever reaches it may read */
    beyondLoopback: z.boolean().default(false),
  })
    .refine(({ host, beyondLoopback }) => beyondLoopback || LOOPBACK.test(host), { path: ['host'] })
    .optional(),
  /** folder of the revocation lists of the user CAs; no certificate is looked up when absent */
  crls: z.string().min(1).optional(),
  /** how long a revocation list counts after its end */
  crlGraceHours: z.number().min(0).max(168).optional(),
  /** folder `VO/HOST.lsc` of the VOMS servers whose attributes count; nobody has attributes when absent */
  vomsdir: z.string().min(1).optional(),
  /** how long a stop waits for transfers under way */
  stopSeconds: z.number().min(0).max(3_600).default(30),
}

/** keys.json: one key server. JSON with comments; paths are relative to the file. */
export const KeysConfig = z.strictObject({
  kind: z.literal('keys'),
  listen: Listen,
  /** Ed25519 private key (PEM) whose hash is the server's id */
  identity: z.string().min(1),
  tls: TlsFiles,
  /** path of a SQLite file, or `postgres://user@host/database` */
  store: z.string().min(1),
  /** 32 bytes that encrypt the shares in the store */
  storeKey: z.string().min(1),
  audit: z.string().min(1),
  /** folder of trusted rosters */
  rosters: z.string().min(1),
  /** JSON list of principals that nobody here answers; read again when it changes */
  bans: z.string().min(1).optional(),
  limit: Rate.default({ perSecond: 500, burst: 2_000 }),
  ...operations,
})
export type KeysConfig = z.infer<typeof KeysConfig>

/**
 * Reads a configuration file: JSON with comments.
 *
 * @returns the parsed configuration and a function that makes its paths absolute
 * @throws MDM_CONFIG naming the line or the fields that are wrong, never their values
 */
export async function readConfig<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): Promise<{ config: z.output<Schema>; path: (relative: string) => string }> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', 'the configuration file cannot be read', { cause })
  })
  let json: unknown
  try {
    json = parseCommentedJson(text)
  } catch (cause) {
    const what = `the configuration file is not JSON with comments: see line ${faultyLine(text)}`
    throw new MdmError('MDM_CONFIG', what, { cause })
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) {
    const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole').join(', ')
    throw new MdmError('MDM_CONFIG', `the configuration is wrong at: ${fields}`, { cause: parsed.error })
  }
  return { config: parsed.data, path: (relative) => resolve(dirname(file), relative) }
}

/** The revocation lists that a configuration names. @param path makes its paths absolute */
export function openCrls(
  { crls, crlGraceHours }: { crls?: string | undefined; crlGraceHours?: number | undefined },
  path: (relative: string) => string,
): CrlFolder {
  return openCrlFolder(crls === undefined ? undefined : path(crls), { graceHours: crlGraceHours })
}

/** The VOMS servers that a configuration trusts. @param path makes its path absolute */
export function openVoms(
  { vomsdir }: { vomsdir?: string | undefined },
  path: (relative: string) => string,
): VomsFolder {
  return openVomsFolder(vomsdir === undefined ? undefined : path(vomsdir))
}
