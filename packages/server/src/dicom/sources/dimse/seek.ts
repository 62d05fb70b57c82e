import { MdmError } from '@mdm/core/errors'
import type { Association } from '../../dimse/index.ts'
import { seriesKey } from '../../same-series.ts'
import type { SeriesRef } from '../../source.ts'
import { findObjects } from './look.ts'

/** SOP classes of series that were looked at. */
export interface KnownClasses {
  of(ref: SeriesRef): readonly string[] | undefined
  set(ref: SeriesRef, classes: readonly string[]): void
}

const MOST_SERIES = 10_000

export function createKnownClasses(): KnownClasses {
  const known = new Map<string, readonly string[]>()
  return {
    of: (ref) => known.get(seriesKey(ref)),
    set(ref, classes) {
      known.delete(seriesKey(ref))
      known.set(seriesKey(ref), classes)
      if (known.size > MOST_SERIES) known.delete(known.keys().next().value!)
    },
  }
}

/** What is looked for in a series: objects that did not come yet, and the classes to propose for them. */
export class Sought {
  readonly missing: Set<string>
  classes: readonly string[] = []
  /** objects that the source itself says there are, of those wanted */
  promised: number
  readonly #source: string
  readonly #ref: SeriesRef
  readonly #known: KnownClasses
  /** all objects of the series have been asked for */
  #looked = false

  /** @param sops objects wanted; all of the series where absent */
  constructor(of: {
    source: string
    ref: SeriesRef
    sops: readonly string[] | undefined
    known: KnownClasses
  }) {
    this.missing = new Set(of.sops)
    this.promised = this.missing.size
    this.#source = of.source
    this.#ref = of.ref
    this.#known = of.known
    this.classes = of.known.of(of.ref) ?? []
  }

  /**
   * Learns what has to be proposed, by one question at most.
   *
   * @throws MDM_NOT_FOUND
   */
  async look(association: Association, o: { all: boolean }): Promise<void> {
    if (o.all) return await this.#lookAtAll(association, true)
    if (this.classes.length > 0) return
    const [first] = this.missing
    const found = await findObjects(association, this.#ref, first)
    if (found.size === 0) await this.#lookAtAll(association, false)
    else this.#learn(found)
  }

  /**
   * Looks at the whole series after something did not come: what is not there is not missing any more.
   *
   * @returns true when something is missing of a class that was not known before, so that the same method may bring it
   * @throws MDM_NOT_FOUND
   */
  async lookAgain(association: Association): Promise<boolean> {
    if (this.#looked) return false
    const before = this.classes
    await this.#lookAtAll(association, false)
    return this.missing.size > 0 && this.classes.some((uid) => !before.includes(uid))
  }

  async #lookAtAll(association: Association, wantAll: boolean): Promise<void> {
    const objects = await findObjects(association, this.#ref)
    this.#looked = true
    if (objects.size === 0) throw new MdmError('MDM_NOT_FOUND', `source ${this.#source} has no such series`)
    if (wantAll) for (const sop of objects.keys()) this.missing.add(sop)
    else for (const sop of this.missing) if (!objects.has(sop)) this.missing.delete(sop)
    this.promised = wantAll ? objects.size : this.promised
    this.#learn(objects)
  }

  #learn(objects: ReadonlyMap<string, string>): void {
    this.classes = [...new Set(objects.values())].filter((uid) => uid !== '')
    this.#known.set(this.#ref, this.classes)
  }
}
