import { createHash } from 'node:crypto'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { ERRORS, MdmError } from '@mdm/core/errors'
import type { Guid } from '@mdm/core/names'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'

/** What has been promised to clients and what they saw; a violation is what must never be. */
export class Ledger {
  readonly violations: string[] = []
  /** things that were done, and codes of errors, each with how often */
  readonly counts: Record<string, number> = {}
  /** acknowledged registrations: GUID and LFN */
  readonly acknowledged = new Map<Guid, string>()
  readonly #source: string
  readonly #digests = new Map<string, number>()
  readonly #contents = new Map<Guid, number>()
  #series = 0

  constructor(source: string) {
    this.#source = source
  }

  get series(): number {
    return this.#series
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  violation(text: string): void {
    this.violations.push(`${new Date().toISOString()} ${text}`)
  }

  /** A client's failure: coded, of a kind that an honest grid in trouble may give. `expected` are codes that it may have as well. */
  failed(who: string, error: unknown, expected: readonly string[] = []): void {
    if (!(error instanceof MdmError))
      return this.violation(`${who}: an error without a code: ${String(error)}`)
    this.count(`${who}: ${error.code}`)
    const fine = ERRORS[error.code].retry || expected.includes(error.code)
    if (!fine) this.violation(`${who}: ${error.code}: ${error.message}`)
  }

  /** Writes one more series; it appears at the source whole or not at all. */
  async addSeries(shape: { columns: number; rows: number; slices: number }): Promise<void> {
    const n = this.#series + 1
    const voxel = (i: number, j: number, k: number) => (n * 7919 + k * 131 + j * 17 + i) & 0xfff
    const made = join(this.#source, '..', `making-${n}`)
    await mkdir(made, { recursive: true })
    await writeSeries(made, {
      modality: 'CT',
      ...shape,
      spacing: [1, 1, 2],
      seed: `series ${n}`,
      bitsStored: 12,
      voxel,
    })
    const body = Buffer.alloc(shape.columns * shape.rows * shape.slices * 2)
    let at = 0
    for (let k = 0; k < shape.slices; k++)
      for (let j = 0; j < shape.rows; j++)
        for (let i = 0; i < shape.columns; i++) at = body.writeUInt16LE(voxel(i, j, k), at)
    this.#digests.set(createHash('sha256').update(body).digest('hex'), n)
    await rename(made, join(this.#source, `series-${n}`))
    this.#series = n
  }

  /** A completed get: its voxels must be those of one series, always the same one, and of no other volume. */
  async got(guid: Guid, file: string): Promise<void> {
    const bytes = await readFile(file)
    this.check(guid, bytes.subarray(bytes.indexOf('\n\n') + 2))
  }

  check(guid: Guid, voxels: Uint8Array): void {
    const n = this.#digests.get(createHash('sha256').update(voxels).digest('hex'))
    const known = this.#contents.get(guid)
    if (n === undefined) return this.violation(`wrong bytes: ${guid} has voxels of no series`)
    if (known !== undefined && known !== n)
      this.violation(`wrong bytes: ${guid} has voxels of another series`)
    if (known === undefined && [...this.#contents.values()].includes(n))
      this.violation(`doubled: two GUIDs of series ${n}`)
    this.#contents.set(guid, n)
  }
}
