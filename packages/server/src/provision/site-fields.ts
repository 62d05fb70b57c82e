import type { z } from 'zod'
import type { SiteConfig } from '../site-config.ts'
import type { Field } from './commented.ts'

const TITLE = `A site of the Medical Data Manager: the hospital's server.
JSON with comments. Paths are relative to this file. After a change: "mdm-server check site --config" this file, then restart.
Fields that may be added (crls, vomsdir, dicom, hooks, log, metrics, limit, stopSeconds) are in docs/server.md.`

const NOTES: Partial<Record<keyof SiteConfig, string>> = {
  site: 'The name of the site, in its roster and in every logical file name. It cannot change.',
  listen: 'Address and port that are listened on for users.',
  tls: `Certificate and key of the listener, and of the site when it calls key servers. Peers compare the key with the roster
and nothing else of the certificate, so another certificate for the same key may take its place: the one that a CA made of
tls.csr, or a renewed one.`,
  signingKey:
    'Signs rosters, key manifests and the first access list of every volume. Lost, no roster can follow this one: keep a backup.',
  rosters: 'Rosters of this site, every one since the first.',
  store: `Catalog and metadata: patient data. A SQLite file, or "postgres://user@host/database" with the password in ~/.pgpass.
Nothing but this server may use it.`,
  audit:
    'Every release and every change, one line of JSON each, chained. Append only: nothing is released when it is full.',
  spool: `Ciphertext in preparation, and what was prepared lately. The quota must fit on its disk, and the largest volume into the
quota; when it is full, what was read longest ago goes first.`,
  srm: `"host" and "port": what storage URLs say. They are in the catalog for ever: a change is for what is registered from then on.
"listen": {"host": "0.0.0.0", "port": 8443} opens the storage element there, for grid clients, by SRM and https. These ask a CA that they
know for "host": "tls": {"certificate": "host.pem", "key": "tls.key"} (docs/grid-site.md). Without "tls" they are shown the certificate above.`,
  pseudonymKey: `Names volumes before they have a GUID, seals access lists, and leads to the key of pseudonyms, which the key servers hold.
Lost, every volume is registered anew and every patient gets another pseudonym.`,
  dates: `"modified": researchers see days of acquisition, all of a patient's moved back by as many days (docs/deidentification.md).
For what is registered from then on.`,
  ages: '"capped": researchers see ages in whole years, 90 for everyone above 89. For what is registered from then on.',
  sources: `Where images are read from: {"name": "...", "url": "file:///folder"}, or a PACS: "dicom://AET@host:104",
"dicomweb+https://host/root" (docs/server.md). The name is in logical file names; it stays.
What comes there is registered by itself, and so is what is there already; "pollSeconds": 0 leaves it to "mdm register".`,
  policy:
    'Who gets which preset on every new volume, beside the administrators: {"to": {"kind": "user", "dn": "...", "issuer": "..."}, "preset": "process"}.',
  bans: `Whom nobody here answers: a list such as [{"kind": "user", "dn": "...", "issuer": "..."}]. Read again when it changes;
an absent file is an empty list.`,
  operators:
    'Who runs each key server, by its id. Only "mdm-server check" reads it: it warns when one holds a quorum.',
}

/** Title and fields of site.json, each with what its keeper should know. */
export function siteFields(config: z.input<typeof SiteConfig>): [title: string, fields: Field[]] {
  const fields = Object.entries(config).map(([name, value]) => {
    const note = NOTES[name as keyof SiteConfig]
    return { name, value, ...(note === undefined ? {} : { note }) }
  })
  return [TITLE, fields]
}
