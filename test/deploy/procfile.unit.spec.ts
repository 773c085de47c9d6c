/** The Procfile, as a platform reads it that gives PORT to the process type `web` and to no other. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { loadSettings, ROLES, SettingsError, settingsTable } from '../../config/settings.js';

const ROOT = new URL('../../', import.meta.url);
const fileOf = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** Command by process type. */
const types = new Map(
  fileOf('Procfile')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, type, command] = /^([A-Za-z0-9_-]+): (\S.*)$/.exec(line) ?? [];
      if (type === undefined || command === undefined) throw new Error(`not a line of a Procfile: ${line}`);
      return [type, command];
    }),
);

/** What the platform and its add-ons set, and what the guide says to set. */
const PLATFORM = {
  PATH: process.env['PATH'],
  HOME: '/app',
  NODE_ENV: 'production',
  HOST: '0.0.0.0',
  ENVIRONMENT: 'prod',
  REDIS_URL: 'rediss://:p4ssw0rd@redis.example:6380',
  MONGODB_URL: 'mongodb+srv://user:p4ssw0rd@cluster.example/ticktak?retryWrites=true&w=majority',
  KAFKA_BROKERS: 'broker-1.example:9096,broker-2.example:9096',
  KAFKA_TLS: 'true',
  KAFKA_CA: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  KAFKA_SASL_MECHANISM: 'scram-sha-512',
  KAFKA_USERNAME: 'user',
  KAFKA_PASSWORD: 'p4ssw0rd',
  CLIENT_ID: 'tickets.example',
  TOKEN_SECRET: 'f3b1c9d27a6e4f80b5d8e1a29c47f063',
  SERVICE_TOKEN: '1c3e5a7b9d0f2e4c6a8b',
  PUBLIC_URL: 'https://tickets.example',
  SHOP_URL: 'https://shop.tickets.example',
  RESERVATIONS_URL: 'https://reservations.tickets.example',
  USER_URL: 'https://user.tickets.example',
  PAYMENTS_URL: 'https://payments.tickets.example',
  TRUST_PROXY: '1',
  OPERATOR_EMAIL: 'desk@tickets.example',
  SMTP_URL: 'smtps://user:p4ssw0rd@mail.example:465',
  MAIL_FROM: 'Tickets <tickets@tickets.example>',
  // Made up.
  STRIPE_SECRET_KEY: 'sk_live_0123456789abcdef',
  STRIPE_PUBLISHABLE_KEY: 'pk_live_0123456789abcdef',
  STRIPE_WEBHOOK_SECRET: 'whsec_0123456789abcdef',
};
/** The types that a router can send requests to. */
const WEB = ['client', 'shop', 'reservations', 'user', 'payments', 'security'] as const;

/** The words that a shell makes of a command. */
function wordsOf(command: string, env: NodeJS.ProcessEnv): string[] {
  const text = execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { env, encoding: 'utf8' });
  return text.trimEnd().split('\n');
}

const settingsOf = (type: string, more: NodeJS.ProcessEnv = {}) => {
  const env = { ...PLATFORM, ...more };
  const [, , , ...argv] = wordsOf(types.get(type) ?? '', env);
  return loadSettings(env, argv);
};

describe('Procfile', () => {
  it('has every role, and web', () => {
    expect([...types.keys()].sort()).toEqual([...ROLES, 'web'].sort());
  });

  it.each([...types])(
    '%s starts what was built, with nothing between it and the signals',
    (_type, command) => {
      const [program, limit, script = ''] = wordsOf(command, PLATFORM);
      expect([program, limit, script]).toEqual(['node', '--max-old-space-size=1024', 'dist/src/run.js']);
      expect(existsSync(new URL(script.replace(/^dist\/(.*)\.js$/, '$1.ts'), ROOT))).toBe(true);
      expect(command.replace(/\$\{\w+:-\w+\}/g, '')).not.toMatch(/[$`;&|<>()]/);
    },
  );

  it.each([...types])('%s has the limit of memory that HEAP_MB_MAX says', (_type, command) => {
    expect(wordsOf(command, { ...PLATFORM, HEAP_MB_MAX: '384' })[1]).toBe('--max-old-space-size=384');
  });

  it.each(ROLES)('%s starts with what the platform sets, on the port of its role', (role) => {
    const settings = settingsOf(role);
    expect(settings).toMatchObject({ roles: [role], allInOne: false, host: '0.0.0.0', kafkaTls: true });
    const { userPort, paymentsPort, securityPort, workerPort } = settings;
    expect([userPort, paymentsPort, securityPort, workerPort]).toEqual([3030, 3040, 3050, 3060]);
  });

  it('web is the shop on PORT, or the web role that WEB_ROLE names', () => {
    expect(settingsOf('web', { PORT: '24601' })).toMatchObject({ roles: ['shop'], shopPort: 24_601 });
    for (const role of WEB) {
      const settings = settingsOf('web', { PORT: '24601', WEB_ROLE: role });
      expect(settings).toMatchObject({ roles: [role], [`${role}Port`]: 24_601 });
    }
  });

  it('can have the security service on its own, or not at all', () => {
    expect(settingsOf('reservations').securityUrl).toBeUndefined();
    const apart = settingsOf('reservations', { SECURITY_URL: 'http://security.internal:3050' });
    expect(apart.securityUrl).toBe('http://security.internal:3050');
  });

  it('does not start without what the roles share', () => {
    const shared = [
      'REDIS_URL',
      'MONGODB_URL',
      'KAFKA_BROKERS',
      'CLIENT_ID',
      'TOKEN_SECRET',
      'SERVICE_TOKEN',
    ];
    for (const role of ROLES) {
      for (const name of shared) {
        expect(() => settingsOf(role, { [name]: '' })).toThrow(SettingsError);
        expect(() => settingsOf(role, { [name]: '' })).toThrow(name);
      }
    }
  });

  it('does not sell without a key for payments, nor take them without the secret of the webhook', () => {
    for (const role of ['reservations', 'payments', 'worker']) {
      expect(() => settingsOf(role, { STRIPE_SECRET_KEY: '' })).toThrow(/^STRIPE_SECRET_KEY is not set/m);
    }
    const withoutWebhook = () => settingsOf('payments', { STRIPE_WEBHOOK_SECRET: '' });
    expect(withoutWebhook).toThrow(/^STRIPE_WEBHOOK_SECRET is not set/m);
  });

  it('does not forward without knowing where to', () => {
    for (const name of ['SHOP_URL', 'RESERVATIONS_URL', 'USER_URL', 'PAYMENTS_URL']) {
      expect(() => settingsOf('client', { [name]: '' })).toThrow(new RegExp(`^${name} is not set`, 'm'));
      expect(() => settingsOf('shop', { [name]: '' })).not.toThrow();
    }
  });

  it('has no way to the dashboard but accounts', () => {
    for (const role of ROLES) {
      expect(() => settingsOf(role, { ADMIN_TOKEN: '9d0e7c5b3a1f2e4d6c8b' })).toThrow(/^ADMIN_TOKEN is set/m);
    }
  });
});

describe('the package', () => {
  it('is built by a script of its own and needs no development dependency to run', () => {
    const { scripts, dependencies, engines } = JSON.parse(fileOf('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>;
      readonly dependencies: Readonly<Record<string, string>>;
      readonly engines: { readonly node: string };
    };
    expect(scripts).toHaveProperty('build');
    expect(dependencies).not.toHaveProperty('typescript');
    expect(engines.node).toMatch(/20/);
  });
});

/** What a router of one's own must not send to the shop. */
const ROUTED = [
  '/api/v1/reservations',
  '/api/reservation',
  '/api/v1/users',
  '/api/v1/sessions',
  '/api/v1/email-confirmations',
  '/api/v1/password-resets',
  '/.well-known/jwks.json',
  '/api/v1/payments',
  '/api/v1/challenges',
  '/api/v1/blocks',
  '/api/v1/audit',
];

describe('the guide', () => {
  const guide = fileOf('docs/scale-out.md');

  it('names settings that there are', () => {
    // Of the Procfile, and of Node.
    const others = ['WEB_ROLE', 'HEAP_MB_MAX', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS'];
    const known = new Set([...settingsTable.map(({ env }) => env), ...others]);
    const named = guide.match(/\b[A-Z]+(_[A-Z]+)+\b/g) ?? [];
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('says of each role on which port it is, and who needs what', () => {
    const missing = ROLES.filter(
      (role) => !new RegExp(`^\\| \`${role}\` .*\`[A-Z]+_PORT\``, 'm').test(guide),
    );
    expect(missing).toEqual([]);
    const needed = ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET', 'SMTP_URL', 'PUBLIC_URL', 'TRUST_PROXY'];
    const named = [...needed, 'OPERATOR_EMAIL', 'PAYMENT_SANDBOX', 'SECURITY_URL'];
    expect(named.filter((name) => !guide.includes(`\`${name}`))).toEqual([]);
  });

  it('sends every path of a service to it', () => {
    expect(ROUTED.filter((path) => !guide.includes(`\`${path}\``))).toEqual([]);
  });

  it('names metrics that there are', () => {
    const metrics = fileOf('src/http/metrics.ts');
    const named = guide.match(/\bticktak_\w+/g) ?? [];
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !metrics.includes(`'${name}'`))).toEqual([]);
  });
});
