/** What is registered grows, and with it what must be looked at: a world is renewed after so many uses. */
const USES = 25

/** A world that is made when it is needed, and anew after many uses or a fault. */
export interface Renewing<World> {
  /** Gives what did not hold; a fault of the test itself is told as one. */
  use(act: (world: World) => Promise<string[]>): Promise<string[]>
  borrow<Result>(act: (world: World) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

export function renewing<World extends { close(): Promise<void> }>(
  make: () => Promise<World>,
): Renewing<World> {
  let world: World | undefined
  let uses = 0
  const close = async () => {
    const old = world
    world = undefined
    uses = 0
    await old?.close()
  }
  const current = async () => {
    if (uses++ >= USES) await close()
    return (world ??= await make())
  }
  return {
    async use(act) {
      const found = await current()
        .then(act)
        .catch((error: unknown) => [
          `the test itself: ${error instanceof Error ? error.stack : String(error)}`,
        ])
      if (found.length > 0) await close()
      return found
    },
    borrow: async (act) => await act(await current()),
    close,
  }
}
