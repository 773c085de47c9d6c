import { describe, expect, it } from '@jest/globals';
import {
  helpText,
  loadSettings,
  ROLES,
  SettingsError,
  settingsTable,
  wantsHelp,
  type Role,
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

const ROLE_LIST = 'client, shop, reservations, user, payments, security, consumer, analytics, worker';

/** What a role on its own needs. */
const SHARED = { REDIS_URL: 'redis://127.0.0.1:6379', DATA_DIR: './shared' };
/** And what one that has to do with payments needs besides, to try it without money. */
const TRIAL = { ...SHARED, PAYMENT_SANDBOX: 'true' };
/** What the client role on its own needs besides. */
const SERVICES = {
  SHOP_URL: 'http://shop:8080',
  RESERVATIONS_URL: 'http://reservations:8080/behind',
  USER_URL: 'https://user.example',
  PAYMENTS_URL: 'http://payments:8080',
};
/** In place of the sandbox. The keys are made up. */
/** What selling for money needs besides Stripe. */
const FOR_MONEY = {
  PUBLIC_URL: 'https://tickets.example',
  SMTP_URL: 'smtps://mail.tickets.example:465',
  OPERATOR_EMAIL: 'desk@tickets.example',
};
const STRIPE = {
  STRIPE_SECRET_KEY: 'sk_live_0123456789abcdef',
  STRIPE_PUBLISHABLE_KEY: 'pk_live_0123456789abcdef',
  STRIPE_WEBHOOK_SECRET: 'whsec_0123456789abcdef',
};

describe('loadSettings', () => {
  it('needs nothing: everything on one machine, on loopback', () => {
    const settings: Settings = loadSettings({}, []);
    expect(settings).toMatchObject({
      roles: ROLES,
      allInOne: true,
      host: '127.0.0.1',
      clientPort: 9000,
      publicUrl: 'http://127.0.0.1:9000',
      shopPort: 3000,
      reservationsPort: 3020,
      userPort: 3030,
      paymentsPort: 3040,
      securityPort: 3050,
      guests: 'confirmed',
      operatorSecondFactor: 'optional',
      securityCheck: true,
      securityUnreachable: 'allow',
      paymentSandbox: false,
      paymentAttemptsMax: 5,
      disputes: 'void',
      holdMs: 600_000,
      payingMs: 900_000,
      idempotencyMs: 86_400_000,
      closeAtKickoff: false,
      masterlistTopic: 'fifa-world-cup-2022-masterlist-dev',
      salesTopic: 'fifa-world-cup-2022-ticket-sales-dev',
    });
    const { redisUrl, tokenSecret, adminToken, stripeSecretKey, smtpUrl, securityUrl, trustProxy } = settings;
    const absent = [redisUrl, tokenSecret, adminToken, stripeSecretKey, smtpUrl, securityUrl, trustProxy];
    expect(absent.filter((value) => value !== undefined)).toEqual([]);
  });

  it('reads each kind of value, and takes an empty one as absent', () => {
    const env = {
      HOLD_MS: '2000',
      CLOSE_AT_KICKOFF: 'true',
      PUBLISH_CLIENT_ID_IN_VALUE: '1',
      ENVIRONMENT: 'prod',
      REDIS_URL: 'rediss://user:secret@redis.example:6380',
      CURRENCY: '',
      TAX_PERCENT: '7.7',
      TRUST_PROXY: '10.0.0.0/8, ::1',
      PUBLIC_URL: 'https://tickets.example/',
      OPERATOR_EMAIL: 'desk@tickets.example',
      SMTP_URL: FOR_MONEY.SMTP_URL,
      ...STRIPE,
    };
    expect(loadSettings(env, [])).toMatchObject({
      taxPercent: 7.7,
      trustProxy: '10.0.0.0/8, ::1',
      publicUrl: 'https://tickets.example',
      operatorEmail: 'desk@tickets.example',
      stripeSecretKey: STRIPE.STRIPE_SECRET_KEY,
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
      { SALES_MODE: 'ordered', TICKETS_PER_RESERVATION_MAX: '3' },
      'TICKETS_PER_RESERVATION_MAX=3 with SALES_MODE=ordered: a record has at most 2 tickets, ' +
        'and a reservation is granted by one record. Set it to 2 or less.',
    ],
    [
      { SALES_MODE: 'ordered', KAFKA_SALES_PARTITIONS: '2' },
      'KAFKA_SALES_PARTITIONS=2 with SALES_MODE=ordered: the sales topic must have one partition, whose order decides.',
    ],
    [
      { SALES_MODE: 'ordered', KAFKA_FENCING: 'false' },
      'KAFKA_FENCING is false with SALES_MODE=ordered: a message that a process repeats after a sleep could give away ' +
        'tickets that somebody has. Use brokers with transactions.',
    ],
    [
      { SHOP_PORT: '3020' },
      'SHOP_PORT and RESERVATIONS_PORT are both 3020: each role needs a port of its own.',
    ],
    [
      { STRIPE_SECRET_KEY: 'sk_x' },
      'STRIPE_SECRET_KEY (4 characters) is not allowed: it must be a key like sk_live_... or sk_test_....',
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
    [{ ROLES: 'shop,till' }, `ROLES "till" is not known: it must be one of ${ROLE_LIST}.`],
    [
      { USER_PORT: '3020' },
      'RESERVATIONS_PORT and USER_PORT are both 3020: each role needs a port of its own.',
    ],
    [
      { PAYMENTS_PORT: '3050' },
      'PAYMENTS_PORT and SECURITY_PORT are both 3050: each role needs a port of its own.',
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
      SMTP_URL: 'x://:hunter2@y',
      STRIPE_SECRET_KEY: 'hunter2',
      STRIPE_WEBHOOK_SECRET: 'hunter2',
    };
    const problems = problemsOf(env);
    for (const name of Object.keys(env)) expect(problems.join('\n')).toContain(name);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('shows no secret of one that is allowed, when something else is wrong', () => {
    const secrets = { ...STRIPE, ADMIN_TOKEN: 'hunter2-hunter2-hunter2' };
    const problems = problemsOf({ ...FOR_MONEY, ...secrets, ENVIRONMENT: 'prod', PAYMENT_SANDBOX: 'true' });
    expect(problems).toHaveLength(2);
    for (const secret of Object.values(secrets)) expect(problems.join()).not.toContain(secret);
  });
});

describe('the range of', () => {
  /** Each with what is just within it and just outside. */
  it.each([
    ['USER_PORT', ['0', '65535'], ['65536', '-1']],
    ['PAYMENTS_PORT', ['0', '65535'], ['65536']],
    ['SECURITY_PORT', ['0', '65535'], ['65536']],
    ['CLIENT_PORT', ['0', '65535'], ['65536', '-1']],
    ['SHOP_URL', ['http://shop:3000', 'https://shop.example/base'], ['shop:3000', 'http://shop?a=b']],
    ['SECURITY_SERVICE_URL', ['http://security:3050'], ['security']],
    ['ADMIN_TOKEN', ['a'.repeat(16)], ['a'.repeat(15)]],
    [
      'PUBLIC_URL',
      ['https://tickets.example', 'http://127.0.0.1:9000'],
      [
        'tickets.example',
        'ftp://tickets.example',
        'https://tickets.example/?a=b',
        'https://tickets.example#a',
      ],
    ],
    [
      'TRUST_PROXY',
      ['1', '20', '10.0.0.0/8, fd00::/8'],
      ['0', '21', '100', 'abc', '1.2.3', '10.0.0.0/33', 'true', 'my-proxy', '*'],
    ],
    [
      'CORS_ORIGINS',
      ['https://a.example', 'https://a.example, http://localhost:5173'],
      ['*', 'a.example', 'https://a.example/path'],
    ],
    ['GUESTS', ['none', 'confirmed', 'open'], ['yes', 'all']],
    ['OPERATOR_EMAIL', ['a@b.example'], ['a', 'a b@c.example', 'a@']],
    ['OPERATOR_SECOND_FACTOR', ['optional', 'required'], ['never']],
    ['ACCESS_TOKEN_MS', ['10000', '3600000'], ['9999', '3600001']],
    ['SIGNING_KEY_MS', ['3600000', '31536000000'], ['3599999', '31536000001']],
    [
      'SMTP_URL',
      ['smtp://user:password@mail.example:587', 'smtps://mail.example'],
      ['mail.example:587', 'http://mail.example', 'smtp://'],
    ],
    ['MAIL_FROM', ['a@b.example', 'Tickets <a@b.example>'], ['x', `a@b.example\nBcc: c@d.example`]],
    ['SECURITY_CHECK', ['true', 'false', '1', '0'], ['off']],
    ['SECURITY_URL', ['http://security:3050', 'https://security.example'], ['security:3050']],
    ['SECURITY_TIMEOUT_MS', ['20', '10000'], ['19', '10001']],
    ['SECURITY_UNREACHABLE', ['allow', 'deny'], ['challenge']],
    [
      'BLOCK_LIST_FILES',
      ['/etc/blocked.txt', 'a.txt,b.txt'],
      [`a.txt${',b.txt'.repeat(20)}`, 'x'.repeat(501)],
    ],
    ['ADDRESSES_EXEMPT', ['127.0.0.0/8', '::1, 10.1.2.3'], ['localhost', '10.0.0.0/8;::1']],
    [
      'STRIPE_SECRET_KEY',
      [],
      ['pk_test_0123456789', 'sk_test_012345678', 'sk_other_0123456789', 'sk_live_0123456789 '.repeat(2)],
    ],
    ['STRIPE_PUBLISHABLE_KEY', ['pk_live_0123456789'], ['sk_live_0123456789', 'pk_live_012345678']],
    ['STRIPE_WEBHOOK_SECRET', ['whsec_0123456789'], ['whsec_012345678', '0123456789abcdef']],
    ['PAYMENT_SANDBOX', ['true', 'false'], ['yes']],
    ['RECONCILE_MS', ['200', '3600000'], ['199', '3600001']],
    ['DISPUTES', ['void', 'keep'], ['ask']],
    ['TAX_PERCENT', ['0', '7.7', '100'], ['100.1', '-1', '19%']],
    ['TAX_NAME', ['VAT', 'x'.repeat(40)], ['x'.repeat(41)]],
    ['PAYMENT_ATTEMPTS_MAX', ['1', '100'], ['0', '101']],
  ])('%s is kept', (name, inside, outside) => {
    expect(settingsTable.map(({ env }) => env)).toContain(name);
    for (const value of inside) {
      expect([value, problemsOf({ [name]: value })]).toEqual([value, []]);
    }
    for (const value of outside) {
      const problems = problemsOf({ [name]: value });
      expect([value, problems.length]).toEqual([value, 1]);
      expect(problems[0]?.startsWith(name)).toBe(true);
      expect(problems[0]).toContain(' is not allowed: it must be ');
    }
  });
});

describe('Stripe’s keys', () => {
  it('are both for money or both for tests, and for money where tickets are', () => {
    const test = {
      ...STRIPE,
      STRIPE_SECRET_KEY: 'sk_test_0123456789abcdef',
      STRIPE_PUBLISHABLE_KEY: 'pk_test_0123456789abcdef',
    };
    expect(problemsOf(test)).toEqual([]);
    expect(problemsOf({ ...FOR_MONEY, ...test, ENVIRONMENT: 'prod' })).toEqual([
      'STRIPE_SECRET_KEY is a test key: with ENVIRONMENT=prod tickets are sold for money.',
    ]);
    for (const [secret, publishable, count] of [
      ['test', 'live', 1],
      ['live', 'test', 1],
      ['live', 'live', 0],
    ] as const) {
      const env = {
        ...STRIPE,
        STRIPE_SECRET_KEY: `sk_${secret}_0123456789abcdef`,
        STRIPE_PUBLISHABLE_KEY: `pk_${publishable}_0123456789abcdef`,
      };
      expect(problemsOf(env)).toHaveLength(count);
    }
  });
});

describe('ENVIRONMENT=prod', () => {
  const prod = { ENVIRONMENT: 'prod', ...STRIPE, ...FOR_MONEY };

  it('starts with Stripe, a mail server and addresses of its own', () => {
    expect(problemsOf(prod)).toEqual([]);
  });

  it.each([
    [
      { ADMIN_TOKEN: 'a'.repeat(16) },
      'ADMIN_TOKEN is set: with ENVIRONMENT=prod only accounts with a second factor open the dashboard.',
    ],
    [{ SECURITY_CHECK: 'false' }, 'SECURITY_CHECK is false: with ENVIRONMENT=prod every request is checked.'],
    [
      { STRIPE_SECRET_KEY: '' },
      'STRIPE_SECRET_KEY is not set: ENVIRONMENT=prod takes no sandbox payments for money; PAYMENT_SANDBOX=true says that it shall.',
    ],
    [
      { STRIPE_WEBHOOK_SECRET: '' },
      'STRIPE_WEBHOOK_SECRET is not set: without it no webhook of Stripe can be believed.',
    ],
    [
      { PUBLIC_URL: 'http://tickets.example' },
      'PUBLIC_URL is http://tickets.example: where tickets are sold for money people come by https, and links in mails lead there.',
    ],
    [
      { SMTP_URL: '' },
      'SMTP_URL is not set: who pays gets the tickets by mail, and mails would be files on this machine.',
    ],
    [
      { OPERATOR_EMAIL: '' },
      'OPERATOR_EMAIL is not set: nobody reads what is sent to operator@ticktak.example.',
    ],
  ])('refuses %o, in one line, which dev does not all do', (env, line) => {
    expect(problemsOf({ ...prod, ...env })).toEqual([line]);
  });

  it('takes the sandbox when it is said to be meant', () => {
    expect(problemsOf({ ENVIRONMENT: 'prod', PAYMENT_SANDBOX: 'true' })).toEqual([]);
    expect(problemsOf({ ENVIRONMENT: 'prod', PAYMENT_SANDBOX: 'false' })).toHaveLength(1);
  });

  it('is what refuses them: dev takes each', () => {
    expect(problemsOf({ ADMIN_TOKEN: 'a'.repeat(16), SECURITY_CHECK: 'false' })).toEqual([]);
  });
});

describe('payments', () => {
  const PAYING_ROLES: readonly Role[] = ['reservations', 'payments', 'worker'];

  it('are in the sandbox without being asked only with all roles in one process', () => {
    expect(problemsOf({})).toEqual([]);
    for (const role of ROLES) {
      const lines = PAYING_ROLES.includes(role)
        ? [
            `STRIPE_SECRET_KEY is not set: a process with only ${role} takes no sandbox payments for money; ` +
              'PAYMENT_SANDBOX=true says that it shall.',
          ]
        : [];
      expect([role, problemsOf(SHARED, ['--role', role])]).toEqual([role, lines]);
      expect([role, problemsOf(TRIAL, ['--role', role])]).toEqual([role, []]);
      expect([role, problemsOf({ ...SHARED, ...STRIPE }, ['--role', role])]).toEqual([role, []]);
    }
  });

  it('need the secret of the webhook where it is taken', () => {
    const env = { ...SHARED, ...STRIPE, STRIPE_WEBHOOK_SECRET: '' };
    const line = 'STRIPE_WEBHOOK_SECRET is not set: without it no webhook of Stripe can be believed.';
    expect(problemsOf(env)).toEqual([line]);
    for (const role of ROLES) {
      expect([role, problemsOf(env, ['--role', role])]).toEqual([role, role === 'payments' ? [line] : []]);
    }
  });

  it('are of one kind', () => {
    expect(problemsOf({ ...STRIPE, PAYMENT_SANDBOX: 'true' })).toEqual([
      'PAYMENT_SANDBOX and STRIPE_SECRET_KEY are both set: choose one.',
    ]);
  });
});

describe('roles', () => {
  it('come from repeated flags and comma lists, and win over ROLES', () => {
    const env = { ...TRIAL, ROLES: 'consumer' };
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
      /^MONGODB_URL, KAFKA_BROKERS, TOKEN_SECRET, SERVICE_TOKEN are not set: .* or set DATA_DIR/,
    );
    expect(more).toEqual([]);
    const apart = {
      REDIS_URL: 'redis://r:6379',
      MONGODB_URL: 'mongodb://m/x',
      KAFKA_BROKERS: 'a:9092, b:9092',
      CLIENT_ID: 'me',
      TOKEN_SECRET: 't'.repeat(32),
      SERVICE_TOKEN: 's'.repeat(16),
    };
    for (const role of ROLES) {
      expect(problemsOf({ ...apart, ...STRIPE, ...SERVICES }, ['--role', role])).toEqual([]);
    }
    expect(problemsOf(apart, ['--role', 'client'])).toEqual([
      'SHOP_URL, RESERVATIONS_URL, USER_URL, PAYMENTS_URL are not set: the client role forwards to shop, ' +
        'reservations, user, payments, which this process does not have; say where each is, like http://127.0.0.1:3000.',
    ]);
    expect(problemsOf({ ...apart, USER_URL: 'http://u' }, ['--role', 'client,shop'])).toEqual([
      expect.stringMatching(/^RESERVATIONS_URL, PAYMENTS_URL are not set: /),
    ]);
    expect(problemsOf(apart, ['--role', 'shop'])).toEqual([]);
    expect(problemsOf(SHARED, ['--role', 'shop'])).toEqual([]);
  });

  it('of a client on the machine of the others are found at their ports', () => {
    const env = { ...SHARED, SHOP_PORT: '3001', USER_URL: 'http://elsewhere:1' };
    expect(loadSettings(env, ['--role', 'client'])).toMatchObject({
      shopUrl: 'http://127.0.0.1:3001',
      reservationsUrl: 'http://127.0.0.1:3020',
      userUrl: 'http://elsewhere:1',
      securityServiceUrl: 'http://127.0.0.1:3050',
    });
    expect(loadSettings(env, ['--role', 'shop']).reservationsUrl).toBeUndefined();
    expect(loadSettings({}, []).shopUrl).toBeUndefined();
  });

  it('have their web app where it listens, unless PUBLIC_URL says otherwise', () => {
    expect(loadSettings({ CLIENT_PORT: '9001' }, []).publicUrl).toBe('http://127.0.0.1:9001');
    expect(loadSettings({ CLIENT_PORT: '0' }, []).publicUrl).toBe('http://127.0.0.1:9000');
    const env = { CLIENT_PORT: '9001', PUBLIC_URL: 'https://a.example' };
    expect(loadSettings(env, []).publicUrl).toBe('https://a.example');
  });

  it.each([
    { argv: ['--role'], line: `--role needs a name: one of ${ROLE_LIST}.` },
    {
      argv: ['--role', ''],
      line: `--role "" is not known: it must be one of ${ROLE_LIST}.`,
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
  const env = { ...TRIAL, PORT: '8080', SHOP_PORT: '3001' };

  it('wins over the port of the only web role', () => {
    expect(loadSettings(env, ['--role', 'shop']).shopPort).toBe(8080);
    expect(loadSettings(env, ['--role', 'reservations,worker'])).toMatchObject({
      reservationsPort: 8080,
      workerPort: 3060,
      shopPort: 3001,
    });
    expect(loadSettings(env, ['--role', 'worker']).workerPort).toBe(8080);
    expect(loadSettings(env, ['--role', 'user']).userPort).toBe(8080);
    expect(loadSettings(env, ['--role', 'payments']).paymentsPort).toBe(8080);
    expect(loadSettings(env, ['--role', 'security']).securityPort).toBe(8080);
  });

  it('is refused with several web roles', () => {
    expect(problemsOf({ PORT: '8080' })).toEqual([
      'PORT=8080 serves a single web role, but this process has ' +
        'client, shop, reservations, user, payments, security, consumer, analytics: ' +
        'set CLIENT_PORT, SHOP_PORT, RESERVATIONS_PORT, USER_PORT, PAYMENTS_PORT, SECURITY_PORT, CONSUMER_PORT, ANALYTICS_PORT.',
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
