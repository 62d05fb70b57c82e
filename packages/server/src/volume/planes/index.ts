export { planesOf } from './planes-of.ts'
