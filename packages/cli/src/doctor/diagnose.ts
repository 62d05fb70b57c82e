import type { ConfigFlags } from '@mdm/core/config'
import { good, warn, type Finding } from '@mdm/core/findings'
import { checkCertificate, checkCredential } from './certificate.ts'
import { checkConfiguration, checkRoster } from './configuration.ts'
import { checkFolder } from './folder.ts'
import { checkServers } from './servers.ts'
import { checkStorage } from './storage.ts'

/**
 * Looks at all that a user needs of his own machine and of the grid, and changes nothing. What is missing keeps only those
 * checks from being made that cannot be made without it.
 *
 * @param o `folder` is where volumes would be written; `now` is this machine's clock
 */
export async function diagnose(
  flags: ConfigFlags,
  o: { folder: string; now?: () => Date },
): Promise<Finding[]> {
  const now = o.now ?? (() => new Date())
  const { config, findings: first } = await checkConfiguration(flags)
  const found = [good('node', '', `Node ${process.versions.node}`), ...first]
  const folder = checkFolder(o.folder)
  if (config !== undefined) {
    const storage = checkStorage(config)
    const [rosters, credentials] = await Promise.all([checkRoster(config), checkCredential(config)])
    const { roster } = rosters
    const { credential } = credentials
    found.push(...rosters.findings, ...credentials.findings)
    if (credential !== undefined)
      found.push(checkCertificate(credential, config.credential!.certificate, roster, now()))
    if (roster !== undefined && credential !== undefined)
      found.push(...(await checkServers(roster, credential, now)))
    else
      found.push(
        warn('site', '', 'no server was asked: that takes a roster and a certificate', 'mdm doctor, again'),
      )
    found.push(...(await storage))
  }
  return [...found, ...(await folder)]
}
