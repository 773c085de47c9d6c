/**
 * Configuration: read once, at start, from environment variables and the command line. Everything that can
 * be set is in the table below. Guarantee: `loadSettings` answers settings that are complete, in range and
 * consistent, or throws one `SettingsError` that names every problem, one line each. Nothing else reads the
 * environment.
 */
import { z } from 'zod';

/** What a process can do. A process without roles named has all of them. */
export const ROLES = ['shop', 'reservations', 'consumer', 'worker'] as const;
export type Role = (typeof ROLES)[number];
/** Roles whose port may be given as PORT, the way hosting platforms do. */
const WEB_ROLES: readonly Role[] = ['shop', 'reservations', 'consumer'];

type Schema = z.ZodType<string | number | boolean>;

/** One line of the table. */
interface Setting<S extends Schema = Schema> {
  /** Name of the environment variable; an empty one counts as absent. */
  readonly env: string;
  /** From the variable's text to the value; its description says what is allowed. */
  readonly schema: S;
  readonly default: z.output<S> | undefined;
  readonly doc: string;
  /** Where a default that was not chosen here comes from. */
  readonly source?: string;
  /** How an error shows a value that must not be read by everyone. */
  readonly masked?: (value: string) => string;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const integer = (min: number, max: number, unit = '') =>
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .describe(`an integer from ${min} to ${max}${unit}`);
const milliseconds = (min: number, max: number) => integer(min, max, ' (milliseconds)');
const count = (max: number) => integer(1, max);
const decimal = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}(\.\d{1,6})?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .describe(`a number from ${min} to ${max}`);
const port = () => integer(0, 65_535).describe('a port from 0 to 65535 (0: any free one)');
const boolean = () =>
  z
    .enum(['true', 'false', '1', '0'])
    .transform((text) => text === 'true' || text === '1')
    .describe('true or false');
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values).describe(`one of ${values.join(', ')}`);
const text = (pattern: RegExp, allowed: string) => z.string().regex(pattern).describe(allowed);
const secret = (lengthMin: number) =>
  z.string().min(lengthMin).max(1_000).describe(`at least ${lengthMin} characters`);
const redisUrl = () =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^rediss?:\/\/./.test(value))
    .describe('a URL like redis://host:6379 or rediss://user:password@host:6379');
const mongoUrl = () =>
  z
    .string()
    .refine((value) => /^mongodb(\+srv)?:\/\/[^/]/.test(value))
    .describe('a URL like mongodb://user:password@host:27017/database or mongodb+srv://...');
const brokers = () =>
  text(/^[A-Za-z0-9._-]+:\d{1,5}(\s*,\s*[A-Za-z0-9._-]+:\d{1,5}){0,99}$/, 'a comma list of host:port');
const pem = () => text(/^[\s\S]{1,100000}$/, 'PEM text, or the path of a file with it');
const topicPrefix = () =>
  text(/^[A-Za-z0-9._-]{1,200}$/, 'at most 200 letters, digits, dots, underscores and hyphens');

const hidden = (value: string): string => ` (${value.length} characters)`;
const passwordHidden = (value: string): string => `=${value.replace(/^([a-z]*:\/\/)?.*@/i, '$1...@')}`;

/** Keeps the type of each line; a setting without a default may be absent. */
const setting = <S extends Schema, const D extends z.output<S> | undefined>(
  line: Omit<Setting<S>, 'default'> & { readonly default?: D },
) => ({ ...line, default: line.default as D });

const DEFAULTS = 'default of the market';
const KAFKA_CONTRACT = 'format between marketplaces';
const HTTP_CONTRACT = 'format of the HTTP interface';

const table = {
  // The process.
  environment: setting({
    env: 'ENVIRONMENT',
    schema: oneOf(['dev', 'prod']),
    default: 'dev',
    doc: 'Which market: the last part of the topic names.',
    source: KAFKA_CONTRACT,
  }),
  dataDir: setting({
    env: 'DATA_DIR',
    schema: text(/^[^\0\r\n]{1,1000}$/, 'a folder'),
    default: './data',
    doc: 'Folder of the embedded parts and of generated secrets. Set by hand for a role on its own, it declares that all roles run on this machine and share it.',
  }),
  logLevel: setting({
    env: 'LOG_LEVEL',
    schema: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    default: 'info',
    doc: 'Least severe log line that is written.',
  }),
  shutdownMs: setting({
    env: 'SHUTDOWN_MS',
    schema: milliseconds(SECOND, 10 * MINUTE),
    default: 25 * SECOND,
    doc: 'Time to end work in hand after SIGTERM; then the process ends anyway.',
  }),

  // HTTP.
  host: setting({
    env: 'HOST',
    schema: text(/^[A-Za-z0-9.:_-]{1,255}$/, 'a host name or an IP address'),
    default: '127.0.0.1',
    doc: 'Address on which every port listens; 0.0.0.0 opens it to the network.',
    source: HTTP_CONTRACT,
  }),
  shopPort: setting({
    env: 'SHOP_PORT',
    schema: port(),
    default: 3000,
    doc: 'Port of the shop.',
    source: HTTP_CONTRACT,
  }),
  consumerPort: setting({
    env: 'CONSUMER_PORT',
    schema: port(),
    default: 3010,
    doc: 'Port of the consumer: health and metrics.',
    source: HTTP_CONTRACT,
  }),
  reservationsPort: setting({
    env: 'RESERVATIONS_PORT',
    schema: port(),
    default: 3020,
    doc: 'Port of the reservations.',
    source: HTTP_CONTRACT,
  }),
  workerPort: setting({
    env: 'WORKER_PORT',
    schema: port(),
    default: 3060,
    doc: 'Port of the worker: health and metrics.',
  }),
  bodyBytesMax: setting({
    env: 'BODY_BYTES_MAX',
    schema: integer(1_024, 16_777_216, ' (bytes)'),
    default: 65_536,
    doc: 'Largest request body.',
  }),
  sseClientsMax: setting({
    env: 'SSE_CLIENTS_MAX',
    schema: count(1_000_000),
    default: 10_000,
    doc: 'Open availability streams per process.',
  }),
  replyWaitMs: setting({
    env: 'REPLY_WAIT_MS',
    schema: milliseconds(100, 2 * MINUTE),
    default: 10 * SECOND,
    doc: 'How long a request waits for the outcome of its command before it is answered that it is not known.',
    source: DEFAULTS,
  }),
  idempotencyMs: setting({
    env: 'IDEMPOTENCY_MS',
    schema: milliseconds(MINUTE, 30 * DAY),
    default: 24 * HOUR,
    doc: 'How long the outcome of a request with an Idempotency-Key is kept.',
    source: DEFAULTS,
  }),
  unkeyedOutcomeMs: setting({
    env: 'UNKEYED_OUTCOME_MS',
    schema: milliseconds(MINUTE, DAY),
    default: 10 * MINUTE,
    doc: 'How long the outcome of a request without an Idempotency-Key is kept.',
  }),

  // Secrets.
  tokenSecret: setting({
    env: 'TOKEN_SECRET',
    schema: secret(32),
    doc: 'Signs the tokens of guests. Absent: generated once and kept in DATA_DIR.',
    masked: hidden,
  }),
  adminToken: setting({
    env: 'ADMIN_TOKEN',
    schema: secret(16),
    doc: 'Opens the operator pages. Absent: generated once and kept in DATA_DIR.',
    source: HTTP_CONTRACT,
    masked: hidden,
  }),
  serviceToken: setting({
    env: 'SERVICE_TOKEN',
    schema: secret(16),
    doc: 'Lets other services post sales messages. Absent: generated once and kept in DATA_DIR.',
    source: HTTP_CONTRACT,
    masked: hidden,
  }),

  // Selling.
  holdMs: setting({
    env: 'HOLD_MS',
    schema: milliseconds(SECOND, DAY),
    default: 10 * MINUTE,
    doc: 'How long a hold lasts.',
    source: DEFAULTS,
  }),
  payingMs: setting({
    env: 'PAYING_MS',
    schema: milliseconds(SECOND, DAY),
    default: 15 * MINUTE,
    doc: 'How long a payment may take after it was started; then it is cancelled and the hold released.',
    source: DEFAULTS,
  }),
  paymentCheckMs: setting({
    env: 'PAYMENT_CHECK_MS',
    schema: milliseconds(SECOND, HOUR),
    default: 30 * SECOND,
    doc: 'How often a payment whose end is not known is looked up at the provider.',
  }),
  paymentTimeoutMs: setting({
    env: 'PAYMENT_TIMEOUT_MS',
    schema: milliseconds(SECOND, 5 * MINUTE),
    default: 20 * SECOND,
    doc: 'How long one call of the payment provider may take.',
  }),
  ticketsPerPersonMax: setting({
    env: 'TICKETS_PER_PERSON_MAX',
    schema: count(1_000),
    default: 4,
    doc: 'Tickets that one person may have for one match.',
    source: DEFAULTS,
  }),
  ticketsPerReservationMax: setting({
    env: 'TICKETS_PER_RESERVATION_MAX',
    schema: count(1_000),
    default: 2,
    doc: 'Tickets in one reservation.',
    source: DEFAULTS,
  }),
  currency: setting({
    env: 'CURRENCY',
    schema: text(/^[A-Z]{3}$/, 'three capital letters (ISO 4217)'),
    default: 'USD',
    doc: 'Currency of the prices in the master list.',
  }),
  closeAtKickoff: setting({
    env: 'CLOSE_AT_KICKOFF',
    schema: boolean(),
    default: false,
    doc: 'Whether the sale of a match ends when it begins.',
    source: DEFAULTS,
  }),

  // Actors.
  leaseMs: setting({
    env: 'LEASE_MS',
    schema: milliseconds(500, MINUTE),
    default: 5 * SECOND,
    doc: 'How long a silent owner keeps a ticket.',
    source: DEFAULTS,
  }),
  jobLockMs: setting({
    env: 'JOB_LOCK_MS',
    schema: milliseconds(500, MINUTE),
    default: 5 * SECOND,
    doc: 'How long a job stays locked by a silent owner; no longer than LEASE_MS.',
    source: DEFAULTS,
  }),
  snapshotMs: setting({
    env: 'SNAPSHOT_MS',
    schema: milliseconds(100, HOUR),
    default: 5 * SECOND,
    doc: 'How often the state of a changed ticket is archived.',
    source: DEFAULTS,
  }),
  sweepMs: setting({
    env: 'SWEEP_MS',
    schema: milliseconds(50, MINUTE),
    default: SECOND,
    doc: 'How often due holds and missed wake-ups are looked for.',
  }),
  idleReleaseMs: setting({
    env: 'IDLE_RELEASE_MS',
    schema: milliseconds(SECOND, DAY),
    default: 15 * SECOND,
    doc: 'How long an owner keeps a ticket that nobody asks for.',
  }),
  batchCommandsMax: setting({
    env: 'BATCH_COMMANDS_MAX',
    schema: count(10_000),
    default: 500,
    doc: 'Commands in one job and in one commit.',
  }),
  commandsWaitingMax: setting({
    env: 'COMMANDS_WAITING_MAX',
    schema: count(1_000_000),
    default: 5_000,
    doc: 'Commands that wait per ticket and gateway; further ones are answered overloaded.',
    source: DEFAULTS,
  }),
  outboxEntriesMax: setting({
    env: 'OUTBOX_ENTRIES_MAX',
    schema: count(10_000_000),
    default: 100_000,
    doc: 'Events of one ticket that wait to be archived and published; at the limit it sells no more.',
  }),

  // Redis.
  redisUrl: setting({
    env: 'REDIS_URL',
    schema: redisUrl(),
    doc: 'The Redis to use. Absent: a redis-server is started on this machine, with its data in DATA_DIR.',
    source: 'way of a command',
    masked: passwordHidden,
  }),
  redisMemoryMb: setting({
    env: 'REDIS_MEMORY_MB',
    schema: integer(64, 1_000_000, ' (MiB)'),
    default: 1_024,
    doc: 'Memory of the local Redis; full, it refuses new commands and keeps what it has. A Redis of your own has its own limit.',
  }),
  redisPrefix: setting({
    env: 'REDIS_PREFIX',
    schema: text(/^[A-Za-z0-9_-]{1,40}$/, 'at most 40 letters, digits, underscores and hyphens'),
    default: 'ticktak',
    doc: 'First part of every key, so that several marketplaces can share a Redis.',
  }),

  // MongoDB.
  mongoUrl: setting({
    env: 'MONGODB_URL',
    schema: mongoUrl(),
    doc: 'The MongoDB that keeps what must outlive Redis. Absent: an embedded store in DATA_DIR.',
    source: 'way of a command',
    masked: passwordHidden,
  }),
  mongoTimeoutMs: setting({
    env: 'MONGODB_TIMEOUT_MS',
    schema: milliseconds(100, MINUTE),
    default: 5 * SECOND,
    doc: 'How long one call of MongoDB may take before it counts as away.',
  }),

  // Kafka.
  kafkaBrokers: setting({
    env: 'KAFKA_BROKERS',
    schema: brokers(),
    doc: 'The brokers of the market. Absent: an in-process feed that no other marketplace hears.',
    source: KAFKA_CONTRACT,
  }),
  kafkaGroupId: setting({
    env: 'KAFKA_GROUP_ID',
    schema: text(/^[A-Za-z0-9._-]{1,200}$/, 'at most 200 letters, digits, dots, underscores and hyphens'),
    doc: 'Consumer group of this marketplace, shared by all its consumers. Absent: CLIENT_ID.',
    source: KAFKA_CONTRACT,
  }),
  kafkaTls: setting({
    env: 'KAFKA_TLS',
    schema: boolean(),
    default: false,
    doc: 'Whether the brokers are spoken to over TLS.',
  }),
  kafkaCa: setting({
    env: 'KAFKA_CA',
    schema: pem(),
    doc: 'Certificate of the authority that signed those of the brokers. Absent: the authorities of this machine.',
    masked: hidden,
  }),
  kafkaCert: setting({
    env: 'KAFKA_CERT',
    schema: pem(),
    doc: 'Certificate of this client, where brokers ask for one; with KAFKA_KEY.',
    masked: hidden,
  }),
  kafkaKey: setting({
    env: 'KAFKA_KEY',
    schema: pem(),
    doc: 'Private key of KAFKA_CERT.',
    masked: hidden,
  }),
  kafkaSaslMechanism: setting({
    env: 'KAFKA_SASL_MECHANISM',
    schema: oneOf(['plain', 'scram-sha-256', 'scram-sha-512']),
    doc: 'How to log in to the brokers; with KAFKA_USERNAME and KAFKA_PASSWORD. Absent: no login.',
  }),
  kafkaUsername: setting({
    env: 'KAFKA_USERNAME',
    schema: text(/^[^\0\r\n]{1,200}$/, 'at most 200 characters'),
    doc: 'Name to log in to the brokers with.',
  }),
  kafkaPassword: setting({
    env: 'KAFKA_PASSWORD',
    schema: secret(1),
    doc: 'Password to log in to the brokers with.',
    masked: hidden,
  }),
  kafkaCreateTopics: setting({
    env: 'KAFKA_CREATE_TOPICS',
    schema: boolean(),
    default: true,
    doc: 'Whether topics that do not exist are made. False: a missing one refuses the start.',
  }),
  kafkaSalesPartitions: setting({
    env: 'KAFKA_SALES_PARTITIONS',
    schema: count(1_000),
    default: 1,
    doc: 'Partitions of a sales topic made here. With more than one, messages of peers that send no key lose their order.',
  }),
  kafkaReplication: setting({
    env: 'KAFKA_REPLICATION',
    schema: integer(0, 10),
    default: 0,
    doc: 'Replicas of topics made here; 0 for the default of the brokers.',
  }),
  kafkaFencing: setting({
    env: 'KAFKA_FENCING',
    schema: boolean(),
    default: true,
    doc: 'Whether a publisher is fenced before another goes on behind it. False only for brokers without transactions: then a process that slept can repeat sales messages.',
  }),

  // The market.
  clientId: setting({
    env: 'CLIENT_ID',
    schema: text(/^[A-Za-z0-9._-]{1,100}$/, 'at most 100 letters, digits, dots, underscores and hyphens'),
    default: 'ticktak',
    doc: 'Name of this marketplace; no other may have it. To be set as soon as there are brokers.',
    source: KAFKA_CONTRACT,
  }),
  masterlistTopicPrefix: setting({
    env: 'MASTERLIST_TOPIC_PREFIX',
    schema: topicPrefix(),
    default: 'fifa-world-cup-2022-masterlist',
    doc: 'Master-list topic without its environment.',
    source: KAFKA_CONTRACT,
  }),
  salesTopicPrefix: setting({
    env: 'SALES_TOPIC_PREFIX',
    schema: topicPrefix(),
    default: 'fifa-world-cup-2022-ticket-sales',
    doc: 'Sales topic without its environment.',
    source: KAFKA_CONTRACT,
  }),
  publishClientIdInValue: setting({
    env: 'PUBLISH_CLIENT_ID_IN_VALUE',
    schema: boolean(),
    default: false,
    doc: 'Adds meta.clientId to published sales messages; peers that allow no extra key drop them then.',
    source: KAFKA_CONTRACT,
  }),
  earlyReservedWindowMs: setting({
    env: 'EARLY_RESERVED_WINDOW_MS',
    schema: milliseconds(0, HOUR),
    default: MINUTE,
    doc: 'A PENDING of a peer without ids this long after an unmatched RESERVED is not counted again.',
    source: KAFKA_CONTRACT,
  }),
  remoteTalliesMax: setting({
    env: 'REMOTE_TALLIES_MAX',
    schema: count(1_000_000),
    default: 10_000,
    doc: 'Reservations and peers elsewhere tracked one by one per ticket.',
  }),
  salesMessageWaitMs: setting({
    env: 'SALES_MESSAGE_WAIT_MS',
    schema: milliseconds(SECOND, DAY),
    default: 10 * MINUTE,
    doc: 'How long a sales message waits for the master-list entry of its ticket.',
    source: DEFAULTS,
  }),
  salesMessageWaitingMax: setting({
    env: 'SALES_MESSAGE_WAITING_MAX',
    schema: count(1_000_000),
    default: 10_000,
    doc: 'Sales messages that wait for a master-list entry.',
    source: DEFAULTS,
  }),
  peers: setting({
    env: 'PEERS',
    schema: integer(0, 20),
    default: 0,
    doc: 'Other marketplaces played inside this process, to try it with; --peers on the command line wins. Only without KAFKA_BROKERS.',
  }),
  peerRate: setting({
    env: 'PEER_RATE',
    schema: decimal(0.01, 100),
    default: 0.5,
    doc: 'Sales per second of each of the PEERS; --peer-rate on the command line wins.',
  }),
} satisfies Record<string, Setting>;

type Table = typeof table;
type Values = {
  readonly [K in keyof Table]:
    z.output<Table[K]['schema']> | (undefined extends Table[K]['default'] ? undefined : never);
};

/** All settings, and what follows from the command line. Times are milliseconds. */
export interface Settings extends Values {
  /** What this process does; never empty. */
  readonly roles: readonly Role[];
  /** True when this process has all roles: embedded parts are its own. */
  readonly allInOne: boolean;
  readonly masterlistTopic: string;
  readonly salesTopic: string;
}

/** A line of the table for documents, in table order. */
export interface SettingDoc {
  readonly key: string;
  readonly env: string;
  readonly allowed: string;
  /** As it would be written in the environment; empty for none. */
  readonly default: string;
  readonly doc: string;
  readonly source: string;
}

/** ROLES and PORT are not in the table because their value depends on each other and on the command line. */
const ROUTING: readonly SettingDoc[] = [
  {
    key: 'roles',
    env: 'ROLES',
    allowed: `a comma list of ${ROLES.join(', ')}`,
    default: '',
    doc: 'What this process does; --role on the command line wins. Absent: everything.',
    source: HTTP_CONTRACT,
  },
  {
    key: '',
    env: 'PORT',
    allowed: 'a port from 0 to 65535 (0: any free one)',
    default: '',
    doc: 'Port of a process with a single web role; wins over the port of that role.',
    source: HTTP_CONTRACT,
  },
];

export const settingsTable: readonly SettingDoc[] = [
  ...ROUTING,
  ...Object.entries<Setting>(table).map(([key, line]) => ({
    key,
    env: line.env,
    allowed: line.schema.description ?? '',
    default: line.default === undefined ? '' : String(line.default),
    doc: line.doc,
    source: line.source ?? '',
  })),
];

/** The settings cannot be used. Each line of the message is one problem. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/**
 * Parts that this version always embeds. Ignoring these would be worse than not starting: one who sets a key
 * must not take sandbox payments for money.
 */
const NOT_YET = ['STRIPE_SECRET_KEY'];

/** True when the command line asks for help; then nothing else of it matters. */
export function wantsHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}

/** What --help prints. */
export function helpText(): string {
  const lines = settingsTable.map(({ env, default: value, doc, allowed }) =>
    [`  ${env}${value === '' ? '' : `=${value}`}`, `      ${doc}`, `      ${allowed}`].join('\n'),
  );
  return [
    'ticktak [--role NAME[,NAME]]... [--peers N] [--peer-rate N] [--help]',
    '',
    `  --role NAME     what this process does: ${ROLES.join(', ')}; all of them without it`,
    '  --peers N       plays N other marketplaces inside this process, to try it with (0 to 20)',
    '  --peer-rate N   sales per second of each of them',
    '  --help          this text',
    '',
    'Environment variables and their defaults:',
    '',
    ...lines,
    '',
  ].join('\n');
}

/**
 * Pure. `argv` is the command line after the program's name.
 * Throws `SettingsError` with every problem found.
 */
export function loadSettings(environment: NodeJS.ProcessEnv, argv: readonly string[]): Settings {
  const problems: string[] = [];
  const { roleLists, overrides } = readCommandLine(argv, problems);
  const env = { ...environment, ...overrides };
  const values = readTable(env, problems);
  const roles = readRoles(env, roleLists, problems);
  const allInOne = roles.length === ROLES.length;
  const settings: Settings = {
    ...values,
    ...portOverride(env, roles, problems),
    roles,
    allInOne,
    masterlistTopic: `${values.masterlistTopicPrefix}-${values.environment}`,
    salesTopic: `${values.salesTopicPrefix}-${values.environment}`,
  };
  checkParts(env, settings, problems);
  checkTogether(settings, problems);
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** The variable's text; undefined when it is absent or empty. */
function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

function readTable(env: NodeJS.ProcessEnv, problems: string[]): Values {
  const entries = Object.entries<Setting>(table).map(([key, line]) => {
    const value = given(env, line.env);
    if (value === undefined) return [key, line.default];
    const parsed = line.schema.safeParse(value);
    if (parsed.success) return [key, parsed.data];
    const shown = line.masked ? line.masked(value) : `=${JSON.stringify(value)}`;
    problems.push(`${line.env}${shown} is not allowed: it must be ${line.schema.description ?? 'valid'}.`);
    return [key, line.default];
  });
  // Every key of the table has just been given its schema's output or its default.
  return Object.fromEntries(entries) as Values;
}

const isRole = (name: string): name is Role => ROLES.some((role) => role === name);

/** Flags that say the same as a variable, and win over it. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['--peers', 'PEERS'],
  ['--peer-rate', 'PEER_RATE'],
]);

function readCommandLine(
  argv: readonly string[],
  problems: string[],
): { readonly roleLists: readonly string[]; readonly overrides: NodeJS.ProcessEnv } {
  const roleLists: string[] = [];
  const overrides: NodeJS.ProcessEnv = {};
  for (let i = 0; i < argv.length; i++) {
    const [flag = '', inline] = (argv[i] ?? '').split('=', 2);
    if (flag === '--help' || flag === '-h') continue;
    const variable = FLAGS.get(flag);
    if (flag !== '--role' && variable === undefined) {
      problems.push(
        `${flag} is not known: the command line takes --role NAME, --peers N, --peer-rate N and --help.`,
      );
      continue;
    }
    const value = inline ?? argv[++i];
    if (variable === undefined) {
      if (value === undefined) problems.push(`--role needs a name: one of ${ROLES.join(', ')}.`);
      else roleLists.push(value);
    } else if (value === undefined || value === '') problems.push(`${flag} needs a number.`);
    else overrides[variable] = value;
  }
  return { roleLists, overrides };
}

function readRoles(
  env: NodeJS.ProcessEnv,
  roleLists: readonly string[],
  problems: string[],
): readonly Role[] {
  const named = roleLists.map((list) => ({ from: '--role', list }));
  const fromEnv = given(env, 'ROLES');
  if (named.length === 0 && fromEnv !== undefined) named.push({ from: 'ROLES', list: fromEnv });
  const wanted = new Set<Role>();
  for (const { from, list } of named) {
    for (const name of list.split(',').map((part) => part.trim())) {
      if (isRole(name)) wanted.add(name);
      else
        problems.push(`${from} ${JSON.stringify(name)} is not known: it must be one of ${ROLES.join(', ')}.`);
    }
  }
  return wanted.size === 0 ? ROLES : ROLES.filter((role) => wanted.has(role));
}

const PORT_KEYS = {
  shop: 'shopPort',
  reservations: 'reservationsPort',
  consumer: 'consumerPort',
  worker: 'workerPort',
} as const satisfies Record<Role, keyof Table>;

/** PORT goes to the only web role, or to the worker when it is alone. */
function portOverride(env: NodeJS.ProcessEnv, roles: readonly Role[], problems: string[]): Partial<Values> {
  const value = given(env, 'PORT');
  if (value === undefined) return {};
  const parsed = port().safeParse(value);
  if (!parsed.success) {
    problems.push(`PORT=${JSON.stringify(value)} is not allowed: it must be a port from 0 to 65535.`);
    return {};
  }
  const web = roles.filter((role) => WEB_ROLES.includes(role));
  const [role, ...more] = web.length > 0 ? web : roles;
  if (role !== undefined && more.length === 0) return { [PORT_KEYS[role]]: parsed.data };
  const names = web.map((each) => table[PORT_KEYS[each]].env).join(', ');
  problems.push(
    `PORT=${value} serves a single web role, but this process has ${web.join(', ')}: set ${names}.`,
  );
  return {};
}

/** A process with some of the roles cannot bring parts that the others need too. */
function checkParts(env: NodeJS.ProcessEnv, settings: Settings, problems: string[]): void {
  for (const name of NOT_YET) {
    if (given(env, name) !== undefined) {
      problems.push(`${name} is set, but this version only has the embedded part: unset it.`);
    }
  }
  checkKafka(env, settings, problems);
  checkPeers(env, settings, problems);
  if (settings.allInOne) return;
  const started = `a process with only ${settings.roles.join(', ')}`;
  if (given(env, 'REDIS_URL') === undefined) {
    problems.push(`REDIS_URL is not set: ${started} needs the Redis that all roles share.`);
  }
  if (given(env, 'DATA_DIR') !== undefined) return;
  const missing = SHARED_PARTS.filter((name) => given(env, name) === undefined);
  if (missing.length > 0) {
    problems.push(
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not set: ${started} needs what all roles ` +
        'share; or set DATA_DIR to one folder for all roles on this machine.',
    );
  }
}

/** What roles that run apart share when they share no folder. */
const SHARED_PARTS = ['MONGODB_URL', 'KAFKA_BROKERS', 'TOKEN_SECRET', 'ADMIN_TOKEN', 'SERVICE_TOKEN'];

/** Settings that only mean something together. */
function checkKafka(env: NodeJS.ProcessEnv, settings: Settings, problems: string[]): void {
  const needs = (name: string, others: readonly string[], why: string): void => {
    if (given(env, name) === undefined) return;
    const missing = others.filter((other) => given(env, other) === undefined);
    if (missing.length > 0) problems.push(`${missing.join(' and ')} not set: ${name} needs ${why}.`);
  };
  needs('KAFKA_BROKERS', ['CLIENT_ID'], 'the name that other marketplaces know this one by');
  needs('KAFKA_SASL_MECHANISM', ['KAFKA_USERNAME', 'KAFKA_PASSWORD'], 'a name and a password');
  needs('KAFKA_USERNAME', ['KAFKA_SASL_MECHANISM'], 'to know how to log in');
  needs('KAFKA_CERT', ['KAFKA_KEY'], 'its private key');
  needs('KAFKA_KEY', ['KAFKA_CERT'], 'its certificate');
  if (settings.kafkaTls) return;
  for (const name of ['KAFKA_CA', 'KAFKA_CERT']) {
    if (given(env, name) !== undefined) problems.push(`${name} is set, but KAFKA_TLS is not true.`);
  }
}

/** Peers are heard over the in-process feed, by the roles of the same process. */
function checkPeers(env: NodeJS.ProcessEnv, settings: Settings, problems: string[]): void {
  if (settings.peers === 0) return;
  if (given(env, 'KAFKA_BROKERS') !== undefined) {
    problems.push(
      `PEERS=${settings.peers} is for a marketplace without KAFKA_BROKERS: with brokers, npm run peer plays another marketplace.`,
    );
  } else if (!settings.allInOne) {
    problems.push(
      `PEERS=${settings.peers} needs all roles in one process; this one has only ${settings.roles.join(', ')}.`,
    );
  }
}

/** Limits that only make sense together. */
function checkTogether(settings: Settings, problems: string[]): void {
  const atMost = (small: NumberKey, large: NumberKey, why: string): void => {
    if (settings[small] <= settings[large]) return;
    const [low, high] = [table[small].env, table[large].env];
    problems.push(`${low}=${settings[small]} is more than ${high}=${settings[large]}: ${why}.`);
  };
  atMost('jobLockMs', 'leaseMs', 'a job would outlive the lease of its owner');
  atMost('ticketsPerReservationMax', 'ticketsPerPersonMax', 'no one could make such a reservation');
  atMost('batchCommandsMax', 'commandsWaitingMax', 'no batch could ever be full');
  atMost('paymentTimeoutMs', 'payingMs', 'a payment would be cancelled while it is being asked for');
  atMost('replyWaitMs', 'unkeyedOutcomeMs', 'an outcome would be forgotten before it is asked for');
  const ports = new Map<number, Role>();
  for (const role of settings.roles) {
    const key = PORT_KEYS[role];
    const other = ports.get(settings[key]);
    if (other !== undefined && settings[key] !== 0) {
      const names = `${table[PORT_KEYS[other]].env} and ${table[key].env}`;
      problems.push(`${names} are both ${settings[key]}: each role needs a port of its own.`);
    }
    ports.set(settings[key], role);
  }
}

type NumberKey = { [K in keyof Values]: Values[K] extends number ? K : never }[keyof Values];
