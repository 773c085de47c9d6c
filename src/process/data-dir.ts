/**
 * The data folder: where the embedded parts and the generated secrets live. Guarantees: it exists and can be
 * written before anything starts; of two all-in-one processes on the same folder the second is refused, also
 * after the first was killed and its process id reused; a secret is generated once, whoever asks first, and
 * only its owner can read its file.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The process cannot start. The message is one line that says what to do. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}

export interface Secrets {
  readonly tokenSecret: string;
  readonly serviceToken: string;
}

export interface DataDir {
  /** Absolute. */
  readonly path: string;
  /** Gives the folder up. */
  release(): Promise<void>;
}

export interface DataDirOptions {
  /** True for the all-in-one process: it must be the only one on the folder. */
  readonly exclusive: boolean;
}

const SECRET_BYTES = 32;
const SECRET_LENGTH_MIN = 16;
const LOCK_ATTEMPTS_MAX = 5;
const LOCK_NAME = 'ticktak.lock.';

/** Creates the folder if need be. Throws `StartupError`. */
export async function openDataDir(dir: string, { exclusive }: DataDirOptions): Promise<DataDir> {
  const path = await writableFolder(resolve(dir));
  if (!exclusive) return { path, release: () => Promise.resolve() };
  return { path, release: await lock(path) };
}

/** The secrets as configured; those that are not are generated and kept in the folder. Throws `StartupError`. */
export async function readSecrets(
  dataDir: string,
  configured: { readonly [K in keyof Secrets]: string | undefined },
): Promise<Secrets> {
  const secret = (name: string, value: string | undefined): Promise<string> =>
    value === undefined ? readOrCreateSecret(join(dataDir, 'secrets', name)) : Promise.resolve(value);
  const [tokenSecret, serviceToken] = await Promise.all([
    secret('token-secret', configured.tokenSecret),
    secret('service-token', configured.serviceToken),
  ]);
  return { tokenSecret, serviceToken };
}

/** The generated secret of this folder; null when none was made yet. Throws `StartupError`. */
export function keptTokenSecret(dataDir: string): Promise<string | null> {
  return readSecret(join(dataDir, 'secrets', 'token-secret'));
}

/** Reads a secret, or makes a random one that every process then reads. Throws `StartupError`. */
export async function readOrCreateSecret(path: string): Promise<string> {
  const kept = await readSecret(path);
  if (kept !== null) return kept;
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  await createFile(path, randomBytes(SECRET_BYTES).toString('base64url'));
  const secret = await readSecret(path);
  if (secret === null) throw new StartupError(`${path} was removed while ticktak was starting.`);
  return secret;
}

async function readSecret(path: string): Promise<string | null> {
  const secret = await contentOf(path);
  if (secret === null) return null;
  if (secret.length < SECRET_LENGTH_MIN) {
    throw new StartupError(`${path} is damaged: remove it and ticktak makes a new secret.`);
  }
  await chmod(path, 0o600).catch((error: unknown) => {
    throw new StartupError(`${path} cannot be made private: ${reasonOf(error)}.`, { cause: error });
  });
  return secret;
}

/** Creates a file that is complete and durable as soon as it is there. False when it was there before. */
async function createFile(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new StartupError(`${path} cannot be written: ${reasonOf(error)}.`, { cause: error });
  } finally {
    await rm(draft, { force: true });
  }
}

/** Null when there is no such file. */
async function contentOf(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw new StartupError(`${path} cannot be read: ${reasonOf(error)}.`, { cause: error });
  }
}

async function writableFolder(path: string): Promise<string> {
  const probe = join(path, `.probe.${process.pid}`);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await (await open(probe, 'w', 0o600)).close();
    await rm(probe);
    return await realpath(path);
  } catch (error) {
    const reason = reasonOf(error);
    throw new StartupError(
      `The data folder ${path} cannot be written: ${reason}. Set DATA_DIR to one that can.`,
      {
        cause: error,
      },
    );
  }
}

/** Who has the folder: a process id means little alone, because ids are used again. */
interface Holder {
  readonly pid: number;
  readonly started: string;
}

/**
 * Locks are numbered and the newest counts. Taking over from a dead process means to create the next number,
 * which only one can; a file is removed only when a newer one stands, so that no number is used twice.
 */
async function lock(dir: string): Promise<() => Promise<void>> {
  const path = (number: number): string => join(dir, `${LOCK_NAME}${number}`);
  const mine = JSON.stringify({ pid: process.pid, started: await processStarted(process.pid) });
  for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt++) {
    const numbers = await locksOf(dir);
    const newest = Math.max(0, ...numbers);
    const holder = parseHolder((await contentOf(path(newest))) ?? '');
    if (holder !== null && (await processStarted(holder.pid)) === holder.started) {
      throw new StartupError(
        `The data folder ${dir} is in use by ticktak process ${holder.pid}. Stop it, or set DATA_DIR to another folder.`,
      );
    }
    if (!(await createFile(path(newest + 1), mine))) continue;
    if (Math.max(...(await locksOf(dir))) === newest + 1) {
      await Promise.all(numbers.map((number) => rm(path(number), { force: true })));
      // With the folder gone there is nothing to give up.
      return () =>
        writeFile(path(newest + 1), '').catch((error: unknown) => {
          if (codeOf(error) !== 'ENOENT') throw error;
        });
    }
    // What was the newest lock is long past.
    await rm(path(newest + 1), { force: true });
  }
  throw new StartupError(`The data folder ${dir} is being taken by another ticktak process.`);
}

/** Numbers of the locks in the folder, drafts aside. */
async function locksOf(dir: string): Promise<number[]> {
  const names = (await readdir(dir)).filter((name) => name.startsWith(LOCK_NAME));
  return names.map((name) => Number(name.slice(LOCK_NAME.length))).filter(Number.isSafeInteger);
}

function parseHolder(content: string): Holder | null {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null) return null;
    if (!('pid' in value) || !('started' in value)) return null;
    const { pid, started } = value;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : null;
  } catch {
    return null;
  }
}

/** Tells one run of a process id from the next; null when no process with this id runs. */
export async function processStarted(pid: number): Promise<string | null> {
  if (process.platform !== 'linux') {
    try {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
      return stdout.trim() || null;
    } catch {
      return null;
    }
  }
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // After the name, which may contain anything: the state is field 3, the start time field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot.trim()} ${fields[19] ?? ''}`;
  } catch {
    return null;
  }
}

// Neither asks `instanceof Error`: errors of Node itself may come from another realm (node:vm).
function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** First line of what went wrong, without a full stop. */
export function reasonOf(error: unknown): string {
  const thrown = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  return (String(thrown).split('\n')[0] ?? '').replace(/\.$/, '');
}
