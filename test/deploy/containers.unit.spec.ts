/**
 * The Dockerfile and docker-compose.yml, as far as they can be judged without an engine: what is started, as
 * whom, with which settings, what is kept, and what is reachable from where.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { loadSettings, ROLES } from '../../config/settings.js';
import { skipBecause } from '../helpers/skips.js';

const ROOT = new URL('../../', import.meta.url);
const fileOf = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

const SECRETS = {
  TOKEN_SECRET: 'f3b1c9d27a6e4f80b5d8e1a29c47f063',
  SERVICE_TOKEN: '1c3e5a7b9d0f2e4c6a8b',
};

/** Secrets that it goes without. */
const OPTIONAL = ['STRIPE_SECRET_KEY', 'STRIPE_PUBLISHABLE_KEY', 'STRIPE_WEBHOOK_SECRET'];

// ---- the image --------------------------------------------------------------------------------------------

interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** Instructions of each stage. */
function stagesOf(dockerfile: string): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const line of dockerfile.replaceAll('\\\n', ' ').split('\n')) {
    const [, name, text] = /^([A-Z]+)\s+(.+)$/.exec(line) ?? [];
    if (name === undefined || text === undefined) continue;
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, text });
  }
  return stages;
}

const stages = stagesOf(fileOf('Dockerfile'));
const textsOf = (stage: readonly Instruction[] | undefined, name: string): string[] =>
  (stage ?? []).filter((instruction) => instruction.name === name).map(({ text }) => text);
const [build, image] = [stages[0], stages.at(-1)];

/** The words of an instruction in the form that no shell reads. */
const wordsOf = (text: string | undefined): string[] => JSON.parse(text ?? '') as string[];

const imageEnv = Object.fromEntries(
  textsOf(image, 'ENV').flatMap((text) =>
    [...text.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  ),
);
const COMMAND = ['node', 'dist/src/run.js'];

describe('Dockerfile', () => {
  it('starts node as process 1, and not as root', () => {
    expect(textsOf(image, 'ENTRYPOINT').map(wordsOf)).toEqual([[]]);
    expect(textsOf(image, 'CMD').map(wordsOf)).toEqual([COMMAND]);
    expect(textsOf(image, 'USER')).toEqual(['node']);
    expect(textsOf(image, 'STOPSIGNAL')).toEqual([]);
  });

  it('limits the heap, of which V8 would else take what the machine has', () => {
    expect(imageEnv['NODE_OPTIONS']).toBe('--max-old-space-size=1024');
  });

  it('takes only what is needed to run into the last stage', () => {
    expect(stages.length).toBeGreaterThan(1);
    expect(textsOf(build, 'RUN').join('\n')).toMatch(/npm ci --ignore-scripts[\s\S]*npm prune --omit=dev/);
    const copied = textsOf(image, 'COPY');
    expect(copied).toHaveLength(3);
    for (const text of copied)
      expect(text).toMatch(/^--from=build \/app\/(package\.json|node_modules|dist) \.\//);
  });

  it('is given what its build reads, and nothing else', () => {
    const [first, ...rest] = fileOf('.dockerignore')
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('#'));
    expect(first).toBe('*');
    const given = new Set(rest.map((line) => line.replace(/^!/, '')));
    const read = textsOf(build, 'COPY').flatMap((text) => text.split(' ').slice(0, -1));
    expect(new Set(read)).toEqual(given);
  });

  it.each([
    [200, 0],
    [503, 1],
  ])('takes %i for the health that exit code %i says', async (status, code) => {
    const [, check] = /\bCMD (\[.*\])$/.exec(textsOf(image, 'HEALTHCHECK')[0] ?? '') ?? [];
    const [, ...args] = wordsOf(check);
    const asked: (string | undefined)[] = [];
    const server = createServer(({ url }, response) => {
      asked.push(url);
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const env = { PORT: String((server.address() as AddressInfo).port) };
    try {
      expect(await exitCodeOf(args, env)).toBe(code);
      expect(asked).toEqual(['/health/live']);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await exitCodeOf(args, env)).toBe(1);
  });
});

function exitCodeOf(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number | null> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { env }, () => resolve(child.exitCode));
  });
}

// ---- docker-compose.yml -----------------------------------------------------------------------------------

type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };

/**
 * The part of YAML that docker-compose.yml keeps to: mappings and lists by indentation or in brackets, plain and
 * single-quoted scalars, an anchor behind a key, aliases, merges. Throws on anything else.
 */
function parseYaml(text: string): unknown {
  const lines = text
    .split('\n')
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }))
    .filter((line) => line.text !== '' && !line.text.startsWith('#'));
  const anchors = new Map<string, Yaml>();
  let at = 0;

  const mapping = (indent: number): Yaml => {
    const result: Record<string, Yaml> = {};
    for (let line = lines[at]; line?.indent === indent; line = lines[at]) {
      const [, key, anchor, rest] = /^([\w.<-]+):(?: &(\w+))?(?: (.+))?$/.exec(line.text) ?? [];
      if (key === undefined || key in result) throw new Error(`not understood: ${line.text}`);
      at += 1;
      const value = rest === undefined ? nested(indent) : inline(rest);
      if (anchor !== undefined) anchors.set(anchor, value);
      if (key === '<<') Object.assign(result, value);
      else result[key] = value;
    }
    return result;
  };
  const list = (indent: number): Yaml => {
    const result: Yaml[] = [];
    for (; lines[at]?.indent === indent; at += 1) result.push(inline((lines[at]?.text ?? '').slice(2)));
    return result;
  };
  const nested = (outer: number): Yaml => {
    const next = lines[at];
    if (!next || next.indent <= outer) return null;
    return next.text.startsWith('- ') ? list(next.indent) : mapping(next.indent);
  };
  const inline = (source: string): Yaml => {
    const alias = /^\*(\w+)$/.exec(source)?.[1];
    if (alias !== undefined) return anchors.get(alias) ?? fail(source);
    const isFlow = /^[[{]/.test(source);
    if (!isFlow) return scalar(source);
    const body = source.slice(1, -1).trim();
    // Commas within quotes separate nothing.
    const parts = body.match(/(?:'(?:[^']|'')*'|[^,'])+/g) ?? [];
    if (source.startsWith('[') && source.endsWith(']')) return parts.map((part) => scalar(part.trim()));
    if (!source.endsWith('}')) return fail(source);
    return Object.fromEntries(
      parts.map((part) => {
        const [, key = '', value = ''] = /^\s*([\w-]+): (.+?)\s*$/.exec(part) ?? [];
        return [key, scalar(value)];
      }),
    );
  };
  const result = mapping(0);
  return at === lines.length ? result : fail(lines[at]?.text ?? '');
}

function scalar(text: string): string {
  if (/^'(?:[^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  // Characters that would mean something else to YAML.
  return text === '' || /^[&*!|>%@`"'[\]{}#,]|: | #|:$/.test(text) ? fail(text) : text;
}

function fail(text: string): never {
  throw new Error(`not understood: ${text}`);
}

interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly container_name?: string;
  readonly network_mode?: string;
  readonly stop_grace_period: string;
}

const compose = parseYaml(fileOf('docker-compose.yml')) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const STORES = ['redis', 'mongo', 'kafka'];
const serviceOf = (name: string): ComposeService => compose.services[name] ?? fail(name);

/** As compose does it: a value, its default, or a refusal. */
function resolved(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, sign?: string, rest = '') => {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    if (sign === '?') throw new Error(`${name}: ${rest}`);
    return sign === '-' ? String(rest) : '';
  });
}

/** The environment of a container of the service. */
const containerEnv = (name: string, env: Readonly<Record<string, string>>): Record<string, string> => ({
  ...imageEnv,
  ...Object.fromEntries(
    Object.entries(serviceOf(name).environment ?? {}).map(([key, value]) => [key, resolved(value, env)]),
  ),
});

function graceMs({ stop_grace_period }: Pick<ComposeService, 'stop_grace_period'>): number {
  return Number(/^(\d+)s$/.exec(stop_grace_period)?.[1]) * 1_000;
}

/** Where the other services are. */
const ADDRESSES = {
  redisUrl: 'redis://redis:6379',
  mongoUrl: 'mongodb://mongo:27017/ticktak',
  kafkaBrokers: 'kafka:9092',
  clientId: 'ticktak',
  shopUrl: 'http://shop:8080',
  reservationsUrl: 'http://reservations:8080',
  userUrl: 'http://user:8080',
  paymentsUrl: 'http://payments:8080',
  securityServiceUrl: 'http://security:8080',
};

describe('docker-compose.yml', () => {
  const { status } = spawnSync('docker', ['compose', 'version']);
  const criterion = 'is what docker compose takes';
  if (status === 0) {
    it(criterion, () => {
      const args = ['compose', '--project-directory', ROOT.pathname, 'config', '--quiet'];
      const { stderr, status: code } = spawnSync('docker', args, {
        env: { ...process.env, ...SECRETS },
        encoding: 'utf8',
      });
      expect({ code, stderr }).toMatchObject({ code: 0 });
    });
  } else {
    skipBecause(criterion, 'docker compose is not installed; the rest of the suite reads the file by itself');
  }

  it('has all roles and three stores', () => {
    expect(Object.keys(compose.services).sort()).toEqual([...ROLES, ...STORES].sort());
  });

  it.each(ROLES)('gives the %s what it needs to start', (role) => {
    const { command = [], ...service } = serviceOf(role);
    expect(command).toEqual([...COMMAND, '--role', role]);
    const settings = loadSettings(containerEnv(role, SECRETS), command.slice(COMMAND.length));
    expect(settings).toMatchObject({ roles: [role], host: '0.0.0.0', [`${role}Port`]: 8_080, ...ADDRESSES });
    expect(settings).toMatchObject({ securityCheck: true, paymentSandbox: true });
    expect(settings.adminToken).toBeUndefined();
    expect(service.environment).not.toHaveProperty('DATA_DIR');
    expect(service.environment).toEqual(serviceOf('worker').environment);
    const waitsFor = Object.entries(service.depends_on ?? {});
    expect(waitsFor).toEqual(STORES.map((store) => [store, { condition: 'service_healthy' }]));
    expect(graceMs(service)).toBeGreaterThanOrEqual(settings.shutdownMs + 2_000);
  });

  it('gives every role the limit of memory of the image, or that of HEAP_MB_MAX', () => {
    const optionsOf = (role: string, more: Readonly<Record<string, string>>): string | undefined =>
      containerEnv(role, { ...SECRETS, ...more })['NODE_OPTIONS'];
    for (const role of ROLES) {
      expect(optionsOf(role, {})).toBe(imageEnv['NODE_OPTIONS']);
      expect(optionsOf(role, { HEAP_MB_MAX: '384' })).toBe('--max-old-space-size=384');
    }
  });

  it('is for trying it out, and takes Stripe and a mail server instead', () => {
    const stripe = {
      STRIPE_SECRET_KEY: 'sk_live_0123456789abcdef',
      STRIPE_PUBLISHABLE_KEY: 'pk_live_0123456789abcdef',
      STRIPE_WEBHOOK_SECRET: 'whsec_0123456789abcdef',
      PAYMENT_SANDBOX: 'false',
      SMTP_URL: 'smtp://mail.example:587',
      PUBLIC_URL: 'https://tickets.example',
      OPERATOR_EMAIL: 'desk@tickets.example',
      TRUST_PROXY: '1',
    };
    for (const role of ROLES) {
      const env = containerEnv(role, { ...SECRETS, ...stripe, ENVIRONMENT: 'prod' });
      expect(loadSettings(env, ['--role', role])).toMatchObject({
        environment: 'prod',
        paymentSandbox: false,
        stripeSecretKey: stripe.STRIPE_SECRET_KEY,
        stripePublishableKey: stripe.STRIPE_PUBLISHABLE_KEY,
        stripeWebhookSecret: stripe.STRIPE_WEBHOOK_SECRET,
        smtpUrl: stripe.SMTP_URL,
        publicUrl: stripe.PUBLIC_URL,
        trustProxy: '1',
      });
    }
  });

  it('builds the image of all roles once', () => {
    expect(new Set(ROLES.map((role) => serviceOf(role).image)).size).toBe(1);
    expect(ROLES.filter((role) => serviceOf(role).build !== undefined)).toHaveLength(1);
  });

  it.each(Object.keys(SECRETS))('does not start without %s', (name) => {
    for (const role of ROLES) {
      expect(serviceOf(role).environment?.[name]).toMatch(new RegExp(`^\\$\\{${name}:\\?[^}]+\\}$`));
      expect(() => containerEnv(role, { ...SECRETS, [name]: '' })).toThrow(name);
    }
  });

  it('has no other secret in it', () => {
    const secrets = fileOf('docker-compose.yml').match(/\w*(TOKEN|SECRET|PASSWORD|_KEY)\w*(?=:)/g) ?? [];
    expect(secrets.filter((name) => !(name in SECRETS) && !OPTIONAL.includes(name))).toEqual([]);
    // Given from outside, or empty.
    for (const name of OPTIONAL) {
      expect(serviceOf('worker').environment?.[name]).toBe(`\${${name}:-}`);
    }
  });

  it('keeps Redis from forgetting and evicting', () => {
    const { command = [], volumes } = serviceOf('redis');
    const valueOf = (option: string) => command[command.indexOf(option) + 1];
    expect(command[0]).toBe('redis-server');
    expect(valueOf('--appendonly')).toBe('yes');
    expect(valueOf('--maxmemory-policy')).toBe('noeviction');
    expect(resolved(valueOf('--maxmemory') ?? '', {})).toMatch(/^\d+[mg]b$/);
    expect(volumes).toEqual(['redis:/data']);
  });

  it('has one broker that makes no topic unasked and keeps transactions by itself', () => {
    const { environment = {}, volumes } = serviceOf('kafka');
    expect(environment).toMatchObject({
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://kafka:9092',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    });
    expect(volumes).toEqual([`kafka:${environment['KAFKA_LOG_DIRS']}`]);
  });

  it.each(STORES)('waits for %s and keeps what it has', (store) => {
    const { volumes = [], healthcheck } = serviceOf(store);
    expect(healthcheck?.test[0]).toBe('CMD');
    const [volume = ''] = (volumes[0] ?? '').split(':');
    expect(compose.volumes).toHaveProperty(volume);
  });

  it('publishes the web roles on loopback, and nothing else', () => {
    const published = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${resolved(port, {})}`),
    );
    expect(published).toEqual([
      'client 127.0.0.1:9000:8080',
      'shop 127.0.0.1:3000:8080',
      'reservations 127.0.0.1:3020:8080',
      'user 127.0.0.1:3030:8080',
      'payments 127.0.0.1:3040:8080',
      'security 127.0.0.1:3050:8080',
    ]);
    for (const { network_mode } of Object.values(compose.services)) expect(network_mode).toBeUndefined();
  });

  it.each(['worker', 'consumer'])('can have several of the %s', (role) => {
    const { ports, container_name } = serviceOf(role);
    expect([ports, container_name]).toEqual([undefined, undefined]);
  });
});
