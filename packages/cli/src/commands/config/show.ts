import { BaseCommand } from '../../base-command.ts'
import { storage } from '../../flags.ts'
import { table } from '../../output.ts'

interface KnownSite {
  readonly site: string
  readonly api: string
  readonly seq: number
  readonly fingerprint: string
  readonly keyServers: number
  readonly threshold: number
}

interface ConfigView {
  readonly file: string
  readonly site: string | null
  readonly certificate: string | null
  readonly key: string | null
  /** where containers are fetched over SRM; null: from the site itself */
  readonly srm: string | null
  /** whose storage services are trusted */
  readonly caDir: string
  readonly sites: readonly KnownSite[]
}

/** The configuration in force, flags and environment included. */
export default class ConfigShow extends BaseCommand {
  static override summary = 'show the configuration in force'
  static override description =
    'Flags come before the environment (MDM_CONFIG, MDM_SITE, MDM_CERT, MDM_KEY, MDM_SRM, then X509_USER_PROXY, X509_USER_CERT, X509_USER_KEY, and X509_CERT_DIR), and that before the file.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = storage

  async run(): Promise<ConfigView> {
    const { flags } = await this.parse(ConfigShow)
    const config = await this.clientConfig(flags)
    const { trustedRoster } = await import('@mdm/core/config')
    const { rosterFingerprint } = await import('@mdm/core/identity/roster')
    const { SiteId } = await import('@mdm/core/names')
    const sites = await Promise.all(
      Object.keys(config.sites).map(async (site) => {
        const { body, jws } = await trustedRoster(config, SiteId.parse(site))
        return {
          site,
          api: body.api,
          seq: body.seq,
          fingerprint: rosterFingerprint(jws),
          keyServers: body.keyServers.length,
          threshold: body.m,
        }
      }),
    )
    const { certificate = null, key = null } = config.credential ?? {}
    const { DEFAULT_CA_FOLDER } = await import('@mdm/core/grid/srm/ca-folder')
    const { srm = null, caDir = DEFAULT_CA_FOLDER } = config
    const view = { file: config.file, site: config.site ?? null, certificate, key, srm, caDir, sites }
    this.print(
      table(
        ['setting', 'value'],
        [
          ['file', view.file],
          ['site', view.site],
          ['certificate', view.certificate],
          ['key', view.key],
          ['srm', view.srm],
          ['CA folder', view.caDir],
          ...sites.map((s) => [
            `roster ${s.site}`,
            `${s.seq}, ${s.fingerprint}, ${s.api}, keys ${s.threshold} of ${s.keyServers}`,
          ]),
        ],
      ),
    )
    return view
  }
}
