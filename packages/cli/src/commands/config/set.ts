import { resolve } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { BaseCommand } from '../../base-command.ts'
import { storage } from '../../flags.ts'

interface StoredSettings {
  readonly file: string
  readonly site: string | null
  readonly certificate: string | null
  readonly key: string | null
  readonly srm: string | null
  readonly caDir: string | null
}

/** The global flags --site, --cert and --key, and those about storage services, kept for the next time. */
export default class ConfigSet extends BaseCommand {
  static override summary = 'keep --site, --cert and --key, --srm and --ca-dir in the configuration file'
  static override description =
    'Certificate and key belong together, in two files or in one; the file of the key must be readable by you alone. Nothing of the environment is stored. An empty --srm or --ca-dir takes that setting out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --cert CERTIFICATE --key KEY',
    '<%= config.bin %> <%= command.id %> --site SITE --json',
    '<%= config.bin %> <%= command.id %> --srm SRM --ca-dir CERTIFICATES',
  ]
  static override flags = storage

  async run(): Promise<StoredSettings> {
    const { flags } = await this.parse(ConfigSet)
    const { site, cert, key, srm, 'ca-dir': caDir } = flags
    if ([site, cert, key, srm, caDir].every((given) => given === undefined)) {
      throw new MdmError('MDM_USAGE', 'nothing to keep: give --site, --cert and --key, --srm or --ca-dir')
    }
    const stored = await this.storedConfig(flags)
    const config = {
      ...stored,
      ...(srm === undefined ? {} : { srm: await endpoint(srm) }),
      ...(caDir === undefined ? {} : { caDir: caDir === '' ? undefined : resolve(caDir) }),
      ...(site === undefined ? {} : { site: await siteId(site) }),
      ...(cert === undefined && key === undefined ? {} : { credential: await usableCredential(cert, key) }),
    }
    const { saveConfig } = await import('@mdm/core/config')
    await saveConfig(config)
    this.print(`kept in ${config.file}`)
    const { certificate = null, key: keyFile = null } = config.credential ?? {}
    return {
      ...{ file: config.file, site: config.site ?? null, certificate, key: keyFile },
      ...{ srm: config.srm ?? null, caDir: config.caDir ?? null },
    }
  }
}

async function endpoint(text: string): Promise<string | undefined> {
  const { parseEndpoint } = await import('@mdm/core/grid/srm/srm-url')
  return text === '' ? undefined : parseEndpoint(text).text
}

async function siteId(text: string) {
  const { SiteId } = await import('@mdm/core/names')
  const parsed = SiteId.safeParse(text)
  if (!parsed.success)
    throw new MdmError('MDM_USAGE', 'a site name has lower case letters, digits and dashes only')
  return parsed.data
}

async function usableCredential(cert: string | undefined, key: string | undefined) {
  if (cert === undefined) throw new MdmError('MDM_USAGE', '--key belongs to a --cert')
  const { loadCredential } = await import('@mdm/core/identity/credential')
  const paths = { certificate: resolve(cert), key: resolve(key ?? cert) }
  await loadCredential(paths)
  return paths
}
