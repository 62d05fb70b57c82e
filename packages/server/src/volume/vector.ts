import type { Vec3 } from '@mdm/core/volume/volume'

export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

export function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

export function subtract(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/** The sum with 0 turns -0 into 0, so that equal volumes have equal headers. */
export function scale(a: Vec3, by: number): Vec3 {
  return [a[0] * by + 0, a[1] * by + 0, a[2] * by + 0]
}

export function length(a: Vec3): number {
  return Math.hypot(...a)
}
