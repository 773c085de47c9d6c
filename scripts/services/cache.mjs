/**
 * Where the servers that the tests use are kept: outside the repository, so that every copy of it shares them.
 * Guarantee: a folder is there whole or not at all, whoever makes it at the same time and whenever they die.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, inRoot, run } from '../lib.mjs';

/** For everything that one folder takes, waiting for another process included. */
const MAKE_MS_MAX = 10 * 60_000;

const userCache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
export const CACHE = join(process.env.TICKTAK_CACHE || join(userCache, 'ticktak'), 'services');

/** A file of ours that belongs to a server. */
export const source = (...parts) => inRoot('scripts', 'services', ...parts);

/**
 * The folder of a server, null when it is not there. Its name carries the version and a hash of what it is made
 * from, so that a change of either makes another folder.
 */
export function folderOf(name, sources) {
  const hash = createHash('sha256');
  for (const file of sources) hash.update(readFileSync(file));
  const path = join(CACHE, `${name}-${hash.digest('hex').slice(0, 8)}`);
  return { path, isThere: isComplete(path) };
}

/** Calls `make` with an empty folder and a way to run programs, and puts the folder in its place. */
export async function makeFolder(path, make) {
  const giveUpAt = Date.now() + MAKE_MS_MAX;
  mkdirSync(CACHE, { recursive: true });
  const unlock = await lock(`${path}.lock`, giveUpAt);
  const unfinished = `${path}.${process.pid}.unfinished`;
  try {
    removeAbandoned();
    if (isComplete(path)) return;
    mkdirSync(unfinished);
    await make(unfinished, (command, args, env) => mustRun(command, args, env, giveUpAt));
    writeFileSync(join(unfinished, 'complete'), new Date().toISOString());
    putInPlace(unfinished, path);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
    unlock();
  }
}

const isComplete = (path) => existsSync(join(path, 'complete'));

/** Somebody else may have been faster: theirs is as good. */
function putInPlace(unfinished, path) {
  try {
    renameSync(unfinished, path);
  } catch (error) {
    if (!isComplete(path)) throw error;
  }
}

/** What processes left that died over it. */
function removeAbandoned() {
  for (const name of readdirSync(CACHE)) {
    const pid = /\.(\d+)\.unfinished$/.exec(name)?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}

async function mustRun(command, args, env, giveUpAt) {
  const timeoutMs = Math.max(1, giveUpAt - Date.now());
  const { code, output } = await run(command, args, { env, timeoutMs });
  if (code === 0) return;
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const reason = lines.find((line) => /error|cannot|denied|requires/i.test(line)) ?? lines.at(-1);
  throw new Failure(`${command}: ${(reason ?? 'it said nothing').trim()}`);
}

/**
 * Waits for whoever holds it; it saves double work and no more. Two that find a dead holder at the same moment
 * can both get it, and each then works in a folder of its own.
 */
async function lock(path, giveUpAt) {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Failure(`${path} cannot be written: ${error.message}`);
    }
    const holder = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
    if (Date.now() > giveUpAt) throw new Failure(`process ${holder} is still at it (${path})`);
    if (holder > 0 && !isRunning(holder)) rmSync(path, { force: true });
    await sleep(200);
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
