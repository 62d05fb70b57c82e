import { readdir } from 'node:fs/promises'
import type { ClientConfig } from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import { fault, good, warn, type Finding } from '@mdm/core/findings'

const SET_FOLDER = 'mdm config set --ca-dir DIR, with the folder of CAs that your grid gives'
/** As many names as one line holds. */
const SHOWN = 5

/** What grid clients need of this machine, where one is used: the folder of CAs, and the SRM service that is configured. */
export async function checkStorage(config: ClientConfig): Promise<Finding[]> {
  const { DEFAULT_CA_FOLDER } = await import('@mdm/core/grid/srm/ca-folder')
  if (config.srm === undefined && config.caDir === undefined) return []
  return [
    await checkCaFolder(config.caDir ?? DEFAULT_CA_FOLDER),
    ...(config.srm === undefined || config.credential === undefined
      ? []
      : [await checkService(config, config.srm)]),
  ]
}

/** By names alone, as grid software finds its CAs. A warning: a service of an accepted roster is known by its key. */
async function checkCaFolder(dir: string): Promise<Finding> {
  const names = await readdir(dir).catch(() => undefined)
  if (names === undefined) return warn('ca-folder', dir, 'it cannot be read', SET_FOLDER)
  const cas = new Set(names.flatMap((name) => /^([0-9a-f]{8})\.[0-9]$/.exec(name)?.[1] ?? []))
  if (cas.size === 0) return warn('ca-folder', dir, 'no CA is in it: none is named HASH.0', SET_FOLDER)
  const bare = [...cas].filter((hash) => !names.includes(`${hash}.signing_policy`)).toSorted()
  if (bare.length > 0)
    return warn(
      'ca-folder',
      dir,
      `${bare.length} of ${cas.size} CAs without signing policy: srm:// of grid tools fails with their servers, mdm and https do not`,
      `get ${bare.slice(0, SHOWN).join(', ')}${bare.length > SHOWN ? ' ...' : ''}.signing_policy from the CA and put it beside HASH.0`,
    )
  return good('ca-folder', dir, `CAs, each with its signing policy: ${cas.size}`)
}

async function checkService(config: ClientConfig, url: string): Promise<Finding> {
  const { srmVersion } = await import('../srm-version.ts')
  try {
    const version = await srmVersion(config, url)
    return good('srm', url, `answers, is known to a CA or a roster, and speaks SRM ${version}`)
  } catch (error) {
    const known = error instanceof MdmError ? error : new MdmError('MDM_UNREACHABLE')
    const next =
      known.code === 'MDM_PEER' ? `${SET_FOLDER}; is the name in --srm that of its certificate?` : known.next
    return fault('srm', url, known.message, next)
  }
}
