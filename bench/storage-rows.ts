import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Row } from './compare.ts'
import type { Installed } from './install.ts'
import { measure, type Step } from './measure.ts'
import type { Server } from './process.ts'
import { inFolder } from './rows.ts'
import type { Asker } from './storage.ts'

/** Programs that copy one file from a storage element: the command line of each, as its page says it. */
export const COPIES = {
  'gfal-copy': (url, out) => ['gfal-copy', '-f', url, `file://${out}`],
  arccp: (url, out) => ['arccp', url, out],
  curl: (url, out, { curl }) => ['curl', '-sf', ...curl, '-o', out, url],
  'davix-get': (url, out, { env }) => [
    ...(['davix-get', '-E', env['X509_USER_PROXY']!, '--capath', env['X509_CERT_DIR']!] as const),
    ...[url, out],
  ],
} satisfies Record<string, (url: string, out: string, asker: Asker) => Step['command']>

export interface CopyOptions {
  readonly asker: Asker
  readonly server: Server
  readonly out: string
  /** of the file */
  readonly bytes: number
}

/** A copy of one file, as a process of its own, with an empty home. */
export function copyRow(name: string, program: keyof typeof COPIES, url: string, o: CopyOptions): Row {
  const file = join(o.out, 'copy')
  return fileRow(name, file, COPIES[program](url, file, o.asker), o)
}

/** `mdm get --level raw` of a SURL: the container as a copy has it, with its sum compared and the file synced. */
export function rawRow(name: string, installed: Installed, surl: string, o: CopyOptions): Row {
  const file = join(o.out, 'copy')
  const get = ['get', '--level', 'raw', surl, '-o', file] as const
  return fileRow(name, file, [process.execPath, installed.cli, ...get], o)
}

function fileRow(name: string, file: string, command: Step['command'], o: CopyOptions): Row {
  const env = { ...o.asker.env, HOME: o.out }
  return {
    name,
    run: () =>
      inFolder(o.out, async () => {
        const usage = await measure([{ command, env }], [o.server])
        const { size } = await stat(file)
        if (size !== o.bytes) throw new Error(`${name}: ${size} bytes came, not ${o.bytes}`)
        return usage
      }),
  }
}

export interface RequestOptions {
  readonly asker: Asker
  readonly server: Server
  readonly requests: number
  /** every request on a connection of its own; all on one unless told */
  readonly connectEach?: boolean
  /** what is sent by POST; HEAD unless told */
  readonly message?: string
}

/** The same small request again and again by one curl. */
export function requestsRow(name: string, url: string, o: RequestOptions): Row {
  const { requests, connectEach = false, message } = o
  const sent =
    message === undefined ? ['-I'] : ['-H', 'Content-Type: text/xml; charset=utf-8', '--data-binary', message]
  const command = [
    ...(['curl', '-sf', '--fail-early', ...o.asker.curl, ...sent] as const),
    ...(connectEach ? ['-H', 'Connection: close'] : []),
    ...['-o', '/dev/null', '-w', '%{num_connects}\n', `${url}?[1-${requests}]`],
  ] as unknown as Step['command']
  return {
    name,
    async run() {
      const usage = await measure([{ command }], [o.server])
      const connects = usage.stdout.trim().split('\n').map(Number)
      const made = connects.reduce((sum, count) => sum + count, 0)
      if (connects.length !== requests || made !== (connectEach ? requests : 1))
        throw new Error(`${name}: ${connects.length} requests on ${made} connections`)
      return usage
    },
  }
}
