import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { keyFromSpki, spkiDigest } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import { Roster } from '@mdm/core/identity/roster'
import { isVouched } from '@mdm/core/identity/voucher'

/** server.json: what a key server's operator gives to a site, which puts it into its roster. Nothing in it is secret. */
export const ServerFile = z.strictObject({
  v: z.literal(1),
  kind: z.literal('key-server'),
  server: Roster.shape.keyServers.element,
  /** who runs it, as people call them: sites are warned when one operator holds a quorum */
  operator: z.string().min(1).max(100).optional(),
})
export type ServerFile = z.infer<typeof ServerFile>

/**
 * Reads a server.json and verifies that it fits together: the id is the digest of the key, which vouches for each TLS key.
 *
 * @param file named in errors, since it is one of several that the caller gave
 * @throws MDM_USAGE when it cannot be read; MDM_CONFIG when it is none, or was altered
 */
export async function readServerFile(file: string): Promise<ServerFile> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MdmError('MDM_USAGE', `${file} cannot be read`, { cause })
  })
  let parsed: ServerFile
  try {
    parsed = ServerFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', `${file} is not a server.json that "mdm-server init keys" wrote`, {
      cause,
    })
  }
  const { id, key, tls } = parsed.server
  if (!fits(id, key, tls)) throw new MdmError('MDM_CONFIG', `${file} was altered: its keys do not fit its id`)
  return parsed
}

function fits(id: string, key: string, tls: ServerFile['server']['tls']): boolean {
  try {
    const identity = keyFromSpki(key)
    return (
      identity.asymmetricKeyType === 'ed25519' &&
      spkiDigest(identity) === id &&
      tls.every((pinned) => isVouched(identity, pinned))
    )
  } catch {
    return false
  }
}
