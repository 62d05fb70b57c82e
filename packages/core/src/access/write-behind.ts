import { blockBuffer } from './direct-file.ts'

/** Bytes written with one call, unless told; twice as much is held, and lost when the process is killed. */
const PIECE_BYTES = 256 * 1024
/** What waits to be written is on its way after this time, however little it is. */
const LINGER_MS = 100

/** Where bytes are written: a FileHandle, or what takes them in its place. */
interface Target {
  write(bytes: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
}

export interface WriteBehindOptions {
  /** of the first byte; 0 unless told */
  readonly position?: number
  readonly pieceBytes?: number
  /** writes nothing but full pieces until it is flushed, where nobody gains by less */
  readonly whenFull?: boolean
}

/**
 * Writes a file from one place on, without anybody waiting for the disk: bytes are copied, gathered, and written while the
 * next ones are gathered. A call for each frame of 64 KiB would cost more than all else that a get does.
 */
export class WriteBehind {
  readonly #target: Target
  readonly #whenFull: boolean
  #gathering: Buffer
  #spare: Buffer
  #gathered = 0
  #position: number
  #writing: Promise<void> | undefined
  #fault: unknown
  #timer: NodeJS.Timeout | undefined

  constructor(target: Target, o: WriteBehindOptions = {}) {
    const { position = 0, pieceBytes = PIECE_BYTES, whenFull = false } = o
    this.#target = target
    this.#whenFull = whenFull
    this.#position = position
    this.#gathering = blockBuffer(pieceBytes)
    this.#spare = blockBuffer(pieceBytes)
  }

  /** Takes bytes; waits only where the disk is slower than they come. @throws what an earlier write failed of */
  async put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + this.#gathering.length - this.#gathered)
      this.#gathering.set(piece, this.#gathered)
      this.#gathered += piece.length
      done += piece.length
      if (this.#gathered === this.#gathering.length) await this.#begin()
    }
    if (this.#gathered > 0 && !this.#whenFull)
      this.#timer ??= setTimeout(() => void this.#linger(), LINGER_MS)
  }

  /** Writes all that was taken. @throws what a write failed of */
  async flush(): Promise<void> {
    await this.#begin()
    await this.#writing
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Gives up what is not written yet, and waits for what is being written: the file may be closed then. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#gathered = 0
    await this.#writing
  }

  /** Starts writing what is gathered, once the write before has ended. */
  async #begin(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
    if (this.#fault !== undefined) throw this.#fault
    if (this.#gathered > 0) this.#start()
  }

  /** From the timer: a write under way is followed by the next full piece, or by the next timer. */
  #linger(): void {
    this.#timer = undefined
    if (this.#writing === undefined && this.#fault === undefined && this.#gathered > 0) this.#start()
    else if (this.#gathered > 0) this.#timer = setTimeout(() => this.#linger(), LINGER_MS)
  }

  #start(): void {
    const [piece, length, position] = [this.#gathering, this.#gathered, this.#position]
    ;[this.#gathering, this.#spare] = [this.#spare, piece]
    this.#gathered = 0
    this.#position += length
    this.#writing = writeAll(this.#target, piece.subarray(0, length), position)
      .catch((error: unknown) => void (this.#fault = error))
      .finally(() => (this.#writing = undefined))
  }
}

async function writeAll(target: Target, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
