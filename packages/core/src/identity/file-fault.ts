/** A file or folder that decides who is let in and cannot be used, and why. */
export interface FileFault {
  readonly file: string
  readonly message: string
}
