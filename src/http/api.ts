/**
 * Routes as data. One definition both serves a route and documents it: the zod schemas that validate are the
 * ones in the OpenAPI document, so neither can drift from the other.
 *
 * Guarantees: a handler sees only validated input; whatever a client sends that does not validate is answered
 * with a 4xx problem; a handler returns what to send and touches the response only to stream.
 */
import { isUtf8 } from 'node:buffer';
import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import express, { type Request, type Response } from 'express';
import { z } from 'zod';
import { judged } from '../process/judged.js';
import type { RouteClass } from '../security/port.js';
import type { Principal } from '../users/principal.js';
import { PROBLEM_TYPE, PROBLEMS, Problem, problemOfError, validationFailed } from './problem.js';
import type { FieldError, ProblemCode } from './problem.js';

/** What a handler answers. `json` is a body that is serialized already. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly json?: string;
  readonly text?: { readonly type: string; readonly content: string | Buffer };
  readonly headers?: Readonly<Record<string, string>>;
}
/** `streaming`: the handler has taken the response over. */
export type Handled = Answer | Problem | 'streaming';

export interface RouteInput<P, Q, H, B> {
  readonly params: P;
  readonly query: Q;
  readonly headers: H;
  readonly body: B;
  readonly requestId: string;
  /** The client's address, as far as proxies are trusted. */
  readonly address: string;
  /** Who asks, as far as an access token proves it. */
  readonly principal: Principal | null;
  readonly request: Request;
  readonly response: Response;
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
export type SecurityScheme =
  'reservationToken' | 'reservationTokenHeader' | 'serviceToken' | 'accessToken' | 'refreshCookie';

export interface ResponseSpec {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** `application/json` when there is a schema and nothing else is said. */
  readonly contentType?: string;
  /** Content types of other forms it has, which the request asks for. */
  readonly alsoAs?: readonly string[];
}

interface RouteFacts {
  readonly method: Method;
  /** OpenAPI style: `/api/v1/matches/{matchNumber}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly SecurityScheme[];
  /** Those who present nothing may ask too. */
  readonly isForGuestsToo?: true;
  /** Whose limits it shares; `read` for GET and `write` otherwise. */
  readonly routeClass?: RouteClass;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** Codes it may answer besides those every route can. */
  readonly problems?: readonly ProblemCode[];
  /** Status of a body that does not validate, where it is not the code's own. */
  readonly invalidBodyStatus?: number;
}

export interface RouteSpec<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  H extends z.ZodObject,
  B extends z.ZodType,
> extends RouteFacts {
  readonly params?: P;
  readonly query?: Q;
  /** Keyed by the header's usual spelling. */
  readonly headers?: H;
  readonly body?: B;
  /** The body as it came, for what is signed; it is a Buffer then, and `body` only documents it. */
  readonly rawBody?: boolean;
  /** Lists of operators may be longer than what buyers send. */
  readonly isLargeBody?: boolean;
  /** Whether the request may go on, asked before its body is read. */
  readonly authorize?: (
    input: Omit<RouteInput<z.output<P>, z.output<Q>, z.output<H>, undefined>, 'body'>,
  ) => Promise<Problem | null> | Problem | null;
  readonly handle: (
    input: RouteInput<z.output<P>, z.output<Q>, z.output<H>, z.output<B>>,
  ) => Promise<Handled> | Handled;
}

export interface Route extends RouteFacts {
  readonly schemas: {
    readonly params?: z.ZodObject;
    readonly query?: z.ZodObject;
    readonly headers?: z.ZodObject;
    readonly body?: z.ZodType;
  };
  /** Validates and handles; rejects only where something this process stands on fails. */
  serve(request: Request, response: Response, readers: BodyReaders): Promise<Handled>;
}

/** Puts the parsed body on the request; rejects with an error that carries a 4xx `status`. */
export type BodyReader = (request: Request, response: Response) => Promise<void>;
export interface BodyReaders {
  readonly json: BodyReader;
  readonly largeJson: BodyReader;
  /** Leaves a Buffer, whatever the content type. */
  readonly raw: BodyReader;
}

export function defineRoute<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  H extends z.ZodObject,
  B extends z.ZodType,
>(spec: RouteSpec<P, Q, H, B>): Route {
  const { params, query, headers, body, rawBody = false, isLargeBody = false, ...more } = spec;
  const { authorize, handle, ...facts } = more;
  return {
    ...facts,
    schemas: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(body && { body }),
    },
    async serve(request, response, readers) {
      // A path that cannot name anything names nothing.
      const path = validate(params, request.params, '');
      if (path instanceof Problem) return new Problem('not_found');
      const search = validate(query, request.query, '');
      if (search instanceof Problem) return search;
      const fields = validate(headers, pickHeaders(request, headers), '');
      if (fields instanceof Problem) return fields;
      const known = {
        params: path.value,
        query: search.value,
        headers: fields.value,
        requestId: requestIdOf(response),
        address: request.ip ?? '',
        principal: principalOf(response),
        request,
        response,
      };
      const refused = await authorize?.(known);
      if (refused) return refused;
      const content = rawBody
        ? await readRaw<B>(request, response, readers.raw)
        : await readBody(body, request, response, isLargeBody ? readers.largeJson : readers.json);
      if (content instanceof Problem) return invalidBody(content, facts.invalidBodyStatus);
      return handle({ ...known, body: content.value });
    },
  };
}

/** The id under which a request is followed through logs, commands and headers. */
export function requestIdOf(response: Response): string {
  const id: unknown = response.locals['requestId'];
  return typeof id === 'string' ? id : '';
}

/** Set by the service before the route is served. */
export function principalOf(response: Response): Principal | null {
  const { principal } = response.locals as { principal?: Principal | null };
  return principal ?? null;
}

const BODY_CODES: readonly ProblemCode[] = [
  'validation_failed',
  'malformed_request',
  'unsupported_media_type',
];

function invalidBody(problem: Problem, status: number | undefined): Problem {
  return status !== undefined && BODY_CODES.includes(problem.code) ? problem.withStatus(status) : problem;
}

function validate<S extends z.ZodType>(
  schema: S | undefined,
  value: unknown,
  root: string,
): { readonly value: z.output<S> } | Problem {
  // Without a schema the handler's type is the widest one, which every value has.
  if (!schema) return { value: value as z.output<S> };
  const parsed = judged(schema, value);
  return parsed.success ? { value: parsed.data } : validationFailed(fieldErrors(parsed.error, root));
}

/** Problems listed to one client; a body of thousands of mistakes is no reason for thousands of lines. */
const FIELD_ERRORS_MAX = 20;
const FIELD_PATH_CHARS_MAX = 100;

export function fieldErrors(error: z.ZodError, root: string): FieldError[] {
  return error.issues.slice(0, FIELD_ERRORS_MAX).map((issue) => ({
    path: [root, ...issue.path.map(String)].filter(Boolean).join('.').slice(0, FIELD_PATH_CHARS_MAX),
    message: issue.message,
  }));
}

function pickHeaders(request: Request, schema: z.ZodObject | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.keys(schema?.shape ?? {}).map((name) => [name, request.get(name)]));
}

/** What a raw body is, its schema says: a Buffer. */
async function readRaw<B extends z.ZodType>(
  request: Request,
  response: Response,
  read: BodyReader,
): Promise<{ readonly value: z.output<B> } | Problem> {
  try {
    await read(request, response);
  } catch (error) {
    return problemOfError(error).problem;
  }
  const body: unknown = request.body;
  return { value: (Buffer.isBuffer(body) ? body : Buffer.alloc(0)) as z.output<B> };
}

async function readBody<B extends z.ZodType>(
  schema: B | undefined,
  request: Request,
  response: Response,
  readJson: BodyReader,
): Promise<{ readonly value: z.output<B> } | Problem> {
  if (!schema) return { value: undefined as z.output<B> };
  try {
    await readJson(request, response);
  } catch (error) {
    return problemOfError(error).problem;
  }
  const body: unknown = request.body;
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0;
  if (body === undefined && hasBody)
    return new Problem('unsupported_media_type', { detail: 'Send application/json.' });
  return validate(schema, body, '');
}

/** A mistake of the client, told like those of the body parser. */
class BodyError extends Error {
  constructor(readonly status: number) {
    super('body refused');
  }
}

/** Only UTF-8, only objects and arrays, nothing compressed: a small body cannot become a large one. */
export function jsonReader(limitBytes: number): BodyReader {
  const parse = express.json({
    limit: limitBytes,
    strict: true,
    inflate: false,
    type: ['application/json', 'application/*+json'],
    verify: (_request, _response, bytes, charset) => {
      if (charset.toLowerCase() !== 'utf-8') throw new BodyError(415);
      if (!isUtf8(bytes)) throw new BodyError(400);
    },
  });
  return readerOf(parse);
}

/** The bytes as they came, whatever they say they are. */
export function rawReader(limitBytes: number): BodyReader {
  return readerOf(express.raw({ limit: limitBytes, inflate: false, type: () => true }));
}

function readerOf(parse: express.RequestHandler): BodyReader {
  return (request, response) =>
    new Promise((resolve, reject) => {
      void parse(request, response, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new BodyError(400));
      });
    });
}

/** Sends what a handler answered. */
export function send(response: Response, handled: Answer | Problem): void {
  if (response.headersSent) return;
  const { status, headers } = handled;
  response.statusCode = status;
  response.setHeader('Cache-Control', 'no-store');
  if (handled instanceof Problem) {
    // Read by the metrics when the response is finished.
    response.locals['code'] = handled.code;
    response.setHeader('Content-Type', PROBLEM_TYPE);
  } else {
    response.setHeader('Content-Type', handled.text?.type ?? 'application/json; charset=utf-8');
  }
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (status === 204 || status === 304) {
    response.removeHeader('Content-Type');
    response.end();
    return;
  }
  const content = handled instanceof Problem ? JSON.stringify(handled.body) : contentOf(handled);
  response.setHeader('Content-Length', Buffer.byteLength(content));
  response.end(content);
}

function contentOf(answer: Answer): string | Buffer {
  return answer.text?.content ?? answer.json ?? JSON.stringify(answer.body ?? {});
}

export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    remaining: z.number().int().min(0).optional().meta({ description: 'Tickets that can be held now.' }),
    opensAt: z.iso
      .datetime()
      .optional()
      .meta({ description: 'With `not_on_sale` and refusals of a presale: when the next phase opens.' }),
    countries: z.array(z.string()).optional().meta({ description: 'With `country_not_allowed`.' }),
    outcome: z.enum(['refused', 'unknown']).optional(),
    challenge: z
      .looseObject({})
      .optional()
      .meta({ description: 'With `challenge_required`: ALTCHA, format v2.' }),
    reservation: z.object({ id: z.string(), token: z.string() }).optional(),
    room: z
      .object({ state: z.enum(['before', 'open']), opensAt: z.iso.datetime().optional() })
      .optional()
      .meta({ description: 'With `waiting_room`.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details; `code` is stable.' });

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>;

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

/** The OpenAPI 3.1 document of some routes. */
export function openApiDocument(info: ApiInfo, routes: readonly Route[]): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'reservationToken', {
    type: 'http',
    scheme: 'bearer',
    description: "The token of a guest's reservation.",
  });
  registry.registerComponent('securitySchemes', 'reservationTokenHeader', {
    type: 'apiKey',
    in: 'header',
    name: 'X-Reservation-Token',
    description: 'Tokens of reservations, separated by commas.',
  });
  registry.registerComponent('securitySchemes', 'serviceToken', {
    type: 'http',
    scheme: 'bearer',
    description: 'The token services of the same operator share.',
  });
  registry.registerComponent('securitySchemes', 'accessToken', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The access token of a log-in.',
  });
  registry.registerComponent('securitySchemes', 'refreshCookie', {
    type: 'apiKey',
    in: 'cookie',
    name: 'ticktak_refresh',
    description: 'The refresh token, where a browser keeps it.',
  });
  for (const route of routes) registry.registerPath(pathOf(route));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: { ...info, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
  });
}

function pathOf(route: Route): Parameters<OpenAPIRegistry['registerPath']>[0] {
  const { params, query, headers, body } = route.schemas;
  return {
    method: route.method,
    path: route.path,
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    ...(route.security && {
      security: [
        ...(route.isForGuestsToo ? [{}] : []),
        ...route.security.map((scheme) => ({ [scheme]: [] })),
      ],
    }),
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: { ...problemResponses(route), ...goodResponses(route) },
  };
}

function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'api' && word !== 'v1');
  return (
    method +
    words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') +
    (path.startsWith('/api/v1') ? '' : 'Unversioned')
  );
}

function goodResponses(route: Route): Record<string, object & { description: string }> {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, { description, schema, contentType, alsoAs = [] }]) => [
      status,
      {
        description,
        ...((schema ?? contentType) !== undefined && {
          content: {
            [contentType ?? 'application/json']: { schema: schema ?? z.string() },
            ...Object.fromEntries(alsoAs.map((type) => [type, { schema: z.string() }])),
          },
        }),
      },
    ]),
  );
}

/** One response per status, naming the codes it may carry. */
function problemResponses(route: Route): Record<string, object & { description: string }> {
  const codes = new Set<ProblemCode>(route.problems);
  if (route.schemas.body) for (const code of [...BODY_CODES, 'payload_too_large'] as const) codes.add(code);
  // That many tokens may be too many.
  const takesTokens = route.security?.includes('reservationTokenHeader') === true;
  if (takesTokens || (route.schemas.query ?? route.schemas.headers)) codes.add('validation_failed');
  if (route.schemas.params) codes.add('not_found');
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const own = BODY_CODES.includes(code) ? route.invalidBodyStatus : undefined;
    const status = own ?? PROBLEMS[code][0];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  // A status of its own is for bodies only.
  if (route.invalidBodyStatus !== undefined && (route.schemas.query ?? route.schemas.headers)) {
    const [status] = PROBLEMS.validation_failed;
    byStatus.set(status, [...new Set([...(byStatus.get(status) ?? []), 'validation_failed' as const])]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      String(status),
      {
        description: names.map((name) => `\`${name}\``).join(', '),
        content: { [PROBLEM_TYPE]: { schema: problemSchema } },
      },
    ]),
  );
}
