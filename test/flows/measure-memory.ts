import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { ORDERS } from '../server/deliver/fixture.ts'

/** A volume of 16-bit voxels and the order in which its source sends the slices. */
export interface MemoryRun {
  readonly columns: number
  readonly rows: number
  readonly slices: number
  readonly order: keyof typeof ORDERS
  /** where the spool folder is made; the system's temporary folder when absent */
  readonly folder?: string
}

export interface MemoryResult {
  /** of the container */
  readonly bytes: number
  readonly ms: number
  /** the digest of the plaintext was right */
  readonly same: boolean
  /** peak of resident memory before, and by how much the run raised it (VmHWM) */
  readonly beforeMiB: number
  readonly riseMiB: number
}

/** Prepares one volume in a process of its own, whose peak memory nothing else touches. Linux only. */
export async function measureMemory(run: MemoryRun): Promise<MemoryResult> {
  const child = path.join(import.meta.dirname, 'memory-child.ts')
  // Garbage that nobody has collected yet is no memory that a volume needs, and how much it is differs from run to run.
  const args = ['--conditions=@mdm/source', '--max-semi-space-size=1', child, JSON.stringify(run)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 600_000 })
  return JSON.parse(stdout) as MemoryResult
}
