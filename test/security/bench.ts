/** Security checks on the run's real Redis and a real embedded archive, under a key prefix of their own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Clock } from '../../src/actors/ports.js';
import type { Documents } from '../../src/archive/documents.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { createMetrics } from '../../src/http/metrics.js';
import { Problem } from '../../src/http/problem.js';
import { createService, type Service, type ServiceOptions } from '../../src/http/service.js';
import { systemClock } from '../../src/process/clock.js';
import { DocumentAudit } from '../../src/security/audit.js';
import { InProcessSecurity, type InProcessSecurityOptions } from '../../src/security/in-process.js';
import type { CheckRequest, PersonCheckRequest } from '../../src/security/port.js';
import { securityRoutes } from '../../src/security/routes.js';
import type { Principal } from '../../src/users/principal.js';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl } from '../helpers/engine.js';

export const SECRET = 'a secret of the tests';
export const SERVICE_TOKEN = 'service-token-of-the-tests';

/** The machine's clock, moved. */
export class ShiftedClock implements Clock {
  shiftMs = 0;
  now(): number {
    return Date.now() + this.shiftMs;
  }
  schedule(delayMs: number, task: () => void): () => void {
    return systemClock.schedule(delayMs, task);
  }
}

export interface Bench {
  readonly archive: EmbeddedArchive;
  readonly audit: DocumentAudit;
  readonly redis: Redis;
  readonly prefix: string;
  readonly clock: ShiftedClock;
  readonly logs: string[];
  /** A process of its own with a started check. */
  process(over?: Partial<InProcessSecurityOptions>): Promise<InProcessSecurity>;
  stop(): Promise<void>;
}

export async function startBench(redisUrl = testRedisUrl()): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-security-'));
  const archive = new EmbeddedArchive({ dir });
  await archive.start();
  const clock = new ShiftedClock();
  const logs: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logs.push(line) });
  const prefix = `t-${randomUUID().slice(0, 8)}`;
  const audit = new DocumentAudit({ documents: archive, clock, logger });
  const connections: Redis[] = [];
  const connect = async (): Promise<Redis> => {
    const redis = new Redis(redisUrl, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    redis.on('error', () => undefined);
    connections.push(redis);
    await redis.ping();
    return redis;
  };
  const redis = await connect();
  const running: InProcessSecurity[] = [];
  return {
    archive,
    audit,
    redis,
    prefix,
    clock,
    logs,
    async process(over = {}) {
      const security = new InProcessSecurity({
        redis: over.redis ?? (await connect()),
        redisPrefix: prefix,
        documents: archive,
        audit,
        clock,
        logger,
        secret: SECRET,
        work: { cost: 10, triesMax: 20 },
        // The machine of a test may be slow; what happens then has tests of its own.
        redisWaitMs: 5_000,
        ...over,
      });
      await security.start();
      running.push(security);
      return security;
    },
    async stop() {
      await Promise.all(running.map((security) => security.stop()));
      if (redis.status === 'ready') await deleteKeys(redis, prefix);
      for (const connection of connections) connection.disconnect();
      await archive.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A store whose every method rejects while `away` says so. */
export function leavable(documents: Documents, away: () => Error | null): Documents {
  return new Proxy(documents, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown;
      if (typeof method !== 'function') return method;
      return (...args: unknown[]): unknown => {
        const error = away();
        return error ? Promise.reject(error) : (method.apply(target, args) as unknown);
      };
    },
  });
}

export const CURL = { 'user-agent': 'curl/8.5.0', accept: '*/*' };
export const CHROME = {
  'user-agent':
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  accept: 'application/json',
  'accept-language': 'de,en;q=0.8',
  origin: 'https://shop.example',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  'sec-ch-ua': '"Chromium";v="126"',
};

export function request(over: Partial<CheckRequest> = {}): CheckRequest {
  return {
    address: '198.51.100.7',
    routeClass: 'hold',
    method: 'POST',
    path: '/api/v1/reservations',
    signals: CURL,
    principal: null,
    ...over,
  };
}

export function personRequest(over: Partial<PersonCheckRequest> = {}): PersonCheckRequest {
  return { address: '198.51.100.7', routeClass: 'hold', person: 'fan@example.org', principal: null, ...over };
}

export const someone = (accountId: string, over: Partial<Principal> = {}): Principal => ({
  accountId,
  email: `${accountId}@example.org`,
  emailConfirmed: true,
  roles: ['buyer'],
  sessionId: `session-${accountId}`,
  secondFactor: false,
  ...over,
});

export interface RunningService {
  readonly service: Service;
  readonly url: string;
}

/** A service with the routes of the security check; a test says who is logged in by the header X-Test-Account. */
export async function serve(
  bench: Bench,
  security: InProcessSecurity,
  over: Partial<ServiceOptions> = {},
): Promise<RunningService> {
  const registry = new Registry();
  const service = createService({
    info: { title: 'ticktak security', version: '0.0.0', description: 'Under test' },
    routes: securityRoutes({
      security,
      audit: bench.audit,
      serviceToken: SERVICE_TOKEN,
      requireOperator: (principal) =>
        principal === null
          ? new Problem('unauthorized')
          : principal.roles.includes('operator')
            ? null
            : new Problem('forbidden'),
    }),
    checks: [],
    registry,
    metrics: createMetrics(registry),
    logger: pino({ level: 'silent' }),
    clock: systemClock,
    portSetting: 'SECURITY_PORT',
    gate: async (asked, response) => {
      const account = asked.get('X-Test-Account');
      if (account !== undefined) {
        const roles = account === 'operator' ? (['operator'] as const) : (['buyer'] as const);
        response.locals['principal'] = someone(account, { roles });
      }
      return null;
    },
    ...over,
  });
  return { service, url: `http://127.0.0.1:${await service.listen('127.0.0.1', 0)}` };
}
