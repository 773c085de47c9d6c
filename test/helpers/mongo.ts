/**
 * Servers of MongoDB's protocol for tests: one that all suites share, or one of a suite's own that it can kill.
 * `mongoFound` says before that what will be had, so that a suite can skip with its reason.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { freePort } from './ports.js';
import { ServerProcess, type Controls } from './server-process.js';
import { found, runPid, shared, type Found } from './services.js';

const PING_MS_MAX = 500;

export type MongoName = 'mongod' | 'FerretDB' | 'mongo-java-server';

export interface SharedMongo {
  readonly kind: 'real' | 'stand-in';
  readonly name: MongoName;
  readonly url: string;
}

export interface MongoServer extends SharedMongo, Controls {
  /** Of its newest start. */
  readonly pid: number | undefined;
}

const own = found('mongo');
const given = process.env['MONGODB_URL'];

/** What `startMongo` starts. */
export const mongoFound: Found = own;
/** What `sharedMongo` answers: the same, unless MONGODB_URL names one. */
export const sharedMongoFound: Found = given
  ? { kind: 'real', name: 'mongod', version: '', reason: '' }
  : mongoFound;

/** One for the whole run: use databases with names of their own (`uniqueName`). */
export async function sharedMongo(): Promise<SharedMongo> {
  if (given) return { kind: 'real', name: 'mongod', url: given };
  const { url } = await shared('mongo', async () => {
    const started = await start(runPid());
    return { pid: started.process.pid, dir: started.process.dir, url: started.url };
  });
  return { ...described(), url };
}

/** One of the caller's own, which it has to stop. */
export async function startMongo(): Promise<MongoServer> {
  const { process: server, url } = await start(process.pid);
  return {
    ...described(),
    url,
    get pid() {
      return server.pid;
    },
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    restart: () => server.restart(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  };
}

function described(): { readonly kind: 'real' | 'stand-in'; readonly name: MongoName } {
  if (own.kind === 'none') throw new Error(`there is no MongoDB: ${own.reason}`);
  return { kind: own.kind, name: own.name as MongoName };
}

async function start(boundTo: number): Promise<{ readonly process: ServerProcess; readonly url: string }> {
  const { name } = described();
  const port = await freePort();
  const url = `mongodb://127.0.0.1:${port}/`;
  const program = (dir: string) => {
    const data = join(dir, 'data');
    mkdirSync(data, { recursive: true });
    const [command, ...args] = commandLine(name, data, String(port));
    return { name, command, args, isReady: () => answers(url) };
  };
  const process = new ServerProcess(program, boundTo);
  await process.start();
  return { process, url };
}

function commandLine(name: MongoName, data: string, port: string): [string, ...string[]] {
  switch (name) {
    case 'mongod':
      return ['mongod', '--dbpath', data, '--port', port, '--bind_ip', '127.0.0.1', '--nounixsocket'];
    case 'FerretDB':
      return [own.path ?? '', '-dir', data, '-port', port];
    case 'mongo-java-server': {
      const java = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
      const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
      return ['java', ...java, logging, '-cp', own.classPath ?? '', 'Server', join(data, 'store'), port];
    }
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: PING_MS_MAX });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } finally {
    await client.close();
  }
}
