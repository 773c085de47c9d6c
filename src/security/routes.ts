/**
 * The security service over HTTP.
 *
 * Guarantees: checks, facts and verifications are for services only (their token is compared before the body is
 * read); the block list and the audit are for operators only; only getting a challenge is for everyone.
 */
import { z } from 'zod';
import { defineRoute, type Handled, type Route } from '../http/api.js';
import { bearerToken, sameSecret } from '../http/identity.js';
import { Problem, notFound, validationFailed } from '../http/problem.js';
import type { Principal } from '../users/principal.js';
import { ROLES } from '../users/records.js';
import { parseAddress } from './address.js';
import type { DocumentAudit } from './audit.js';
import { REASON_CHARS_MAX, type Block } from './block-list.js';
import type { InProcessSecurity } from './in-process.js';
import { ROUTE_CLASSES, type CheckRequest, type SecurityFact, type Verdict } from './port.js';
import { FACTS_PER_REQUEST_MAX, verdictSchema } from './remote.js';
import { CHALLENGED, isChallenged, routeClassOf } from './route-classes.js';
import { SIGNAL_CHARS_MAX, SIGNAL_HEADERS, SOLUTION_CHARS_MAX } from './verdict.js';

export interface SecurityRoutesOptions {
  readonly security: InProcessSecurity;
  readonly audit: DocumentAudit;
  /** Services present it as a Bearer token. */
  readonly serviceToken: string;
  /** Why the principal may not do what operators do; null when they may. */
  readonly requireOperator: (principal: Principal | null) => Problem | null;
}

export function securityRoutes(options: SecurityRoutesOptions): Route[] {
  return [
    checkRoute(options),
    factsRoute(options),
    boughtRoute(options),
    challengeRoute(options),
    verifyRoute(options),
    listBlocksRoute(options),
    addBlockRoute(options),
    removeBlockRoute(options),
    auditRoute(options),
  ];
}

const text = (charsMax: number): z.ZodString => z.string().max(charsMax);
const addressSchema = text(100).refine(
  (value) => parseAddress(value) !== null,
  'must be an IPv4 or IPv6 address',
);
const routeSchema = text(2_100).meta({ description: 'Method and path: "POST /api/v1/reservations".' });
const personSchema = text(320).min(1).meta({ description: 'An account id or an e-mail address.' });
const challengeSchema = z.looseObject({}).meta({
  id: 'Challenge',
  description: 'ALTCHA proof of work, format v2: what the `altcha` widget solves.',
});

const principalSchema = z.object({
  accountId: text(200).min(1),
  email: text(320),
  emailConfirmed: z.boolean(),
  roles: z.array(z.enum(ROLES)).max(10),
  sessionId: text(200),
  secondFactor: z.boolean(),
});

const checkSchema = z
  .object({
    ip: addressSchema,
    userAgent: text(SIGNAL_CHARS_MAX),
    route: routeSchema,
    accountId: text(200).min(1).optional(),
    routeClass: z.enum(ROUTE_CLASSES).optional().meta({ description: 'Instead of what `route` says.' }),
    signals: z.partialRecord(z.enum(SIGNAL_HEADERS), text(SIGNAL_CHARS_MAX)).optional(),
    principal: principalSchema.optional(),
    person: personSchema.optional().meta({ description: 'The check of who buys instead of the first one.' }),
    device: text(200).min(1).optional(),
    solution: text(SOLUTION_CHARS_MAX).optional(),
  })
  .meta({ id: 'Check' });

const unauthorized = ['unauthorized', 'forbidden'] as const;

/** For `authorize`: asked before the body is read. */
function service({ serviceToken }: SecurityRoutesOptions) {
  return ({ request }: { readonly request: { get(name: string): string | undefined } }): Problem | null => {
    const token = bearerToken(request.get('Authorization'));
    if (token === null) return new Problem('unauthorized', { headers: { 'WWW-Authenticate': 'Bearer' } });
    return sameSecret(token, serviceToken) ? null : new Problem('forbidden');
  };
}

const operator =
  ({ requireOperator }: SecurityRoutesOptions) =>
  ({ principal }: { readonly principal: Principal | null }): Problem | null =>
    requireOperator(principal);

function checkRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/checks',
    tag: 'security',
    summary: 'Whether a request may go on',
    security: ['serviceToken'],
    routeClass: 'service',
    body: checkSchema,
    responses: { 200: { description: 'The verdict', schema: verdictSchema.meta({ id: 'Verdict' }) } },
    problems: unauthorized,
    authorize: service(options),
    handle: async ({ body }): Promise<Handled> => {
      const verdict = await checked(options.security, body);
      return verdict instanceof Problem ? verdict : { status: 200, body: verdict };
    },
  });
}

async function checked(
  security: InProcessSecurity,
  body: z.output<typeof checkSchema>,
): Promise<Verdict | Problem> {
  const routeClass = body.routeClass ?? routeClassOf(body.route);
  const principal = body.principal ?? (body.accountId === undefined ? null : accountOnly(body.accountId));
  const shared = {
    address: body.ip,
    principal,
    ...(body.solution !== undefined && { solution: body.solution }),
  };
  if (body.person !== undefined) {
    if (!isChallenged(routeClass)) {
      return validationFailed([{ path: 'person', message: `only for ${CHALLENGED.join(', ')}` }]);
    }
    const device = body.device === undefined ? {} : { device: body.device };
    return security.checkPerson({ ...shared, ...device, routeClass, person: body.person });
  }
  const [method = '', path = ''] = body.route.split(' ', 2);
  const signals: CheckRequest['signals'] = {
    ...body.signals,
    ...(body.userAgent !== '' && { 'user-agent': body.userAgent }),
  };
  return security.check({ ...shared, routeClass, method, path: path.split('?', 1)[0] ?? '', signals });
}

/** All that is known of an account when only its id was told. */
const accountOnly = (accountId: string): Principal => ({
  accountId,
  email: '',
  emailConfirmed: false,
  roles: ['buyer'],
  sessionId: '',
  secondFactor: false,
});

const factSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['held', 'released', 'expired', 'bought', 'declined']),
    person: personSchema,
    address: addressSchema.exactOptional(),
  }),
  z.object({
    kind: z.enum(['login_failed', 'login_succeeded', 'code_wrong']),
    person: personSchema,
    address: addressSchema,
  }),
  z.object({ kind: z.literal('card'), person: personSchema, fingerprint: text(200).min(1) }),
  z.object({ kind: z.literal('probe'), address: addressSchema }),
]) satisfies z.ZodType<SecurityFact>;
const factsSchema = z
  .object({ facts: z.array(factSchema).min(1).max(FACTS_PER_REQUEST_MAX) })
  .meta({ id: 'SecurityFacts' });

function factsRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/checks/facts',
    tag: 'security',
    summary: 'Tell what buyers did',
    security: ['serviceToken'],
    routeClass: 'service',
    body: factsSchema,
    responses: { 202: { description: 'Taken', schema: z.object({ taken: z.number().int() }) } },
    problems: unauthorized,
    authorize: service(options),
    handle: ({ body }): Handled => {
      for (const fact of body.facts) options.security.tell(fact);
      return { status: 202, body: { taken: body.facts.length } };
    },
  });
}

function boughtRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/checks/bought',
    tag: 'security',
    summary: 'Whether a person is known to have bought before',
    security: ['serviceToken'],
    routeClass: 'service',
    body: z.object({ person: personSchema }),
    responses: { 200: { description: 'What is known', schema: z.object({ bought: z.boolean() }) } },
    problems: unauthorized,
    authorize: service(options),
    handle: async ({ body }): Promise<Handled> => ({
      status: 200,
      body: { bought: await options.security.hasBought(body.person) },
    }),
  });
}

function challengeRoute({ security }: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/challenges',
    tag: 'security',
    summary: 'A challenge in advance',
    description: 'Its solution goes into the header `X-Challenge-Solution` of one request to that route.',
    routeClass: 'write',
    body: z.object({ route: routeSchema }),
    responses: {
      201: {
        description: 'To be solved within five minutes',
        schema: z.object({ challenge: challengeSchema }),
      },
    },
    handle: async ({ body }): Promise<Handled> => {
      const routeClass = routeClassOf(body.route);
      if (!isChallenged(routeClass)) {
        return validationFailed([{ path: 'route', message: 'is never answered with a challenge' }]);
      }
      return { status: 201, body: { challenge: await security.challenges.issue(routeClass) } };
    },
  });
}

function verifyRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/challenges/verify',
    tag: 'security',
    summary: 'Use a solution up',
    security: ['serviceToken'],
    routeClass: 'service',
    body: z.object({ solution: text(SOLUTION_CHARS_MAX), route: routeSchema }),
    responses: {
      200: {
        description: 'Whether it was good, and used for the first time',
        schema: z.object({
          verified: z.boolean(),
          reason: z.enum(['expired', 'invalid', 'other_route', 'used']).optional(),
        }),
      },
    },
    problems: unauthorized,
    authorize: service(options),
    handle: async ({ body }): Promise<Handled> => {
      const { challenges } = options.security;
      const refused = (reason: string): Handled => ({ status: 200, body: { verified: false, reason } });
      const solution = await challenges.read(body.solution);
      if (solution.kind !== 'solved') return refused(solution.kind);
      if (!(await challenges.claim('request', solution.nonce))) return refused('used');
      if (solution.routeClass !== routeClassOf(body.route)) return refused('other_route');
      return { status: 200, body: { verified: true } };
    },
  });
}

const blockSchema = z
  .object({
    id: z.string(),
    cidr: z.string(),
    reason: z.string(),
    addedBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'Block' });

const blockJson = ({ createdAt, expiresAt, ...block }: Block): z.output<typeof blockSchema> => ({
  ...block,
  createdAt: new Date(createdAt).toISOString(),
  ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
});

const pageQuery = {
  limit: z.coerce.number().int().min(1).max(100).default(50),
  after: text(500).optional(),
};

function listBlocksRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/blocks',
    tag: 'security',
    summary: 'The block list, newest first',
    security: ['accessToken'],
    routeClass: 'admin',
    query: z.object(pageQuery),
    responses: {
      200: {
        description: 'A page of it',
        schema: z.object({ blocks: z.array(blockSchema), next: z.string().optional() }),
      },
    },
    problems: unauthorized,
    authorize: operator(options),
    handle: async ({ query: { limit, after } }): Promise<Handled> => {
      const page = { limit, ...(after !== undefined && { after }) };
      const { items, next } = await options.security.blocks.list(page);
      return { status: 200, body: { blocks: items.map(blockJson), ...(next !== undefined && { next }) } };
    },
  });
}

function addBlockRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/blocks',
    tag: 'security',
    summary: 'Block an address or a range',
    security: ['accessToken'],
    routeClass: 'admin',
    body: z.object({
      cidr: text(100).min(1).meta({ description: 'An address, or a range: 192.0.2.0/24, 2001:db8::/32.' }),
      reason: text(REASON_CHARS_MAX).trim().min(1),
      expiresAt: z.iso.datetime({ offset: true }).optional(),
    }),
    responses: { 201: { description: 'In force', schema: blockSchema } },
    problems: unauthorized,
    authorize: operator(options),
    handle: async ({ body, principal, address, requestId }): Promise<Handled> => {
      const result = await options.security.blocks.add({
        cidr: body.cidr,
        reason: body.reason,
        addedBy: actorOf(principal),
        address,
        requestId,
        ...(body.expiresAt !== undefined && { expiresAt: Date.parse(body.expiresAt) }),
      });
      return result.kind === 'added'
        ? { status: 201, body: blockJson(result.block) }
        : validationFailed([{ path: 'cidr', message: result.message }]);
    },
  });
}

function removeBlockRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/blocks/{id}',
    tag: 'security',
    summary: 'End a block',
    security: ['accessToken'],
    routeClass: 'admin',
    params: z.object({ id: z.uuid() }),
    responses: { 204: { description: 'Ended' } },
    problems: unauthorized,
    authorize: operator(options),
    handle: async ({ params, principal, address, requestId }): Promise<Handled> => {
      const by = { addedBy: actorOf(principal), address, requestId };
      const removed = await options.security.blocks.remove(params.id, by);
      return removed ? { status: 204 } : notFound('This block');
    },
  });
}

const actorOf = (principal: Principal | null): string =>
  principal ? `account:${principal.accountId}` : 'system';

const auditSchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    actor: z.string(),
    action: z.string(),
    subject: z.string(),
    address: z.string().optional(),
    requestId: z.string().optional(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  })
  .meta({ id: 'AuditEntry' });

function auditRoute(options: SecurityRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/audit',
    tag: 'security',
    summary: 'Who did what to what, newest first',
    security: ['accessToken'],
    routeClass: 'admin',
    query: z.object({
      ...pageQuery,
      actor: text(200)
        .min(1)
        .optional()
        .meta({ description: '`account:<id>`, `service`, `system`, `provider`' }),
      subject: text(200).min(1).optional().meta({ description: '`account:<id>`, `block:<id>`, ...' }),
    }),
    responses: {
      200: {
        description: 'A page of it; with actor and subject both given it can be short without being the last',
        schema: z.object({ entries: z.array(auditSchema), next: z.string().optional() }),
      },
    },
    problems: unauthorized,
    authorize: operator(options),
    handle: async ({ query: { limit, after, actor, subject } }): Promise<Handled> => {
      const { items, next } = await options.audit.list({
        limit,
        ...(after !== undefined && { after }),
        ...(actor !== undefined && { actor }),
        ...(subject !== undefined && { subject }),
      });
      const entries = items.map((entry) => ({ ...entry, at: new Date(entry.at).toISOString() }));
      return { status: 200, body: { entries, ...(next !== undefined && { next }) } };
    },
  });
}
