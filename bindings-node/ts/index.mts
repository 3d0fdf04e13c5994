/** The ES module face of the one implementation, so that classes are the same however they are loaded. */
export * from './index.js'
