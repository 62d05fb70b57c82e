import { keyServerPeers } from '@mdm/core/access/session'
import { verifyManifest } from '@mdm/core/crypto/manifest'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { gatherFileKey, type KeyServerFault, type KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid } from '@mdm/core/names'
import type { Audit } from './audit/audit.ts'
import type { FileKeys } from './deliver/prepare.ts'
import type { Log } from './http/log.ts'

/** How long calls under way may use the connections of the roster before. */
const DRAIN_MS = 60_000

/** What says nothing against an honest key server that is down or busy, and is only logged. */
const SILENCE: ReadonlySet<ErrorCode> = new Set(['MDM_UNREACHABLE', 'MDM_LIMIT', 'MDM_STORE', 'MDM_AUDIT'])

/** The key servers of the roster in force, in its order; a later roster renews them. */
export interface KeyServers {
  current(): readonly KeyServerPeer[]
  close(): Promise<void>
}

/** @param credential the site's TLS certificate and key, by which key servers know it */
export function openKeyServers(
  roster: () => TrustedRoster,
  credential: { certificate: string; key: string },
): KeyServers {
  let of = roster()
  let peers = keyServerPeers(of, credential)
  const end = (old: readonly KeyServerPeer[]) => Promise.all(old.map(({ peer }) => peer.close()))
  return {
    current() {
      const now = roster()
      if (now.digest !== of.digest) {
        const old = peers
        setTimeout(() => void end(old), DRAIN_MS).unref()
        of = now
        peers = keyServerPeers(of, credential)
      }
      return peers
    },
    close: async () => void (await end(peers)),
  }
}

/** Rebuilds file keys for encrypting: manifest and key commitment are checked before K is used (paper 3.3, 4.2). */
export function fileKeysOf(o: {
  keyServers: KeyServers
  roster: () => TrustedRoster
  audit: Audit
  log: Log
  /** how long all key servers together may take, ms */
  timeoutMs?: number | undefined
}): FileKeys {
  const note = (guid: Guid, { server, code, unfinished }: KeyServerFault): void => {
    o.log.warn({ event: 'key-server-fault', code, server })
    if (SILENCE.has(code) && unfinished !== true) return
    const event = { event: 'key-server-fault', outcome: 'failed', code, guid, facts: { server } } as const
    o.audit.record(event).catch(() => o.log.error({ event: 'audit-failed' }))
  }
  return {
    async fetch({ guid, version, kid, site, manifest }, signal) {
      const { signers, body } = o.roster()
      await verifyManifest(manifest, signers, { site, guid, version, kid })
      try {
        const servers = o.keyServers.current()
        // "No such key" is a lie, or a lost share, only beside others that have it.
        let denials: KeyServerFault[] | undefined = []
        const onFault = (fault: KeyServerFault) => {
          if (fault.code === 'MDM_NOT_FOUND' && denials !== undefined) denials.push(fault)
          else note(guid, fault)
        }
        const key = await gatherFileKey({
          servers,
          ...(o.timeoutMs === undefined ? {} : { timeoutMs: o.timeoutMs }),
          site: body.site,
          guid,
          kid,
          threshold: body.m,
          signers,
          manifest,
          signal,
          onFault,
        })
        for (const denial of denials) note(guid, denial)
        denials = undefined
        return key.fileKey
      } catch (error) {
        if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') throw error
        // To the reader the volume exists: it is the key servers that do not know it, or not for this site.
        throw new MdmError('MDM_BELOW_THRESHOLD', 'too few key servers give the site the key of this volume')
      }
    },
  }
}
