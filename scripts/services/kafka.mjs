/**
 * The Kafka that the tests use: Apache Kafka itself, else librdkafka's mock cluster, which knows the protocol
 * and nothing of storage. What is answered can be started by test/helpers/kafka.ts.
 */
import { join } from 'node:path';
import { folderOf, makeFolder, source } from './cache.mjs';
import { copyJars, installWithApt, needJava, needMaven, versionOf } from './programs.mjs';

const VERSION = '3.9.1';
const JAVA_MIN = 17;
const POM = source('kafka', 'pom.xml');
const UNPROVEN = 'storage, restarts, transactions, topic settings, the command-line programs';

/** Never throws; with `install` it may fetch what is missing. */
export async function findKafka({ install, log }) {
  try {
    return await apacheKafka(install, log);
  } catch (error) {
    return standIn(install, log, `Apache Kafka: ${error.message}`);
  }
}

async function apacheKafka(install, log) {
  await needJava(JAVA_MIN);
  const folder = folderOf(`kafka-${VERSION}`, [POM]);
  if (!folder.isThere) {
    if (!install) throw new Error('not in the cache yet (npm run services)');
    await needMaven();
    log(`Fetching Apache Kafka ${VERSION} with Maven ...`);
    await makeFolder(folder.path, (path, run) => run('mvn', copyJars(POM, join(path, 'libs'))));
  }
  const classPath = join(folder.path, 'libs', '*');
  const logging = source('kafka', 'log4j.properties');
  return { kind: 'real', name: 'Apache Kafka', version: VERSION, classPath, logging };
}

async function standIn(install, log, reason) {
  try {
    const version = (await kcat()) ?? (install ? await installedKcat(log) : null);
    if (version === null) throw new Error('kcat is not installed');
    return { kind: 'stand-in', name: "librdkafka's mock cluster", version, reason, unproven: UNPROVEN };
  } catch (error) {
    return { kind: 'none', reason: `${reason}; stand-in: ${error.message}` };
  }
}

const kcat = () => versionOf('kcat', ['-V'], /librdkafka (\d[\w.]*)/);

async function installedKcat(log) {
  await installWithApt('kcat', log);
  return kcat();
}
