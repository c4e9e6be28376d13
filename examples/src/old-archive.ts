/**
 * Reads an archive that duplicity made many years ago: what is in it, and any of it as a tar.
 *
 *   PASSPHRASE=… node old-archive.js TARGET-URL                 the times, and the files of the last one
 *   PASSPHRASE=… node old-archive.js TARGET-URL TIME > out.tar  everything as of then
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Repository, Secret, toText } from '@redup/core';

const [target = '', time] = process.argv.slice(2);
const text = process.env['PASSPHRASE'];
const passphrase = text === undefined ? undefined : Secret.fromText(text);
// Nothing is written but copies of the metadata, and those go away again.
const archiveDirectory = mkdtempSync(join(tmpdir(), 'old-archive-'));
const repository = Repository.open(target, {
  archiveDirectory,
  // Releases up to 0.5 wrote times as 2009-08-07T06:05:04+02:00; on some file systems with another separator.
  ...(process.env['TIME_SEPARATOR'] === undefined ? {} : { timeSeparator: process.env['TIME_SEPARATOR'] }),
  ...(passphrase === undefined ? {} : { encryption: { open: { passphrase } } }),
});
try {
  if (time !== undefined) {
    await pipeline(repository.toTar({ time }), process.stdout);
  } else {
    for (const snapshot of await repository.snapshots()) {
      process.stdout.write(`${new Date(snapshot.time * 1000).toISOString()} ${snapshot.type} ${snapshot.volumes}\n`);
    }
    for await (const entry of repository.files()) {
      process.stdout.write(`${entry.type} ${JSON.stringify(toText(entry.path) || '.')}\n`);
    }
  }
} finally {
  await repository.close();
  rmSync(archiveDirectory, { recursive: true });
}
