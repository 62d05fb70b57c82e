import { createHash } from 'node:crypto'
import { free } from '@mdm/core/memory'
import { adler32 } from '@mdm/core/crypto/adler32'
import type { Preparation } from './preparation.ts'
import { readContainer } from './transfer.ts'

/** Of a sealed container: what a copy of it can be compared by. */
export interface ContainerDigests {
  /** 8 hex digits */
  readonly adler32: string
  /** base64 */
  readonly sha256: string
}

/** Digests of sealed containers, each read once. */
export interface Digests {
  /** @param preparation is SEALED; it is held while it is read. @throws MDM_INTEGRITY | MDM_SPOOL_FULL for a fault of the disk */
  of(preparation: Preparation): Promise<ContainerDigests>
}

/** Containers whose digests are remembered; another preparation of the same volume is another container. */
const REMEMBERED = 10_000

export function createDigests(): Digests {
  const known = new Map<string, Promise<ContainerDigests>>()
  return {
    of(preparation) {
      const { etag } = preparation.container!
      const before = known.get(etag)
      if (before !== undefined) return before
      const digests = read(preparation)
      known.set(etag, digests)
      digests.catch(() => known.delete(etag))
      const [oldest] = known.keys()
      if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest)
      return digests
    },
  }
}

async function read(preparation: Preparation): Promise<ContainerDigests> {
  const end = preparation.container!.length
  const sha256 = createHash('sha256')
  let sum = 1
  for await (const chunk of readContainer(preparation, { start: 0, end }, preparation.hold())) {
    sum = adler32(chunk as Buffer, sum)
    sha256.update(chunk as Buffer)
    free(chunk as Buffer)
  }
  return { adler32: sum.toString(16).padStart(8, '0'), sha256: sha256.digest('base64') }
}
