#!/usr/bin/env node
/**
 * What the packages export, as reports that live in the repository: a change of the API is a change of a file that a reviewer
 * sees. Made from the built declarations by API Extractor, which brings a TypeScript of its own.
 *
 *   npm run api -w docs              writes docs/api/*.api.md anew
 *   npm run api -w docs -- --check   exits with 1 where they differ from what is built
 *   npm run api -w docs -- --model FOLDER   also writes what the site's reference is made of
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('../..', import.meta.url));
const reports = path.join(root, 'docs/api');
const { values } = parseArgs({ options: { check: { type: 'boolean' }, model: { type: 'string' } } });
const { compilerOptions } = JSON.parse(fs.readFileSync(path.join(root, 'tsconfig.base.json'), 'utf8'));
const made = fs.mkdtempSync(path.join(os.tmpdir(), 'redup-api-'));
let differing = 0;
try {
  for (const entry of entries()) report(entry);
} finally {
  fs.rmSync(made, { recursive: true });
}
if (values.check && differing > 0) {
  console.error(
    'The API has changed. If that is meant: npm run api -w docs, and a line in CHANGELOG.md (docs/stability.md).',
  );
  process.exitCode = 1;
}

/** Every entry point of every library; the command has no API. */
function entries() {
  return fs.readdirSync(path.join(root, 'packages')).flatMap((name) => {
    const folder = path.join(root, 'packages', name);
    const file = path.join(folder, 'package.json');
    if (!fs.existsSync(file)) return [];
    const manifest = JSON.parse(fs.readFileSync(file, 'utf8'));
    if (manifest.private === true || manifest.name === 'redup') return [];
    return Object.entries(manifest.exports).map(([subpath, { types }]) => ({
      folder,
      // The reference knows one entry point a package.
      isMain: subpath === '.',
      name: `${manifest.name.replace('@redup/', '')}${subpath === '.' ? '' : `-${subpath.slice(2)}`}`,
      declarations: path.join(folder, types),
    }));
  });
}

function report({ folder, name, isMain, declarations }) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: path.join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: declarations,
      compiler: { overrideTsconfig: { compilerOptions, files: [declarations] } },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: made,
        reportTempFolder: path.join(made, 'temp'),
      },
      docModel: {
        enabled: values.model !== undefined && isMain,
        apiJsonFilePath: path.join(values.model ?? made, `${name}.api.json`),
      },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        extractorMessageReporting: {
          default: { logLevel: 'none' },
          'ae-forgotten-export': { logLevel: 'warning', addToApiReportFile: true },
        },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
        compilerMessageReporting: { default: { logLevel: 'error' } },
      },
    },
  });
  fs.mkdirSync(path.join(made, 'temp'), { recursive: true });
  const result = Extractor.invoke(config, { localBuild: true, messageCallback });
  if (result.errorCount > 0) throw new Error(`${name} can't be analysed`);
  const found = fs.readFileSync(path.join(made, `${name}.api.md`), 'utf8');
  const place = path.join(reports, `${name}.api.md`);
  const known = fs.existsSync(place) ? fs.readFileSync(place, 'utf8') : '';
  if (found === known) return;
  differing++;
  console.log(`docs/api/${name}.api.md ${values.check ? 'is not what is built' : 'written'}`);
  if (values.check) return tellDifference(known.split('\n'), found.split('\n'));
  fs.mkdirSync(reports, { recursive: true });
  fs.writeFileSync(place, found);
}

function messageCallback(message) {
  message.handled = true;
  if (message.logLevel === 'error') console.error(message.text);
}

function tellDifference(known, found) {
  for (const line of known) if (!found.includes(line)) console.log(`- ${line}`);
  for (const line of found) if (!known.includes(line)) console.log(`+ ${line}`);
}
