import { MdmError } from '../errors.ts'
import { gatherFileKey, type GatheredKey, type KeyServerFault } from '../grid/key-servers.ts'
import type { Guid, Kid } from '../names.ts'
import type { Timing } from '../timing.ts'
import type { Session } from './session.ts'

export interface KeyOptions {
  readonly signal?: AbortSignal | undefined
  readonly timing?: Timing | undefined
  /** Called for each key server that was silent or lied, also after the key is there. */
  readonly onFault?: ((fault: KeyServerFault) => void) | undefined
}

/**
 * Fetches the file key of a volume for a caller whom the site let in, so that "no key" means "not for you".
 *
 * A key server may have renewed its TLS key: then later rosters are fetched and the servers asked once more.
 *
 * @throws MDM_DENIED | MDM_BELOW_THRESHOLD | MDM_COMMITMENT
 */
export async function fetchFileKey(
  session: Session,
  guid: Guid,
  kid: Kid | Promise<Kid>,
  o: KeyOptions,
): Promise<GatheredKey> {
  const end = o.timing?.start('client-retrieve-key')
  let answers = 0
  // The step ends with the m-th answer: what follows is waiting for the container's header, which is the site's time.
  const onAnswer = () => void (++answers === session.roster.body.m && end?.())
  try {
    return await gatherOrRefresh(session, guid, kid, { ...o, onAnswer })
  } finally {
    end?.()
  }
}

/** "No key server knows it" said to one whom the site let in: the right to the key is missing. */
export function deniedKey(session: Pick<Session, 'credential'>, error: unknown): unknown {
  if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') return error
  const { limits } = session.credential.delegation ?? {}
  // No administrator can help whose owner has the right and did not delegate it.
  if (limits !== undefined && !limits.operations.includes('read-key'))
    return new MdmError(
      'MDM_DENIED',
      'this capability is for the file alone: ask its owner for one with read-key',
    )
  return new MdmError(
    'MDM_DENIED',
    'you may fetch this volume but not open it: ask for the preset "process"',
    { details: { preset: 'process' } },
  )
}

async function gatherOrRefresh(
  session: Session,
  guid: Guid,
  kid: Kid | Promise<Kid>,
  o: KeyOptions & { onAnswer: () => void },
): Promise<GatheredKey> {
  let renewed = false
  const attempt = () =>
    gatherFileKey({
      servers: session.keyServers,
      threshold: session.roster.body.m,
      site: session.roster.body.site,
      signers: session.roster.signers,
      guid,
      kid,
      signal: o.signal,
      onAnswer: o.onAnswer,
      onFault: (fault) => {
        renewed ||= fault.code === 'MDM_PEER'
        o.onFault?.(fault)
      },
    })
  try {
    return await attempt()
  } catch (error) {
    if (!renewed || !(await session.refresh())) throw error
    return await attempt()
  }
}
