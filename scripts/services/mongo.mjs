/**
 * The server of MongoDB's protocol that the tests use: mongod where it is installed, else a stand-in.
 * mongo-java-server comes before FerretDB: it is the closer to MongoDB of the two, finds documents by their
 * indexes, and is fetched in seconds. TEST_MONGO_SERVER names one to be used whatever else there is.
 */
import { join } from 'node:path';
import { folderOf, makeFolder, source } from './cache.mjs';
import { copyJars, needJava, needMaven, versionOf } from './programs.mjs';

const JAVA_SERVER = '1.47.0';
const JAVA_SERVER_FILES = [
  source('mongo-java-server', 'pom.xml'),
  source('mongo-java-server', 'Server.java'),
];
const JAVA_MIN = 17;
const FERRETDB = '1.24.2';
const FERRETDB_DIR = source('ferretdb');
const FERRETDB_FILES = ['go.mod', 'go.sum', 'main.go'].map((name) => join(FERRETDB_DIR, name));
const UNPROVEN = 'replica sets, transactions, and what MongoDB does under load';

const SERVERS = [
  ['mongod', mongod],
  ['mongo-java-server', mongoJavaServer],
  ['FerretDB', ferretDb],
];

/** Never throws; with `install` it may fetch what is missing. */
export async function findMongo({ install, log }) {
  const wanted = process.env.TEST_MONGO_SERVER;
  const reasons = [];
  for (const [name, find] of SERVERS) {
    if (wanted && name !== wanted) continue;
    try {
      const server = await find(install, log);
      if (name === 'mongod') return { kind: 'real', name, ...server };
      const reason = reasons.join('; ') || 'TEST_MONGO_SERVER asks for it';
      return { kind: 'stand-in', name, ...server, reason, unproven: UNPROVEN };
    } catch (error) {
      reasons.push(`${name}: ${error.message}`);
    }
  }
  return { kind: 'none', reason: reasons.join('; ') || `there is no server called ${wanted}` };
}

async function mongod() {
  const version = await versionOf('mongod', ['--version'], /db version v(\S+)/);
  if (version === null) throw new Error('not installed');
  return { version };
}

async function mongoJavaServer(install, log) {
  await needJava(JAVA_MIN);
  const folder = folderOf(`mongo-java-server-${JAVA_SERVER}`, JAVA_SERVER_FILES);
  if (!folder.isThere) {
    if (!install) throw new Error('not in the cache yet (npm run services)');
    await needMaven();
    await needJava(JAVA_MIN, { compiler: true });
    log(`Fetching mongo-java-server ${JAVA_SERVER} with Maven ...`);
    await makeFolder(folder.path, async (path, run) => {
      const [pom, server] = JAVA_SERVER_FILES;
      const libs = join(path, 'libs');
      await run('mvn', copyJars(pom, libs));
      await run('javac', ['-cp', join(libs, '*'), '-d', join(path, 'classes'), server]);
    });
  }
  const classPath = `${join(folder.path, 'classes')}:${join(folder.path, 'libs', '*')}`;
  return { version: JAVA_SERVER, classPath };
}

async function ferretDb(install, log) {
  const folder = folderOf(`ferretdb-${FERRETDB}`, FERRETDB_FILES);
  if (!folder.isThere) {
    if (!install) throw new Error('not in the cache yet (npm run services)');
    if ((await versionOf('go', ['version'], /go(\d\S*)/)) === null)
      throw new Error('Go is needed to build it');
    log(`Building FerretDB ${FERRETDB} with Go ...`);
    const build = ['build', '-C', FERRETDB_DIR, '-mod=readonly', '-tags=ferretdb_no_postgresql', '-trimpath'];
    await makeFolder(folder.path, (path, run) =>
      run('go', [...build, '-ldflags=-s -w', '-o', join(path, 'ferretdb'), '.']),
    );
  }
  return { version: FERRETDB, path: join(folder.path, 'ferretdb') };
}
