import { isDeepStrictEqual } from 'node:util'
import { MdmError } from '../errors.ts'
import { convert, type FormatName } from '../volume/formats/index.ts'
import { encodeReal, realType } from '../volume/formats/real-values.ts'
import type { SeriesAxis, Volume } from '../volume/volume.ts'
import type { SetStat } from '../wire/sets.ts'
import type { OpenVolume } from './decrypt.ts'

export interface SetContentOptions {
  readonly format: FormatName
  /** first and last slice of each volume, 0-based */
  readonly slices?: readonly [number, number] | undefined
  /** told what each volume of the file is, and the axis they follow, before any output */
  readonly onVolume?: ((volume: Volume, axis: SeriesAxis) => void) | undefined
}

/** @throws MDM_DENIED for who may not read the values along the axis, without which there is no header */
export function axisOf({ axis, unit, values }: SetStat): SeriesAxis {
  if (values === undefined) {
    const text =
      'you may not read where the volumes of this set lie; ask the data administrator for the preset "process"'
    throw new MdmError('MDM_DENIED', text, { details: { preset: 'process' } })
  }
  return { name: axis, ...(unit === undefined ? {} : { unit }), values }
}

/**
 * The file that holds a whole set: one header, then the voxels of one volume after the other, no more than one of them open and a piece of
 * it in memory.
 *
 * @param open opens member `i`, counted from 0; what it gives is closed here
 * @throws MDM_INTEGRITY when a volume is not the one that the set names, or does not fit the first; then the end is missing
 * @throws MDM_USAGE | MDM_RANGE before any output
 */
export async function* setContent(
  set: SetStat,
  open: (i: number) => Promise<OpenVolume>,
  o: SetContentOptions,
): AsyncGenerator<Buffer> {
  const axis = axisOf(set)
  const members = new Members(set, open)
  try {
    const whole = members.fileVolume(await members.at(0))
    const { format, slices, onVolume } = o
    const voxels = members.voxels(slices ?? [0, whole.slices - 1])
    yield* convert(format, voxels, {
      ...{ volume: whole, axis, slices },
      onVolume: (volume) => onVolume?.(volume, axis),
    })
  } finally {
    await members.close()
  }
}

/** The volumes of a set, of which one is open at a time. */
class Members {
  readonly #set: SetStat
  readonly #open: (i: number) => Promise<OpenVolume>
  #current: { readonly i: number; readonly volume: OpenVolume } | undefined
  #first: Volume | undefined

  constructor(set: SetStat, open: (i: number) => Promise<OpenVolume>) {
    this.#set = set
    this.#open = open
  }

  async at(i: number): Promise<OpenVolume> {
    if (this.#current?.i === i) return this.#current.volume
    await this.close()
    const volume = await this.#open(i)
    this.#current = { i, volume }
    const { guid, version } = this.#set.members[i]!
    if (volume.guid !== guid || volume.version !== version)
      throw new MdmError('MDM_INTEGRITY', `what was opened as volume ${i + 1} of the set is another one`)
    this.#first ??= volume.volume
    this.#requireFit(volume.volume, i)
    return volume
  }

  /** What one volume of the file is: that of the first, or its real values where others are rescaled differently. */
  fileVolume({ volume }: OpenVolume): Volume {
    if (this.#set.realValues !== true) return volume
    return { ...volume, type: realType(volume.type), slope: 1, intercept: 0 }
  }

  async *voxels(slices: readonly [number, number]): AsyncGenerator<Buffer> {
    for (const i of this.#set.members.keys()) {
      const member = await this.at(i)
      const encode = this.#set.realValues === true ? encodeReal(member.volume) : undefined
      for await (const piece of member.stream({ slices })) yield encode === undefined ? piece : encode(piece)
    }
  }

  async close(): Promise<void> {
    await this.#current?.volume.close()
    this.#current = undefined
  }

  #requireFit(volume: Volume, i: number): void {
    const told = (one: Volume) => {
      const { lossy: _, slope, intercept, ...rest } = one
      return this.#set.realValues === true ? rest : { ...rest, slope, intercept }
    }
    if (!isDeepStrictEqual(told(volume), told(this.#first!)))
      throw new MdmError(
        'MDM_INTEGRITY',
        `volume ${i + 1} of the set is not of the grid and type of the first`,
      )
  }
}
