import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { displayDn } from '@mdm/core/identity/dn'
import type { UserCa } from '@mdm/core/identity/issued'
import type { TrustedVomsServer, VomsFolder } from '@mdm/core/identity/voms/voms-folder'

export interface VomsCheck {
  /** undefined where none is configured */
  readonly folder: string | undefined
  readonly voms: VomsFolder
  /** undefined where no roster is there to say it */
  readonly cas: readonly UserCa[] | undefined
}

/** Whose attributes count here, and can every file that says so be used? */
export async function checkVoms({ folder, voms, cas }: VomsCheck): Promise<Finding[]> {
  if (folder === undefined)
    return [good('voms', '', 'no folder is configured: nobody has attributes of a VO')]
  await voms.refresh()
  const faults = voms.faults.map(({ file, message }) =>
    file === folder
      ? fault(
          'voms',
          folder,
          message,
          `mkdir -p ${shellWord(folder)}, or take "vomsdir" out of the configuration`,
        )
      : fault('voms', file, message, `${write(file)}, or rm -r ${shellWord(file)}`),
  )
  return [...faults, ...voms.servers.map((server) => checkServer(server, cas))]
}

function checkServer(
  { file, vo, host, names }: TrustedVomsServer,
  cas: readonly UserCa[] | undefined,
): Finding {
  const isKnown = names.some(({ issuer }) => cas?.some(({ identity }) => identity.dn === issuer) !== false)
  if (isKnown) return good('voms', file, `${host} says who is in which group of ${vo}`)
  const issuers = names.map(({ issuer }) => `"${displayDn(issuer)}"`).join(' or ')
  return warn(
    'voms',
    file,
    `no roster names the CA of this VOMS server, so its attributes do not count: ${issuers}`,
    `name the CA: mdm-server roster --config site.json --ca CA.pem, at the site; or rm ${shellWord(file)}`,
  )
}

function write(file: string): string {
  return `write two lines into ${shellWord(file)}: the subject of the VOMS server's certificate, then its issuer`
}
