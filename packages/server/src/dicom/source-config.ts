import { z } from 'zod'

/** Name of a source, as LFNs carry it. */
export const SourceName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/)

/** Application entity title: 1 to 16 characters, no backslash, no blanks at its ends (DICOM PS3.5 6.2). */
export const AeTitle = z
  .string()
  .regex(/^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$/)

const Seconds = z.number().positive().max(86_400)

/** What all kinds of sources have alike. */
const common = {
  name: SourceName,
  /** `file:///folder` or a path, `dicom://AET@host:port`, `dicoms://AET@host:port`, `dicomweb+https://host/root` (`dicomweb+http` on loopback) */
  url: z.string().min(1).max(2_000),
  /** a series counts as complete when nothing came for so long, and the source's own count stands still */
  quietSeconds: Seconds.default(10),
  /** how often the whole source is compared with what is registered, from the start on; 0 is never, and a folder is not watched */
  pollSeconds: z.number().min(0).max(86_400).default(300),
  /** studies from so many days back are looked at by each poll, beside what is new; none looks at all of them */
  pollDays: z.int().min(1).max(36_500).optional(),
}

/** A PACS: what dicom:// and dicomweb+https:// need besides. Paths are relative to site.json. */
const server = {
  /** our own application entity title */
  callingAe: AeTitle.default('MDM'),
  /** PEM: the CA (or the very certificate) of the server, and what we show it */
  tls: z
    .strictObject({
      ca: z.string().min(1),
      certificate: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
      /** name in the server's certificate, where it is not the host of the URL */
      serverName: z.string().min(1).max(255).optional(),
    })
    .optional(),
  /** file (0600) with one line `user:password` */
  credentials: z.string().min(1).optional(),
  /** associations or requests open at once, for delivery, registration and polls together */
  associations: z.int().min(1).max(16).default(4),
  connectSeconds: Seconds.default(10),
  /** until an association is accepted */
  associationSeconds: Seconds.default(15),
  /** silence after which the server counts as gone; tape archives may need more */
  inactivitySeconds: Seconds.default(60),
  /** only these ways of retrieving, in this order; the probe decides when absent */
  retrieve: z
    .array(z.enum(['wado-rs', 'c-get', 'c-get-series', 'c-move']))
    .min(1)
    .optional(),
  /** Orthanc's own REST address, whose /changes say what is new: `http://127.0.0.1:8042` */
  changes: z.url().max(2_000).optional(),
  /** what comes to the site's `dicom` listener from this peer is a hint about this source */
  pushes: z
    .strictObject({
      /** application entity title of the sender */
      ae: AeTitle,
      /** addresses it sends from */
      addresses: z
        .array(z.union([z.ipv4(), z.ipv6()]))
        .min(1)
        .max(100),
      /** SHA-256 (hex) of the certificates it may show; any below the listener's CA when absent */
      certificates: z
        .array(z.string().regex(/^[0-9a-f]{64}$/))
        .min(1)
        .max(10)
        .optional(),
    })
    .optional(),
}

/** One source in site.json. */
export const SourceConfig = z.strictObject({ ...common, ...server })
export type SourceConfig = z.output<typeof SourceConfig>
