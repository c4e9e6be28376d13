#!/usr/bin/env node
/** Starts the bundle. Where Node can keep compiled code (22.1 and later), it is kept in the user's own cache folder: a shared one could be prepared by others. */
import module from 'node:module';
import { join } from 'node:path';

const { XDG_CACHE_HOME, HOME } = process.env;
const cache = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
if (cache) module.enableCompileCache?.(join(cache, 'redup', 'compiled'));

const { main } = await import('../bundle/main.js');
process.exitCode = await main(process.argv.slice(2), process.env);
