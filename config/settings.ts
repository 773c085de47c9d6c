/**
 * Configuration: read once, at start, from environment variables and the command line. Everything that can
 * be set is in the table below. Guarantee: `loadSettings` answers settings that are complete, in range and
 * consistent, or throws one `SettingsError` that names every problem, one line each. Nothing else reads the
 * environment.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { redisUrlsOf } from './redis-url.js';

/** What a process can do. A process without roles named has all of them. */
export const ROLES = [
  'client',
  'shop',
  'reservations',
  'user',
  'payments',
  'security',
  'consumer',
  'analytics',
  'worker',
] as const;
export type Role = (typeof ROLES)[number];
/** Roles whose port may be given as PORT, the way hosting platforms do. */
const WEB_ROLES: readonly Role[] = ROLES.filter((role) => role !== 'worker');

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
/** Goes into an Authorization header as it is. */
const bearer = (lengthMin: number) =>
  text(
    new RegExp(`^[\\x21-\\x7e]{${lengthMin},1000}$`),
    `at least ${lengthMin} visible ASCII characters, without spaces`,
  );
const redisUrl = () =>
  z
    .string()
    .refine((value) => redisUrlsOf(value).length > 0)
    .describe('a URL like redis://host:6379 or rediss://user:password@host:6379');
const mongoUrl = () =>
  z
    .string()
    .refine((value) => /^mongodb(\+srv)?:\/\/[^/]/.test(value))
    .describe('a URL like mongodb://user:password@host:27017/database or mongodb+srv://...');
const brokers = () =>
  text(/^[A-Za-z0-9._-]+:\d{1,5}(\s*,\s*[A-Za-z0-9._-]+:\d{1,5}){0,99}$/, 'a comma list of host:port');
const webUrl = () =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:\/\/[^?#]+$/.test(value))
    .transform((value) => value.replace(/\/+$/, ''))
    .describe('a URL like https://tickets.example.org');
const smtpUrl = () =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^smtps?:\/\/./.test(value))
    .describe('a URL like smtp://user:password@host:587 or smtps://user:password@host:465');
const origins = () =>
  text(
    /^https?:\/\/[^\s,/]+(\s*,\s*https?:\/\/[^\s,/]+){0,49}$/,
    'a comma list of origins like https://shop.example.org',
  );
const HOPS_MAX = 20;
const RANGES_MAX = 200;
const isBetween = (value: string, min: number, max: number): boolean =>
  Number(value) >= min && Number(value) <= max;
const isRange = (value: string): boolean => {
  const [address = '', prefix, ...more] = value.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  return (
    isIP(address) !== 0 &&
    more.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits))
  );
};
const areRanges = (value: string): boolean => {
  const list = value.split(',').map((part) => part.trim());
  return list.length <= RANGES_MAX && list.every(isRange);
};
const ranges = () =>
  z
    .string()
    .max(10_000)
    .refine(areRanges)
    .describe('a comma list of addresses and ranges like 10.0.0.0/8, ::1');
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
  clientPort: setting({
    env: 'CLIENT_PORT',
    schema: port(),
    default: 9000,
    doc: 'Port of the web app, which browsers open; it forwards /api to the services.',
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
  userPort: setting({
    env: 'USER_PORT',
    schema: port(),
    default: 3030,
    doc: 'Port of the accounts.',
    source: HTTP_CONTRACT,
  }),
  paymentsPort: setting({
    env: 'PAYMENTS_PORT',
    schema: port(),
    default: 3040,
    doc: 'Port of the payments: webhook, state, refunds.',
    source: HTTP_CONTRACT,
  }),
  securityPort: setting({
    env: 'SECURITY_PORT',
    schema: port(),
    default: 3050,
    doc: 'Port of the security service: checks, challenges, block list, audit.',
    source: HTTP_CONTRACT,
  }),
  workerPort: setting({
    env: 'WORKER_PORT',
    schema: port(),
    default: 3060,
    doc: 'Port of the worker: health and metrics.',
  }),
  analyticsPort: setting({
    env: 'ANALYTICS_PORT',
    schema: port(),
    default: 3070,
    doc: 'Port of the analytics: health and metrics.',
  }),
  shopUrl: setting({
    env: 'SHOP_URL',
    schema: webUrl(),
    doc: 'Where the client role finds the shop. Absent: in its own process, or with DATA_DIR on this machine.',
  }),
  reservationsUrl: setting({
    env: 'RESERVATIONS_URL',
    schema: webUrl(),
    doc: 'Where the client role finds the reservations. Absent: in its own process, or with DATA_DIR on this machine.',
  }),
  userUrl: setting({
    env: 'USER_URL',
    schema: webUrl(),
    doc: 'Where the client role finds the accounts. Absent: in its own process, or with DATA_DIR on this machine.',
  }),
  paymentsUrl: setting({
    env: 'PAYMENTS_URL',
    schema: webUrl(),
    doc: 'Where the client role finds the payments. Absent: in its own process, or with DATA_DIR on this machine.',
  }),
  securityServiceUrl: setting({
    env: 'SECURITY_SERVICE_URL',
    schema: webUrl(),
    doc: 'Where the client role forwards challenges, block list and audit to. Absent: like the others, else SECURITY_URL, else nowhere. Unlike SECURITY_URL it changes nothing about who checks requests.',
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

  // Overload.
  loadShedding: setting({
    env: 'LOAD_SHEDDING',
    schema: boolean(),
    default: true,
    doc: 'Whether requests are refused while more is asked than can be done: those who look first, those who pay last.',
  }),
  loopDelayMs: setting({
    env: 'LOOP_DELAY_MS',
    schema: milliseconds(5, MINUTE),
    default: 250,
    doc: 'A process that reacts later than this on average, while many ask, refuses more and more of them. It needs no tuning: lower it to answer sooner and refuse more.',
  }),
  requestsMax: setting({
    env: 'REQUESTS_MAX',
    schema: count(1_000_000),
    default: 10_000,
    doc: 'Requests under way at once in a process, streams left out. Half of them is for all, the rest only for those who hold and pay.',
  }),

  // Analytics.
  modelTrainingMs: setting({
    env: 'MODEL_TRAINING_MS',
    schema: milliseconds(MINUTE, 7 * DAY),
    default: HOUR,
    doc: 'How often a model of who wants which match is trained; the queue `analytics` on the dashboard shows how it goes.',
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
    schema: bearer(16),
    doc: 'Opens the dashboard besides the accounts of operators, for scripts on a test machine; refused with ENVIRONMENT=prod. Absent: only accounts do.',
    masked: hidden,
  }),
  serviceToken: setting({
    env: 'SERVICE_TOKEN',
    schema: bearer(16),
    doc: 'Lets other services post sales messages. Absent: generated once and kept in DATA_DIR.',
    source: HTTP_CONTRACT,
    masked: hidden,
  }),

  // Accounts and security.
  publicUrl: setting({
    env: 'PUBLIC_URL',
    schema: webUrl(),
    default: 'http://127.0.0.1:9000',
    doc: 'Where people find the web app: links in mails and the way back from a bank begin with it. Absent: this machine, at CLIENT_PORT.',
  }),
  trustProxy: setting({
    env: 'TRUST_PROXY',
    schema: text(
      /^[^\r\n]{1,2000}$/,
      `a number of hops from 1 to ${HOPS_MAX}, or a comma list of addresses and ranges of proxies`,
    ).refine((value) => (/^\d+$/.test(value) ? isBetween(value, 1, HOPS_MAX) : areRanges(value))),
    doc: 'Whose X-Forwarded-For is believed. Absent: nobody’s; then behind a proxy all people have its address.',
  }),
  corsOrigins: setting({
    env: 'CORS_ORIGINS',
    schema: origins(),
    doc: 'Web pages of other origins that may use the API, without cookies. Absent: none.',
  }),
  guests: setting({
    env: 'GUESTS',
    schema: oneOf(['none', 'confirmed', 'open']),
    default: 'confirmed',
    doc: 'Who may buy without an account: nobody; everybody, with the e-mail address confirmed before a second purchase; or everybody.',
  }),
  operatorEmail: setting({
    env: 'OPERATOR_EMAIL',
    schema: text(/^[^\s@]{1,64}@[^\s@]{1,189}$/, 'an e-mail address'),
    default: 'operator@ticktak.example',
    doc: 'Address of the first operator, made at the first start with a random password that is printed once.',
  }),
  operatorSecondFactor: setting({
    env: 'OPERATOR_SECOND_FACTOR',
    schema: oneOf(['optional', 'required']),
    default: 'optional',
    doc: 'Whether operators need a second factor (TOTP). With ENVIRONMENT=prod they always do.',
  }),
  accessTokenMs: setting({
    env: 'ACCESS_TOKEN_MS',
    schema: milliseconds(10 * SECOND, HOUR),
    default: 10 * MINUTE,
    doc: 'Life of an access token; a log-out reaches a buyer’s tokens after that, an operator’s at once.',
  }),
  signingKeyMs: setting({
    env: 'SIGNING_KEY_MS',
    schema: milliseconds(HOUR, 365 * DAY),
    default: 30 * DAY,
    doc: 'How long a key signs access tokens before the next one does.',
  }),
  smtpUrl: setting({
    env: 'SMTP_URL',
    schema: smtpUrl(),
    doc: 'The mail server. Absent: mails are files in DATA_DIR/mail.',
    source: 'way of a command',
    masked: passwordHidden,
  }),
  mailFrom: setting({
    env: 'MAIL_FROM',
    schema: text(/^[^\r\n]{3,250}$/, 'an e-mail address, or Name <address>'),
    default: 'ticktak <tickets@ticktak.example>',
    doc: 'Sender of mails. Somebody must read what comes there: people are told to answer their mails with questions.',
  }),
  mailCheckMs: setting({
    env: 'MAIL_CHECK_MS',
    schema: milliseconds(10, HOUR),
    default: SECOND,
    doc: 'How often mails that are due are looked for. Those of the same process go at once.',
  }),
  mailsPerSecondMax: setting({
    env: 'MAILS_PER_SECOND_MAX',
    schema: count(1_000),
    default: 25,
    doc: 'Mails handed over each second by one process: what the mail provider allows, and a small part of the machine.',
  }),
  mailGiveUpMs: setting({
    env: 'MAIL_GIVE_UP_MS',
    schema: milliseconds(MINUTE, 30 * DAY),
    default: 3 * DAY,
    doc: 'A mail that was not taken for so long is given up, and logged.',
  }),
  securityCheck: setting({
    env: 'SECURITY_CHECK',
    schema: boolean(),
    default: true,
    doc: 'Whether requests are checked at all. False only to measure; refused with ENVIRONMENT=prod.',
  }),
  securityUrl: setting({
    env: 'SECURITY_URL',
    schema: webUrl(),
    doc: 'The security service, when it runs on its own. Absent: every process checks by itself.',
  }),
  securityTimeoutMs: setting({
    env: 'SECURITY_TIMEOUT_MS',
    schema: milliseconds(20, 10 * SECOND),
    default: 250,
    doc: 'How long the security service may take.',
  }),
  securityUnreachable: setting({
    env: 'SECURITY_UNREACHABLE',
    schema: oneOf(['allow', 'deny']),
    default: 'allow',
    doc: 'What is answered while the security service cannot be reached.',
  }),
  blockListFiles: setting({
    env: 'BLOCK_LIST_FILES',
    schema: text(/^[^\0\r\n,]{1,500}(,[^\0\r\n,]{1,500}){0,19}$/, 'a comma list of files'),
    doc: 'Files with addresses and ranges that are refused, one per line; read again when they change.',
  }),
  addressesExempt: setting({
    env: 'ADDRESSES_EXEMPT',
    schema: ranges(),
    default: '127.0.0.0/8, ::1/128',
    doc: 'Addresses that say nothing of who asks, so that no limit of addresses counts for them: limits of persons do.',
  }),

  // Payments.
  stripeSecretKey: setting({
    env: 'STRIPE_SECRET_KEY',
    schema: text(/^(sk|rk)_(test|live)_[A-Za-z0-9_]{10,300}$/, 'a key like sk_live_... or sk_test_...'),
    doc: 'Key of the Stripe account. Absent: the sandbox, which takes test cards and no money.',
    source: 'way of a command',
    masked: hidden,
  }),
  stripePublishableKey: setting({
    env: 'STRIPE_PUBLISHABLE_KEY',
    schema: text(/^pk_(test|live)_[A-Za-z0-9_]{10,300}$/, 'a key like pk_live_... or pk_test_...'),
    doc: 'Stripe’s key for browsers, told to them.',
  }),
  stripeWebhookSecret: setting({
    env: 'STRIPE_WEBHOOK_SECRET',
    schema: text(/^whsec_[A-Za-z0-9+/=_-]{10,300}$/, 'a secret like whsec_...'),
    doc: 'Signs the webhooks that Stripe sends to /api/v1/payments/webhook.',
    masked: hidden,
  }),
  paymentSandbox: setting({
    env: 'PAYMENT_SANDBOX',
    schema: boolean(),
    default: false,
    doc: 'Says that the sandbox is meant, where it would otherwise be refused: for a role on its own, and with ENVIRONMENT=prod.',
  }),
  reconcileMs: setting({
    env: 'RECONCILE_MS',
    schema: milliseconds(200, HOUR),
    default: 5 * SECOND,
    doc: 'How often payments that are due are compared with the provider.',
  }),
  payoutCompareMs: setting({
    env: 'PAYOUT_COMPARE_MS',
    schema: milliseconds(MINUTE, 7 * DAY),
    default: DAY,
    doc: 'How often payouts, and what is not paid out, are compared with the payments on record.',
  }),
  disputes: setting({
    env: 'DISPUTES',
    schema: oneOf(['void', 'keep']),
    default: 'void',
    doc: 'What becomes of tickets whose charge is disputed.',
  }),
  taxPercent: setting({
    env: 'TAX_PERCENT',
    schema: decimal(0, 100),
    default: 0,
    doc: 'Tax contained in the prices.',
  }),
  taxName: setting({
    env: 'TAX_NAME',
    schema: text(/^[^\r\n]{1,40}$/, 'at most 40 characters'),
    default: 'VAT',
    doc: 'What that tax is called.',
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
  paymentAttemptsMax: setting({
    env: 'PAYMENT_ATTEMPTS_MAX',
    schema: count(100),
    default: 5,
    doc: 'How often one reservation may be tried to be paid. A decline gives its tickets back; another attempt takes them again while the hold would have lasted.',
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
  waitingListMax: setting({
    env: 'WAITING_LIST_MAX',
    schema: integer(0, 1_000_000),
    default: 10_000,
    doc: 'Persons who may wait for tickets of one ticket; 0: nobody can join a waiting list.',
  }),
  waitingOfferMs: setting({
    env: 'WAITING_OFFER_MS',
    schema: milliseconds(SECOND, DAY),
    default: 15 * MINUTE,
    doc: 'How long tickets are held for somebody to whom they were offered from the waiting list.',
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
    doc: 'Whether the sale of a match ends when it begins. It goes on when the match is moved to a later time.',
    source: DEFAULTS,
  }),

  // The waiting room.
  roomPassMs: setting({
    env: 'WAITING_ROOM_PASS_MS',
    schema: milliseconds(SECOND, DAY),
    default: 15 * MINUTE,
    doc: 'How long one who was let in may hold tickets.',
  }),
  roomGraceMs: setting({
    env: 'WAITING_ROOM_GRACE_MS',
    schema: milliseconds(SECOND, DAY),
    default: 10 * MINUTE,
    doc: 'How long one whose turn it is may take to come; then the place is lost.',
  }),
  roomInsideMax: setting({
    env: 'WAITING_ROOM_INSIDE_MAX',
    schema: count(1_000_000),
    default: 10_000,
    doc: 'People who were let in and have held nothing yet; while there are so many nobody else is let in.',
  }),
  roomLatencyMs: setting({
    env: 'WAITING_ROOM_LATENCY_MS',
    schema: milliseconds(10, MINUTE),
    default: 500,
    doc: 'Fewer are let in while more than 5 of 100 holds take longer than that; with the mode auto the room opens then.',
  }),
  roomPerMinuteStart: setting({
    env: 'WAITING_ROOM_PER_MINUTE_START',
    schema: count(1_000_000),
    default: 600,
    doc: 'People let in a minute when the waiting room opens; then it follows what is measured.',
  }),
  roomPerMinuteMax: setting({
    env: 'WAITING_ROOM_PER_MINUTE_MAX',
    schema: count(1_000_000),
    default: 60_000,
    doc: 'People let in a minute at most, while operators say nothing else.',
  }),
  roomPlacesMax: setting({
    env: 'WAITING_ROOM_PLACES_MAX',
    schema: count(100_000_000),
    default: 5_000_000,
    doc: 'Places of one round; further people are answered overloaded. One that came before the opening takes four bytes in every process.',
  }),

  // Tickets.
  buyerRefunds: setting({
    env: 'BUYER_REFUNDS',
    schema: boolean(),
    default: true,
    doc: 'Whether buyers may give tickets back and get their money back by themselves. Operators always can.',
  }),
  buyerRefundUntilMs: setting({
    env: 'BUYER_REFUND_UNTIL_MS',
    schema: milliseconds(0, 365 * DAY),
    default: DAY,
    doc: 'How long before kick-off that ends. Counts with CLOSE_AT_KICKOFF only; without it there is no end.',
  }),
  ticketSecret: setting({
    env: 'TICKET_SECRET',
    schema: secret(32),
    doc: 'The key that signs the codes on tickets is derived from it. Absent: from TOKEN_SECRET. See operations before changing either.',
    masked: hidden,
  }),
  ticketKeysPast: setting({
    env: 'TICKET_KEYS_PAST',
    schema: text(
      /^[A-Za-z0-9_-]{43}(\s*,\s*[A-Za-z0-9_-]{43}){0,19}$/,
      'a comma list of public keys, each the `x` of GET /api/v1/tickets/keys',
    ),
    doc: 'Keys that signed codes before, whose codes are still good.',
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

  // Analytics.
  lakeDir: setting({
    env: 'LAKE_DIR',
    schema: text(/^[^\0\r\n]{1,1000}$/, 'a folder'),
    doc: 'Folder of the data lake, on a disk that stays. Absent: lake in DATA_DIR.',
  }),
  lakeMemoryMb: setting({
    env: 'LAKE_MEMORY_MB',
    schema: integer(64, 1_000_000, ' (MiB)'),
    default: 256,
    doc: 'Memory of DuckDB, which writes and reads the lake, in the analytics; what does not fit goes to files in LAKE_DIR.',
  }),
  lakeThreads: setting({
    env: 'LAKE_THREADS',
    schema: count(256),
    default: 1,
    doc: 'Threads of DuckDB. With all roles in one process they take time from those who sell.',
  }),
  lakeEveryMs: setting({
    env: 'LAKE_EVERY_MS',
    schema: milliseconds(100, HOUR),
    default: 5 * SECOND,
    doc: 'How often the lake is brought up to date. More often means more small files until they are merged.',
  }),
  lakeBatchEventsMax: setting({
    env: 'LAKE_BATCH_EVENTS_MAX',
    schema: integer(100, 1_000_000),
    default: 50_000,
    doc: 'Events that are read into the lake at once.',
  }),
  lakeBookingDays: setting({
    env: 'LAKE_BOOKING_DAYS',
    schema: count(36_500),
    default: 1_825,
    doc: 'How long the lake keeps bookings, days. The ledgers keep them whatever this is.',
  }),
  lakeViewDays: setting({
    env: 'LAKE_VIEW_DAYS',
    schema: count(3_650),
    default: 180,
    doc: 'How long the lake keeps views and searches, days.',
  }),
  viewsWaitingMax: setting({
    env: 'VIEWS_WAITING_MAX',
    schema: count(10_000_000),
    default: 100_000,
    doc: 'Views and searches that wait in Redis for the lake; further ones are not taken.',
  }),
  viewsWaitingBytesMax: setting({
    env: 'VIEWS_WAITING_BYTES_MAX',
    schema: integer(65_536, 10_000_000_000, ' (bytes)'),
    default: 33_554_432,
    doc: 'Memory of Redis that they may take.',
  }),

  // Redis.
  redisUrl: setting({
    env: 'REDIS_URL',
    schema: redisUrl(),
    doc: 'The Redis to use; with several hosts (redis://a:6379,b:6379,c:6379) the Redis Cluster that they are nodes of. Absent: a redis-server is started on this machine, with its data in DATA_DIR.',
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
  masterlistFile: setting({
    env: 'MASTERLIST_FILE',
    schema: text(/^[^\0\r\n]{1,500}$/, 'a file'),
    doc: 'A master list (JSON) that fills an empty store instead of the bundled one, while there are no brokers.',
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
  salesMode: setting({
    env: 'SALES_MODE',
    schema: oneOf(['optimistic', 'ordered']),
    default: 'optimistic',
    doc: 'Who may have the last tickets when several marketplaces sell them. optimistic: who asks first here, and two marketplaces can hold the same ticket. ordered: whose TICKET_PENDING comes first in the sales topic, which has one partition then and the times of its brokers; no two marketplaces in this mode ever sell the same ticket. Chosen before the first sale; all processes of a marketplace have the same.',
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
  remoteHoldFlagMs: setting({
    env: 'REMOTE_HOLD_FLAG_MS',
    schema: milliseconds(MINUTE, DAY),
    default: 30 * MINUTE,
    doc: 'What another marketplace holds for longer is shown to operators as a hold without an end.',
    source: DEFAULTS,
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
    ...ownUrl(env, values),
    ...neighbours(env, values, roles),
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

/** People on this machine find the web app where it listens. */
function ownUrl(env: NodeJS.ProcessEnv, { clientPort }: Values): Partial<Values> {
  const isKnown = given(env, 'PUBLIC_URL') !== undefined || clientPort === 0;
  return isKnown ? {} : { publicUrl: `http://127.0.0.1:${clientPort}` };
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
  client: 'clientPort',
  shop: 'shopPort',
  reservations: 'reservationsPort',
  user: 'userPort',
  payments: 'paymentsPort',
  security: 'securityPort',
  consumer: 'consumerPort',
  analytics: 'analyticsPort',
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
  checkProduction(settings, problems);
  checkPayments(env, settings, problems);
  checkKafka(env, settings, problems);
  checkPeers(env, settings, problems);
  checkClient(settings, problems);
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
const SHARED_PARTS = ['MONGODB_URL', 'KAFKA_BROKERS', 'TOKEN_SECRET', 'SERVICE_TOKEN'];

/** What must not be true where real tickets are sold. */
function checkProduction(settings: Settings, problems: string[]): void {
  const { environment, adminToken, securityCheck } = settings;
  if (environment !== 'prod') return;
  if (adminToken !== undefined) {
    problems.push(
      'ADMIN_TOKEN is set: with ENVIRONMENT=prod only accounts with a second factor open the dashboard.',
    );
  }
  if (!securityCheck)
    problems.push('SECURITY_CHECK is false: with ENVIRONMENT=prod every request is checked.');
  if (settings.stripeSecretKey !== undefined) checkForMoney(settings, problems);
}

/** What people who pay rely on: links that work and nobody reads on the way, and mails that arrive. */
function checkForMoney({ publicUrl, smtpUrl, operatorEmail, roles }: Settings, problems: string[]): void {
  const has = (...some: readonly Role[]): boolean => some.some((role) => roles.includes(role));
  if (has('client', 'reservations', 'user', 'payments') && !publicUrl.startsWith('https:')) {
    problems.push(
      `PUBLIC_URL is ${publicUrl}: where tickets are sold for money people come by https, and links in mails lead there.`,
    );
  }
  if (has('user', 'payments') && smtpUrl === undefined) {
    problems.push(
      'SMTP_URL is not set: who pays gets the tickets by mail, and mails would be files on this machine.',
    );
  }
  if (has('user') && operatorEmail === table.operatorEmail.default) {
    problems.push(`OPERATOR_EMAIL is not set: nobody reads what is sent to ${operatorEmail}.`);
  }
}

function checkPayments(env: NodeJS.ProcessEnv, settings: Settings, problems: string[]): void {
  const { stripeSecretKey, paymentSandbox, environment, roles, allInOne } = settings;
  if (stripeSecretKey !== undefined) {
    if (environment === 'prod' && stripeSecretKey.includes('_test_')) {
      problems.push('STRIPE_SECRET_KEY is a test key: with ENVIRONMENT=prod tickets are sold for money.');
    }
    const isTest = (key: string): boolean => key.includes('_test_');
    const { stripePublishableKey: publishable } = settings;
    if (publishable !== undefined && isTest(publishable) !== isTest(stripeSecretKey)) {
      problems.push('STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY: one is a test key and the other is not.');
    }
    if (paymentSandbox) problems.push('PAYMENT_SANDBOX and STRIPE_SECRET_KEY are both set: choose one.');
    if (roles.includes('payments') && given(env, 'STRIPE_WEBHOOK_SECRET') === undefined) {
      problems.push('STRIPE_WEBHOOK_SECRET is not set: without it no webhook of Stripe can be believed.');
    }
    return;
  }
  const pays = roles.some((role) => ['reservations', 'payments', 'worker'].includes(role));
  if (!pays || paymentSandbox || (allInOne && environment !== 'prod')) return;
  const who = environment === 'prod' ? 'ENVIRONMENT=prod' : `a process with only ${roles.join(', ')}`;
  problems.push(
    `STRIPE_SECRET_KEY is not set: ${who} takes no sandbox payments for money; PAYMENT_SANDBOX=true says that it shall.`,
  );
}

/** Services that the client role forwards to, each with the settings that say where it is. */
const FORWARDED_TO = [
  ['shop', 'shopUrl', 'shopPort'],
  ['reservations', 'reservationsUrl', 'reservationsPort'],
  ['user', 'userUrl', 'userPort'],
  ['payments', 'paymentsUrl', 'paymentsPort'],
  ['security', 'securityServiceUrl', 'securityPort'],
] as const satisfies readonly (readonly [role: Role, url: keyof Table, port: keyof Table])[];

/** Roles that share a folder are on this machine, each at its port. */
function neighbours(env: NodeJS.ProcessEnv, values: Values, roles: readonly Role[]): Partial<Values> {
  if (!roles.includes('client') || given(env, 'DATA_DIR') === undefined) return {};
  const urls = FORWARDED_TO.flatMap(([role, url, portKey]) => {
    const isKnown = roles.includes(role) || values[url] !== undefined || values[portKey] === 0;
    return isKnown ? [] : [[url, `http://127.0.0.1:${values[portKey]}`]];
  });
  return Object.fromEntries(urls) as Partial<Values>;
}

/** What is neither in the process nor elsewhere cannot be forwarded to. Without challenges in advance it goes too. */
function checkClient(settings: Settings, problems: string[]): void {
  const { roles } = settings;
  if (!roles.includes('client')) return;
  const missing = FORWARDED_TO.filter(
    ([role, url]) => role !== 'security' && !roles.includes(role) && settings[url] === undefined,
  );
  if (missing.length === 0) return;
  const names = missing.map(([, url]) => table[url].env).join(', ');
  problems.push(
    `${names} ${missing.length === 1 ? 'is' : 'are'} not set: the client role forwards to ` +
      `${missing.map(([role]) => role).join(', ')}, which this process does not have; say where each is, ` +
      'like http://127.0.0.1:3000.',
  );
}

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

/** Most tickets of one record of the market. */
const QUANTITY_PER_RECORD_MAX = 2;

/** The order of the log decides about whole reservations, one record each. */
function checkOrdered(settings: Settings, problems: string[]): void {
  const { salesMode, ticketsPerReservationMax, kafkaSalesPartitions, kafkaFencing } = settings;
  if (salesMode !== 'ordered') return;
  if (!kafkaFencing) {
    problems.push(
      'KAFKA_FENCING is false with SALES_MODE=ordered: a message that a process repeats after a sleep could give away ' +
        'tickets that somebody has. Use brokers with transactions.',
    );
  }
  if (ticketsPerReservationMax > QUANTITY_PER_RECORD_MAX) {
    problems.push(
      `TICKETS_PER_RESERVATION_MAX=${ticketsPerReservationMax} with SALES_MODE=ordered: a record has at most ` +
        `${QUANTITY_PER_RECORD_MAX} tickets, and a reservation is granted by one record. Set it to ${QUANTITY_PER_RECORD_MAX} or less.`,
    );
  }
  if (kafkaSalesPartitions !== 1) {
    problems.push(
      `KAFKA_SALES_PARTITIONS=${kafkaSalesPartitions} with SALES_MODE=ordered: the sales topic must have one partition, whose order decides.`,
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
  checkOrdered(settings, problems);
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
