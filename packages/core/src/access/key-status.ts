import { jwsDigest } from '../crypto/jws.ts'
import { checkShare, verifyManifest, type KeyManifest } from '../crypto/manifest.ts'
import { MdmError, type ErrorCode } from '../errors.ts'
import type { KeyServerPeer } from '../grid/key-servers.ts'
import type { Guid, Kid, KeyServerId } from '../names.ts'
import { getShares } from '../wire/key-server.ts'
import type { Session } from './session.ts'

/** What one key server does for this caller and this volume. */
export interface ShareStatus {
  readonly id: KeyServerId
  readonly url: string
  /**
   * `yes`: it gave a share that fits the manifest; `none`: it says that it knows none for you, as it does to all who have no
   * right; `unreachable`: no answer; `bad`: it answered, and the answer is of no use
   */
  readonly share: 'yes' | 'none' | 'unreachable' | 'bad'
  /** why not */
  readonly code?: ErrorCode
}

export interface KeyStatus {
  readonly guid: Guid
  /** absent where no server gave a share */
  readonly version?: number
  readonly kid?: Kid
  /** shares that rebuild the key */
  readonly threshold: number
  /** shares there are for the caller */
  readonly shares: number
  /** in the order of the roster */
  readonly servers: readonly ShareStatus[]
}

const TIMEOUT_MS = 8_000
const MAX_REPLY_BYTES = 1024 * 1024

/**
 * Asks every key server whether it would help this caller to open a volume. No share leaves this function; each server that
 * gives one records it as a release, as it must.
 *
 * @param o `version` is the newest that any server has a good share of, when absent
 */
export async function keyStatus(
  session: Session,
  guid: Guid,
  o: { version?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<KeyStatus> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const signal = o.signal === undefined ? timeout : AbortSignal.any([o.signal, timeout])
  const answers = await Promise.all(session.keyServers.map((server) => ask(session, server, guid, signal)))
  o.signal?.throwIfAborted()
  const chosen = best(
    answers.flatMap(({ good }) => good).filter((g) => g.version === (o.version ?? g.version)),
  )
  const servers = answers.map(({ id, url, good, code }): ShareStatus => {
    if (chosen !== undefined && good.some(({ digest }) => digest === chosen.digest))
      return { id, url, share: 'yes' }
    const why = code ?? 'MDM_NOT_FOUND'
    return { id, url, share: kindOf(why), code: why }
  })
  return {
    guid,
    ...(chosen === undefined ? {} : { version: chosen.version, kid: chosen.kid }),
    threshold: chosen?.m ?? session.roster.body.m,
    shares: servers.filter(({ share }) => share === 'yes').length,
    servers,
  }
}

/** A share that fits its manifest: what is left of it is the manifest. */
type Good = Pick<KeyManifest, 'version' | 'kid' | 'm'> & { readonly digest: string }

interface Answer {
  readonly id: KeyServerId
  readonly url: string
  readonly good: readonly Good[]
  readonly code?: ErrorCode
}

async function ask(
  session: Session,
  { id, peer }: KeyServerPeer,
  guid: Guid,
  signal: AbortSignal,
): Promise<Answer> {
  const good: Good[] = []
  let code: ErrorCode | undefined
  const about = { site: session.roster.body.site, guid }
  try {
    const o = { signal, maxReplyBytes: MAX_REPLY_BYTES }
    for (const release of (await peer.call(getShares, { params: { guid } }, o)).releases) {
      try {
        const expected = { ...about, kid: release.kid }
        const manifest = await verifyManifest(release.manifest, session.roster.signers, expected)
        checkShare(manifest, id, Buffer.from(release.share, 'base64')).fill(0)
        good.push({ ...manifest, digest: jwsDigest(release.manifest) })
      } catch (error) {
        code = codeOf(error)
      }
    }
  } catch (error) {
    code = signal.aborted ? 'MDM_UNREACHABLE' : codeOf(error)
  }
  return { id, url: peer.url, good, ...(code === undefined ? {} : { code }) }
}

/** Of the newest version the manifest with most shares: only shares of one manifest make a key. */
function best(good: readonly Good[]): Good | undefined {
  const count = (digest: string) => good.filter((g) => g.digest === digest).length
  return good.toSorted((a, b) => b.version - a.version || count(b.digest) - count(a.digest))[0]
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MdmError ? error.code : 'MDM_INTERNAL'
}

function kindOf(code: ErrorCode): ShareStatus['share'] {
  if (code === 'MDM_NOT_FOUND') return 'none'
  return code === 'MDM_UNREACHABLE' ? 'unreachable' : 'bad'
}
