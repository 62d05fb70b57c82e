import { statfs } from 'node:fs/promises'
import type { CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import type { Audit } from './audit/audit.ts'
import type { Delivery } from './deliver/delivery.ts'
import { createGlance, inTime } from './http/glance.ts'
import { healthOf, reasonsOf, type Health, type Holdup } from './http/health.ts'
import type { Registry } from './http/metrics/registry.ts'
import type { Journal } from './register/journal.ts'
import { notReady } from './register/key-servers.ts'
import type { Pseudonyms } from './register/pseudonyms/pseudonyms.ts'
import type { KeyServers } from './site-peers.ts'
import type { SiteStore } from './store/site-store.ts'
import { storeAnswers } from './store/store-answers.ts'

/** How long a look at key servers, store and disk is good for, ms. */
const LOOK_MS = 5_000
const STORE_MS = 2_000
/** The spool counts as full when less than this part of its quota could be taken. */
const LEAST_ROOM = 0.05

export interface SiteHealthOptions {
  readonly db: SiteStore
  readonly audit: Audit
  readonly bans: { readonly readable: boolean }
  readonly rosters: { readonly readable: boolean }
  readonly crls: Pick<CrlFolder, 'faults' | 'without'>
  readonly voms: Pick<VomsFolder, 'faults'>
  readonly refresh: () => Promise<void>
  readonly keyServers: KeyServers
  readonly roster: () => TrustedRoster
  readonly delivery: Pick<Delivery, 'counts'>
  readonly spoolDir: string
  readonly journal: Journal
  readonly pseudonyms: Pick<Pseudonyms, 'isMissing'>
  readonly stopping: () => boolean
  now(): Date
}

/** Whether a site can serve gets, and by how much. */
export interface SiteHealth {
  /** for any caller: codes and one number */
  told(): Promise<Health>
  /** for the operator: the room in the spool too */
  local(): Promise<Health>
}

/** What is looked at costs a round of calls, so it is shared by all who ask. */
export function createSiteHealth(o: SiteHealthOptions, registry: Registry): SiteHealth {
  const look = createGlance(LOOK_MS, async () => {
    const [answering, isPseudonymKeyMissing, store, diskBytes] = await Promise.all([
      answeringOf(o.keyServers),
      inTime(o.pseudonyms.isMissing(), STORE_MS, false),
      inTime(storeAnswers(o.db), STORE_MS, false),
      statfs(o.spoolDir).then(
        ({ bavail, bsize }) => bavail * bsize,
        () => 0,
      ),
    ])
    return { answering, isPseudonymKeyMissing, store, diskBytes }
  })
  const local = async (): Promise<Health> => {
    // Also when nobody but the operator asks.
    await o.refresh()
    const { answering, isPseudonymKeyMissing, store, diskBytes } = await look()
    const { spoolUsedBytes, spoolQuotaBytes, spoolIdleBytes } = o.delivery.counts()
    const spoolRoomBytes = spoolIdleBytes + Math.min(spoolQuotaBytes - spoolUsedBytes, diskBytes)
    const keyServersMayFail = answering - o.roster().body.m
    const registrationWaitsFor = reasonsOf<Holdup>({
      'key-servers': answering < o.keyServers.current().length,
      'pseudonym-key': isPseudonymKeyMissing,
    })
    const reasons = reasonsOf({
      'audit-unwritable': !o.audit.writable,
      'ban-list-unreadable': !o.bans.readable,
      'rosters-unreadable': !o.rosters.readable,
      'crls-unreadable': o.crls.faults.length > 0,
      'crl-stale': o.crls.without(o.roster().userCas, o.now()).length > 0,
      'vomsdir-unreadable': o.voms.faults.length > 0,
      'store-unreachable': !store,
      'spool-full': spoolRoomBytes < LEAST_ROOM * spoolQuotaBytes,
      'key-servers-below-threshold': keyServersMayFail < 0,
      stopping: o.stopping(),
    })
    return healthOf(reasons, { keyServersMayFail, registrationWaitsFor, spoolRoomBytes })
  }
  measureSite(o, registry, { answering: async () => (await look()).answering, local })
  return {
    local,
    async told() {
      // How full the spool is would show others' transfers.
      const { spoolRoomBytes: _, ...health } = await local()
      return health
    },
  }
}

async function answeringOf(keyServers: KeyServers): Promise<number> {
  const servers = keyServers.current()
  return servers.length - (await notReady(servers, new AbortController().signal)).length
}

function measureSite(
  o: SiteHealthOptions,
  registry: Registry,
  { answering, local }: { answering: () => Promise<number>; local: () => Promise<Health> },
): void {
  const state = ['OPENING', 'KEYED', 'FILLING', 'SEALED'] as const
  registry.gauge('mdm_preparations', 'Containers in preparation or kept.', {
    allowed: { state },
    read: () => {
      const { states } = o.delivery.counts()
      return state.map((name) => [{ state: name }, states[name] ?? 0] as const)
    },
  })
  const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
    registry.gauge(name, help, { read })
  gauge('mdm_spool_used_bytes', 'Spool reserved.', () => o.delivery.counts().spoolUsedBytes)
  gauge('mdm_spool_quota_bytes', 'Spool allowed.', () => o.delivery.counts().spoolQuotaBytes)
  gauge(
    'mdm_spool_room_bytes',
    'Spool another preparation could take.',
    async () => (await local()).spoolRoomBytes!,
  )
  gauge(
    'mdm_window_bytes',
    'Slices in memory that wait for their frame.',
    () => o.delivery.counts().windowBytes,
  )
  gauge('mdm_journal_waiting', 'Volumes whose registration has not ended.', () => o.journal.waiting())
  gauge('mdm_key_servers', 'Key servers of the roster (n).', () => o.keyServers.current().length)
  gauge('mdm_key_servers_answering', 'Key servers that are ready.', answering)
  gauge('mdm_key_servers_threshold', 'Key servers needed for a key (m).', () => o.roster().body.m)
}
