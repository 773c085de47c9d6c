/** Accounts over an embedded archive in a folder of their own, with and without HTTP. Time moves when a test says so. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Clock } from '../../src/actors/ports.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { problemSchema } from '../../src/http/api.js';
import { bearerToken } from '../../src/http/identity.js';
import { createMetrics } from '../../src/http/metrics.js';
import { Problem } from '../../src/http/problem.js';
import { createService } from '../../src/http/service.js';
import type { Mail, Mailer } from '../../src/mail/port.js';
import type { AuditEntry, PersonCheckRequest, SecurityFact, Verdict } from '../../src/security/port.js';
import { createAccess, type Access, type AccessOptions } from '../../src/users/access.js';
import { Operators } from '../../src/users/operators.js';
import { userRoutes } from '../../src/users/routes.js';
import { Users, type LogIn, type UsersOptions } from '../../src/users/users.js';

export const SECRET = 'a token secret of the tests';
export const PASSWORD = 'correct horse battery staple';
export const PUBLIC_URL = 'https://ticktak.example';

/** Stands still for what is decided; waits are real. */
export class TestClock implements Clock {
  #now = Date.UTC(2022, 9, 1);

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

export class MemoryMailer implements Mailer {
  readonly mails: Mail[] = [];
  /** What the next mails wait for. */
  gate: Promise<void> = Promise.resolve();

  async start(): Promise<void> {
    await this.gate;
  }

  async stop(): Promise<void> {
    await this.gate;
  }

  async send(mail: Mail): Promise<void> {
    await this.gate;
    this.mails.push(mail);
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown> & { readonly code?: string };
}

export interface Bench {
  readonly clock: TestClock;
  readonly archive: EmbeddedArchive;
  readonly access: Access;
  readonly users: Users;
  readonly operators: Operators;
  readonly mailer: MemoryMailer;
  readonly audited: Omit<AuditEntry, 'at'>[];
  readonly facts: SecurityFact[];
  readonly checked: PersonCheckRequest[];
  readonly logs: string[];
  readonly url: string;
  /** What the security check answers from now on. */
  verdict: Verdict;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Waits for mails on their way; all mails to the address. */
  mailsTo(email: string): Promise<Mail[]>;
  /** The token of the newest mail of a kind. */
  mailedToken(email: string, kind: string): Promise<string>;
  /** Another process over the same store. */
  another(options?: BenchOptions): Promise<Bench>;
  stop(): Promise<void>;
}

export interface BenchOptions {
  readonly access?: Partial<AccessOptions>;
  readonly users?: Partial<UsersOptions>;
  readonly secureCookies?: boolean;
}

export async function startUsers(options: BenchOptions = {}): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'ticktak-users-'));
  const bench = await assemble(options, dir, new TestClock());
  const { stop } = bench;
  return Object.assign(bench, { stop: () => stop().then(() => rm(dir, { recursive: true })) });
}

async function assemble(options: BenchOptions, dir: string, clock: TestClock): Promise<Bench> {
  const archive = new EmbeddedArchive({ dir, now: () => clock.now() });
  await archive.start();
  const logs: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void logs.push(line) });
  const audited: Omit<AuditEntry, 'at'>[] = [];
  const mailer = new MemoryMailer();
  const audit = { record: async (entry: Omit<AuditEntry, 'at'>) => void audited.push(entry) };
  const base = { documents: archive, clock, logger };
  const access = createAccess({ ...base, tokenSecret: SECRET, ...options.access });
  const operatorSecondFactor = options.users?.operatorSecondFactor ?? 'required';
  const users = new Users({
    ...base,
    mailer,
    audit,
    access,
    publicUrl: PUBLIC_URL,
    operatorSecondFactor,
    ...options.users,
  });
  await users.start();
  const operators = new Operators({ ...base, audit, users });
  const facts: SecurityFact[] = [];
  const checked: PersonCheckRequest[] = [];
  const others: Bench[] = [];
  const bench: Bench = {
    ...{ clock, archive, access, users, operators, mailer, audited, facts, checked, logs },
    url: '',
    verdict: { verdict: 'allow', reasons: [] },
    call: async () => Promise.reject(new Error('not listening yet')),
    mailsTo: async (email) => {
      await users.mailed.stop();
      return mailer.mails.filter(({ to }) => to === email);
    },
    mailedToken: async (email, kind) => {
      const mail = (await bench.mailsTo(email)).findLast((known) => known.kind === kind);
      return /#token=([\w-]{43})\s/.exec(mail?.text ?? '')?.[1] ?? '';
    },
    another: async (more = {}) => {
      const other = await assemble({ ...options, ...more }, dir, clock);
      others.push(other);
      return other;
    },
    stop: async () => {
      await Promise.all(others.map((other) => other.stop()));
      await service.close();
      await users.stop();
      await archive.stop();
    },
  };
  const security = {
    checkPerson: async (request: PersonCheckRequest) => {
      checked.push(request);
      return bench.verdict;
    },
    tell: (fact: SecurityFact) => void facts.push(fact),
  };
  const registry = new Registry();
  const service = createService({
    info: { title: 'users', version: '0.0.0', description: 'Under test' },
    routes: userRoutes({
      ...{ users, operators, access, clock, security, operatorSecondFactor, publicUrl: PUBLIC_URL },
      secureCookies: options.secureCookies ?? true,
      verdictProblem: (verdict) => (verdict.verdict === 'allow' ? null : new Problem('blocked')),
    }),
    checks: [],
    registry,
    metrics: createMetrics(registry),
    logger,
    clock,
    portSetting: 'USER_PORT',
    gate: async (request, response) => {
      const token = bearerToken(request.get('Authorization'));
      response.locals['principal'] = token === null ? null : await access.tokens.verify(token);
      return null;
    },
  });
  const url = `http://127.0.0.1:${await service.listen('127.0.0.1', 0)}`;
  return Object.assign(bench, { url, call: caller(url) });
}

function caller(url: string): Bench['call'] {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Reply['body']);
    if (response.status >= 400) expect(problemSchema.safeParse(json).error).toBeUndefined();
    return { status: response.status, headers: response.headers, text, body: json };
  };
}

export const bearer = (token: unknown): Record<string, string> => ({
  Authorization: `Bearer ${String(token)}`,
});

/** A registered account, logged in. */
export async function someone(bench: Bench, email: string, password = PASSWORD): Promise<LogIn> {
  const registered = await bench.users.register({ email, password, name: 'A Fan' });
  expect(registered).toMatchObject({ kind: 'registered' });
  return logIn(bench, email, password);
}

export async function logIn(bench: Bench, email: string, password = PASSWORD): Promise<LogIn> {
  const result = await bench.users.logIn({ email, password }, {});
  if (result.kind !== 'logged_in') throw new Error(`the log-in answered ${result.kind}`);
  return result;
}

/** The code an authenticator app shows now. */
export const codeOf = (bench: Bench, secret: string): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: bench.clock.now() });

/** The first operator, with a second factor. */
export async function someOperator(
  bench: Bench,
): Promise<{ logIn: LogIn; secret: string; password: string }> {
  const made = await bench.operators.ensureFirst({ email: 'operator@ticktak.example' });
  if (!made) throw new Error('there is an operator already');
  const first = await logIn(bench, made.email, made.password);
  const principal = (await bench.access.tokens.verify(first.accessToken))!;
  const enrolled = await bench.users.enrolSecondFactor(principal, made.password, {});
  if (enrolled.kind !== 'enrolled') throw new Error(enrolled.kind);
  const set = await bench.users.confirmSecondFactor(principal, codeOf(bench, enrolled.secret), {});
  if (set.kind !== 'logged_in') throw new Error(set.kind);
  return { logIn: set, secret: enrolled.secret, password: made.password };
}
