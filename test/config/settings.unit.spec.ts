import { describe, expect, it } from '@jest/globals';
import {
  helpText,
  loadSettings,
  ROLES,
  SettingsError,
  settingsTable,
  wantsHelp,
  type Settings,
} from '../../config/settings.js';

function problemsOf(env: NodeJS.ProcessEnv, argv: readonly string[] = []): readonly string[] {
  try {
    loadSettings(env, argv);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const TAKEN = 'the command line takes --role NAME, --peers N, --peer-rate N and --help.';

/** What a role on its own needs. */
const SHARED = { REDIS_URL: 'redis://127.0.0.1:6379', DATA_DIR: './shared' };

describe('loadSettings', () => {
  it('needs nothing: everything on one machine, on loopback', () => {
    const settings: Settings = loadSettings({}, []);
    expect(settings).toMatchObject({
      roles: ROLES,
      allInOne: true,
      host: '127.0.0.1',
      shopPort: 3000,
      holdMs: 600_000,
      payingMs: 900_000,
      idempotencyMs: 86_400_000,
      closeAtKickoff: false,
      masterlistTopic: 'fifa-world-cup-2022-masterlist-dev',
      salesTopic: 'fifa-world-cup-2022-ticket-sales-dev',
    });
    const absent: readonly (string | undefined)[] = [settings.redisUrl, settings.tokenSecret];
    expect(absent).toEqual([undefined, undefined]);
  });

  it('reads each kind of value, and takes an empty one as absent', () => {
    const env = {
      HOLD_MS: '2000',
      CLOSE_AT_KICKOFF: 'true',
      PUBLISH_CLIENT_ID_IN_VALUE: '1',
      ENVIRONMENT: 'prod',
      REDIS_URL: 'rediss://user:secret@redis.example:6380',
      CURRENCY: '',
    };
    expect(loadSettings(env, [])).toMatchObject({
      holdMs: 2_000,
      closeAtKickoff: true,
      publishClientIdInValue: true,
      salesTopic: 'fifa-world-cup-2022-ticket-sales-prod',
      redisUrl: env.REDIS_URL,
      currency: 'USD',
    });
  });

  it.each([
    [
      { HOLD_MS: 'soon' },
      'HOLD_MS="soon" is not allowed: it must be an integer from 1000 to 86400000 (milliseconds).',
    ],
    [
      { HOLD_MS: '1e4' },
      'HOLD_MS="1e4" is not allowed: it must be an integer from 1000 to 86400000 (milliseconds).',
    ],
    [
      { SHOP_PORT: '65536' },
      'SHOP_PORT="65536" is not allowed: it must be a port from 0 to 65535 (0: any free one).',
    ],
    [{ CLOSE_AT_KICKOFF: 'maybe' }, 'CLOSE_AT_KICKOFF="maybe" is not allowed: it must be true or false.'],
    [{ ENVIRONMENT: 'test' }, 'ENVIRONMENT="test" is not allowed: it must be one of dev, prod.'],
    [
      { TOKEN_SECRET: 'hunter2' },
      'TOKEN_SECRET (7 characters) is not allowed: it must be at least 32 characters.',
    ],
    [
      { REDIS_URL: 'http://me:hunter2@redis' },
      'REDIS_URL=http://...@redis is not allowed: ' +
        'it must be a URL like redis://host:6379 or rediss://user:password@host:6379.',
    ],
    [
      { JOB_LOCK_MS: '9000' },
      'JOB_LOCK_MS=9000 is more than LEASE_MS=5000: a job would outlive the lease of its owner.',
    ],
    [
      { SHOP_PORT: '3020' },
      'SHOP_PORT and RESERVATIONS_PORT are both 3020: each role needs a port of its own.',
    ],
    [
      { STRIPE_SECRET_KEY: 'sk_x' },
      'STRIPE_SECRET_KEY is set, but this version only has the embedded part: unset it.',
    ],
    [
      { KAFKA_BROKERS: 'a:9092' },
      'CLIENT_ID not set: KAFKA_BROKERS needs the name that other marketplaces know this one by.',
    ],
    [
      { KAFKA_BROKERS: 'a', CLIENT_ID: 'me' },
      'KAFKA_BROKERS="a" is not allowed: it must be a comma list of host:port.',
    ],
    [
      { KAFKA_SASL_MECHANISM: 'plain', KAFKA_USERNAME: 'me' },
      'KAFKA_PASSWORD not set: KAFKA_SASL_MECHANISM needs a name and a password.',
    ],
    [
      { KAFKA_TLS: 'true', KAFKA_CERT: '-----BEGIN CERTIFICATE-----' },
      'KAFKA_KEY not set: KAFKA_CERT needs its private key.',
    ],
    [{ KAFKA_CA: 'ca.pem' }, 'KAFKA_CA is set, but KAFKA_TLS is not true.'],
    [
      { MONGODB_URL: 'http://a' },
      'MONGODB_URL=http://a is not allowed: it must be a URL like mongodb://user:password@host:27017/database or mongodb+srv://....',
    ],
    [
      { ROLES: 'shop,till' },
      'ROLES "till" is not known: it must be one of shop, reservations, consumer, worker.',
    ],
  ])('refuses %o with one line', (env, line) => {
    expect(problemsOf({ ...SHARED, ...env })).toEqual([line]);
  });

  it('names every problem at once, one line each', () => {
    const problems = problemsOf({ HOLD_MS: '0', LOG_LEVEL: 'loud' }, ['--port', '--role', 'till']);
    expect(problems).toHaveLength(4);
    expect(problems.every((line) => !line.includes('\n'))).toBe(true);
    expect(() => loadSettings({ HOLD_MS: '0' }, [])).toThrow(/^HOLD_MS="0" /);
  });

  it('shows no secret in a problem', () => {
    const env = {
      ADMIN_TOKEN: 'hunter2',
      SERVICE_TOKEN: 'hunter2',
      REDIS_URL: 'x://:hunter2@y',
      MONGODB_URL: 'x://:hunter2@y',
    };
    expect(problemsOf(env).join()).not.toContain('hunter2');
  });
});

describe('roles', () => {
  it('come from repeated flags and comma lists, and win over ROLES', () => {
    const env = { ...SHARED, ROLES: 'consumer' };
    expect(loadSettings(env, []).roles).toEqual(['consumer']);
    expect(loadSettings(env, ['--role', 'worker', '--role=shop,reservations']).roles).toEqual([
      'shop',
      'reservations',
      'worker',
    ]);
  });

  it('are all of them when all are named', () => {
    expect(loadSettings({ ROLES: ROLES.join(', ') }, [])).toMatchObject({ allInOne: true, roles: ROLES });
  });

  it('refuse embedded parts when they are started on their own', () => {
    const [redis, data, ...more] = problemsOf({}, ['--role', 'shop']);
    expect(redis).toMatch(/^REDIS_URL is not set: a process with only shop needs the Redis/);
    expect(data).toMatch(
      /^MONGODB_URL, KAFKA_BROKERS, TOKEN_SECRET, ADMIN_TOKEN, SERVICE_TOKEN are not set: .* or set DATA_DIR/,
    );
    expect(more).toEqual([]);
    const apart = {
      REDIS_URL: 'redis://r:6379',
      MONGODB_URL: 'mongodb://m/x',
      KAFKA_BROKERS: 'a:9092, b:9092',
      CLIENT_ID: 'me',
      TOKEN_SECRET: 't'.repeat(32),
      ADMIN_TOKEN: 'a'.repeat(16),
      SERVICE_TOKEN: 's'.repeat(16),
    };
    expect(problemsOf(apart, ['--role', 'shop'])).toEqual([]);
    expect(problemsOf(SHARED, ['--role', 'shop'])).toEqual([]);
  });

  it.each([
    { argv: ['--role'], line: '--role needs a name: one of shop, reservations, consumer, worker.' },
    {
      argv: ['--role', ''],
      line: '--role "" is not known: it must be one of shop, reservations, consumer, worker.',
    },
    { argv: ['--rolle=shop'], line: `--rolle is not known: ${TAKEN}` },
    { argv: ['shop'], line: `shop is not known: ${TAKEN}` },
  ])('refuse $argv', ({ argv, line }) => {
    expect(problemsOf(SHARED, argv)).toEqual([line]);
  });
});

describe('peers', () => {
  it('come from the command line or the environment; the command line wins', () => {
    expect(loadSettings({}, [])).toMatchObject({ peers: 0, peerRate: 0.5 });
    expect(loadSettings({ PEERS: '3', PEER_RATE: '0.25' }, [])).toMatchObject({ peers: 3, peerRate: 0.25 });
    expect(loadSettings({ PEERS: '3' }, ['--peers', '2', '--peer-rate=1.5'])).toMatchObject({
      peers: 2,
      peerRate: 1.5,
    });
  });

  it.each([
    { argv: ['--peers'], line: '--peers needs a number.' },
    { argv: ['--peer-rate='], line: '--peer-rate needs a number.' },
    { argv: ['--peers', '21'], line: 'PEERS="21" is not allowed: it must be an integer from 0 to 20.' },
    {
      argv: ['--peer-rate', '1e3'],
      line: 'PEER_RATE="1e3" is not allowed: it must be a number from 0.01 to 100.',
    },
  ])('are refused: $argv', ({ argv, line }) => {
    expect(problemsOf({}, argv)).toEqual([line]);
  });

  it('are heard only without brokers, and only where all roles are', () => {
    expect(problemsOf({ KAFKA_BROKERS: 'a:9092', CLIENT_ID: 'x' }, ['--peers', '2'])).toEqual([
      'PEERS=2 is for a marketplace without KAFKA_BROKERS: with brokers, npm run peer plays another marketplace.',
    ]);
    expect(problemsOf(SHARED, ['--role', 'shop', '--peers', '2'])).toContain(
      'PEERS=2 needs all roles in one process; this one has only shop.',
    );
  });
});

describe('PORT', () => {
  const env = { ...SHARED, PORT: '8080', SHOP_PORT: '3001' };

  it('wins over the port of the only web role', () => {
    expect(loadSettings(env, ['--role', 'shop']).shopPort).toBe(8080);
    expect(loadSettings(env, ['--role', 'reservations,worker'])).toMatchObject({
      reservationsPort: 8080,
      workerPort: 3060,
      shopPort: 3001,
    });
    expect(loadSettings(env, ['--role', 'worker']).workerPort).toBe(8080);
  });

  it('is refused with several web roles', () => {
    expect(problemsOf({ PORT: '8080' })).toEqual([
      'PORT=8080 serves a single web role, but this process has shop, reservations, consumer: ' +
        'set SHOP_PORT, RESERVATIONS_PORT, CONSUMER_PORT.',
    ]);
  });

  it('may be 0 for several roles: any free one', () => {
    expect(problemsOf({ SHOP_PORT: '0', RESERVATIONS_PORT: '0' })).toEqual([]);
  });
});

describe('the table', () => {
  it('names each variable once and documents it', () => {
    expect(new Set(settingsTable.map(({ env }) => env)).size).toBe(settingsTable.length);
    for (const { env, doc, allowed } of settingsTable) {
      expect(env).toMatch(/^[A-Z][A-Z_]*$/);
      expect([doc, allowed]).not.toContain('');
    }
  });

  it('has only defaults that are allowed', () => {
    const defaults = settingsTable.filter((line) => line.default !== '');
    const env = Object.fromEntries(defaults.map((line) => [line.env, line.default]));
    expect(loadSettings(env, [])).toEqual(loadSettings({}, []));
  });

  it('names its units', () => {
    for (const { env, key, allowed } of settingsTable) {
      expect(`${env} ${allowed.includes('milliseconds')}`).toBe(`${env} ${key.endsWith('Ms')}`);
    }
  });

  it('is what --help prints', () => {
    expect(wantsHelp(['--role', 'shop', '--help'])).toBe(true);
    expect(wantsHelp([])).toBe(false);
    for (const { env } of settingsTable) expect(helpText()).toContain(`  ${env}`);
    expect(problemsOf({}, ['--help'])).toEqual([]);
  });
});
