import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { needlesOf, type Needle } from '@mdm/core/scan/needles'
import { hitsIn } from '@mdm/core/scan/scan-files'
import type { Planted } from './notes.ts'
import { upperBits } from './pixels.ts'

/** Looks for planted texts; what is found is named by where it was planted. */
export interface Search {
  readonly needles: readonly Needle[]
  /** By the engine of "mdm deid scan". */
  byEngine(content: Buffer): Set<string>
  /** By the bytes that were planted. */
  byBytes(content: Buffer): Set<string>
  /** Both ways. */
  both(content: Buffer): Set<string>
  /** Both ways, also in what gzip packed and in the upper bits of voxels. */
  inFile(name: string, content: Buffer): Set<string>
}

export function searchFor(planted: readonly Planted[]): Search {
  const needles = needlesOf(planted.map(({ text }) => text))
  const byEngine = (content: Buffer) =>
    new Set(hitsIn(content, { needles, patterns: false }).map(({ canary }) => planted[canary!]!.where))
  const byBytes = (content: Buffer) =>
    new Set(planted.filter(({ bytes }) => content.includes(bytes)).map(({ where }) => where))
  const both = (content: Buffer) => byEngine(content).union(byBytes(content))
  return {
    ...{ needles, byEngine, byBytes, both },
    inFile(name, content) {
      const plain = name.endsWith('.gz') ? gunzipSync(content) : content
      const found = both(Buffer.from(name)).union(both(content))
      if (plain !== content) for (const where of both(plain)) found.add(where)
      return /\.(nrrd|nii|nii\.gz|mha|dcm)$/.test(name) ? found.union(both(upperBits(plain))) : found
    },
  }
}

export async function filesOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
