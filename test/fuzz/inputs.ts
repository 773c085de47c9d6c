/**
 * Inputs: what is sent to which port. Guarantee: input number N of a seed is the same whenever it is asked for. Most
 * are requests that an operation describes, whole or with some of it broken; the others ask for anything else.
 */
import { PASSWORD } from '../operations/market.js';
import { Chance } from './chance.js';
import {
  brokenBytes,
  DEEP,
  encoded,
  hostile,
  mutated,
  nodeOf,
  STRINGS,
  textOf,
  type Node,
} from './hostile.js';
import { ORPHAN_TICKET, SOLD_MATCH, SWEPT_MATCH } from './makers.js';
import { gzipSync } from 'node:zlib';
import { valueOf, type NamedStrings, type Operation, type Parameter } from './openapi.js';
import { FORGERIES, MATCHES } from './world.js';

/** How a body's length is told. */
export type Framing = 'length' | 'chunked' | 'none';

export interface Input {
  readonly number: number;
  /** What was done to it, for people. */
  readonly made: readonly string[];
  readonly role: string;
  /** Whose description the answer has to follow; null when none has. */
  readonly operation: Operation | null;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | null;
  readonly framing: Framing;
  /** Everything as it goes out, in place of the above. */
  readonly raw: Buffer | null;
  /** In so many pieces. */
  readonly pieces: number;
  readonly halfClose: boolean;
  /** It is sent, and nobody waits for the answer. */
  readonly isAbandoned: boolean;
  /** The connection may be closed without an answer: what was sent is no request, or none that ends. */
  readonly mayClose: boolean;
}

type Draft = { -readonly [K in keyof Input]: Input[K] };

/** Larger than any body may be. */
const LARGE_BYTES = 700_000;
/** What these change or end for whoever asks: only an account that is there for it does. */
const ENDING =
  /^(DELETE \/api\/v1\/sessions(\/all)?|POST \/api\/v1\/users\/me\/.*|DELETE \/api\/v1\/users\/me\/.*)$/;
/** What these change or end for everybody: only of some matches. */
const SWEEPING = /^POST \/api\/v1\/operations\/(pauses|matches\/)/;
/** The same for path and body; the last two may be cancelled, for good. */
const sweptBy = ({ path }: Operation, place: number): number =>
  path.endsWith('/cancellation') ? MATCHES - (place % 2) : SWEPT_MATCH + (place % 3);
/** A password is hashed, or a page drawn: so often less than others. */
const COSTLY =
  /^(POST \/api\/v1\/(users|sessions)$|.* \/api\/v1\/users\/me\/.*|POST \/api\/v1\/password-resets\/confirm|GET .*\.pdf|POST \/api\/reservation$)/;
/** They pay, are declined, ask the bank, are disputed, or give nothing back. */
const CARDS = [
  '4242424242424242',
  'pm_card_visa',
  '4000000000000002',
  'pm_card_chargeDeclined',
  '4000002500003155',
  '4000000000000259',
  '4000000000007726',
  '4000000000005126',
];

/** Input number `number`. */
export function inputOf(seed: number, number: number, operations: readonly Operation[]): Input {
  const chance = new Chance(seed, number);
  const draft = chance.weighted<() => Draft>([
    [86, () => described(number, operations, chance)],
    [6, () => page(number, chance)],
    [8, () => protocol(number, operations, chance)],
  ])();
  return draft;
}

/** A request with nothing to it. */
export function blank(number: number, role: string, method: string, target: string): Draft {
  return {
    number,
    made: [],
    role,
    operation: null,
    method,
    target,
    headers: [],
    body: null,
    framing: 'length',
    raw: null,
    pieces: 1,
    halfClose: false,
    isAbandoned: false,
    mayClose: false,
  };
}

const did = (draft: Draft, what: string): void => {
  draft.made = [...draft.made, what];
};
const add = (draft: Draft, name: string, value: string): void => {
  draft.headers = [...draft.headers, [name, value]];
};

// ---- requests of operations ---------------------------------------------------------------------------------

function described(number: number, operations: readonly Operation[], chance: Chance): Draft {
  let operation = chance.pick(operations);
  if (COSTLY.test(keyOf(operation))) operation = chance.pick(operations);
  const draft = blank(number, operation.role, operation.method, '');
  draft.operation = operation;
  const place = chance.whole(0, 19);
  const isWebhook = operation.path.endsWith('/webhook');
  draft.target = pathOf(operation, place, chance, draft) + queryOf(operation, chance, draft);
  identify(draft, operation, place, chance);
  for (const one of operation.parameters) {
    if (one.in === 'header' && isWebhook && chance.percent(75)) add(draft, one.name, '{{signature}}');
    else if (one.in === 'header') header(draft, one, chance);
  }
  if (operation.body) body(draft, operation, place, chance);
  else if (chance.percent(5)) {
    did(draft, 'a body where none is taken');
    draft.body = Buffer.from(textOf(hostile(chance)));
    add(draft, 'Content-Type', 'application/json');
  }
  if (chance.percent(15) && !isOfProcess(operation)) {
    did(draft, 'through the client port');
    draft.role = 'client';
  }
  if (chance.percent(4)) {
    did(draft, 'another method');
    draft.method = chance.pick([
      'PUT',
      'PATCH',
      'DELETE',
      'POST',
      'GET',
      'HEAD',
      'OPTIONS',
      'TRACE',
      'QUERY',
      'PURGE',
    ]);
    draft.operation = null;
    // The method may mean another operation, which would do what this one's care was not for.
    draft.headers = draft.headers.filter(([name]) => !/^(authorization|cookie)$/i.test(name));
  }
  if (chance.percent(10)) headers(draft, chance);
  if (chance.percent(5)) draft.pieces = chance.whole(2, 5);
  if (chance.percent(2)) draft.halfClose = true;
  if (chance.percent(1)) draft.isAbandoned = true;
  return draft;
}

const keyOf = ({ method, path }: Operation): string => `${method} ${path}`;
const isOfProcess = ({ path }: Operation): boolean =>
  !path.startsWith('/api/') || /(openapi\.json|docs)$/.test(path);

/** What a field of some operation means, where it is not what its name means elsewhere. */
function namesOf(key: string, place: number): Readonly<Record<string, string>> {
  switch (key) {
    case 'POST /api/v1/sessions':
      return { email: 'steward@example.org' };
    case 'POST /api/v1/sessions/refresh':
      return { refreshToken: '{{refresh.last}}' };
    case 'POST /api/v1/email-confirmations/confirm':
      return { token: '{{confirm.last}}' };
    case 'POST /api/v1/password-resets/confirm':
      return { token: '{{reset.last}}' };
    case 'POST /api/v1/users/me/second-factor/confirm':
      return { totp: '{{factorcode.last}}' };
    case 'DELETE /api/v1/users/me/second-factor':
      return { recoveryCode: '{{recovery.last}}' };
    case 'POST /api/v1/check-ins':
    case 'POST /api/v1/check-ins/sync':
      return { code: '{{gatecode.last}}', matchNumber: String(SOLD_MATCH), scannedAt: '{{now}}' };
    case 'POST /api/v1/operations/orphans/decisions':
      return {
        id: '{{orphan.last}}',
        matchNumber: String(ORPHAN_TICKET.matchNumber),
        category: String(ORPHAN_TICKET.category),
      };
    case 'POST /api/reservation':
      return { category: String(1 + (place % 3)), price: String([75, 125, 195][place % 3]) };
    default:
      return {};
  }
}

/** Strings that mean something to an operation, by the names of its fields. */
function namesFor(operation: Operation, place: number, chance: Chance): NamedStrings {
  const key = keyOf(operation);
  const match = SWEEPING.test(key) ? sweptBy(operation, place) : chance.whole(1, SWEPT_MATCH - 1);
  const verb = operation.path.endsWith('/schedule') ? 'RESCHEDULE' : 'CANCEL';
  const own = namesOf(key, place);
  const names: Readonly<Record<string, () => string>> = {
    matchNumber: () => String(match),
    match: () => String(match),
    email: () => chance.pick(['buyer@example.org', `fuzz${chance.whole(1, 5_000)}@example.org`]),
    password: () => (chance.percent(70) ? PASSWORD : 'wrong horse staple 1'),
    newPassword: () => `another staple ${chance.whole(1, 1_000)}`,
    refreshToken: () => chance.text('abcdefABCDEF0123456789-_', 43),
    token: () => chance.text('abcdefABCDEF0123456789-_', 43),
    totp: () => chance.text('0123456789', 6),
    recoveryCode: () => 'abcd-efgh-2345-mnop',
    code: () => `{{code.${place}}}`,
    country: () => chance.pick(['QA', 'DE', 'US', 'FR']),
    paymentMethod: () => chance.pick(CARDS),
    number: () => chance.pick(CARDS),
    cvc: () => '123',
    cidr: () => `198.51.100.${chance.whole(0, 255)}`,
    ip: () => `203.0.113.${chance.whole(0, 255)}`,
    address: () => `203.0.113.${chance.whole(0, 255)}`,
    route: () => 'POST /api/v1/reservations',
    phrase: () => `${verb} ${match}`,
    refundUntil: () => '{{tomorrow}}',
    clientId: () => chance.pick(['blue', 'green', 'red']),
    messageId: () => `fuzz-${chance.whole(1, 1_000_000)}`,
    quantity: () => String(chance.whole(1, 2)),
    price: () => chance.pick(['75', '125', '195']),
    expirationMonth: () => '12',
    expirationYear: () => '2040',
    format: () => chance.pick(['json', 'csv']),
  };
  return (name) => own[name] ?? (Object.hasOwn(names, name) ? (names[name]?.() ?? null) : null);
}

/** The token of what `idFor` names. */
const tokenOf = ({ path }: Operation, place: number): string =>
  path.endsWith('/refund')
    ? 'sparetoken.last'
    : place % 2 === 0 && !SOLD.test(path)
      ? `guesttoken.${place}`
      : `soldtoken.${place}`;
/** Of what was paid. */
const SOLD = /\/tickets|\/refund$|\/mails$/;
/** Who alone may do it. */
const DOERS: Readonly<Record<string, string>> = {
  'POST /api/v1/tickets/{id}/transfer': 'owner.last',
  'DELETE /api/v1/tickets/{id}/transfer': 'owner.last',
  'POST /api/v1/tickets/{id}/transfer/accept': 'receiver.last',
  'POST /api/v1/users/me/deletion': 'deletable.last',
  'POST /api/v1/users/me/second-factor/confirm': 'enrolling.last',
  'DELETE /api/v1/users/me/second-factor': 'factored.last',
  'POST /api/v1/email-confirmations/confirm': 'mailed.last',
};

/** What a placeholder of a path stands for, when it is to be found. */
function idFor(operation: Operation, name: string, place: number, chance: Chance): string {
  const key = keyOf(operation);
  const { path } = operation;
  if (name === 'matchNumber')
    return String(SWEEPING.test(key) ? sweptBy(operation, place) : chance.whole(1, MATCHES));
  if (path.includes('/payouts/')) return '{{payout.last}}';
  if (path.endsWith('/payments/{id}/refunds')) return '{{sparepayment.last}}';
  if (path.includes('/payments/{id}')) return `{{soldpayment.${place}}}`;
  if (path.endsWith('/transfer/accept')) return '{{offered.last}}.1';
  if (path.endsWith('/transfer'))
    return operation.method === 'DELETE' ? '{{offered.last}}.2' : '{{owned.last}}.1';
  if (path.includes('/tickets/{id}')) return `{{sold.${place}}}.1`;
  if (path.includes('/users/{id}')) return `{{account.${place}}}`;
  if (path.includes('/blocks/{id}')) return `{{block.${place}}}`;
  if (path.includes('/pauses/{id}')) return `match-${SWEPT_MATCH}`;
  if (path.includes('/conflicts/{id}')) return '{{conflict.last}}';
  if (path.includes('/dead-letters/{id}')) return '{{letter.last}}';
  if (path.endsWith('/reservations/{id}/refund')) return '{{spare.last}}';
  if (SOLD.test(path)) return `{{sold.${place}}}`;
  if (path.includes('/reservations/{id}'))
    return place % 2 === 0 ? `{{guesthold.${place}}}` : `{{sold.${place}}}`;
  return chance.uuid();
}

const PATH_GARBAGE = [
  '%00',
  '%',
  '%zz',
  '%c0%af',
  '%ed%a0%80',
  '%ff',
  '..',
  '%2e%2e',
  '..%2f..%2f..%2fetc%2fpasswd',
  '..%5c..%5cwindows',
  '%2f',
  '//',
  ';a=b',
  '.',
  '%20',
  '%0d%0aX-A:%20b',
  '\u00e9',
  '__proto__',
  'constructor',
  'undefined',
  '-1',
  '0',
  '1e3',
  '01',
  '99999',
  '999999999999999999999999',
  'NaN',
  'a'.repeat(300),
  'a'.repeat(3_000),
  '{{hold.0}}',
  '{{sold.0}}',
  '[object Object]',
  '{}',
  '*',
];

function pathOf(operation: Operation, place: number, chance: Chance, draft: Draft): string {
  const isSweeping = SWEEPING.test(keyOf(operation));
  let path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (!chance.percent(25)) return idFor(operation, name, place, chance);
    did(draft, `a broken ${name} in the path`);
    const garbage = chance.percent(60)
      ? chance.pick(PATH_GARBAGE)
      : encoded(chance.pick(STRINGS)).slice(0, 4_000);
    // The path of another operation.
    if (garbage === '') draft.operation = null;
    // What is swept must be a match that is there for it.
    return isSweeping && /^\d+$/.test(garbage) ? '0' : garbage;
  });
  if (chance.percent(4)) {
    did(draft, 'a broken path');
    draft.operation = null;
    const at = chance.whole(0, path.length);
    path = chance.pick([
      path + chance.pick(PATH_GARBAGE),
      `${path}/`,
      `/${path}`,
      path.toUpperCase(),
      path.slice(0, at) + chance.pick(PATH_GARBAGE) + path.slice(at),
      path.replaceAll('/', '//'),
      path.replaceAll('/', '/./'),
      `/health/../${path}`,
      `${path}/${'a/'.repeat(1_000)}`,
    ]);
    if (!path.startsWith('/')) path = `/${path}`;
  }
  return path;
}

function queryOf(operation: Operation, chance: Chance, draft: Draft): string {
  const parts: string[] = [];
  const names = namesFor(operation, 0, chance);
  for (const parameter of operation.parameters) {
    if (parameter.in !== 'query' || !(parameter.required === true || chance.percent(40))) continue;
    const { name } = parameter;
    if (chance.percent(60)) {
      const value = valueOf(parameter.schema, operation, () => names(name), chance);
      parts.push(`${name}=${encoded(typeof value === 'string' ? value : textOf(value))}`);
      continue;
    }
    did(draft, `a broken ${name} in the query`);
    const text = textOf(hostile(chance)).slice(0, 3_000);
    const value = chance.percent(70) ? encoded(text) : chance.pick(PATH_GARBAGE);
    parts.push(
      chance.pick([
        `${name}=${value}`,
        `${name}=${value}&${name}=${value}`,
        `${name}[]=${value}`,
        `${name}[a]=${value}`,
        `${name}[__proto__]=${value}`,
        name,
        `${name}=`,
        `=${value}`,
      ]),
    );
  }
  if (chance.percent(4)) {
    did(draft, 'a query of its own');
    parts.push(
      chance.pick([
        '__proto__[isOperator]=true',
        'constructor[prototype][a]=b',
        'a='.repeat(2_000),
        Array.from({ length: 2_000 }, (_, i) => `a${i}=1`).join('&'),
        `q=${'%F0%9F%98%80'.repeat(500)}`,
        `x=${'a'.repeat(10_000)}`,
        `x=${'a'.repeat(40_000)}`,
        `a${'[b]'.repeat(2_000)}=c`,
        '%',
        '&&&===',
        '?',
      ]),
    );
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

const BEARERS: readonly string[] = [
  'undefined',
  'null',
  'a.b.c',
  '..',
  'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.',
  'a'.repeat(5_000),
  `${'a'.repeat(3_000)}.${'b'.repeat(3_000)}.c`,
  '\u00ff\u00fe',
];

function identify(draft: Draft, operation: Operation, place: number, chance: Chance): void {
  const fitting = operation.schemes.flatMap((scheme) => {
    switch (scheme) {
      case 'accessToken':
        return ['operator', 'operator', 'buyer', 'steward', `disposable.${place}`];
      case 'serviceToken':
        return ['service', 'service', 'service'];
      case 'reservationToken':
        return Array.from({ length: 5 }, () => tokenOf(operation, place));
      default:
        return [];
    }
  });
  const doer = DOERS[keyOf(operation)];
  const isFitting = chance.percent(75);
  const who =
    isFitting && doer !== undefined
      ? doer
      : isFitting && fitting.length > 0
        ? chance.pick(fitting)
        : anybody(place, chance);
  if (who === null) return;
  const isOneself = ['operator', 'buyer', 'steward'].includes(who);
  const name = isOneself && ENDING.test(keyOf(operation)) ? `disposable.${place}` : who;
  if (!STRANGE.has(who)) {
    add(draft, 'Authorization', `Bearer {{${name}}}`);
    did(draft, `as ${name}`);
    return;
  }
  did(draft, `with ${who}`);
  const token = chance.percent(50) ? chance.pick(BEARERS) : '{{buyer}}';
  if (who === 'garbage') add(draft, 'Authorization', `Bearer ${chance.pick(BEARERS)}`);
  else if (who === 'another scheme')
    add(
      draft,
      'Authorization',
      chance.pick([`Basic ${token}`, 'Basic', 'Bearer', `bearer\t${token}`, `Digest a="${token}"`, ' ']),
    );
  else if (who === 'a cookie')
    add(draft, 'Cookie', `ticktak_refresh=${token}; ticktak_admin=${token}; ${'a=b; '.repeat(50)}`);
  else
    add(
      draft,
      'X-Reservation-Token',
      chance.pick([token, `${token},`.repeat(60), ',', '{{guesttoken.0}},{{soldtoken.0}}']),
    );
}

const STRANGE: ReadonlySet<string> = new Set(['garbage', 'another scheme', 'a cookie', 'a header of tokens']);

function anybody(place: number, chance: Chance): string | null {
  return chance.weighted<string | null>([
    [30, null],
    [12, 'operator'],
    [12, 'buyer'],
    [8, `guesttoken.${place}`],
    [6, 'service'],
    [12, chance.pick(FORGERIES)],
    [8, 'garbage'],
    [5, 'another scheme'],
    [4, 'a cookie'],
    [6, 'a header of tokens'],
  ]);
}

const HEADER_VALUES: Readonly<Record<string, string>> = {
  'Accept-Language': 'ar,en;q=0.5',
  'Waiting-Room-Token': '{{place.last}}',
};

function header(draft: Draft, { name, required }: Parameter, chance: Chance): void {
  if (required !== true && !chance.percent(40)) return;
  if (chance.percent(60)) {
    // Few keys, so that the same ones come again with the same and with other bodies.
    const keys = `fuzz-key-${chance.whole(1, 400)}`;
    add(draft, name, HEADER_VALUES[name] ?? keys);
    return;
  }
  did(draft, `a broken ${name}`);
  const value = chance.pick([
    '',
    ' ',
    'a'.repeat(256),
    'a'.repeat(9_000),
    '\u00e9',
    'a b',
    '\t',
    '__proto__',
    ',',
    '"',
    '*',
  ]);
  add(draft, name, value);
  if (chance.percent(20)) add(draft, name, 'and-another');
}

const CONTENT_TYPES = [
  'text/plain',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=a',
  'application/json; charset=utf-16',
  'application/json; charset=iso-8859-1',
  'application/json; charset=__proto__',
  'application/json;charset=UTF-8',
  'application/problem+json',
  'application/json, text/html',
  'APPLICATION/JSON',
  'application/',
  '/',
  ';',
  '',
  'application/json; a="',
  `application/json; ${'a=b;'.repeat(500)}`,
];

function body(draft: Draft, operation: Operation, place: number, chance: Chance): void {
  let value: Node = operation.path.endsWith('/webhook')
    ? eventOf(place, chance)
    : valueOf(operation.body ?? {}, operation, namesFor(operation, place, chance), chance);
  const isWhole = chance.percent(22);
  if (!isWhole) {
    for (let i = chance.whole(1, 3); i > 0; i -= 1) value = mutated(value, chance);
    did(draft, 'a broken value in the body');
  }
  if (!isWhole && chance.percent(2)) value = chance.pick(DEEP);
  let bytes = Buffer.from(textOf(value));
  if (SWEEPING.test(keyOf(operation)) && !isWhole) bytes = withoutSweep(bytes);
  if (keyOf(operation) === 'PUT /api/v1/operations/waiting-room') bytes = withoutQueue(bytes);
  if (!isWhole && chance.percent(12)) {
    did(draft, 'broken bytes in the body');
    bytes = brokenBytes(bytes, chance);
  }
  if (!isWhole && chance.percent(1)) {
    did(draft, 'a large body');
    bytes = Buffer.concat([Buffer.alloc(chance.whole(60_000, LARGE_BYTES), ' '), bytes]);
  }
  if (!isWhole && chance.percent(2)) {
    did(draft, 'a compressed body');
    // What a few bytes become is never to be found out.
    bytes = chance.percent(50) ? gzipSync(Buffer.alloc(5_000_000, '[')) : bytes;
    add(draft, 'Content-Encoding', chance.pick(['gzip', 'br', 'deflate', 'gzip, gzip', 'identity', 'x', '']));
  }
  const isTyped = isWhole || chance.percent(92);
  if (!isTyped) did(draft, 'another content type');
  if (isTyped) add(draft, 'Content-Type', 'application/json');
  else if (chance.percent(80)) add(draft, 'Content-Type', chance.pick(CONTENT_TYPES));
  draft.body = bytes;
  draft.framing = chance.percent(10) ? 'chunked' : 'length';
}

/** What the payment provider tells, as it is documented and not described. */
function eventOf(place: number, chance: Chance): Node {
  const object = chance.pick([
    { object: 'payment_intent', id: `{{soldpayment.${place}}}` },
    { object: 'charge', id: 'ch_1', payment_intent: `{{soldpayment.${place}}}` },
    { object: 'dispute', id: 'dp_1', payment_intent: { id: '{{sparepayment.last}}' } },
    { object: 'payout', id: 'po_1' },
  ]);
  const type = chance.pick([
    'payment_intent.succeeded',
    'charge.refunded',
    'charge.dispute.created',
    'other',
  ]);
  return nodeOf({ id: `evt_${chance.whole(1, 500)}`, object: 'event', type, created: 1, data: { object } });
}

/** While buyers queue nothing could be sold to the other inputs: it stays off. */
function withoutQueue(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.toString('latin1').replace(/"(on|auto)"/g, '"off"'), 'latin1');
}

/** Without a match number everything is paused; a broken one must not come to that. */
function withoutSweep(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  return bytes.includes('"matchNumber"')
    ? bytes
    : Buffer.from(bytes.toString('latin1').replace('"message"', '"massage"'), 'latin1');
}

const HEADERS: readonly (readonly [string, string])[] = [
  ['Accept', '*/*;q=0'],
  ['Accept', 'text/html;'.repeat(500)],
  ['Accept-Encoding', 'gzip;q=2, br;q=-1, *;q=NaN'],
  ['Accept-Encoding', 'gzip,'.repeat(1_000)],
  ['Accept-Language', 'x-'.repeat(2_000)],
  ['Accept-Language', '\u00ff;q=1e400'],
  ['If-None-Match', '"'.repeat(1_000)],
  ['If-None-Match', '*'],
  ['If-Modified-Since', 'Thu, 99 Foo 99999 99:99:99 GMT'],
  ['Range', 'bytes=0-0,-1,5-2,99999999999999999999-'],
  ['Range', 'bytes=-'],
  ['X-Request-Id', '\u00e9'],
  ['X-Request-Id', 'a'.repeat(65)],
  ['X-Forwarded-For', '1.2.3.4, '.repeat(300)],
  ['X-Forwarded-For', 'unknown'],
  ['X-Ticktak-Forwarded', 'a.b.c'],
  ['X-Challenge-Solution', 'e30='],
  ['X-Challenge-Solution', 'a'.repeat(5_000)],
  ['Host', ''],
  ['Host', 'a b'],
  ['Host', 'evil.example:99999'],
  ['Origin', 'null'],
  ['Origin', 'http://['],
  ['Cookie', ';=;=;'],
  ['Cookie', 'a=b;'.repeat(2_000)],
  ['Cookie', 'theme=dark; __proto__=a; theme=light; ticktak_device=%'],
  ['User-Agent', ''],
  ['User-Agent', 'a'.repeat(8_000)],
  ['Connection', 'close'],
  ['Connection', 'authorization, content-type, x-request-id'],
  ['Connection', 'upgrade'],
  ['Upgrade', 'h2c'],
  ['Upgrade', 'websocket'],
  ['Expect', '100-continue'],
  ['Expect', 'something'],
  ['TE', 'trailers, deflate;q=0.5'],
  ['Trailer', 'X-A'],
  ['Last-Event-ID', '\u00ff'],
  ['Last-Event-ID', '9'.repeat(1_000)],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['Content-Location', '//'],
  ['Sec-Fetch-Site', 'a'.repeat(600)],
  ['Accept-Charset', 'utf-16'],
  ['Max-Forwards', '-1'],
];

/** Some more headers, or very many. */
function headers(draft: Draft, chance: Chance): void {
  if (chance.percent(15)) {
    did(draft, 'a flood of headers');
    const count = chance.pick([90, 120, 500, 2_000]);
    const size = chance.pick([1, 5, 150]);
    for (let i = 0; i < count; i += 1) add(draft, `X-Flood-${i}`, 'a'.repeat(size));
    // Past what is read of them the length of a body may be lost too.
    draft.mayClose = true;
    draft.operation = null;
    return;
  }
  for (let i = chance.whole(1, 3); i > 0; i -= 1) {
    const [name, value] = chance.pick(HEADERS);
    did(draft, `header ${name}`);
    add(draft, name, value);
    if (/^(host|expect|upgrade|connection|te|trailer)$/i.test(name)) draft.operation = null;
  }
}

// ---- pages, files and the operators' board ---------------------------------------------------------------------

const PAGES = [
  '/',
  '/matches/1',
  '/matches/64',
  '/matches/65',
  '/ar/matches/3',
  '/ar',
  '/en',
  '/xx/matches/1',
  '/operator',
  '/operator/sales',
  '/account',
  '/check-in',
  '/ar/check-in',
  '/cart',
  '/robots.txt',
  '/sitemap.xml',
  '/favicon.ico',
  '/index.html',
  '/check-in-worker.js',
  '/assets/',
  '/assets/index.js',
  '/.git/config',
  '/.env',
  '/api',
  '/api/',
  '/api/v1',
  '/api/v2/matches',
  '/health/live/x',
  '/metrics/x',
];
const BOARD = [
  '/admin',
  '/admin/',
  '/admin/login',
  '/ADMIN/LOGIN',
  '/admin/logout',
  '/admin/queues',
  '/admin/queues/',
  '/admin/queues/api/queues',
  '/admin/queues/api/queues?activeQueue=analytics&status=completed&page=1&jobsPerPage=10',
  '/admin/queues/api/redis/stats',
  '/admin/queues/api/queues/analytics/1',
  '/admin/queues/api/queues/analytics/1/logs',
  '/admin/queues/api/queues/__proto__/1',
  '/admin/queues/queue/analytics',
  '/admin/queues/static/../../../../package.json',
  '/admin/queues/static/js/main.js',
];
const BOARD_QUERY = ['activeQueue', 'status', 'page', 'jobsPerPage', 'page[]', 'status[a]', '__proto__[a]'];

function page(number: number, chance: Chance): Draft {
  if (chance.percent(35)) return board(number, chance);
  const role = chance.percent(75)
    ? 'client'
    : chance.pick(['shop', 'reservations', 'user', 'payments', 'security', 'analytics']);
  let target = chance.pick(PAGES);
  if (chance.percent(50)) {
    const at = chance.whole(1, target.length);
    target = target.slice(0, at) + chance.pick(PATH_GARBAGE) + target.slice(at);
  }
  if (chance.percent(40))
    target += `?${chance.pick(['q', 'lang', 'team', 'date', ''])}=${encoded(chance.pick(STRINGS)).slice(0, 6_000)}`;
  const draft = blank(
    number,
    role,
    chance.weighted([
      [85, 'GET'],
      [8, 'HEAD'],
      [7, 'POST'],
    ]),
    target,
  );
  did(draft, 'a page');
  if (chance.percent(40)) headers(draft, chance);
  if (chance.percent(50)) add(draft, 'Accept', 'text/html');
  return draft;
}

function board(number: number, chance: Chance): Draft {
  let target = chance.pick(BOARD);
  const names = BOARD_QUERY.filter(() => chance.percent(25));
  const value = (): string => encoded(textOf(hostile(chance)).slice(0, 500));
  if (names.length > 0)
    target += `${target.includes('?') ? '&' : '?'}${names.map((name) => `${name}=${value()}`).join('&')}`;
  if (chance.percent(20)) target += chance.pick(PATH_GARBAGE);
  const draft = blank(number, chance.percent(70) ? 'shop' : 'client', 'GET', target);
  did(draft, "the operators' board");
  if (chance.percent(70)) add(draft, 'Authorization', 'Bearer {{operator}}');
  if (chance.percent(30)) add(draft, 'Accept', 'text/html');
  if (chance.percent(20))
    add(
      draft,
      'Cookie',
      `ticktak_admin=${chance.pick(['{{operator}}', '{{buyer}}', '{{forged.none}}', 'a'])}; ticktak_admin_refresh=a`,
    );
  if (chance.percent(25)) {
    draft.method = chance.pick(['POST', 'PUT', 'PATCH', 'DELETE']);
    // Only of queues that are not there, so that none is stopped.
    if (/\/api\/queues/.test(draft.target))
      draft.target = `/admin/queues/api/queues/${chance.pick(PATH_GARBAGE.slice(0, 12))}/${chance.pick(PATH_GARBAGE)}/${chance.pick(['retry', 'pause', 'clean/completed', 'add', ''])}`;
    draft.body = Buffer.from(
      chance.pick(['', 'email=a&password=b', 'email[a]=b', 'a='.repeat(3_000), '{"email":1}', '%', '\u00ff']),
    );
    add(
      draft,
      'Content-Type',
      chance.pick([
        'application/x-www-form-urlencoded',
        'application/json',
        'text/plain',
        'application/x-www-form-urlencoded; charset=utf-16',
      ]),
    );
    if (chance.percent(70)) add(draft, 'Sec-Fetch-Site', chance.pick(['same-origin', 'cross-site']));
  }
  return draft;
}

// ---- what is hardly a request ----------------------------------------------------------------------------------

const HOST = 'Host: 127.0.0.1\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';

function protocol(number: number, operations: readonly Operation[], chance: Chance): Draft {
  const operation = chance.pick(operations);
  const role = chance.percent(25) ? 'client' : operation.role;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, '1');
  const post = `POST /api/v1/reservations HTTP/1.1\r\n${HOST}${JSON_TYPE}`;
  const get = `GET ${path} HTTP/1.1\r\n${HOST}`;
  const draft = blank(number, role, 'GET', path);
  const text = chance.pick([
    `GET ${path} HTTP/1.1\r\n\r\n`,
    `GET ${path} HTTP/1.0\r\n\r\n`,
    `GET ${path}\r\n\r\n`,
    `GET ${path} HTTP/2.0\r\n${HOST}\r\n`,
    `GET ${path} HTTP/9.9\r\n${HOST}\r\n`,
    `GET  ${path}  HTTP/1.1\r\n${HOST}\r\n`,
    `get ${path} HTTP/1.1\r\n${HOST}\r\n`,
    `${'A'.repeat(20_000)} ${path} HTTP/1.1\r\n${HOST}\r\n`,
    `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`,
    `GET http://evil.example${path} HTTP/1.1\r\n${HOST}\r\n`,
    `GET * HTTP/1.1\r\n${HOST}\r\n`,
    `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
    `GET ? HTTP/1.1\r\n${HOST}\r\n`,
    `GET \\\\evil HTTP/1.1\r\n${HOST}\r\n`,
    `GET //evil.example/%2f.. HTTP/1.1\r\n${HOST}\r\n`,
    `GET /a\u00ffb HTTP/1.1\r\n${HOST}\r\n`,
    `GET /a\u0000b HTTP/1.1\r\n${HOST}\r\n`,
    `CONNECT 127.0.0.1:22 HTTP/1.1\r\n${HOST}\r\n`,
    `TRACE ${path} HTTP/1.1\r\n${HOST}\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
    '*1\r\n$4\r\nPING\r\n',
    '\r\n\r\n\r\n',
    `\r\n\r\n${get}\r\n`,
    `${get}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
    `${get}Content-Length: -1\r\n\r\n`,
    `${get}Content-Length: 1e3\r\n\r\n`,
    `${get}Content-Length: 99999999999999999999\r\n\r\n`,
    `${get}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    `${get}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    `${get}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\n2;${'a=b;'.repeat(6_000)}\r\n{}\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-A: ${'b'.repeat(20_000)}\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n`,
    `${post}Transfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(20_000)}0\r\n\r\n`,
    `${post}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}`,
    `${get}X-A: b\r\n folded\r\n\r\n`,
    `${get}X-A : b\r\n\r\n`,
    `${get}: b\r\n\r\n`,
    `${get}X-A\r\n\r\n`,
    `${get}X\u0000A: b\r\n\r\n`,
    `${get}X-A: \u0000\r\n\r\n`,
    `${get}X-A: a\rb\r\n\r\n`,
    `${get}${HOST}\r\n`,
    `${get.replaceAll('\r\n', '\n')}\n`,
    `${get}${'X-A: b\r\n'.repeat(3_000)}\r\n`,
    `${get}X-A: ${'b'.repeat(30_000)}\r\n\r\n`,
    `${get}\r\n`.repeat(chance.whole(2, 50)),
    `${get}\r\n${post}Content-Length: 2\r\n\r\n{}GARBAGE\r\n\r\n`,
    `${post}Content-Length: 100\r\n\r\n{"a":`,
    `${get}Content-Length: 100\r\n\r\n`,
    get,
    'GET',
    '',
  ]);
  const raw = Buffer.from(text, 'latin1');
  did(draft, 'hardly a request');
  draft.raw = chance.percent(25) ? brokenBytes(raw, chance) : raw;
  if (chance.percent(20)) draft.pieces = chance.whole(2, 20);
  draft.halfClose = chance.percent(60);
  draft.mayClose = true;
  return draft;
}
