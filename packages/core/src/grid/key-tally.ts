import type { KeyObject } from 'node:crypto'
import { combineShares } from '../crypto/file-key.ts'
import type { KeyManifest } from '../crypto/manifest.ts'
import { MdmError, type ErrorCode } from '../errors.ts'
import type { KeyServerId } from '../names.ts'

/**
 * A key server that did not help, and why: MDM_BAD_SHARE, MDM_MANIFEST, MDM_BAD_REQUEST and MDM_PEER mean that it lied,
 * MDM_UNREACHABLE that it was silent or, where `unfinished`, that its answer had begun and was not whole in time.
 */
export interface KeyServerFault {
  readonly server: KeyServerId
  readonly code: ErrorCode
  readonly unfinished?: true
  /** of the answer that refused, for its operator */
  readonly requestId?: string
}

export interface GatheredKey {
  readonly fileKey: KeyObject
  readonly manifest: KeyManifest
}

/** One share that fits a manifest which the site signed. */
export interface GoodShare {
  readonly manifest: KeyManifest
  readonly digest: string
  readonly share: Buffer
}

interface Group {
  readonly digest: string
  readonly manifest: KeyManifest
  readonly shares: { server: KeyServerId; share: Buffer }[]
}

export interface TallyOptions {
  readonly servers: readonly unknown[]
  readonly threshold: number
  readonly onFault?: (fault: KeyServerFault) => void
}

/** Who answered what; the first manifest with m good shares wins, all else is a fault. */
export class KeyTally {
  readonly #o: TallyOptions
  readonly #faults: KeyServerFault[] = []
  readonly #groups = new Map<string, Group>()
  #winner: Group | undefined

  constructor(o: TallyOptions) {
    this.#o = o
  }

  /** True once m shares of one manifest were there. */
  get won(): boolean {
    return this.#winner !== undefined
  }

  add(server: KeyServerId, { manifest, digest, share }: GoodShare): void {
    if (this.#winner !== undefined) {
      share.fill(0)
      if (digest !== this.#winner.digest) this.#differs(this.#winner, { manifest, shares: [{ server }] })
      return
    }
    const group = this.#groups.get(digest) ?? { digest, manifest, shares: [] }
    this.#groups.set(digest, group)
    group.shares.push({ server, share })
  }

  miss(fault: KeyServerFault): void {
    this.#faults.push(fault)
    this.#o.onFault?.(fault)
  }

  /**
   * The get has ended with its key: names who had begun an answer and not finished it.
   *
   * @param open servers whose answer is not whole, and whether it has begun
   * @param late so much time has passed that silence is a fault too
   */
  end(open: ReadonlyMap<KeyServerId, boolean>, late: boolean): void {
    for (const [server, begun] of open) {
      if (begun) this.miss({ server, code: 'MDM_UNREACHABLE', unfinished: true })
      else if (late) this.miss({ server, code: 'MDM_UNREACHABLE' })
    }
  }

  /** The key when m shares of one manifest are there, the error when that cannot happen any more, else undefined. */
  verdict(): GatheredKey | MdmError | undefined {
    if (this.#winner !== undefined) return undefined
    for (const group of this.#groups.values()) {
      if (group.shares.length < group.manifest.m) continue
      this.#winner = group
      for (const other of this.#groups.values()) if (other !== group) this.#differs(group, other)
      return this.#combined(group)
    }
    const n = this.#o.servers.length
    const m = [...this.#groups.values()][0]?.manifest.m ?? this.#o.threshold
    const unknown = this.#faults.filter((f) => f.code === 'MDM_NOT_FOUND').length
    const good = [...this.#groups.values()].reduce((sum, g) => sum + g.shares.length, 0)
    const waiting = n - this.#faults.length - good
    // Which server answers first must not decide between "not for you" and "too few": both need their last word.
    const open = this.#faults.length <= n - m || unknown + waiting > n - m
    if (unknown <= n - m && waiting > 0 && open) return undefined
    this.#wipe()
    return unknown > n - m
      ? new MdmError('MDM_NOT_FOUND', 'no key server has this key for you')
      : this.#short(n, m)
  }

  #combined({ manifest, shares }: Group): GatheredKey | MdmError {
    try {
      return { fileKey: combineShares(manifest, shares), manifest }
    } catch (error) {
      return error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
    } finally {
      this.#wipe()
    }
  }

  #wipe(): void {
    for (const { shares } of this.#groups.values()) for (const { share } of shares) share.fill(0)
  }

  #short(n: number, m: number): MdmError {
    const faults = this.#faults.map(({ server, code, requestId }) => ({
      ...{ server: server.slice(0, 12), code },
      ...(requestId === undefined ? {} : { requestId }),
    }))
    const text = `${n - faults.length} of ${n} key servers can give a share, ${m} are needed`
    return new MdmError('MDM_BELOW_THRESHOLD', text, { details: { faults } })
  }

  /** Of two splits of the key that the site has signed, the older one should have gone: whoever gave it is at fault. */
  #differs(
    winner: Group,
    other: { manifest: KeyManifest; shares: readonly { server: KeyServerId }[] },
  ): void {
    const stale = other.manifest.epoch > winner.manifest.epoch ? winner : other
    for (const { server } of stale.shares) {
      if (!this.#faults.some((f) => f.server === server)) this.miss({ server, code: 'MDM_BAD_SHARE' })
    }
  }
}
