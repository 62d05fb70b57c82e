declare module 'shamirs-secret-sharing' {
  /** `random` is left out on purpose: passing it breaks the split (docs/formats/keys.md). */
  export function split(secret: Uint8Array, options: { shares: number; threshold: number }): Uint8Array[]
  export function combine(shares: readonly Uint8Array[]): Uint8Array
}
