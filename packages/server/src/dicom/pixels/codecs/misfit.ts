/** Why a compressed frame does not become pixels; a closed list, since what decoders say may hold anything. */
export type MisfitReason = 'malformed' | 'shape' | 'bits' | 'colour' | 'kind'

/** A compressed frame that is not what its object says, or not whole. */
export class Misfit extends Error {
  readonly reason: MisfitReason

  constructor(reason: MisfitReason) {
    super(reason)
    this.reason = reason
  }
}
