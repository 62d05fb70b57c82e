import { createPrivateKey, createSecretKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import { rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { Guid, KeyServerId } from '@mdm/core/names'
import { auditCaller } from './audit/audit-caller.ts'
import { openAudit } from './audit/audit.ts'
import { countRefusals } from './audit/refusals.ts'
import { KeysConfig, openCrls, openVoms, readConfig } from './config.ts'
import { createApp, type Refusal } from './http/app.ts'
import { createLimiter } from './http/limit.ts'
import type { LocalListener } from './http/listen-locally.ts'
import { openLog, type Log } from './http/log.ts'
import { serve } from './http/serve.ts'
import { openBanFile } from './keyshares/ban-file.ts'
import { createCatchUp } from './keyshares/catch-up.ts'
import { keyServerHealth } from './keyshares/health.ts'
import type { KeyServer } from './keyshares/key-server.ts'
import { keyServerRoutes } from './keyshares/routes.ts'
import { serveWithout } from './keyshares/serve-without.ts'
import { isBannedHere } from './keyshares/site-groups.ts'
import { identifyAnywhere } from './keyshares/standing.ts'
import { createOperations, reloadLevel, type Running } from './operations.ts'
import { createRefresh } from './refresh.ts'
import { readSecretFile } from './secret-file.ts'
import { openKeysStore } from './store/keys-store.ts'
import { storeLocation } from './store/open-store.ts'
import { openRosters } from './store/rosters.ts'

export interface RunningKeyServer extends Running {
  readonly id: KeyServerId
}

/**
 * Starts a key server: wiring only, what it does is in keyshares/.
 *
 * @param file keys.json
 * @throws MDM_CONFIG when the configuration or a file it names is wrong; MDM_INTEGRITY when the audit log was altered
 */
export async function startKeyServer(
  file: string,
  o: { now?: () => Date; log?: Log } = {},
): Promise<RunningKeyServer> {
  const { config, path } = await readConfig(file, KeysConfig)
  const now = o.now ?? (() => new Date())
  const ownLog = openLog({ level: config.log })
  const log = o.log ?? ownLog
  const measured = createOperations(config)
  const id = await identityOf(path(config.identity))
  const storeKey = createSecretKey(await readSecretFile(path(config.storeKey), 32))
  const [certificate, key] = [
    await readText(path(config.tls.certificate)),
    (await readSecretFile(path(config.tls.key))).toString('utf8'),
  ]
  const rosters = await openRosters(path(config.rosters))
  const bans = await openBanFile(config.bans === undefined ? undefined : path(config.bans))
  const crls = openCrls(config, path)
  const voms = openVoms(config, path)
  const db = await openKeysStore(storeLocation(config.store, path), {
    alone: 2,
    upgraded: (names) => log.warn({ event: 'store-upgraded', counted: names.length }),
  })
  const opened = await openAudit(path(config.audit), { now }).catch(async (error: unknown) => {
    await db.destroy()
    throw error
  })
  const audit = measured.observe(opened)
  let local: LocalListener | undefined
  const close = async () => {
    await local?.stop()
    await db.destroy()
    await audit.close()
  }
  try {
    const core: KeyServer = { id, db, storeKey, rosters, bans, crls, voms, audit, now }
    const catchUp = createCatchUp(core, { credential: { certificate, key }, log })
    const server = { ...core, catchUp }
    const refresh = createRefresh({ ...{ bans, rosters, crls, voms, log, now }, also: recordRosters(server) })
    const refusals = countRefusals(audit, { now: () => now().getTime() })
    const app = createApp({
      tls: { certificate, key },
      log,
      limit: createLimiter(config.limit),
      async identify(chain) {
        await refresh()
        const caller = identifyAnywhere(server, chain)
        if (isBannedHere(bans.principals, caller)) throw new MdmError('MDM_BANNED')
        return caller
      },
      metrics: measured.requests,
      refused: (refusal) => noteRefusal(server, refusals, refusal),
    })
    const health = keyServerHealth(server, () => app.draining.since !== undefined)
    keyServerRoutes(app, server, health)
    await audit.record({ event: 'server-started', outcome: 'done' })
    local = await measured.listen(async () => {
      await refresh().catch(() => undefined)
      return await health()
    })
    const serving = await serve(app, { ...config.listen, graceMs: config.stopSeconds * 1000 })
    // Listening first: servers that start together compare their lists with one another.
    await catchUp.start()
    return {
      id,
      url: serving.url,
      ...(local === undefined ? {} : { metricsUrl: local.url }),
      reload: reloadLevel(file, ownLog),
      async stop() {
        await catchUp.close()
        await serving.stop()
        await audit.record({ event: 'server-stopped', outcome: 'done' }).catch(() => undefined)
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * The operator accepts a roster by the fingerprint got out of band; a server that runs sees it within a second.
 *
 * @throws MDM_ROSTER when the fingerprint is another one or the roster does not follow from the one trusted
 */
export async function trustRoster(
  configFile: string,
  rosterFile: string,
  fingerprint: string,
): Promise<TrustedRoster> {
  const { config, path } = await readConfig(configFile, KeysConfig)
  const rosters = await openRosters(path(config.rosters))
  return await rosters.trust((await readText(rosterFile)).trim(), fingerprint)
}

/**
 * The operator of a key server goes on without one of its witnesses, once (keyshares/serve-without).
 *
 * @returns the full name of the witness
 * @throws MDM_USAGE when no trusted roster names it
 */
export async function serveWithoutWitness(
  configFile: string,
  o: { witness: string; reason: string; now?: Date },
): Promise<string> {
  const { config, path } = await readConfig(configFile, KeysConfig)
  const rosters = await openRosters(path(config.rosters))
  const db = await openKeysStore(storeLocation(config.store, path))
  try {
    return await serveWithout(db, rosters.current(), { now: new Date(), ...o })
  } finally {
    await db.destroy()
  }
}

/** Writes down each roster that came into force, once. */
function recordRosters({ rosters, audit }: KeyServer): () => Promise<void> {
  const recorded = new Set<string>()
  return async () => {
    for (const { digest, body, jws } of rosters.current()) {
      if (recorded.has(digest)) continue
      const facts = { seq: body.seq, fingerprint: rosterFingerprint(jws) }
      await audit.record({ event: 'roster-in-force', outcome: 'done', site: body.site, facts })
      recorded.add(digest)
    }
  }
}

async function noteRefusal(
  server: KeyServer,
  refusals: ReturnType<typeof countRefusals>,
  refusal: Refusal,
): Promise<void> {
  const guid = Guid.safeParse(refusal.params.guid ?? refusal.params.scope)
  const event = {
    event: 'request-refused',
    code: refusal.code,
    requestId: refusal.requestId,
    ...(refusal.caller === undefined ? {} : { caller: auditCaller(refusal.caller) }),
    ...(guid.success ? { guid: guid.data } : {}),
  }
  // A fork is a sign of an attack and is never just counted.
  if (refusal.code === 'MDM_STATEMENT_FORKED') await server.audit.record({ ...event, outcome: 'refused' })
  else await refusals.note(event)
}

async function identityOf(file: string): Promise<KeyServerId> {
  const pem = await readSecretFile(file)
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType !== 'ed25519') throw new Error('not an Ed25519 key')
    return KeyServerId.parse(spkiDigest(key))
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the identity key is not an Ed25519 private key', { cause })
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'a file the configuration names cannot be read', { cause })
  }
}
