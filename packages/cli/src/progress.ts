import { readableBytes, readableSeconds } from './output.ts'

/** A terminal, or what stands in for one. */
export interface Screen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

const QUIET_MS = 1000
const REDRAW_MS = 200

/** One line on a terminal that says how far a transfer is; nothing for what ends within a second, nothing in a file. */
export class Progress {
  readonly #screen: Screen
  readonly #clock: () => number
  readonly #label: string
  readonly #begun: number
  #drawn = 0
  #first: { done: number; at: number } | undefined
  #attempt = ''

  constructor(label: string, screen: Screen = process.stderr, clock: () => number = () => performance.now()) {
    this.#label = label
    this.#screen = screen
    this.#clock = clock
    this.#begun = clock()
  }

  /** Bytes done of all; a resumed transfer begins above 0, and its rate counts only what came since. */
  readonly bytes = (done: number, total: number): void => {
    this.#first ??= { done, at: this.#clock() }
    // Asked for every chunk of the wire, so that the text is made only where it is shown.
    if (!this.#due()) return
    const seconds = (this.#clock() - this.#first.at) / 1000
    const rate = seconds > 0 ? (done - this.#first.done) / seconds : 0
    const left = rate > 0 ? ` eta ${readableSeconds((total - done) / rate)}` : ''
    this.#draw(
      `${percent(done, total)} ${readableBytes(done)} of ${readableBytes(total)} ${readableBytes(rate)}/s${left}${this.#attempt}`,
    )
  }

  /** Another attempt begins: it is named in the line, and its rate counts only what comes from now on. */
  attempt(number: number, of: number): void {
    this.#attempt = ` attempt ${number} of ${of}`
    this.#first = undefined
  }

  /** Things done of all, such as volumes. */
  count(done: number, total: number): void {
    this.#draw(`${percent(done, total)} ${done} of ${total}`)
  }

  /** Wipes the line. */
  end(): void {
    if (this.#drawn > 0) this.#screen.write('\r\u001b[K')
    this.#drawn = 0
  }

  #due(): boolean {
    if (this.#screen.isTTY !== true) return false
    const now = this.#clock()
    return now - this.#begun >= QUIET_MS && now - this.#drawn >= REDRAW_MS
  }

  #draw(text: string): void {
    if (!this.#due()) return
    this.#drawn = this.#clock()
    this.#screen.write(`\r\u001b[K${`${this.#label}  ${text}`.slice(0, (this.#screen.columns || 80) - 1)}`)
  }
}

function percent(done: number, total: number): string {
  return `${String(total > 0 ? Math.floor((100 * done) / total) : 100).padStart(3)} %`
}
