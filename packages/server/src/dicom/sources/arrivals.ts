import { MdmError } from '@mdm/core/errors'
import type { IncomingAssociation, ReceivedObject } from '../dimse/index.ts'

/** Objects that a C-MOVE brings to the site's own listener, which stands for the retrieval that asked for them. */
export interface Arrivals {
  /** our application entity title that the peers know, and where they send to */
  readonly ae: string
  /**
   * Takes an object for the retrieval that waits for it.
   *
   * @returns the status to answer (PS3.7 9.1.1.1.9); undefined when nobody asked this sender for it
   */
  take(object: ReceivedObject, from: IncomingAssociation): Promise<number> | undefined
  /** Waits for objects from one sender. */
  expect(o: { sops: ReadonlySet<string>; isSender: (from: IncomingAssociation) => boolean }): Expected
}

/** Objects as they arrive; each is answered when the next is asked for. */
export interface Expected extends AsyncIterable<ReceivedObject> {
  /** Nothing more will come; with an error, the reader is told. */
  end(error?: unknown): void
}

/** Processing failure (PS3.4 B.2.3): whoever asked for it has gone. */
const FAILED = 0x0110

interface Waiting {
  isFor(object: ReceivedObject, from: IncomingAssociation): boolean
  give(object: ReceivedObject): Promise<number>
}

/** @param ae title of the site's listener */
export function createArrivals(ae: string): Arrivals {
  const waiting = new Set<Waiting>()
  return {
    ae,
    take(object, from) {
      for (const one of waiting) if (one.isFor(object, from)) return one.give(object)
      return undefined
    },
    expect({ sops, isSender }) {
      const arrived: { object: ReceivedObject; answer: (status: number) => void }[] = []
      let ended: { error?: unknown } | undefined
      let news = Promise.withResolvers<void>()
      const one: Waiting = {
        isFor: (object, from) => isSender(from) && sops.has(object.sop),
        give(object) {
          const { promise, resolve } = Promise.withResolvers<number>()
          arrived.push({ object, answer: resolve })
          news.resolve()
          return promise
        },
      }
      waiting.add(one)
      return {
        end(error) {
          waiting.delete(one)
          ended ??= error === undefined ? {} : { error }
          news.resolve()
        },
        async *[Symbol.asyncIterator]() {
          let answer: ((status: number) => void) | undefined
          try {
            for (;;) {
              const next = arrived.shift()
              if (next !== undefined) {
                answer = next.answer
                yield next.object
                answer(0)
                answer = undefined
              } else if (ended !== undefined) {
                if (ended.error !== undefined) throw ended.error
                return
              } else {
                await news.promise
                news = Promise.withResolvers()
              }
            }
          } finally {
            waiting.delete(one)
            answer?.(FAILED)
            for (const { answer: refuse } of arrived) refuse(FAILED)
            ended ??= { error: new MdmError('MDM_SOURCE_INCOMPLETE', 'the reader has gone') }
          }
        },
      }
    },
  }
}
