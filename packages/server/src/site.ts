import { createHmac, createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { loadCredential } from '@mdm/core/identity/credential'
import { MdmError } from '@mdm/core/errors'
import { noCounts } from '@mdm/core/wire/register'
import { openAudit } from './audit/audit.ts'
import { countRefusals } from './audit/refusals.ts'
import { openAccessLists } from './catalog/access-lists.ts'
import { createAccess } from './catalog/access.ts'
import { openCatalog } from './catalog/catalog.ts'
import { changeCursors } from './catalog/change-cursor.ts'
import { changeRoutes } from './catalog/change-routes.ts'
import { openGroups } from './catalog/groups.ts'
import { noteRefusal } from './catalog/refusals.ts'
import { rosterRoutes } from './catalog/roster-routes.ts'
import { catalogRoutes } from './catalog/routes.ts'
import { setRoutes } from './catalog/set-routes.ts'
import { openSets } from './catalog/sets.ts'
import { openStatements } from './catalog/statements.ts'
import { openCrls, openVoms, readConfig } from './config.ts'
import { createDelivery } from './deliver/delivery.ts'
import { deliveryRoutes } from './deliver/routes.ts'
import type { DicomSource } from './dicom/source.ts'
import { createArrivals } from './dicom/sources/arrivals.ts'
import { createApp, type Refusal } from './http/app.ts'
import { createLimiter } from './http/limit.ts'
import { openLog, type Log } from './http/log.ts'
import { serve } from './http/serve.ts'
import { openBanFile } from './keyshares/ban-file.ts'
import { metadataRoutes } from './metadata/routes.ts'
import { createOperations, reloadLevel, type Running } from './operations.ts'
import { createRefresh } from './refresh.ts'
import { openJournal } from './register/journal.ts'
import { previewRoutes } from './register/preview-routes.ts'
import { openQuarantineDesk } from './register/quarantine-desk.ts'
import { quarantineRoutes } from './register/quarantine-routes.ts'
import type { Step } from './register/register-series.ts'
import { createRegistration } from './register/registration.ts'
import { openReleases } from './register/releases.ts'
import { openPseudonyms } from './register/pseudonyms/pseudonyms.ts'
import { registerRoutes } from './register/routes.ts'
import { signerOf } from './register/seal.ts'
import { sourceRefused, sourceRoutes } from './register/source-routes.ts'
import { readSecretFile, SiteConfig } from './site-config.ts'
import { openAdmission } from './site-admission.ts'
import { createSiteHealth } from './site-health.ts'
import { fileKeysOf, openKeyServers } from './site-peers.ts'
import { openSources } from './site-sources.ts'
import { startSiteSrm } from './site-srm.ts'
import { startSiteTriggers } from './site-triggers.ts'
import { storeLocation } from './store/open-store.ts'
import { openRosters } from './store/rosters.ts'
import { openSiteStore } from './store/site-store.ts'

export interface SiteOptions {
  readonly now?: () => Date
  readonly log?: Log
  /** how often a waiting registration is tried again, ms */
  readonly retryMs?: number
  /** called after each step of a registration; what it throws is a crash there */
  readonly after?: (step: Step) => void | Promise<void>
  /** what sources are read through: a test's hospital that fails */
  readonly through?: (source: DicomSource) => DicomSource
  /** how long key servers may take to give a key, ms */
  readonly keysMs?: number
  /** how long a source may be silent, ms */
  readonly silenceMs?: number
  /** how often a transfer under way is looked at again, ms */
  readonly recheckMs?: number
}

/**
 * Starts a site: wiring only; what it does is in catalog/, metadata/, register/ and deliver/.
 *
 * @param file site.json
 * @throws MDM_CONFIG when the configuration or a file it names is wrong; MDM_ROSTER; MDM_INTEGRITY when the audit log was altered
 */
export async function startSite(file: string, o: SiteOptions = {}): Promise<Running> {
  const { config, path } = await readConfig(file, SiteConfig)
  const now = o.now ?? (() => new Date())
  const ownLog = openLog({ level: config.log })
  const log = o.log ?? ownLog
  const measured = createOperations(config)
  const { site } = config
  const tls = await loadCredential({ certificate: path(config.tls.certificate), key: path(config.tls.key) })
  const signingKey = await readSigningKey(path(config.signingKey))
  const localKey = createSecretKey(await readSecretFile(path(config.pseudonymKey), 32))
  const rosters = await openRosters(path(config.rosters))
  const roster = () => {
    const current = rosters.of(site)
    if (current === undefined) throw new MdmError('MDM_CONFIG', 'no roster of this site is accepted here yet')
    return current
  }
  signerOf(roster(), signingKey)
  const bans = await openBanFile(config.bans === undefined ? undefined : path(config.bans))
  const crls = openCrls(config, path)
  const voms = openVoms(config, path)
  const closing = createClosing()
  await mkdir(path(config.spool.dir), { recursive: true, mode: 0o700 })
  let forget = (): void => undefined
  try {
    // The store first: whoever has it has the audit log too.
    const db = closing.add(
      await openSiteStore(storeLocation(config.store, path), {
        alone: 1,
        returned: () => forget(),
        upgraded: (names) => log.warn({ event: 'store-upgraded', counted: names.length }),
      }),
      (opened) => opened.destroy(),
    )
    const audit = measured.observe(
      closing.add(await openAudit(path(config.audit), { now }), (opened) => opened.close()),
    )
    const arrivals = config.dicom && createArrivals(config.dicom.ae)
    const { byName: sources, rows } = closing.add(
      await openSources(config.sources, {
        ...{ path, arrivals, through: o.through },
        refused: (source) => void audit.record(sourceRefused(source)).catch(() => undefined),
      }),
      (opened) => opened.close(),
    )
    const keyServers = closing.add(openKeyServers(roster, tls), (opened) => opened.close())

    const lists = openAccessLists(db, {
      site,
      roster,
      sealKey: derived(localKey, 'mdm-access-list-seal-v1'),
    })
    const groups = openGroups(db, lists)
    forget = () => {
      lists.forget()
      groups.forget()
    }
    const catalog = openCatalog(db, { site })
    const sets = openSets(db)
    const access = createAccess({ catalog, sets, lists, groups, roster, now })
    const statements = openStatements({ db, site, lists, access, groups, audit, roster, now })
    const journal = openJournal(db, now)
    const outcome = Object.keys(noCounts())
    const ended = measured.registry.counter('mdm_registrations_total', 'Volumes by what became of them.', {
      outcome,
    })
    const registering = {
      ...{ db, site, roster, now, log },
      signer: () => signerOf(roster(), signingKey),
      keyServers: () => keyServers.current(),
      ...(o.after === undefined ? {} : { after: o.after }),
    }
    const pseudonyms = closing.add(openPseudonyms({ ...registering, localKey }), (opened) => opened.close())
    const retained = { dates: config.dates, ages: config.ages }
    const registration = closing.add(
      createRegistration({
        ...{ ...registering, lists, audit, localKey, pseudonyms, sources },
        ...{ journal, srm: config.srm, policy: config.policy },
        retained,
        rosters,
        noteKey: derived(localKey, 'mdm-registration-note-v1'),
        self: { dn: tls.identity.dn, issuer: tls.identity.issuer, spki: tls.identity.spki },
        ended: (type) => ended.add({ outcome: type }),
        ...(o.retryMs === undefined ? {} : { retryMs: o.retryMs }),
      }),
      (opened) => opened.close(),
    )
    const delivery = closing.add(
      createDelivery({
        ...{ catalog, sources, site, now },
        keys: fileKeysOf({ keyServers, roster, audit, log, timeoutMs: o.keysMs }),
        spoolDir: path(config.spool.dir),
        quotaBytes: config.spool.quotaBytes,
        ...(o.silenceMs === undefined ? {} : { silenceMs: o.silenceMs }),
      }),
      (opened) => opened.close(),
    )

    const refresh = createRefresh({ bans, rosters, crls, voms, log, now })
    const refusals = countRefusals(audit, { now: () => now().getTime() })
    const admission = await openAdmission({ db, roster, crls, voms, bans, groups, refresh, now })
    const answering = {
      log,
      limit: createLimiter(config.limit),
      identify: admission.identify,
      metrics: measured.requests,
      refused: (refusal: Refusal) => noteRefusal(audit, refusals, refusal),
    }
    const app = createApp({ ...answering, tls })
    const stopping = () => app.draining.since !== undefined
    const health = createSiteHealth(
      {
        ...{ db, audit, bans, rosters, crls, voms, refresh, keyServers },
        ...{ roster, delivery, journal, stopping, now },
        pseudonyms,
        spoolDir: path(config.spool.dir),
      },
      measured.registry,
    )
    rosterRoutes(app, { site, rosters, audit, health: health.told })
    catalogRoutes(app, { catalog, access, statements, heads: { db, site, audit } })
    setRoutes(app, { sets, catalog, access })
    metadataRoutes(app, { db, catalog, access, audit })
    changeRoutes(app, { db, access, cursors: changeCursors(localKey) })
    sourceRoutes(app, { sources, rows, roster, audit })
    registerRoutes(app, { db, registration, roster, audit })
    const releases = openReleases({ db, audit, now, site: config.site })
    quarantineRoutes(app, { desk: openQuarantineDesk(db, audit), releases, roster, audit, now })
    previewRoutes(app, { db, site, localKey, retained, sources, roster, audit })
    const rechecked = o.recheckMs === undefined ? {} : { recheckMs: o.recheckMs }
    deliveryRoutes(app, { delivery, catalog, access, audit, identify: admission.identify, ...rechecked })
    await audit.record({ event: 'server-started', outcome: 'done' })
    const local = await measured.listen(health.local)
    if (local !== undefined) closing.add(local, (opened) => opened.stop())
    const serving = await serve(app, { ...config.listen, graceMs: config.stopSeconds * 1000 })
    const srm = await startSiteSrm({
      ...{ config, path, tls, db, delivery, catalog, access, audit, admission, now, app: answering },
      ...{ turlKey: derived(localKey, 'mdm-srm-turl-v1'), registry: measured.registry },
      ...rechecked,
    }).catch(async (error: unknown) => {
      await serving.stop()
      throw error
    })
    registration.resume()
    const triggers = await startSiteTriggers({
      ...{ config, path, db, audit, sources, arrivals, registration, now, log },
      registry: measured.registry,
    }).catch(async (error: unknown) => {
      await Promise.all([registration.close(), serving.stop(), srm?.stop()])
      throw error
    })
    const { close: closeTriggers, ...listeners } = triggers
    return {
      url: serving.url,
      ...listeners,
      ...(srm === undefined ? {} : { srmUrl: srm.url }),
      ...(local === undefined ? {} : { metricsUrl: local.url }),
      reload: reloadLevel(file, ownLog),
      async stop() {
        // A job under way ends its client's stream, which stop() would wait for.
        await Promise.all([closeTriggers(), registration.close(), serving.stop(), srm?.stop()])
        await audit.record({ event: 'server-stopped', outcome: 'done' }).catch(() => undefined)
        await closing.close()
      },
    }
  } catch (error) {
    await closing.close()
    throw error
  }
}

async function readSigningKey(file: string): Promise<KeyObject> {
  const pem = await readSecretFile(file)
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the signing key is not a private key', { cause })
  }
}

/** A key of its own for each purpose, from the one secret of the site. */
function derived(key: KeyObject, purpose: string): KeyObject {
  return createSecretKey(createHmac('sha256', key).update(purpose).digest())
}

/** What was opened, closed in the opposite order. */
function createClosing() {
  const closers: (() => Promise<void>)[] = []
  return {
    add<T>(opened: T, close: (opened: T) => Promise<void>): T {
      closers.unshift(() => close(opened))
      return opened
    },
    async close(): Promise<void> {
      for (const close of closers) await close()
    },
  }
}
