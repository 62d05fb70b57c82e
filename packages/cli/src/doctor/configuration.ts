import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  defaultConfigFile,
  loadConfig,
  trustedRoster,
  type ClientConfig,
  type ConfigFlags,
} from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'

/** How a roster is accepted; the words in capitals are the site's to give. */
export const ADD_ROSTER = 'mdm config add ROSTER --fingerprint FINGERPRINT'
/** How a certificate is chosen. */
export const SET_CREDENTIAL = 'mdm config set --cert CERTIFICATE --key KEY'

/** Is there a configuration, can it be read, and is it this user's alone to write? */
export async function checkConfiguration(
  flags: ConfigFlags,
): Promise<{ findings: Finding[]; config?: ClientConfig }> {
  const file = resolve(flags.config ?? (process.env['MDM_CONFIG'] || defaultConfigFile()))
  try {
    const config = await loadConfig(flags)
    const mode = await modeOf(config.file)
    if (mode === undefined)
      return { config, findings: [warn('configuration', file, 'there is no configuration file', ADD_ROSTER)] }
    return { config, findings: [checkMode('configuration', config.file, mode)] }
  } catch (error) {
    const { message } = error as Error
    const moved = `mv ${shellWord(file)} ${shellWord(`${file}.old`)} && ${ADD_ROSTER}`
    const there = (await modeOf(file)) !== undefined
    // What a flag or the environment said wrong is not mended in the file.
    const next = !/file/.test(message) ? 'unset MDM_SITE MDM_CERT MDM_KEY' : there ? moved : ADD_ROSTER
    return { findings: [fault('configuration', file, message, next)] }
  }
}

/** Is the roster of the site in force there, whole and this user's alone to write? */
export async function checkRoster(
  config: ClientConfig,
): Promise<{ findings: Finding[]; roster?: TrustedRoster }> {
  const known = Object.keys(config.sites)
  try {
    const roster = await trustedRoster(config)
    const { site, seq } = roster.body
    const file = config.sites[site]?.roster ?? ''
    const mode = await modeOf(file)
    const message = `roster ${seq} of site "${site}", ${rosterFingerprint(roster.jws)}`
    const open = mode !== undefined && isWritable(mode)
    return {
      roster,
      findings: [open ? checkMode('roster', file, mode) : good('roster', file, message)],
    }
  } catch (error) {
    const subject = config.site ?? ''
    const choose = known.length > 1 && config.site === undefined
    const next = choose ? `mdm config set --site ${known[0]}` : ADD_ROSTER
    const why = error instanceof MdmError ? error.message : 'it cannot be read'
    return { findings: [fault('roster', subject, why, next)] }
  }
}

/** Who can write it decides whom this user trusts; reading it harms nobody much. */
function checkMode(name: string, file: string, mode: number): Finding {
  const next = `chmod 600 ${shellWord(file)}`
  if (isWritable(mode)) return fault(name, file, 'others may write to it, and so choose whom you trust', next)
  if ((mode & 0o077) !== 0 && process.platform !== 'win32')
    return warn(name, file, 'others may read it', next)
  return good(name, file, 'readable, and yours alone')
}

function isWritable(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o022) !== 0
}

async function modeOf(file: string): Promise<number | undefined> {
  return await stat(file).then(
    (s) => s.mode,
    () => undefined,
  )
}
