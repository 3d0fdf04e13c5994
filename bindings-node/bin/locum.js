#!/usr/bin/env node
'use strict'
// The core's command. It blocks this thread, so Ctrl-C ends the process as it does for any program.
const { addon } = require('../dist/native.js')

process.exit(addon.runCli(process.argv.slice(2)))
