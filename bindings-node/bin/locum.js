#!/usr/bin/env node
'use strict'
// The core's command. It blocks this thread until it is done.
const { addon } = require('../dist/native.js')

// Node's own handlers of these signals raise them again, for ever if the command puts its own before them. Having
// listened once leaves the system's default, which ends the process where the command does not listen itself.
for (const signal of ['SIGINT', 'SIGTERM']) {
  const ignore = () => {}
  process.on(signal, ignore)
  process.off(signal, ignore)
}

process.exit(addon.runCli(process.argv.slice(2)))
