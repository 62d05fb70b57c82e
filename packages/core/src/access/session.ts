import { addRoster, storedConfig, trustedRoster, type ClientConfig } from '../config.ts'
import { spkiDigest } from '../crypto/spki.ts'
import { Peer } from '../grid/http.ts'
import type { KeyServerPeer } from '../grid/key-servers.ts'
import type { Credential } from '../identity/credential.ts'
import type { TrustedRoster } from '../identity/roster.ts'
import { getRosters } from '../wire/common.ts'
import { ownCredential } from './own-credential.ts'

/** One user at one site: who he is, what he trusts, and the connections to site and key servers. */
export interface Session {
  readonly config: ClientConfig
  readonly roster: TrustedRoster
  readonly credential: Credential
  readonly site: Peer
  readonly keyServers: readonly KeyServerPeer[]
  /** Takes later rosters from whoever has them; true when one was accepted and the peers were renewed. */
  refresh(): Promise<boolean>
  close(): Promise<void>
}

/**
 * Opens a session with the configured credential and roster; nothing is sent yet.
 *
 * @throws MDM_CONFIG | MDM_CREDENTIAL_EXPIRED | MDM_ROSTER
 */
export async function openSession(config: ClientConfig): Promise<Session> {
  const credential = await ownCredential(config)
  const session = new OpenSession(config, credential, await trustedRoster(config))
  return session
}

class OpenSession implements Session {
  config: ClientConfig
  readonly credential: Credential
  roster: TrustedRoster
  site: Peer
  keyServers: KeyServerPeer[]
  readonly #retired: Peer[] = []

  constructor(config: ClientConfig, credential: Credential, roster: TrustedRoster) {
    this.config = config
    this.credential = credential
    this.roster = roster
    this.site = sitePeer(roster, credential)
    this.keyServers = keyServerPeers(roster, credential)
  }

  async refresh(): Promise<boolean> {
    const { site, seq } = this.roster.body
    for (const peer of [this.site, ...this.keyServers.map((k) => k.peer)]) {
      const later = await peer
        .call(getRosters, { params: { site }, query: { since: seq + 1 } })
        .catch(() => undefined)
      if (later === undefined || later.rosters.length === 0) continue
      // What flags and the environment say is in force, and not to be kept.
      let stored: ClientConfig = { ...(await storedConfig(this.config.file)), sites: this.config.sites }
      let roster = this.roster
      for (const jws of later.rosters) ({ config: stored, roster } = await addRoster(stored, jws, {}))
      const config = { ...this.config, sites: stored.sites }
      // Transfers under way keep their connections until the session ends.
      this.#retired.push(this.site, ...this.keyServers.map((k) => k.peer))
      Object.assign(this, new OpenSession(config, this.credential, roster))
      return true
    }
    return false
  }

  async close(): Promise<void> {
    const peers = [this.site, ...this.keyServers.map((k) => k.peer), ...this.#retired]
    await Promise.all(peers.map((peer) => peer.close()))
  }
}

/** The site of a roster as a peer. */
export function sitePeer(roster: TrustedRoster, credential: { certificate: string; key: string }): Peer {
  const pins = roster.body.services.map((s) => spkiDigest(Buffer.from(s.spki, 'base64')))
  return new Peer({ url: roster.body.api, pins, credential, name: 'the site' })
}

/** The key servers of a roster as peers; also what the site uses, with its own credential. */
export function keyServerPeers(
  roster: TrustedRoster,
  credential: { certificate: string; key: string },
): KeyServerPeer[] {
  return roster.body.keyServers.map(({ id, url, tls }) => ({
    id,
    peer: new Peer({
      url,
      pins: tls.map((t) => spkiDigest(Buffer.from(t.spki, 'base64'))),
      credential,
      name: `key server ${id.slice(0, 12)}`,
    }),
  }))
}
