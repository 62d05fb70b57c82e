import { lstat, open, type FileHandle } from 'node:fs/promises'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { auditLine, readAuditChain, type AuditHead } from './chain.ts'

/** Who did it; from the certificate, canonical names. */
export interface AuditCaller {
  readonly dn: string
  readonly issuer: string
  /** SHA-256 of the caller's SubjectPublicKeyInfo, hex; a proxy's own, by which "mdm credential show" tells one from another */
  readonly spki: string
  /** how a proxy acted for the owner of this name; absent where his own key was proven */
  readonly proxy?: 'full' | 'limited' | 'restricted'
  /** groups and roles that he showed and that count here, by which he may have the right; absent where there are none */
  readonly fqans?: readonly string[]
}

/** What is written down. Never keys, shares, DICOM values, patient data or the text of another's error. */
export interface AuditEvent {
  /** what happened, in kebab case: 'shares-released', 'statement-accepted' */
  readonly event: string
  readonly outcome: 'done' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly caller?: AuditCaller
  readonly site?: string
  readonly guid?: string
  readonly version?: number
  readonly kid?: string
  readonly object?: string
  readonly requestId?: string
  /** how many refusals like this one were not written, since the last record of this caller */
  readonly counted?: number
  /** makes the record idempotent: the same id a second time writes nothing (an outbox replayed after a crash) */
  readonly eventId?: string
  readonly facts?: Readonly<Record<string, string | number | boolean>>
}

/** The audit log of one server: append-only JSON lines, each with the SHA-256 of the one before. */
export interface Audit {
  /**
   * Resolves only when the record is on the disk; records that wait together share one fdatasync.
   *
   * @throws MDM_AUDIT when it cannot be written: then nothing may be released. The next call tries again.
   */
  record(event: AuditEvent): Promise<void>
  /** False from a failed write until one succeeds; the log tries by itself, so that it comes back when nobody asks. */
  readonly writable: boolean
  /** records in the log */
  readonly records: number
  close(): Promise<void>
}

/** Event ids remembered to make records idempotent; an outbox is far shorter. */
const REMEMBERED_IDS = 10_000
/** How often a log that could not be written is tried again, ms. */
const RETRY_MS = 2_000

/** The record that shows a log which failed can be written again, and how many records it refused meanwhile. */
const RESUMED = 'audit-resumed'

interface Waiting {
  readonly event: AuditEvent
  resolve(): void
  reject(error: MdmError): void
}

/**
 * Opens the log, verifies its chain and cuts a last line that a crash left torn (it was never acknowledged).
 *
 * @param file path; made with mode 0600 when absent
 * @param o    `now` is the clock; `retryMs` how often a log that failed is tried, 2,000 unless told
 * @throws MDM_INTEGRITY when the chain is broken anywhere else
 * @throws MDM_AUDIT when the file cannot be opened for writing
 * @see decision 20; HashiCorp Vault's rule that a request without an audit record does not complete
 */
export async function openAudit(
  file: string,
  o: { now?: () => Date; retryMs?: number } = {},
): Promise<Audit> {
  let handle: FileHandle
  try {
    handle = await open(file, 'a+', 0o600)
    await handle.chmod(0o600)
  } catch (cause) {
    throw new MdmError('MDM_AUDIT', undefined, { cause })
  }
  try {
    const { head, eventIds } = await readAuditChain(handle, REMEMBERED_IDS)
    await handle.truncate(head.bytes)
    await handle.datasync()
    const { now = () => new Date(), retryMs = RETRY_MS } = o
    return new FileAudit({ file, handle, now, retryMs }, head, eventIds)
  } catch (error) {
    await handle.close()
    throw error
  }
}

interface Opened {
  readonly file: string
  readonly handle: FileHandle
  readonly now: () => Date
  readonly retryMs: number
}

class FileAudit implements Audit {
  writable = true
  readonly #o: Opened
  readonly #eventIds: Set<string>
  #head: AuditHead
  #waiting: Waiting[] = []
  #flushing: Promise<void> | undefined
  #closed = false
  #retry: NodeJS.Timeout | undefined
  /** records that were refused since the log could last be written */
  #refused = 0

  constructor(o: Opened, head: AuditHead, eventIds: Set<string>) {
    this.#o = o
    this.#head = head
    this.#eventIds = eventIds
  }

  get records(): number {
    return this.#head.seq
  }

  record(event: AuditEvent): Promise<void> {
    if (this.#closed) return Promise.reject(new MdmError('MDM_AUDIT', 'the audit log is closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await this.#flushing
    await this.#o.handle.close()
  }

  async #flush(): Promise<void> {
    // One turn of the event loop lets the requests of this turn join the same fdatasync.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0)
      try {
        await this.#write(group)
        this.writable = true
        this.#refused = 0
        for (const { resolve } of group) resolve()
      } catch (cause) {
        this.writable = false
        this.#refused += group.filter(({ event }) => event.event !== RESUMED).length
        // Whoever reads the log now must not see what nobody was told is written.
        await this.#o.handle.truncate(this.#head.bytes).catch(() => undefined)
        const error = new MdmError('MDM_AUDIT', undefined, { cause })
        for (const { reject } of group) reject(error)
        this.#tryLater()
      }
    }
    // In the same turn as the look at the queue: a record that comes later starts a flush of its own.
    this.#flushing = undefined
  }

  /** Whoever waits for a server to be ready before he asks for anything must not wait for ever. */
  #tryLater(): void {
    if (this.#retry !== undefined || this.#closed) return
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      if (this.writable || this.#closed) return
      const facts = { refused: this.#refused }
      this.record({ event: RESUMED, outcome: 'done', facts }).catch(() => undefined)
    }, this.#o.retryMs).unref()
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const time = this.#o.now().toISOString()
    const ids: string[] = []
    const lines: string[] = []
    let head = this.#head
    for (const { event } of group) {
      if (event.eventId !== undefined) {
        if (this.#eventIds.has(event.eventId) || ids.includes(event.eventId)) continue
        ids.push(event.eventId)
      }
      const next = auditLine(head, time, event)
      lines.push(next.line)
      head = next.head
    }
    await this.#requireSameFile()
    // What an earlier failed write left behind goes first: it was never acknowledged.
    await this.#o.handle.truncate(this.#head.bytes)
    if (lines.length > 0) await this.#o.handle.appendFile(lines.join(''))
    await this.#o.handle.datasync()
    this.#head = head
    for (const id of ids) this.#remember(id)
  }

  /** A log that was moved away or replaced would swallow records unseen. */
  async #requireSameFile(): Promise<void> {
    const [named, held] = await Promise.all([lstat(this.#o.file), this.#o.handle.stat()])
    if (named.ino !== held.ino || named.dev !== held.dev) throw new Error('the audit log was replaced')
  }

  #remember(id: string): void {
    this.#eventIds.add(id)
    const [oldest] = this.#eventIds
    if (this.#eventIds.size > REMEMBERED_IDS && oldest !== undefined) this.#eventIds.delete(oldest)
  }
}
