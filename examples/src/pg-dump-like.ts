/** Writes what `pg_dump` would, without a database: `node pg-dump-like.js ROWS [fail]`. */

import { once } from 'node:events';

const [rows = '1000', fail] = process.argv.slice(2);
process.stdout.write('CREATE TABLE orders (id integer, customer text);\nCOPY orders FROM stdin;\n');
for (let id = 1; id <= Number(rows); id++) {
  if (!process.stdout.write(`${id}\tcustomer ${(id * 7919) % 10_007}\n`)) await once(process.stdout, 'drain');
}
if (fail === 'fail') {
  process.stderr.write('pg_dump: error: server closed the connection unexpectedly\n');
  process.exitCode = 1;
} else {
  process.stdout.write('\\.\n');
}
