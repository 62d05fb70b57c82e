import { createPublicKey, type KeyObject } from 'node:crypto'
import { foundingEntries, type Preset } from '@mdm/core/acl/presets'
import type { Principal } from '@mdm/core/acl/principal'
import { signFounding } from '@mdm/core/acl/statement'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, Kid, Version } from '@mdm/core/names'
import type { AclObject } from '@mdm/core/wire/common'

/** The key that signs manifests and founding statements, under the name the roster gives it. */
export interface Signer {
  readonly kid: string
  readonly key: KeyObject
}

/** What J3 makes, in memory only. */
export interface MadeKey {
  /** one envelope per key server, in the order of the roster; to be wiped once they are stored */
  readonly shares: Buffer[]
  readonly manifest: string
}

/** @throws MDM_CONFIG when the roster does not name the site's signing key */
export function signerOf(roster: TrustedRoster, key: KeyObject): Signer {
  const digest = spkiDigest(createPublicKey(key))
  const named = roster.body.signingKeys.find(({ spki }) => spkiDigest(Buffer.from(spki, 'base64')) === digest)
  if (named === undefined) throw new MdmError('MDM_CONFIG', "the site's signing key is not in its roster")
  return { kid: named.kid, key }
}

/**
 * J3: makes and splits the file key and signs the manifest. K itself is not even returned: who needs
 * it asks the key servers.
 */
export async function makeKey(
  of: { guid: Guid; version: Version; kid: Kid },
  o: { roster: TrustedRoster; signer: Signer },
): Promise<MadeKey> {
  const { site, keyServers, m, n } = o.roster.body
  const { shares, manifest } = await createFileKey({
    ...{ ...of, site, epoch: 1, m, n, signer: o.signer },
    servers: keyServers.map(({ id }) => id),
  })
  return { shares, manifest }
}

/** Statement 0 of every access list of a new volume. */
export async function foundLists(
  guid: Guid,
  o: {
    roster: TrustedRoster
    signer: Signer
    policy: readonly { to: Principal; preset: Preset }[]
    now: Date
  },
): Promise<Map<AclObject, string>> {
  const { site, administrators } = o.roster.body
  const foundings = new Map<AclObject, string>()
  for (const [object, entries] of foundingEntries({ site, administrators, policy: o.policy })) {
    const founding = { site, guid, object, entries, signer: o.signer, now: o.now }
    foundings.set(object, await signFounding(founding))
  }
  return foundings
}
