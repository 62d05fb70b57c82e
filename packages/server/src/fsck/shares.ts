import { jwsDigest } from '@mdm/core/crypto/jws'
import { checkShare, verifyManifest } from '@mdm/core/crypto/manifest'
import { ERRORS, MdmError } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { getShares, type Release } from '@mdm/core/wire/key-server'
import type { Collector } from './findings.ts'
import type { ActiveVersion } from './volumes.ts'

/** A key server that does not answer for this long is silent, ms. */
const SILENT_MS = 5_000

/**
 * Asks every key server for the share of every version, as the site itself would for a get; each answer is a record in that
 * server's audit log. The shares are looked at and wiped.
 */
export async function checkShares(
  servers: readonly KeyServerPeer[],
  versions: readonly ActiveVersion[],
  roster: TrustedRoster,
  to: Collector,
): Promise<void> {
  const silent = new Set<string>()
  for (const version of versions) {
    const answers = await Promise.all(
      servers.map(async (server) =>
        silent.has(server.id) ? 'silent' : await askOne(server, version, roster, to),
      ),
    )
    for (const [i, answer] of answers.entries()) {
      const { id } = servers[i]!
      if (answer !== 'silent' || silent.has(id)) continue
      silent.add(id)
      to.find('key-server-silent', id.slice(0, 12))
    }
    const good = answers.filter((answer) => answer === 'good').length
    const heard = answers.filter((answer) => answer !== 'silent').length
    const thing = `${version.guid}@${version.version} ${good} of ${servers.length}`
    // What a silent server holds is not known, and its silence is told once.
    if (heard - good > servers.length - roster.body.m) to.find('shares-too-few', thing)
    else if (good < heard) to.find('shares-incomplete', thing)
    to.look('keys')
  }
}

async function askOne(
  { id, peer }: KeyServerPeer,
  { guid, version, kid, manifest }: ActiveVersion,
  roster: TrustedRoster,
  to: Collector,
): Promise<'good' | 'none' | 'wrong' | 'silent'> {
  let releases: readonly Release[]
  try {
    const signal = AbortSignal.timeout(SILENT_MS)
    releases = (await peer.call(getShares, { params: { guid }, query: { kid } }, { signal })).releases
  } catch (error) {
    if (!(error instanceof MdmError) || ERRORS[error.code].retry) return 'silent'
    if (error.code === 'MDM_NOT_FOUND') return 'none'
    // It answers, and cannot give what it holds.
    to.find('share-wrong', `${guid}@${version} at ${id.slice(0, 12)}`)
    return 'wrong'
  }
  const known = await verifyManifest(manifest, roster.signers, { guid, version, kid })
  const release = releases.find((one) => jwsDigest(one.manifest) === jwsDigest(manifest))
  if (release === undefined) return 'none'
  try {
    checkShare(known, id, Buffer.from(release.share, 'base64')).fill(0)
    return 'good'
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    to.find('share-wrong', `${guid}@${version} at ${id.slice(0, 12)}`)
    return 'wrong'
  }
}
