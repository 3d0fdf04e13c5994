/** The ES module face of `locum/testing`. */
export * from './testing.js'
