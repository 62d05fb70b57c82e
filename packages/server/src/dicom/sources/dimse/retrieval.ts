import type { ReceivedObject } from '../../dimse/index.ts'
import type { Purpose, SeriesRef, StoredObject } from '../../source.ts'

/** Objects of one series that are being retrieved, by whatever method. */
export interface Retrieval<T> {
  readonly ref: SeriesRef
  /** SOP classes that they have, as far as known */
  readonly classes: readonly string[]
  /** SOP instance UIDs of what did not come yet; grows smaller as objects come */
  readonly missing: Set<string>
  readonly purpose: Purpose
  readonly signal: AbortSignal
  /** false where the taker reads the object itself, before it asks for the next */
  readonly ahead: boolean
  /** Makes of an object what is wanted; undefined where it is of no use. */
  take(object: StoredObject): T | undefined | Promise<T | undefined>
}

/** What is wanted of the objects that came: each once, whatever else or however often the peer sends. */
export async function* wanted<T>(r: Retrieval<T>, objects: AsyncIterable<ReceivedObject>): AsyncGenerator<T> {
  for await (const { sopClass, sop, transferSyntax, chunks } of objects) {
    if (!r.missing.delete(sop)) continue
    let item: T | undefined
    try {
      item = await r.take({ sopClass, sop, transferSyntax, dataSet: chunks })
    } catch (error) {
      // Cut in the middle, it did not come.
      r.missing.add(sop)
      throw error
    }
    if (item !== undefined) yield item
  }
}
