import type { Session } from '@mdm/core/access/session'
import type { KeyServerFault } from '@mdm/core/grid/key-servers'
import { MdmError } from '@mdm/core/errors'

/** What a key server did wrong, in words: said at once, whatever becomes of the command. */
const LIES: Readonly<Record<string, string>> = {
  MDM_BAD_SHARE: 'sent a share that does not fit the manifest; only a key that fits is ever used',
  MDM_MANIFEST: 'sent a manifest that the site did not sign; its share was not used',
  MDM_BAD_REQUEST: 'sent an answer that breaks its contract; it was not used',
  MDM_PEER: 'shows a key that the roster does not name; nothing was sent to it',
}

const UNFINISHED = 'began an answer and did not finish it; nobody waited for it'

/** What a key server did not do: worth saying only where the outcome depended on key servers. */
const LACKS: Readonly<Record<string, string>> = {
  MDM_UNREACHABLE: 'did not answer',
  MDM_NOT_FOUND: 'knows no key of this volume for you',
}

/** Names each key server that was silent or lied, once for each fault, by its id in the roster and its address. */
export class FaultNotes {
  readonly #session: Session
  readonly #talk: (line: string) => void
  readonly #said = new Set<string>()
  #held: string[] = []

  constructor(session: Session, talk: (line: string) => void) {
    this.#session = session
    this.#talk = talk
  }

  readonly add = ({ server, code, unfinished, requestId }: KeyServerFault): void => {
    const url = this.#session.roster.body.keyServers.find((k) => k.id === server)?.url ?? 'not in the roster'
    const lied = code in LIES || unfinished === true
    const words = unfinished === true ? UNFINISHED : (LIES[code] ?? LACKS[code] ?? `failed with ${code}`)
    const line = `warning: key server ${server.slice(0, 12)} (${url}) ${words}`
    if (this.#said.has(line)) return
    this.#said.add(line)
    const whole = requestId === undefined ? line : `${line} (request ${requestId})`
    if (lied) this.#talk(whole)
    else this.#held.push(whole)
  }

  /** Says what was held back; a command that failed for another reason has cut its calls to key servers short itself. */
  settle(error?: unknown): void {
    const aboutKeys =
      error === undefined || (error instanceof MdmError && error.code === 'MDM_BELOW_THRESHOLD')
    if (aboutKeys) for (const line of this.#held) this.#talk(line)
    this.#held = []
  }
}
