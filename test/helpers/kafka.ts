/**
 * Kafka brokers for tests: one that all suites share, or one of a suite's own that it can kill. A broker is ready
 * some three seconds after it was started. `kafkaFound` says before that what will be had, so that a suite can
 * skip with its reason.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { ServerProcess, type Controls, type Program } from './server-process.js';
import { found, runPid, shared, type Found } from './services.js';

const TOOL_MS_MAX = 60_000;
const TOOLS = {
  'console-producer': 'kafka.tools.ConsoleProducer',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  topics: 'org.apache.kafka.tools.TopicCommand',
  configs: 'kafka.admin.ConfigCommand',
};
const JAVA = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.net.preferIPv4Stack=true'];
const CLUSTER_ID = 'ticktak-tests-0000001A';

export interface KafkaOptions {
  /** Added to the broker's settings, or in place of them. The stand-in has none. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Of a proxy: clients that come through it (`behindProxy`) are told to come back to this port. */
  readonly proxyPort?: number;
}

export interface SharedKafka {
  readonly kind: 'real' | 'stand-in';
  readonly brokers: string[];
  /**
   * Runs one of Kafka's own command-line programs against it and answers what it printed; rejects when that
   * says that it failed. Not with the stand-in.
   */
  tool(name: keyof typeof TOOLS, args: readonly string[], stdin?: string): Promise<string>;
}

/** The stand-in keeps nothing and comes back on another port: it cannot be restarted. */
export interface KafkaServer extends SharedKafka, Controls {
  /** Where the proxy of `proxyPort` connects to; null without one. */
  readonly behindProxy: number | null;
}

const own = found('kafka');
const given = process.env['KAFKA_BROKERS'];

/** What `startKafka` starts. */
export const kafkaFound: Found = own;
/** What `sharedKafka` answers: the same, unless KAFKA_BROKERS names brokers. */
export const sharedKafkaFound: Found = given
  ? { kind: 'real', name: 'Kafka', version: '', reason: '' }
  : kafkaFound;

/** One for the whole run: use topics and groups with names of their own (`uniqueName`). */
export async function sharedKafka(): Promise<SharedKafka> {
  if (given) return { kind: 'real', brokers: given.split(','), tool: toolsOn(given) };
  const { brokers } = await shared('kafka', async () => {
    const { process, bootstrap } = await start({}, runPid());
    return { pid: process.pid, dir: process.dir, brokers: bootstrap() };
  });
  return { kind: kindOf(own), brokers: [brokers], tool: toolsOn(brokers) };
}

/** One of the caller's own, which it has to stop. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const { process: server, bootstrap, behindProxy = null } = await start(options, process.pid);
  const brokers = bootstrap();
  return {
    behindProxy,
    kind: kindOf(own),
    brokers: [brokers],
    tool: toolsOn(brokers),
    stop: () => server.stop(),
    kill: (signal) => server.kill(signal),
    restart: async () => {
      if (own.kind !== 'real') throw new Error(`${own.name} cannot be restarted`);
      await server.restart();
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
  };
}

function kindOf({ kind, reason }: Found): 'real' | 'stand-in' {
  if (kind === 'none') throw new Error(`there is no Kafka: ${reason}`);
  return kind;
}

interface Started {
  readonly process: ServerProcess;
  readonly bootstrap: () => string;
  readonly behindProxy?: number | null;
}

async function start(options: KafkaOptions, boundTo: number): Promise<Started> {
  const started = kindOf(own) === 'real' ? await broker(options, boundTo) : mockCluster(boundTo);
  await started.process.start();
  return started;
}

/** Broker and controller in one. */
async function broker({ properties, proxyPort }: KafkaOptions, boundTo: number): Promise<Started> {
  const [port, controllerPort] = [await freePort(), await freePort()];
  const behindProxy = proxyPort === undefined ? null : await freePort();
  const bootstrap = `127.0.0.1:${port}`;
  const controller = `127.0.0.1:${controllerPort}`;
  const program = (dir: string): Program => {
    const [file, data] = [join(dir, 'server.properties'), join(dir, 'data')];
    const all: Record<string, string> = {
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.voters': `1@${controller}`,
      'controller.listener.names': 'CONTROLLER',
      listeners: `PLAINTEXT://${bootstrap},CONTROLLER://${controller}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT',
      ...(behindProxy !== null && {
        listeners: `PLAINTEXT://${bootstrap},CONTROLLER://${controller},PROXIED://127.0.0.1:${behindProxy}`,
        'advertised.listeners': `PLAINTEXT://${bootstrap},PROXIED://127.0.0.1:${proxyPort ?? 0}`,
      }),
      'log.dirs': data,
      // After it was killed, nobody of its number is let in for so long.
      'broker.session.timeout.ms': '2000',
      'broker.heartbeat.interval.ms': '300',
      'auto.create.topics.enable': 'false',
      'group.initial.rebalance.delay.ms': '0',
      'offsets.topic.num.partitions': '1',
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.num.partitions': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      ...properties,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(file, lines.join(''));
    const java = ['java', '-Xmx384m', ...JAVA, ...logging('INFO'), '-cp', own.classPath ?? ''];
    const format = quoted([...java, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', file]);
    const script = `[ -e '${data}' ] || ${format} && exec ${quoted([...java, 'kafka.Kafka', file])}`;
    return {
      name: `Apache Kafka ${own.version}`,
      command: 'sh',
      args: ['-c', script],
      isReady: (log) => log.includes('Kafka Server started'),
    };
  };
  return { process: new ServerProcess(program, boundTo), bootstrap: () => bootstrap, behindProxy };
}

/** kcat starts it within itself and reads a topic of it for as long as it runs. */
function mockCluster(boundTo: number): Started {
  const address = /bootstrap\.servers=(127\.0\.0\.1:\d+)/;
  const topic = ['-C', '-q', '-t', 'kcat', '-o', 'end'];
  const args = ['-b', 'mock:1', ...topic, '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
  const isReady = (log: string): boolean => address.test(log);
  const process = new ServerProcess(() => ({ name: own.name, command: 'kcat', args, isReady }), boundTo);
  return { process, bootstrap: () => address.exec(process.log)?.[1] ?? '' };
}

function toolsOn(brokers: string): SharedKafka['tool'] {
  return async (name, args, stdin = '') => {
    if (own.kind !== 'real') throw new Error(`Kafka's own programs are not there: ${own.reason}`);
    const java = ['-Xmx128m', ...JAVA, ...logging('ERROR'), '-cp', own.classPath ?? '', TOOLS[name]];
    const all = [...java, '--bootstrap-server', brokers, ...args];
    return new Promise<string>((resolve, reject) => {
      const options = { timeout: TOOL_MS_MAX, killSignal: 'SIGKILL' } as const;
      const child = execFile('java', all, options, (error, stdout, stderr) => {
        if (error) reject(new Error(`${name} failed (${error.code ?? error.signal}):\n${stdout}${stderr}`));
        else resolve(stdout);
      });
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(stdin);
    });
  };
}

const logging = (level: string): string[] => [
  `-Dlog4j.configuration=file:${own.logging ?? ''}`,
  `-Dlevel=${level}`,
];

const quoted = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
