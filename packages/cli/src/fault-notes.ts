import type { Session } from '@mdm/core/access/session'
import type { KeyServerFault } from '@mdm/core/grid/key-servers'

/** What a key server did wrong, in words; a code not here is said as it is. */
const WORDS: Readonly<Record<string, string>> = {
  MDM_BAD_SHARE: 'sent a share that does not fit the manifest; it was not used',
  MDM_MANIFEST: 'sent a manifest that the site did not sign; its share was not used',
  MDM_PEER: 'shows a key that the roster does not name; nothing was sent to it',
  MDM_UNREACHABLE: 'does not answer',
  MDM_NOT_FOUND: 'knows no key of this volume for you',
}

/** Names each key server that was silent or lied, once for each fault, by its place in the roster and its address. */
export function faultNotes(session: Session, talk: (line: string) => void): (fault: KeyServerFault) => void {
  const said = new Set<string>()
  return ({ server, code }) => {
    const line = `warning: key server ${server.slice(0, 12)} (${urlOf(session, server)}) ${WORDS[code] ?? `failed with ${code}`}`
    if (!said.has(line)) talk(line)
    said.add(line)
  }
}

function urlOf(session: Session, server: string): string {
  return session.roster.body.keyServers.find((k) => k.id === server)?.url ?? 'not in the roster'
}
