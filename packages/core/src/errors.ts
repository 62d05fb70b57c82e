/** One line of the error table: the status on the wire, the exit code of the CLI, whether a retry can help, and what to do next. */
export interface ErrorEntry {
  readonly status: number
  readonly exitCode: number
  readonly retry: boolean
  readonly what: string
  readonly next: string
}

const entry = (status: number, exitCode: number, what: string, next: string, retry = false): ErrorEntry => ({
  status,
  exitCode,
  retry,
  what,
  next,
})

/**
 * Every failure of MDM, in one table.
 *
 * Exit codes: 0 done, 1 our bug, 2 usage, 3 not found, 4 denied, 5 unreachable, 6 below threshold, 7 integrity,
 * 8 refused geometry, 9 held for privacy, 10 partial, 11 conflict, 12 credential expired.
 * docs/errors.md is made from this table.
 */
export const ERRORS = {
  MDM_INTERNAL: entry(500, 1, 'a fault in MDM itself', 'report it with the request id'),
  MDM_USAGE: entry(400, 2, 'the command line is wrong', 'see the help of the command'),
  MDM_BAD_REQUEST: entry(400, 2, 'the request does not have the form of its contract', 'use a client of the same version'),
  MDM_CONFIG: entry(400, 2, 'the configuration is missing or wrong', 'run "mdm config show" and mend what it names'),
  MDM_FILE: entry(400, 2, 'a file of this machine cannot be read or written', 'check that the path exists, its permissions and the free space'),
  MDM_QUERY: entry(400, 2, 'the query is not understood, or names a column you may not read', 'see "mdm query --help" for the grammar and columns'),
  MDM_RANGE: entry(416, 2, 'the part asked for lies outside the volume', 'ask for a part inside; "mdm ls" shows the shape'),
  MDM_NOT_FOUND: entry(404, 3, 'no such volume, or none that you may know of', 'check the name; ask the data administrator for the right "list"'),
  MDM_GONE: entry(410, 3, 'the source of the site no longer has this volume', 'ask the site; it comes back by itself when its series returns'),
  MDM_DENIED: entry(403, 4, 'you may not do this', 'ask the data administrator for the preset named in the message'),
  MDM_READ_ONLY: entry(405, 2, 'this interface only reads', 'volumes come from the sources of the site: "mdm register", "mdm acl"'),
  MDM_UNAUTHENTICATED: entry(401, 4, 'the certificate is not one this server accepts', 'run "mdm whoami" and ask the site which CA it accepts'),
  MDM_BANNED: entry(403, 4, 'this identity is banned here', 'ask the data administrator'),
  MDM_REVOKED: entry(403, 4, 'the certificate was revoked by its CA', 'get a new certificate from the CA, then "mdm config set --cert"'),
  MDM_CREDENTIAL_EXPIRED: entry(401, 12, 'the certificate has expired or is not valid yet', 'renew the certificate; check the clock'),
  MDM_UNREACHABLE: entry(502, 5, 'a server does not answer', 'check the network and that the server runs, then try again', true),
  MDM_SOURCE_UNREACHABLE: entry(502, 5, 'the image source of the site does not answer', 'try again later; tell the site', true),
  MDM_SOURCE_INCOMPLETE: entry(502, 5, 'the image source did not deliver every slice', 'try again; tell the site if it stays', true),
  MDM_SOURCE_REFUSED: entry(502, 5, 'the image source of the site does not serve this site', 'the site must check names, certificate and rights on both sides'),
  MDM_SOURCE_PROTOCOL: entry(502, 5, 'the image source of the site does not keep to its protocol', 'tell the site: what answers is broken, or no image source'),
  MDM_SPOOL_FULL: entry(507, 5, 'the site has no room for another preparation', 'try again later', true),
  MDM_LIMIT: entry(429, 5, 'too many requests', 'wait a minute and try again', true),
  MDM_STORE: entry(503, 5, 'the database of the server does not answer', 'try again in a minute; the server goes on by itself when its database is back', true),
  MDM_CATCHING_UP: entry(
    503,
    5,
    'the server was started or put back and has not yet compared its access lists with the other servers',
    'try again in a moment; its operator finds in the audit log which servers it waits for',
    true,
  ),
  MDM_CRL: entry(
    503,
    5,
    'the server has no current revocation list of the CA, or no signing policy that it can use, so it lets in nobody of that CA',
    'tell the server administrator: "mdm-server check" names the file, and the server goes on by itself when a new one is there',
    true,
  ),
  MDM_AUDIT: entry(503, 5, 'the audit log cannot be written, so nothing is released', 'the server administrator must give the audit log room', true),
  MDM_BELOW_THRESHOLD: entry(503, 6, 'too few key servers answered to rebuild the key', 'try again when more key servers run', true),
  MDM_INTEGRITY: entry(500, 7, 'what arrived is not what was sealed', 'do not use the data; try again, and tell the site'),
  MDM_CONTAINER: entry(422, 7, 'the container is malformed, cut short or altered', 'fetch it again'),
  MDM_COMMITMENT: entry(422, 7, 'the key does not belong to this container', 'fetch it again; tell the site if it stays'),
  MDM_BAD_SHARE: entry(502, 7, 'a key server sent a share that does not fit the manifest', 'tell the operator of the key server named'),
  MDM_MANIFEST: entry(422, 7, 'the key manifest is not signed by the site or does not fit', 'tell the site'),
  MDM_ROSTER: entry(409, 7, 'the roster is not the one that was accepted, or does not follow from it', 'compare the fingerprint with the site, then "mdm config add" it'),
  MDM_PEER: entry(502, 7, 'a server does not hold the key the roster names', 'do not go on; tell the site'),
  MDM_STATEMENT: entry(422, 7, 'the statement is not signed by an administrator of this object', 'sign with the key of an administrator'),
  MDM_STATEMENT_STALE: entry(409, 11, 'the statement does not follow the last one, or is too old', 'read the access list again and repeat the change'),
  MDM_STATEMENT_FORKED: entry(409, 7, 'two different statements claim the same place', 'do not go on; compare the audit logs of the servers'),
  MDM_SOURCE_CHANGED: entry(409, 7, 'the source no longer holds what was registered', 'the site must register the series again'),
  MDM_NOT_AN_IMAGE: entry(422, 8, 'the object holds no image that a volume can be made of', 'nothing to do: it stays at the source'),
  MDM_DICOM: entry(422, 8, 'the object is not readable as DICOM', 'look at the object at the source'),
  MDM_PIXELS: entry(422, 8, 'the pixels are of a kind that is not decoded, malformed, or could be read in more than one way', 'look at the object at the source, or convert it there'),
  MDM_MULTIFRAME: entry(422, 8, 'an object of several frames does not say where each of them lies', 'convert the object at the source'),
  MDM_SEVERAL_VOLUMES: entry(422, 8, 'the images are of several volumes, and nothing tells these apart', 'look at the series at the source'),
  MDM_RESCALE: entry(422, 8, 'it cannot be told what values the stored numbers stand for', 'look at rescale and units at the source'),
  MDM_GEOMETRY: entry(422, 8, 'the slices do not make one regular volume', 'look at the positions at the source'),
  MDM_GEOMETRY_GAP: entry(422, 8, 'a slice is missing or the distances are uneven', 'complete the series at the source, or register with --allow-gaps'),
  MDM_GEOMETRY_TILT: entry(422, 8, 'the stack leans farther against its normal than any scanner does', 'look at the positions at the source'),
  MDM_PRIVACY_HELD: entry(451, 9, 'the pixels may show who the patient is', 'a person must look and release it'),
  MDM_PARTIAL: entry(207, 10, 'a part of the work is done', 'do what the message names, then repeat the command'),
  MDM_WAITING: entry(202, 10, 'registration waits for a key server', 'start the key server named; registration goes on by itself', true),
  MDM_CONFLICT: entry(409, 11, 'the thing exists already and differs', 'look at what is there before repeating'),
} as const satisfies Record<string, ErrorEntry>

/** A stable code; scripts may depend on it. */
export type ErrorCode = keyof typeof ERRORS

export interface MdmErrorOptions {
  readonly cause?: unknown
  readonly details?: Record<string, unknown>
  /** what to do next, in place of what the table says */
  readonly next?: string
}

/** The one error class of MDM: a stable code, a message that names the thing, and the hidden cause. */
export class MdmError extends Error {
  readonly code: ErrorCode
  /** Extra facts that may be shown to the caller, such as the GUID of a conflict. Never patient data, keys or paths. */
  readonly details: Readonly<Record<string, unknown>>
  /** what to do, where this case has a better word than the table; it does not travel over a wire */
  readonly #next: string | undefined

  constructor(code: ErrorCode, message?: string, options: MdmErrorOptions = {}) {
    super(message ?? ERRORS[code].what, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MdmError'
    this.code = code
    this.details = options.details ?? {}
    this.#next = options.next
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode
  }

  get next(): string {
    return this.#next ?? ERRORS[this.code].next
  }
}

/** True for a code of the table, for text that came over a wire. */
export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(ERRORS, text)
}
