export { planesHeld } from './count.ts'
export { planesOf } from './planes-of.ts'
