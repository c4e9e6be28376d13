/** `npm run bench`: makes its data, measures, prints Markdown, and with `--write` puts it into docs/performance.md. */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tempDir } from '@redup/testkit';
import { findContenders } from './contenders.js';
import { measure } from './measure.js';
import { insertReport, report } from './report.js';
import { scenarios } from './scenarios.js';

const PAGE = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));
const USAGE = `npm run bench -- [--rounds N] [--scale X] [--only SCENARIO,…] [--with PROGRAM,…] [--folder DIR] [--write]
  --rounds   times that everything is measured, programs in alternation (3)
  --scale    of the amounts of data (1: some 1.3 GB of mixed files, 200,000 tiny ones, a file of 2 GB)
  --only     mixed, tiny, media, big, chain
  --with     beginnings of names, e.g. redup,duplicity
  --folder   where data and repositories go; must have room for about 10 GB
  --write    put the result into docs/performance.md
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    with: { type: 'string' },
    folder: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  process.stdout.write(USAGE);
} else {
  const [rounds, scale] = [Number(values.rounds), Number(values.scale)];
  const only = values.only?.split(',');
  const wanted = values.with?.split(',');
  const chosen = scenarios(scale).filter(({ name }) => only?.includes(name) ?? true);
  const contenders = (await findContenders()).filter(({ name }) => wanted?.some((w) => name.startsWith(w)) ?? true);
  const folder = values.folder === undefined ? tempDir('bench') : path.resolve(values.folder);
  const samples = await measure({
    folder,
    contenders,
    scenarios: chosen,
    rounds,
    onSample: ({ scenario, step, contender, seconds, cpuSeconds }) => {
      process.stderr.write(`${scenario}, ${step}, ${contender}: ${seconds} s, ${cpuSeconds} s of processors\n`);
    },
  });
  const text = report(samples, { scenarios: chosen, rounds, scale, date: new Date() });
  process.stdout.write(`${text}\n`);
  if (values.write) fs.writeFileSync(PAGE, insertReport(fs.readFileSync(PAGE, 'utf8'), text));
  for (const { name } of chosen) fs.rmSync(path.join(folder, name), { recursive: true, force: true });
}
