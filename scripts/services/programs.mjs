/** Programs of the machine that servers are made with. */
import { Failure, run } from '../lib.mjs';

const INSTALL_MS_MAX = 5 * 60_000;

/** What a program says of its version, null when it cannot be run. */
export async function versionOf(command, args, pattern) {
  const { code, output } = await run(command, args);
  return code === 0 ? (pattern.exec(output)?.[1] ?? null) : null;
}

/** Throws unless there is a Java that runs Kafka. */
export async function needJava(majorMin, { compiler = false } = {}) {
  const command = compiler ? 'javac' : 'java';
  const version = await versionOf(command, ['-version'], /(\d[\w.]*)/);
  if (version === null) throw new Failure(`${command} ${majorMin} or newer is needed`);
  const [first, second] = version.split('.').map(Number);
  const major = first === 1 ? second : first;
  if (major < majorMin) throw new Failure(`${command} is version ${version}, ${majorMin} or newer is needed`);
}

export async function needMaven() {
  const version = await versionOf('mvn', ['-version'], /Apache Maven (\S+)/);
  if (version === null) throw new Failure('Maven (mvn) is needed to fetch it');
}

/** Maven's arguments that copy the jars of a pom.xml into a folder. */
export const copyJars = (pom, folder) => [
  ...['--batch-mode', '--quiet', '-Dstyle.color=never', '--file', pom],
  'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
  `-DoutputDirectory=${folder}`,
];

/** Installs a package of Debian where that asks nothing, the same way as `npm start` does redis-server. */
export async function installWithApt(name, log) {
  if (process.platform !== 'linux' || !(await works('apt-get', ['--version']))) {
    throw new Failure(`${name} is not installed`);
  }
  const asRoot = process.getuid() === 0 ? [] : ['sudo', '-n'];
  if (asRoot.length > 0 && !(await works('sudo', ['-n', 'true']))) {
    throw new Failure(`${name} is not installed, which only root can do`);
  }
  log(`Installing ${name} with apt-get ...`);
  const apt = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=60'];
  await step(apt, ['update']);
  await step(apt, ['install', '-y', '--no-install-recommends', name]);
}

const works = async (command, args) => (await run(command, args)).code === 0;

async function step([command, ...apt], args) {
  const { code, output } = await run(command, [...apt, ...args], { timeoutMs: INSTALL_MS_MAX });
  if (code !== 0) throw new Failure(`apt-get ${args[0]}: ${output.trim().split('\n').at(-1)}`);
}
