import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MdmError } from '@mdm/core/errors'

/** A running demo: what `mdm demo up --json` prints and DIR/demo.json keeps. */
export interface DemoGrid {
  readonly dir: string
  /** `srm` is the storage element: https://localhost:port, its CA in DIR/ca/ca.pem */
  readonly site: {
    readonly api: string
    readonly srm: string
    readonly pid: number
    readonly dir: string
  }
  readonly keyServers: readonly { readonly url: string; readonly pid: number; readonly dir: string }[]
  /** admin, physician, scientist, backup, stranger: MDM_CONFIG=config acts as that user */
  readonly users: Readonly<Record<string, { readonly config: string; readonly dn: string }>>
}

export const DEMO_FILE = 'demo.json'

export async function writeDemo(grid: DemoGrid): Promise<void> {
  const file = join(grid.dir, DEMO_FILE)
  await writeFile(`${file}.part`, `${JSON.stringify(grid, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

/** @throws MDM_USAGE when no demo was started in the folder, or it is stopped already */
export async function readDemo(dir: string): Promise<DemoGrid> {
  try {
    return JSON.parse(await readFile(join(dir, DEMO_FILE), 'utf8')) as DemoGrid
  } catch (cause) {
    throw new MdmError('MDM_USAGE', 'no demo runs in this folder', { cause })
  }
}
