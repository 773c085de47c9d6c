/** A row in a database, found and updated in one call: MongoDB's protocol, and PostgreSQL. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '../../test/helpers/ports.js';
import { ServerProcess } from '../../test/helpers/server-process.js';
import { mongoFound, startMongo } from '../../test/helpers/mongo.js';
import type { Contender } from '../contender.js';
import { startAll, startProgram, type Program } from '../program.js';
import { CAPACITY, runningHolds, TICKETS, type HoldCase } from './holds.js';

const isMongod = mongoFound.name === 'mongod';
const STAND_IN = 'a stand-in, which says nothing of MongoDB under load';

export const mongodbRow: Contender<HoldCase> = {
  id: 'row/mongodb',
  title: `findOneAndUpdate (${mongoFound.name}${isMongod ? '' : ', a stand-in'})`,
  durability: isMongod
    ? 'Answers when mongod has acknowledged the write; its journal is synced every 100 ms.'
    : `Answers when ${mongoFound.name} has taken the write: ${STAND_IN}.`,
  setUp: `One web process with the driver’s defaults, and ${mongoFound.name}${isMongod ? '' : ` (${STAND_IN})`}.`,
  missing: () => Promise.resolve(mongoFound.kind === 'none' ? mongoFound.reason : null),
  start: async () => {
    const programs = await startAll<Program>(async (started) => {
      const server = await startMongo();
      const { url, pid = 0 } = server;
      started({ name: 'database', url, pid, stop: () => server.stop() });
      started(await startProgram('web', 'mongodb-web', { url, tickets: TICKETS, capacity: CAPACITY }));
    });
    return runningHolds(programs);
  },
};

/** Where Debian keeps the versions that its packages install; the others are found by PATH. */
const DEBIAN = '/usr/lib/postgresql';

/** The folder of `postgres` and `initdb`; null when they are not installed. */
function postgresDir(): string | null {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const places = [
    ...(process.env['PATH'] ?? '').split(':'),
    ...debian.map((version) => join(DEBIAN, version, 'bin')),
  ];
  const found = places.find((place) => ['postgres', 'initdb'].every((name) => existsSync(join(place, name))));
  return found ?? null;
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: then it runs as the user of its package. Null when there is none. */
function postgresUser(): User | null {
  const uid = process.getuid?.() ?? 0;
  const id = (flag: string, name = ''): string =>
    execFileSync('id', [flag, ...(name === '' ? [] : [name])], { encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const name = uid === 0 ? 'postgres' : id('-un');
    return { name, uid: Number(id('-u', name)), gid: Number(id('-g', name)) };
  } catch {
    return null;
  }
}

export const postgresqlRow: Contender<HoldCase> = {
  id: 'row/postgresql',
  title: 'UPDATE ... RETURNING (PostgreSQL)',
  durability:
    'Answers when the transaction is synced to the write-ahead log: a crash of the machine loses nothing.',
  setUp:
    'One web process with the driver’s pool of 10 and a prepared statement, and PostgreSQL with its own defaults.',
  missing: () => {
    if (postgresDir() === null) return Promise.resolve('postgres is not installed');
    return Promise.resolve(
      postgresUser() ? null : 'postgres does not run as root, and has no user of its own',
    );
  },
  start: async () => {
    const programs = await startAll<Program>(async (started) => {
      const { server, options } = await startPostgres();
      started(server);
      const all = { ...options, tickets: TICKETS, capacity: CAPACITY };
      started(await startProgram('web', 'postgresql-web', all));
    });
    return runningHolds(programs);
  },
};

async function startPostgres() {
  const [bin, user, port] = [postgresDir(), postgresUser(), await freePort()];
  if (bin === null || user === null) throw new Error('there is no PostgreSQL');
  const isRoot = process.getuid?.() === 0;
  const [as, asArgs] = isRoot
    ? ['setpriv', [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']]
    : ['env', []];
  const server = new ServerProcess((dir) => {
    const data = join(dir, 'data');
    mkdirSync(data, { recursive: true });
    if (isRoot) for (const each of [dir, data]) chownSync(each, user.uid, user.gid);
    const init = [...asArgs, join(bin, 'initdb'), '--auth=trust', `--username=${user.name}`, '-D', data];
    execFileSync(as, init, { stdio: 'pipe', cwd: dirname(data) });
    const places = ['-h', '127.0.0.1', '-p', String(port), '-k', '', '-D', data];
    return {
      name: 'PostgreSQL',
      command: as,
      args: [...asArgs, join(bin, 'postgres'), ...places],
      isReady: (log) => log.includes('ready to accept connections'),
    };
  }, process.pid);
  await server.start();
  const program = { name: 'database', pid: server.pid ?? 0, url: '', stop: () => server.stop() };
  return { server: program, options: { host: '127.0.0.1', port, user: user.name } };
}
