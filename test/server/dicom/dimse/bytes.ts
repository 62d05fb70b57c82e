/** Hexadecimal text with comments after `#`, as bytes. */
export function bytes(text: string): Buffer {
  return Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex')
}

/** ASCII as hexadecimal, for text within such bytes. */
export function ascii(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex')
}
