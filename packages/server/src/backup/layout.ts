import type { KeysConfig } from '../config.ts'
import type { SiteConfig } from '../site-config.ts'
import { absoluteSource } from '../dicom/sources/index.ts'
import { isPostgresUrl } from '../store/postgres.ts'

/** One file of a server as the configuration names it, and its name in a backup and in the folder that is restored. */
export interface NamedFile {
  readonly name: string
  readonly path: string
  /** a key: mode 0400 */
  readonly secret: boolean
  /** may be absent, as a ban list */
  readonly optional?: boolean
}

/** What a backup takes of a server beside the rows of its store. */
export interface ServerLayout {
  readonly files: readonly NamedFile[]
  readonly rosters: string
  readonly audit: string
  /** the configuration as the restored folder has it: every file beside it, under the names above */
  readonly config: { readonly name: string; readonly value: unknown }
}

type Path = (relative: string) => string

export function keysLayout(config: KeysConfig, path: Path): ServerLayout {
  return {
    files: [
      { name: 'identity.key', path: path(config.identity), secret: true },
      { name: 'store.key', path: path(config.storeKey), secret: true },
      { name: 'tls.key', path: path(config.tls.key), secret: true },
      { name: 'tls.pem', path: path(config.tls.certificate), secret: false },
      ...bans(config.bans, path),
    ],
    ...{ rosters: path(config.rosters), audit: path(config.audit) },
    config: {
      name: 'keys.json',
      value: {
        ...{ ...config, ...common(config, 'keys.sqlite', path) },
        ...{ identity: 'identity.key', storeKey: 'store.key' },
      },
    },
  }
}

export function siteLayout(config: SiteConfig, path: Path): ServerLayout {
  return {
    files: [
      { name: 'signing.key', path: path(config.signingKey), secret: true },
      { name: 'pseudonym.key', path: path(config.pseudonymKey), secret: true },
      { name: 'tls.key', path: path(config.tls.key), secret: true },
      { name: 'tls.pem', path: path(config.tls.certificate), secret: false },
      ...hostFiles(config.srm, path),
      ...bans(config.bans, path),
    ],
    ...{ rosters: path(config.rosters), audit: path(config.audit) },
    config: {
      name: 'site.json',
      value: {
        ...{ ...config, ...common(config, 'site.sqlite', path) },
        ...{ signingKey: 'signing.key', pseudonymKey: 'pseudonym.key' },
        spool: { ...config.spool, dir: 'spool' },
        srm: {
          ...config.srm,
          ...(config.srm.tls && { tls: { certificate: 'host.pem', key: 'host.key' } }),
        },
        // Certificates and credentials for a PACS are not in the backup: the PACS gives new ones.
        sources: config.sources.map((source) => absoluteSource(source, path)),
        ...listeners(config, path),
      },
    },
  }
}

/** What grid clients are shown, where it is not the site's own certificate. */
function hostFiles({ tls }: SiteConfig['srm'], path: Path): NamedFile[] {
  if (tls === undefined) return []
  return [
    { name: 'host.key', path: path(tls.key), secret: true },
    { name: 'host.pem', path: path(tls.certificate), secret: false },
  ]
}

/** Nor are those for what it pushes: they stay where they are. */
function listeners({ dicom, hooks }: SiteConfig, path: Path): Pick<SiteConfig, 'dicom' | 'hooks'> {
  return {
    ...(dicom !== undefined && {
      dicom: { ...dicom, ...(dicom.tls && { tls: absoluteTls(dicom.tls, path) }) },
    }),
    ...(hooks !== undefined && { hooks: { ...hooks, secretFile: path(hooks.secretFile) } }),
  }
}

function absoluteTls<Files extends Record<string, string>>(files: Files, path: Path): Files {
  return Object.fromEntries(Object.entries(files).map(([name, file]) => [name, path(file)])) as Files
}

function bans(file: string | undefined, path: Path): NamedFile[] {
  return file === undefined ? [] : [{ name: 'bans.json', path: path(file), secret: false, optional: true }]
}

function common(
  {
    bans,
    crls,
    vomsdir,
    store,
  }: { bans?: string | undefined; crls?: string | undefined; vomsdir?: string | undefined; store: string },
  sqlite: string,
  path: Path,
) {
  return {
    tls: { certificate: 'tls.pem', key: 'tls.key' },
    ...{ rosters: 'rosters', audit: 'audit.jsonl' },
    store: isPostgresUrl(store) ? store : sqlite,
    ...(bans === undefined ? {} : { bans: 'bans.json' }),
    // Not in the backup: a list of then would be past its end.
    ...(crls === undefined ? {} : { crls: path(crls) }),
    // Nor whom the operator trusts: who puts a server back decides that anew.
    ...(vomsdir === undefined ? {} : { vomsdir: path(vomsdir) }),
  }
}
