import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { MdmError } from './errors.ts'

/** Names a volume for ever; random, never derived (paper 3.2). */
export const Guid = z.uuid().lowercase().brand<'Guid'>()
export type Guid = z.infer<typeof Guid>

/** Counts the contents of a GUID, from 1. */
export const Version = z.int().min(1).max(1_000_000)
export type Version = z.infer<typeof Version>

/** Names one file key: 16 random bytes in hex. */
export const Kid = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand<'Kid'>()
export type Kid = z.infer<typeof Kid>

/** Names a site (a hospital): lower case letters, digits and dashes. */
export const SiteId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
  .brand<'SiteId'>()
export type SiteId = z.infer<typeof SiteId>

/** Names a key server: SHA-256 of its long-lived Ed25519 SubjectPublicKeyInfo, in hex. */
export const KeyServerId = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand<'KeyServerId'>()
export type KeyServerId = z.infer<typeof KeyServerId>

/** Logical file name: /SITE/SOURCE/MODALITY/COUNTER, made of nothing that a header says but the modality. */
export const Lfn = z
  .string()
  .regex(/^\/[a-z0-9][a-z0-9-]{0,31}\/[a-z0-9][a-z0-9-]{0,31}\/[A-Z0-9]{1,16}\/[0-9]{6,12}$/)
  .brand<'Lfn'>()
export type Lfn = z.infer<typeof Lfn>

/** Storage URL: where a replica can be asked for (paper 3.2); the path holds the GUID and nothing of the patient. */
export const Surl = z
  .string()
  .regex(/^srm:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?\/srm\/managerv2\?SFN=\/mdm\/[0-9a-f-]{36}$/)
  .brand<'Surl'>()
export type Surl = z.infer<typeof Surl>

/** SHA-256 in hex. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)
export type Sha256 = z.infer<typeof Sha256>

/** What grid clients call a volume by: the short spelling of a SURL, a version behind it, or the LFN as a path. */
const GRID_NAME =
  /^srm:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:\/srm\/managerv2\?SFN=)?\/(mdm\/|lfn(?=\/))([^?#]+)$/

/**
 * What a user may call a volume by: GUID, GUID@VERSION, LFN or SURL; or one slice of it, by instance:GUID. Which volume an LFN, a
 * SURL or an instance means is the site's word; a GUID is checked against the container itself.
 */
export type VolumeName =
  | { readonly guid: Guid; readonly version?: Version | undefined }
  | { readonly lfn: Lfn }
  | { readonly surl: Surl }
  | { readonly instance: Guid }

/** @throws MDM_USAGE when the text is none of GUID, GUID@VERSION, LFN, SURL, instance:GUID */
export function parseVolumeName(text: string): VolumeName {
  const [id = '', version, ...rest] = text.split('@')
  const guid = Guid.safeParse(id.toLowerCase())
  if (guid.success && rest.length === 0) {
    if (version === undefined) return { guid: guid.data }
    const number = Version.safeParse(/^[0-9]+$/.test(version) ? Number(version) : undefined)
    if (number.success) return { guid: guid.data, version: number.data }
  }
  const instance = Guid.safeParse(/^instance:(.*)$/.exec(text)?.[1]?.toLowerCase())
  if (instance.success) return { instance: instance.data }
  const lfn = Lfn.safeParse(text)
  if (lfn.success) return { lfn: lfn.data }
  const surl = Surl.safeParse(text)
  if (surl.success) return { surl: surl.data }
  const within = GRID_NAME.exec(text)?.[2]
  if (within !== undefined && !within.startsWith('instance:')) return parseVolumeName(within)
  throw new MdmError(
    'MDM_USAGE',
    `"${text.slice(0, 120)}" is not a GUID, GUID@VERSION, LFN, SURL or instance:GUID`,
    { next: nextName(text) },
  )
}

/** What may have been meant. */
function nextName(text: string): string {
  if (/^(https?|httpg|davs?|root|gsiftp):/.test(text))
    return 'name the volume by its GUID, or by srm://HOST:PORT/mdm/GUID; a file from another address: gfal-copy or curl, then mdm decrypt'
  if (/^(lfn:)?\//.test(text))
    return 'an LFN is written /SITE/SOURCE/MODALITY/COUNTER, the counter with its zeros: "mdm ls" lists them'
  return '"mdm ls" lists GUIDs and LFNs; a GUID has 36 letters'
}

/** The inverse of parseVolumeName. */
export function formatVolumeName(name: VolumeName): string {
  if ('lfn' in name) return name.lfn
  if ('surl' in name) return name.surl
  if ('instance' in name) return `instance:${name.instance}`
  return name.version === undefined ? name.guid : `${name.guid}@${name.version}`
}

/** The SURL of a volume at a site. */
export function surlOf(host: string, port: number, guid: Guid): Surl {
  return Surl.parse(`srm://${host}:${port}/srm/managerv2?SFN=/mdm/${guid}`)
}

export function newGuid(): Guid {
  return randomUUID() as string as Guid
}

export function newKid(): Kid {
  return randomBytes(16).toString('hex') as Kid
}
