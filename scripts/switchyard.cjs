#!/usr/bin/env node
// The installed command `switchyard`: the same as `npm run -s switchyard --` in a checkout.
'use strict';
process.argv.splice(2, 0, '--built', 'gateway/cli.ts');
require('./run.cjs');
