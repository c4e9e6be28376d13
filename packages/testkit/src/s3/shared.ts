/**
 * One S3 server for all test files and processes of a run: the first who asks starts it, and a small process of its own
 * stops it when nobody who asked has been alive for a while. So it survives neither a killed test run nor a crash.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { type S3Server, startCeph, stopCeph } from './ceph.js';

/** Everything about the shared server is in here; the number changes when its meaning does. */
const HOME = path.join(tmpdir(), `redup-s3-1-${process.getuid?.() ?? 0}`);
const LOCK = `${HOME}.lock`;
const STATE = path.join(HOME, 'server.json');
const USERS = path.join(HOME, 'users');

/** How long a server without users lives on, for the next test file. */
const IDLE_SECONDS = 20;

let mine: Promise<S3Server> | undefined;

/** The running server; starts it when there is none, which takes about 15 s. */
export function sharedS3Server(): Promise<S3Server> {
  mine ??= withLock(async () => {
    const running = await findRunning();
    if (running) return running;
    stopCeph(path.join(HOME, 'ceph'));
    fs.rmSync(HOME, { recursive: true, force: true });
    fs.mkdirSync(USERS, { recursive: true, mode: 0o700 });
    register();
    startReaper();
    const server = await startCeph(path.join(HOME, 'ceph'));
    fs.writeFileSync(STATE, JSON.stringify(server));
    return server;
  });
  return mine;
}

let names = 0;

/** A bucket name that no other test uses. */
export function uniqueBucketName(): string {
  names += 1;
  return `b${process.pid}-${names}-${Date.now().toString(36)}`;
}

async function findRunning(): Promise<S3Server | undefined> {
  if (!fs.existsSync(STATE)) return undefined;
  register();
  const server: S3Server = JSON.parse(fs.readFileSync(STATE, 'utf8'));
  const answers = await fetch(server.endpoint, { signal: AbortSignal.timeout(3000) }).then(
    (answer) => answer.ok,
    () => false,
  );
  return answers ? server : undefined;
}

function register(): void {
  fs.writeFileSync(path.join(USERS, String(process.pid)), '');
}

/** A directory as lock: made by one only. A holder that died is recognised by its process id. */
async function withLock<T>(work: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + 120_000; ; ) {
    try {
      fs.writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      removeStaleLock();
      if (Date.now() > until) throw new Error(`waited too long for ${LOCK}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  try {
    return await work();
  } finally {
    fs.rmSync(LOCK, { force: true });
  }
}

function removeStaleLock(): void {
  try {
    const holder = Number(fs.readFileSync(LOCK, 'utf8'));
    if (holder > 0 && !fs.existsSync(`/proc/${holder}`)) fs.rmSync(LOCK, { force: true });
  } catch {
    // It was released meanwhile.
  }
}

/** Plain JavaScript, because it outlives the test runner that understands TypeScript. */
const REAPER = `
const fs = require('node:fs'), path = require('node:path');
const [home, lock, idle] = process.argv.slice(1);
const users = path.join(home, 'users');
let unused = 0;
const alive = (pid) => fs.existsSync('/proc/' + pid);
const stop = () => {
  const run = path.join(home, 'ceph', 'run');
  for (const name of fs.existsSync(run) ? fs.readdirSync(run) : []) {
    if (!name.endsWith('.pid')) continue;
    const pid = Number(fs.readFileSync(path.join(run, name), 'utf8'));
    try {
      if (fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8').includes(home)) process.kill(pid, 'SIGKILL');
    } catch {}
  }
  fs.rmSync(home, { recursive: true, force: true });
};
setInterval(() => {
  if (!fs.existsSync(users)) process.exit(0);
  const left = fs.readdirSync(users).filter((pid) => alive(pid) || fs.rmSync(path.join(users, pid), { force: true }));
  unused = left.length === 0 ? unused + 1 : 0;
  if (unused < Number(idle)) return;
  try { fs.writeFileSync(lock, String(process.pid), { flag: 'wx' }); } catch { return; }
  if (!fs.existsSync(users) || fs.readdirSync(users).length === 0) stop();
  fs.rmSync(lock, { force: true });
}, 1000);
`;

function startReaper(): void {
  const args = ['-e', REAPER, HOME, LOCK, String(IDLE_SECONDS)];
  spawn(process.execPath, args, { detached: true, stdio: 'ignore', env: {} }).unref();
}
