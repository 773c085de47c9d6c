/** Starts what takes part as processes: our own programs beside this file, and redis-server. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/helpers/ports.js';
import { ServerProcess } from '../test/helpers/server-process.js';
import type { Part } from './contender.js';

const HOOKS = new URL('../test/helpers/typescript.mjs', import.meta.url).href;
const PROGRAMS = new URL('./programs/', import.meta.url);

/** Node's arguments for a TypeScript file of ours. */
export const typeScript = (file: URL, options: unknown): string[] => [
  '--import',
  HOOKS,
  file.pathname,
  JSON.stringify(options),
];

export interface Program extends Part {
  /** Where it listens; empty when it does not. */
  readonly url: string;
  stop(): Promise<void>;
}

/** What a program prints when it can do its work. */
const READY = /^ready(?: (http:\S+))?$/m;

/** As `env` takes it. */
export const environment = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).map(([name, value]) => `${name}=${value}`);

/** Starts `programs/<file>.ts`, which finds `options` in its first argument. */
export async function startProgram(
  name: string,
  file: string,
  options: unknown,
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const all = environment({ NODE_ENV: 'production', ...settings });
  const args = [...all, process.execPath, ...typeScript(new URL(`${file}.ts`, PROGRAMS), options)];
  const server = new ServerProcess(
    () => ({ name: file, command: 'env', args, isReady: (log) => READY.test(log) }),
    process.pid,
  );
  await server.start();
  const url = READY.exec(server.log)?.[1] ?? '';
  return { name, pid: server.pid ?? 0, url, stop: () => server.stop() };
}

/** When Redis writes its file to disk. */
export const FSYNCS = ['off', 'everysec', 'always'] as const;
export type Fsync = (typeof FSYNCS)[number];

export const FSYNC_MEANS: Readonly<Record<Fsync, string>> = {
  off: 'Redis keeps no file: a crash of Redis loses everything since its start',
  everysec: 'Redis syncs its file every second: a crash of the machine loses up to the last second or two',
  always: 'Redis syncs its file before it answers: a crash of the machine loses nothing that was answered',
};

/** An empty redis-server, the same program and settings for everybody but for `fsync`. */
export async function startRedis(fsync: Fsync): Promise<Program> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const server = new ServerProcess((dir) => {
    const data = join(dir, 'data');
    mkdirSync(data, { recursive: true });
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', ''];
    const aof = fsync === 'off' ? ['--appendonly', 'no'] : ['--appendonly', 'yes', '--appendfsync', fsync];
    return {
      name: 'redis-server',
      command: process.env['TEST_REDIS_SERVER'] ?? 'redis-server',
      args: [...fixed, ...aof, '--maxmemory-policy', 'noeviction'],
      isReady: (log) => log.includes('Ready to accept connections'),
    };
  }, process.pid);
  await server.start();
  return { name: 'redis', pid: server.pid ?? 0, url, stop: () => server.stop() };
}

/** The last that was started is stopped first. */
export async function stopAll(programs: readonly { stop(): Promise<unknown> }[]): Promise<void> {
  for (const program of [...programs].reverse()) await program.stop();
}

/** Starts one after the other; when one of them fails, those before it are stopped again. */
export async function startAll<T extends { stop(): Promise<unknown> }>(
  work: (started: (program: T) => T) => Promise<void>,
): Promise<T[]> {
  const all: T[] = [];
  try {
    await work((program) => {
      all.push(program);
      return program;
    });
    return all;
  } catch (error) {
    await stopAll(all);
    throw error;
  }
}
