import type { Budget, Slot } from '../sources/budget.ts'
import type { SeriesRef } from '../source.ts'
import type { WebReply } from './client.ts'
import type { Asker } from './dicom-json.ts'
import { instancePath, isUid, seriesPath } from './paths.ts'
import { askForObjects, objectsOf, type WadoObject } from './wado.ts'

/** What to retrieve, for whom. */
export interface Retrieval extends Asker {
  budget: Budget
  ref: SeriesRef
  /** how many the server says the series has */
  objects: number
}

/** Requests for single objects that are under way at once, as far as the budget has room. */
const WINDOW = 4

/**
 * A whole series in one reply.
 *
 * @returns false when the server no longer has it
 * @throws MDM_SOURCE_UNREACHABLE
 */
export async function* retrieveSeries(r: Retrieval): AsyncGenerator<WadoObject, boolean> {
  const reply = await askForObjects(r.client, seriesPath(r.ref), r)
  if (reply === undefined) return false
  // Objects may have come since they were counted.
  yield* objectsOf(reply, { ...r, maxParts: 2 * r.objects + 1_000 })
  return true
}

/**
 * Single objects, each by its own request; the next ones are asked for while one is read. Those that the server does not
 * have do not come.
 *
 * @throws MDM_SOURCE_UNREACHABLE
 */
export async function* retrieveInstances(
  r: Retrieval,
  sops: readonly string[],
): AsyncGenerator<WadoObject, void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, ...(r.signal === undefined ? [] : [r.signal])])
  const todo = sops.filter(isUid)
  const window: Promise<WebReply | undefined>[] = []
  const ask = (slot: Slot): void => {
    const path = instancePath(r.ref, todo.shift()!)
    const reply = askForObjects(r.client, path, { ...r, signal, slot })
    // It is looked at when its turn comes.
    reply.catch(() => undefined)
    window.push(reply)
  }
  try {
    while (todo.length > 0 || window.length > 0) {
      if (window.length === 0) ask(await r.budget.take(r.purpose, r.signal))
      for (let slot; todo.length > 0 && window.length < WINDOW; ask(slot)) {
        slot = r.budget.tryTake(r.purpose)
        if (slot === undefined) break
      }
      const reply = await window.shift()
      if (reply !== undefined) yield* objectsOf(reply, { ...r, maxParts: 16 })
    }
  } finally {
    stop.abort()
    for (const reply of window) (await reply.catch(() => undefined))?.discard()
  }
}
