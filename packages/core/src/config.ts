import { randomBytes } from 'node:crypto'
import { access, mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { MdmError } from './errors.ts'
import { parseEndpoint } from './grid/srm/srm-url.ts'
import { filesOf, namedFiles, type CredentialFiles } from './identity/credential-files.ts'
import { acceptRoster, openRoster, type TrustedRoster } from './identity/roster.ts'
import { SiteId } from './names.ts'

/** The file a user owns: who he is and which rosters he accepted. Paths are relative to the file. */
const ConfigFile = z
  .object({
    site: SiteId.optional(),
    /** without `key` the file of the certificate holds it, too */
    credential: z.object({ certificate: z.string(), key: z.string().optional() }).strict().optional(),
    sites: z.record(SiteId, z.object({ roster: z.string() }).strict()).default({}),
    srm: z.string().max(1024).optional(),
    caDir: z.string().optional(),
  })
  .strict()

/** The configuration in force: flags before environment before file; paths are absolute. */
export interface ClientConfig {
  /** The file it was read from, or would be written to. */
  readonly file: string
  readonly site?: SiteId | undefined
  readonly credential?: CredentialFiles | undefined
  readonly sites: Readonly<Record<string, { readonly roster: string }>>
  /** srm://HOST:PORT/srm/managerv2: where containers are asked for by GUID; else the site's own interface is */
  readonly srm?: string | undefined
  /** folder of the CAs that storage services are known by; where grid software has it unless told */
  readonly caDir?: string | undefined
}

export interface ConfigFlags {
  readonly config?: string | undefined
  readonly site?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly srm?: string | undefined
  readonly 'ca-dir'?: string | undefined
}

/** How a roster is accepted; the words in capitals are the site's to give. */
const ADD_ROSTER = 'mdm config add ROSTER --fingerprint FINGERPRINT'

/** Where the configuration lives when nothing says otherwise: $XDG_CONFIG_HOME/mdm/config.json. */
export function defaultConfigFile(env: NodeJS.ProcessEnv = process.env): string {
  return join(set(env.XDG_CONFIG_HOME) ?? join(homedir(), '.config'), 'mdm', 'config.json')
}

/**
 * Reads the configuration: flags, then MDM_CONFIG, MDM_SITE, MDM_CERT, MDM_KEY, MDM_SRM and X509_CERT_DIR, then the file; for the
 * credential what grid tools set comes before the file, too (namedFiles).
 *
 * @throws MDM_CONFIG when a named file is missing or malformed
 */
export async function loadConfig(
  flags: ConfigFlags = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<ClientConfig> {
  const named = flags.config ?? set(env.MDM_CONFIG)
  const file = resolve(named ?? defaultConfigFile(env))
  const stored = await readConfigFile(file, named !== undefined)
  const at = (path: string) => resolve(dirname(file), path)
  const site = flags.site ?? set(env.MDM_SITE) ?? stored.site
  const parsedSite = SiteId.optional().safeParse(site)
  if (!parsedSite.success)
    throw new MdmError('MDM_CONFIG', 'the site name is not one: lower case letters, digits and dashes')
  const given = namedFiles(flags, env)
  const credential =
    given === undefined ? stored.credential && filesOf(stored.credential, at) : filesOf(given, resolve)
  const sites = Object.fromEntries(
    Object.entries(stored.sites).map(([id, s]) => [id, { roster: at(s.roster) }]),
  )
  const endpoint = flags.srm ?? set(env.MDM_SRM) ?? stored.srm
  const srm = endpoint === undefined ? undefined : endpointOf(endpoint)
  const caDir = flags['ca-dir'] ?? set(env.X509_CERT_DIR) ?? (stored.caDir && at(stored.caDir))
  return {
    ...{ file, site: parsedSite.data, credential, sites, srm },
    caDir: caDir === undefined ? undefined : resolve(caDir),
  }
}

/** The configuration as its file has it, empty when there is none: what flags and the environment add is never stored. */
export async function storedConfig(file: string): Promise<ClientConfig> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  )
  return isThere ? await loadConfig({ config: file }, {}) : { file, sites: {} }
}

/** Writes the configuration back to its file (0600), whole or not at all. */
export async function saveConfig(config: ClientConfig): Promise<void> {
  const near = (path: string) => {
    const inside = relative(dirname(config.file), path)
    return inside.startsWith('..') ? path : inside
  }
  const stored: z.infer<typeof ConfigFile> = {
    ...(config.site === undefined ? {} : { site: config.site }),
    ...(config.credential === undefined
      ? {}
      : {
          credential: {
            certificate: near(config.credential.certificate),
            ...(config.credential.key === config.credential.certificate
              ? {}
              : { key: near(config.credential.key) }),
          },
        }),
    sites: Object.fromEntries(
      Object.entries(config.sites).map(([id, s]) => [id, { roster: near(s.roster) }]),
    ),
    ...(config.srm === undefined ? {} : { srm: config.srm }),
    ...(config.caDir === undefined ? {} : { caDir: near(config.caDir) }),
  }
  await writeWhole(config.file, `${JSON.stringify(stored, null, 2)}\n`)
}

/**
 * Accepts a roster and keeps it beside the configuration: the first, and every change of authority, by its fingerprint.
 *
 * @throws MDM_ROSTER when the fingerprint is missing or another, or the roster does not follow from the one held
 */
export async function addRoster(
  config: ClientConfig,
  jws: string,
  o: { fingerprint?: string },
): Promise<{ config: ClientConfig; roster: TrustedRoster }> {
  const site = (await openRoster(jws.trim())).body.site
  const known = entryOf(config, site)
  const held = known === undefined ? undefined : await trustedRoster(config, site)
  const roster = await acceptRoster(held, jws, o)
  const file = known?.roster ?? join(dirname(config.file), 'rosters', `${site}.jws`)
  await writeWhole(file, `${roster.jws}\n`)
  const changed = {
    ...config,
    site: config.site ?? site,
    sites: { ...config.sites, [site]: { roster: file } },
  }
  await saveConfig(changed)
  return { config: changed, roster }
}

/**
 * The accepted roster of a site; without a name, of the configured site or the only one.
 *
 * @throws MDM_CONFIG when there is none, or several and none is chosen
 */
export async function trustedRoster(config: ClientConfig, site?: SiteId): Promise<TrustedRoster> {
  const known = Object.keys(config.sites)
  const id = site ?? config.site ?? (known.length === 1 ? known[0]! : undefined)
  if (id === undefined) {
    throw new MdmError(
      'MDM_CONFIG',
      known.length === 0 ? 'no roster is accepted yet' : 'several sites are known: choose one with --site',
      known.length === 0 ? { next: ADD_ROSTER } : {},
    )
  }
  const entry = entryOf(config, id)
  if (entry === undefined) throw new MdmError('MDM_CONFIG', `no roster of site "${id}" is accepted`)
  const jws = await readFile(entry.roster, 'utf8').catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', `the accepted roster of site "${id}" cannot be read`, { cause })
  })
  return await openRoster(jws.trim())
}

async function readConfigFile(file: string, required: boolean): Promise<z.infer<typeof ConfigFile>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === 'ENOENT') return { sites: {} }
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new MdmError(
      'MDM_CONFIG',
      `the configuration file (--config, MDM_CONFIG) ${isAbsent ? 'is not there' : 'cannot be read'}`,
      { cause, ...(isAbsent ? { next: `${ADD_ROSTER} makes it` } : {}) },
    )
  }
  try {
    return ConfigFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the configuration file does not have the form docs/cli.md gives', {
      cause,
    })
  }
}

/** An SRM service as it is kept. @throws MDM_CONFIG when the text is none */
function endpointOf(text: string): string {
  try {
    return parseEndpoint(text).text
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the SRM service (--srm, MDM_SRM) is not written as a service is', {
      cause,
      next: 'write srm://HOST:PORT, or with its path srm://HOST:PORT/srm/managerv2',
    })
  }
}

/** A site may be called "constructor": only what the file itself names counts. */
function entryOf(config: ClientConfig, site: string): { readonly roster: string } | undefined {
  return Object.hasOwn(config.sites, site) ? config.sites[site] : undefined
}

/** A variable set to nothing is not set, as the shell has no better way to say so for one command. */
function set(variable: string | undefined): string | undefined {
  return variable === '' ? undefined : variable
}

async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // A name of its own each time: two who write at once must not write into one file.
  const temporary = `${file}.${randomBytes(6).toString('hex')}.part`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
    await handle.close()
    await rename(temporary, file)
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
}
