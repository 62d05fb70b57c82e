/** The bytes of one object, read a part at a time: a file, or what a server sent. */
export interface StoredBytes {
  /** of the object */
  readonly length: number
  /** The bytes from `start` to `end`, which are within the object; in memory of their own, freeable by the taker. */
  read(start: number, end: number): Buffer | Promise<Buffer>
  /** Nothing before `at` will be read again. */
  passed(at: number): void
}
