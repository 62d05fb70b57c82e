import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createDelivery } from '@mdm/server/deliver/delivery'
import { forever, ORDERS, scriptedSource, sends, stream, testVolume } from '../server/deliver/fixture.ts'
import type { MemoryRun, MemoryResult } from './measure-memory.ts'

// The program that measureMemory() starts: prepares and reads one volume, and prints what that did to the peak.

const run = JSON.parse(process.argv[2]!) as MemoryRun
const peakMiB = () =>
  Number(/VmHWM:\s+([0-9]+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024

/** Prepares a volume and reads the whole container, which is only counted. */
async function prepareAndRead(
  slices: number,
): Promise<{ bytes: number; digest: string; expected: string; ms: number }> {
  const volume = testVolume({ columns: run.columns, rows: run.rows, slices })
  const spoolDir = mkdtempSync(path.join(run.folder ?? tmpdir(), 'mdm-memory-'))
  let digest = ''
  try {
    const delivery = createDelivery({
      catalog: { recordDigest: async (_guid, _version, sha256) => void (digest = sha256) },
      sources: new Map([['memory', scriptedSource(volume, sends(volume, ORDERS[run.order](slices)))]]),
      keys: { fetch: async () => volume.fileKey },
      site: volume.record.site,
      spoolDir,
      quotaBytes: 4 * volume.record.containerBytes + 2 ** 20,
    })
    const started = performance.now()
    const lease = await delivery.open(volume.record, { signal: forever })
    let bytes = 0
    for await (const chunk of stream(lease)) bytes += (chunk as Buffer).length
    const ms = performance.now() - started
    await delivery.close()
    return { bytes, digest, expected: volume.sha256, ms }
  } finally {
    rmSync(spoolDir, { recursive: true })
  }
}

// once small, so that the modules and the compiler are no part of the rise
await prepareAndRead(Math.min(run.slices, 4))
const before = peakMiB()
const { bytes, digest, expected, ms } = await prepareAndRead(run.slices)
const result: MemoryResult = {
  bytes,
  ms,
  same: digest === expected,
  beforeMiB: before,
  riseMiB: peakMiB() - before,
}
console.log(JSON.stringify(result))
