import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { MdmError } from '@mdm/core/errors'
import type { Audit } from './audit/audit.ts'
import { countRefusals } from './audit/refusals.ts'
import { LOOPBACK } from './config.ts'
import { serveDimse } from './dicom/dimse/index.ts'
import type { SourceConfig } from './dicom/source-config.ts'
import type { DicomSource } from './dicom/source.ts'
import type { Arrivals } from './dicom/sources/arrivals.ts'
import { absoluteSource, kindOf } from './dicom/sources/index.ts'
import { readServerOptions } from './dicom/sources/server-options.ts'
import type { Log } from './http/log.ts'
import type { Registry } from './http/metrics/registry.ts'
import type { Registration } from './register/registration.ts'
import { serveHook } from './register/triggers/hook.ts'
import { createListener } from './register/triggers/listener.ts'
import { measureTriggers } from './register/triggers/measure.ts'
import { openNotices } from './register/triggers/notices.ts'
import { orthanc } from './register/triggers/orthanc.ts'
import { startTriggers, type TriggeredSource } from './register/triggers/triggers.ts'
import { readSecretFile } from './secret-file.ts'
import type { SiteConfig } from './site-config.ts'
import type { SiteStore } from './store/site-store.ts'

/** A secret that a web hook shows is not shorter, bytes. */
const MIN_SECRET_BYTES = 16

export interface SiteTriggersOptions {
  readonly config: SiteConfig
  /** makes a path of the configuration absolute */
  readonly path: (relative: string) => string
  readonly db: SiteStore
  readonly audit: Audit
  readonly sources: ReadonlyMap<string, DicomSource>
  /** where what a C-MOVE brings to the listener goes */
  readonly arrivals: Arrivals | undefined
  readonly registration: Registration
  readonly registry: Registry
  readonly now: () => Date
  readonly log: Log
}

export interface SiteTriggers {
  readonly dicomPort?: number
  readonly hooksUrl?: string
  /** Takes nothing more in; what was noticed stays in the store. */
  close(): Promise<void>
}

/**
 * Starts what makes a site register by itself, with its two listeners: wiring only, what it does is in register/triggers/.
 *
 * @throws MDM_CONFIG when a file is wrong, or an address cannot be listened on
 */
export async function startSiteTriggers(o: SiteTriggersOptions): Promise<SiteTriggers> {
  const { config, path, db, audit, now, log } = o
  const notices = await openNotices(db, now)
  const sources = await Promise.all(
    config.sources.map((source) =>
      triggeredSource(absoluteSource(source, path), o.sources.get(source.name)!),
    ),
  )
  const clock = { now: () => now().getTime() }
  const refusals = new Map<string, ReturnType<typeof countRefusals>>()
  /** The first of each kind and minute; strangers have no other name. */
  const refused = async (event: string, check: string): Promise<void> => {
    const counting = refusals.get(check) ?? countRefusals(audit, clock)
    refusals.set(check, counting)
    const code = check === 'certificate' || check === 'secret' ? 'MDM_UNAUTHENTICATED' : 'MDM_DENIED'
    await counting.note({ event, code, facts: { check } })
  }
  const secret = config.hooks && (await readHookSecret(path(config.hooks.secretFile)))
  const triggers = startTriggers({
    ...{ db, notices, sources, now, log },
    register: (source, ref) => o.registration.registerOne(source, ref),
  })
  try {
    measureTriggers(o.registry, { notices, triggers, sources, now })
    const hooks =
      config.hooks === undefined || secret === undefined
        ? undefined
        : await serveHook({
            ...{ host: config.hooks.host, port: config.hooks.port, secret },
            called: () => triggers.hint(),
            refused: () => refused('hook-refused', 'secret'),
          })
    const dicom = await serveListener(o, notices, (check) => refused('association-refused', check)).catch(
      async (error: unknown) => {
        await hooks?.stop()
        throw error
      },
    )
    return {
      ...(dicom === undefined ? {} : { dicomPort: dicom.port }),
      ...(hooks === undefined ? {} : { hooksUrl: hooks.url }),
      async close() {
        await Promise.all([dicom?.close(), hooks?.stop()])
        await triggers.close()
      },
    }
  } catch (error) {
    await triggers.close()
    throw error
  }
}

async function triggeredSource(config: SourceConfig, source: DicomSource): Promise<TriggeredSource> {
  const { url, quietSeconds, pollSeconds, pollDays, changes } = config
  const times = { quietMs: quietSeconds * 1000, pollMs: pollSeconds * 1000, pollDays }
  if (kindOf(url) === 'file')
    return { source, ...times, folder: /^file:/i.test(url) ? fileURLToPath(url) : url }
  if (changes === undefined) return { source, ...times }
  const { protocol, hostname } = new URL(changes)
  if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname.replace(/^\[|\]$/g, ''))))
    throw new MdmError('MDM_CONFIG', `source ${config.name}: "changes" is https, or http on this machine`)
  const { tls, credentials } = await readServerOptions(config)
  const list = createHash('sha256').update(changes).digest('hex')
  return { source, ...times, changes: { orthanc: orthanc({ url: changes, tls, credentials }), list } }
}

async function serveListener(
  { config, path, arrivals }: SiteTriggersOptions,
  notices: Awaited<ReturnType<typeof openNotices>>,
  refused: (check: string) => Promise<void>,
) {
  if (config.dicom === undefined) return undefined
  const { host, port, ae, tls } = config.dicom
  const pushers = config.sources.flatMap(({ name, pushes }) =>
    pushes === undefined ? [] : [{ source: name, ...pushes }],
  )
  return await serveDimse({
    ...{ host, port, ae },
    ...(tls && {
      tls: {
        ca: await readPem(path(tls.ca)),
        cert: await readPem(path(tls.certificate)),
        key: await readSecretFile(path(tls.key)),
      },
    }),
    ...createListener({ notices, pushers, arrivals, refused }),
  })
}

async function readPem(file: string): Promise<Buffer> {
  return await readFile(file).catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', 'a file of "tls" of "dicom" cannot be read', { cause })
  })
}

async function readHookSecret(file: string): Promise<string> {
  const secret = (await readSecretFile(file)).toString('utf8').trim()
  if (Buffer.byteLength(secret) < MIN_SECRET_BYTES)
    throw new MdmError('MDM_CONFIG', `the secret of "hooks" is shorter than ${MIN_SECRET_BYTES} characters`)
  return secret
}
