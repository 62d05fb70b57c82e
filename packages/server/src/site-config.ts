import { open } from 'node:fs/promises'
import { z } from 'zod'
import { Preset } from '@mdm/core/acl/presets'
import { WrittenPrincipal } from '@mdm/core/acl/principal'
import { MdmError } from '@mdm/core/errors'
import { KeyServerId, SiteId } from '@mdm/core/names'
import { SrmLimits } from './srm/requests/limits.ts'
import { AeTitle, SourceConfig } from './dicom/source-config.ts'
import { Listen, LOOPBACK, operations, Rate, TlsFiles } from './config.ts'

/** site.json: one hospital. JSON with comments; paths are relative to the file. */
export const SiteConfig = z.strictObject({
  kind: z.literal('site'),
  site: SiteId,
  listen: Listen,
  tls: TlsFiles,
  /** PEM of the key that signs manifests and founding statements */
  signingKey: z.string().min(1),
  /** folder of accepted rosters */
  rosters: z.string().min(1),
  /** path of a SQLite file, or `postgres://user@host/database` */
  store: z.string().min(1),
  audit: z.string().min(1),
  /** ciphertext in preparation */
  spool: z.strictObject({ dir: z.string().min(1), quotaBytes: z.int().min(1) }),
  /** `host` and `port`: what SURLs say */
  srm: z.strictObject({
    host: z.string().regex(/^[A-Za-z0-9.-]{1,255}$/),
    port: z.int().min(1).max(65_535),
    /** where grid clients are listened to, by SRM and https; no such listener when absent */
    listen: Listen.optional(),
    /** the certificate that grid clients are shown, of a CA that they know and for `host`; the site's own when absent */
    tls: TlsFiles.optional(),
    limits: SrmLimits.prefault({}),
  }),
  /** 32 bytes, mode 0400: names volumes and seals access lists; pseudonyms are made by a key that the key servers hold */
  pseudonymKey: z.string().min(1),
  /** `modified`: researchers see days of acquisition, each patient's moved back by as many days (113107) */
  dates: z.enum(['removed', 'modified']).default('removed'),
  /** `capped`: researchers see ages in whole years, 90 for all above 89 (113108) */
  ages: z.enum(['removed', 'capped']).default('removed'),
  sources: z
    .array(SourceConfig)
    .refine((sources) => new Set(sources.map((s) => s.name)).size === sources.length, 'names differ'),
  /** a C-STORE listener: what the sender of a source stores here is a hint about that source; none when absent */
  dicom: Listen.extend({
    /** our own application entity title */
    ae: AeTitle,
    /** PEM: with it only senders with a certificate below `ca` */
    tls: TlsFiles.extend({ ca: z.string().min(1) }).optional(),
  }).optional(),
  /** a listener for web hooks that bring a look at the sources forward; none when absent */
  hooks: Listen.extend({
    /** file (0600) with the secret that a caller shows, 16 characters or more */
    secretFile: z.string().min(1),
  })
    .refine(({ host }) => LOOPBACK.test(host), { path: ['host'] })
    .optional(),
  /** who gets which preset on every new volume, beside the administrators */
  policy: z.array(z.strictObject({ to: WrittenPrincipal, preset: Preset })).max(50),
  /** JSON list of principals that nobody here answers */
  bans: z.string().min(1).optional(),
  /** who runs each key server, by its id: for `mdm-server check` alone */
  operators: z.record(KeyServerId, z.string().min(1).max(100)).optional(),
  limit: Rate.default({ perSecond: 500, burst: 2_000 }),
  ...operations,
})
export type SiteConfig = z.infer<typeof SiteConfig>

/**
 * Reads a file that nobody else may read.
 *
 * @param bytes length it must have
 * @throws MDM_CONFIG
 */
export async function readSecretFile(file: string, bytes?: number): Promise<Buffer> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', 'a key file of the configuration cannot be read', { cause })
  })
  try {
    // Asked of the open file, so that it cannot be another one that is read.
    if (((await handle.stat()).mode & 0o077) !== 0)
      throw new MdmError('MDM_CONFIG', 'a key file is readable by others: chmod 600 it')
    const content = await handle.readFile()
    if (bytes !== undefined && content.length !== bytes)
      throw new MdmError('MDM_CONFIG', `a key file does not have ${bytes} bytes`)
    return content
  } finally {
    await handle.close()
  }
}
