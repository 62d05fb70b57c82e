/**
 * Gives the memory of a buffer back at once. The garbage collector sees only the small object in front of it, so at the
 * rate of a transfer it would let a hundred MiB of dead frames pile up. The buffer is empty afterwards; it must not be in
 * use by a write, nor share its memory.
 */
export function free(buffer: Uint8Array): void {
  const memory = buffer.buffer
  // A part of Node's shared pool is left to it.
  if (memory instanceof ArrayBuffer && memory.byteLength === buffer.byteLength) memory.transfer(0)
}
