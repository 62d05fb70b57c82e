import type { z } from 'zod'
import type { KeysConfig } from '../config.ts'
import type { Field } from './commented.ts'

const TITLE = `One key server of the Medical Data Manager.
JSON with comments. Paths are relative to this file. After a change: "mdm-server check keys --config" this file, then restart.
Fields that may be added (crls, vomsdir, log, metrics, limit, stopSeconds) are in docs/server.md.`

const NOTES: Partial<Record<keyof KeysConfig, string>> = {
  listen: 'Address and port that are listened on. Sites and users connect here; nothing else does.',
  identity:
    "The key server's name is the digest of this key. Lost, the server is lost with every share it holds: keep a backup.",
  tls: `Certificate and key of the listener. Peers compare the key with the roster and nothing else of the certificate,
so another certificate for the same key may take its place: the one that a CA made of tls.csr, or a renewed one.`,
  store: `The shares: a SQLite file, or "postgres://user@host/database" with the password in ~/.pgpass.
Nothing but this server may use it.`,
  storeKey: 'Encrypts the shares in the store. Backups of the store are worth nothing without it.',
  audit:
    'Every release and every change, one line of JSON each, chained. Append only: nothing is released when it is full.',
  rosters: 'Rosters of the sites that this server works for: "mdm-server keys trust" adds one.',
  bans: `Whom nobody here answers: a list such as [{"kind": "user", "dn": "...", "issuer": "..."}]. Read again when it changes;
an absent file is an empty list.`,
}

/** Title and fields of keys.json, each with what its keeper should know. */
export function keysFields(config: z.input<typeof KeysConfig>): [title: string, fields: Field[]] {
  const fields = Object.entries(config).map(([name, value]) => {
    const note = NOTES[name as keyof KeysConfig]
    return { name, value, ...(note === undefined ? {} : { note }) }
  })
  return [TITLE, fields]
}
