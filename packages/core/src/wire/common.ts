import { z } from 'zod'
import { Limits } from '../identity/limits.ts'
import { Guid, SiteId } from '../names.ts'
import { contract } from './contract.ts'

/** A compact JWS (RFC 7515 section 7.1). */
export const Jws = z
  .string()
  .max(65_536)
  .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)

/** What a statement chain belongs to: a volume, or the whole site (bans and groups). */
export const Scope = z.union([Guid, z.literal('site')])
export type Scope = z.infer<typeof Scope>

/** The thing whose access list a chain is: paper 5.1 keeps file, key and each metadata table apart. */
export const AclObject = z.union([
  z.enum([
    'file',
    'key',
    'metadata:patient',
    'metadata:image',
    'metadata:medical',
    'metadata:dicom',
    'metadata:protocol',
    'ban',
  ]),
  z.templateLiteral(['group:', z.string().regex(/^[a-z0-9-]{1,32}$/)]),
])
export type AclObject = z.infer<typeof AclObject>

export const getWhoami = contract({
  method: 'GET',
  path: '/v1/whoami',
  reply: z.object({
    kind: z.enum(['user', 'service', 'key-server']),
    dn: z.string(),
    issuer: z.string(),
    /** SHA-256 of the caller's SubjectPublicKeyInfo, hex */
    spki: z.string(),
    notAfter: z.iso.datetime(),
    sites: z.array(SiteId),
    /** what the server sees of a proxy: how it may act for its owner, to what it is narrowed, the attributes it accepts */
    proxy: z.enum(['full', 'limited', 'restricted']).optional(),
    limits: Limits.optional(),
    fqans: z.array(z.string()).optional(),
  }),
})

/** Rosters of a site in order of seq, from `since` on (all when absent). */
export const getRosters = contract({
  method: 'GET',
  path: '/v1/rosters/:site',
  params: z.object({ site: SiteId }),
  query: z.object({ since: z.coerce.number().int().min(1).optional() }),
  reply: z.object({ rosters: z.array(Jws).max(1000) }),
})

/** Offers a later roster; accepted only when signed, chained and in no need of the operator (MDM_ROSTER otherwise). */
export const postRoster = contract({
  method: 'POST',
  path: '/v1/rosters',
  body: z.object({ roster: Jws }),
  reply: z.object({ seq: z.int() }),
})

/** A whole statement chain in order of seq. Callers without admin on the object get MDM_NOT_FOUND. */
export const getStatements = contract({
  method: 'GET',
  path: '/v1/statements/:site/:scope/:object',
  params: z.object({ site: SiteId, scope: Scope, object: AclObject }),
  reply: z.object({ statements: z.array(Jws).max(10_000) }),
})

/**
 * Appends one signed statement; the same statement twice is fine, another at the same seq is MDM_STATEMENT_FORKED.
 * `earlier` brings a server that missed some up to date: statements between its head and this one. Their age does not
 * matter, since the fresh statement's prev hash vouches for them.
 */
export const postStatement = contract({
  method: 'POST',
  path: '/v1/statements',
  body: z.object({ statement: Jws, earlier: z.array(Jws).max(1000).optional() }),
  reply: z.object({ seq: z.int(), head: z.string() }),
})

export const getHealth = contract({
  method: 'GET',
  path: '/health',
  reply: z.object({
    status: z.enum(['ready', 'not ready']),
    /** why it is not: codes in kebab case, without any name; later versions may have more */
    reasons: z.array(z.string()),
    /** of a site: the key servers that answer, minus m; negative when no key can be rebuilt */
    keyServersMayFail: z.int().optional(),
    /** of a site: what keeps it from registering, while gets go on; codes as above */
    registrationWaitsFor: z.array(z.string()).optional(),
    /** of a site, told on its own machine only: bytes that another preparation could take */
    spoolRoomBytes: z.int().optional(),
  }),
})
