/**
 * The way of operators to their pages in a browser: a log-in page, and cookies that keep the log-in.
 *
 * Guarantees: the pages are open only to operators, with their second factor where it is required; the cookies
 * are for these pages only, cannot be read by scripts and are sent by no other site; nothing is changed by a
 * request that another site made a browser send; a log-in that was ended elsewhere ends here at once; a log-in here
 * counts like one anywhere, and tells nobody whose password is right but operators.
 */
import express, { type NextFunction, type Request, type Response } from 'express';
import type { PersonCheckRequest, Security, Verdict } from '../security/port.js';
import { verdictProblem } from '../security/verdict.js';
import type { Principal } from '../users/principal.js';
import type { LogIn, Refusal } from '../users/users.js';
import { requestIdOf, send } from './api.js';
import { escapeHtml, pageCsp } from './docs.js';
import { isAccessToken, keepPrincipal } from './gate.js';
import { bearerToken, sameSecret } from './identity.js';
import { Problem } from './problem.js';
import type { Gate } from './service.js';

export interface OperatorDoorOptions {
  /** Before anything of the pages. */
  readonly gate: Gate;
  readonly users: {
    logIn(
      credentials: { email: string; password: string; totp?: string },
      origin: { address: string; requestId: string },
    ): Promise<LogIn | Refusal>;
    refresh(token: string, origin: { address: string; requestId: string }): Promise<LogIn | Refusal>;
    logOutByToken(token: string): Promise<void>;
  };
  readonly tokens: { verify(token: string): Promise<Principal | null> };
  readonly requireOperator: (principal: Principal | null) => Problem | null;
  readonly security: Pick<Security, 'checkPerson' | 'tell'>;
  /** For scripts on a test machine. */
  readonly adminToken: string | undefined;
  /** Whether browsers reach us by HTTPS only. */
  readonly secureCookies: boolean;
}

const LOGIN_PATH = '/admin/login';
const LOGOUT_PATH = '/admin/logout';
const ACCESS_COOKIE = 'ticktak_admin';
const REFRESH_COOKIE = 'ticktak_admin_refresh';
const COOKIE_CHARS_MAX = 4_096;
const FORM_BYTES_MAX = 4_096;

/** Router for `/admin`: what comes after it is for operators. */
export function operatorDoor(options: OperatorDoorOptions): express.Router {
  const router = express.Router();
  const form = express.urlencoded({ extended: false, limit: FORM_BYTES_MAX, parameterLimit: 10 });
  router.use('/admin', (request, response, next) => passGate(options, request, response, next));
  router.get(LOGIN_PATH, (_request, response) => loginPage(response, 200, null));
  router.post(LOGIN_PATH, sameSiteOnly, form, (request, response) => logIn(options, request, response));
  router.post(LOGOUT_PATH, sameSiteOnly, (request, response) => logOut(options, request, response));
  router.use('/admin', (request, response, next) => guard(options, request, response, next));
  return router;
}

/** Of `/admin`, written in any way that the router takes. */
const IS_LOG_IN = /^\/login\/?$/i;
const TOO_MANY = 'Too many attempts. Please wait a few minutes.';

async function passGate(
  { gate }: OperatorDoorOptions,
  request: Request,
  response: Response,
  next: NextFunction,
): Promise<void> {
  const isLogIn = request.method === 'POST' && IS_LOG_IN.test(request.path);
  const refused = await gate(request, response, isLogIn ? 'login' : 'admin');
  if (!refused) next();
  else if (isLogIn) loginPage(response, refused.status, TOO_MANY);
  else send(response, refused);
}

async function guard(
  options: OperatorDoorOptions,
  request: Request,
  response: Response,
  next: NextFunction,
): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  const found = await identified(options, request, response);
  const refused = found === 'admin token' ? null : options.requireOperator(found?.principal ?? null);
  if (refused) {
    if (!found && request.method === 'GET' && request.accepts(['json', 'html']) === 'html') {
      response.redirect(303, LOGIN_PATH);
    } else send(response, withBasic(options, refused));
    return;
  }
  // A browser adds cookies and Basic credentials by itself, whoever made it send the request.
  const isAmbient = bearerToken(request.get('Authorization')) === null;
  if (isAmbient && !isSafe(request.method) && !isSameOrigin(request)) {
    send(response, otherSite());
    return;
  }
  if (found !== 'admin token' && found) keepPrincipal(response, found.principal);
  next();
}

/** A browser is asked for the admin token, where there is one. */
function withBasic({ adminToken }: OperatorDoorOptions, refused: Problem): Problem {
  if (adminToken === undefined || refused.code !== 'unauthorized') return refused;
  const headers = { 'WWW-Authenticate': 'Basic realm="ticktak operators", charset="UTF-8"' };
  return new Problem('unauthorized', {
    detail: 'Log in at /admin/login; or any user name, with ADMIN_TOKEN as the password.',
    headers,
  });
}

async function identified(
  options: OperatorDoorOptions,
  request: Request,
  response: Response,
): Promise<{ readonly principal: Principal } | 'admin token' | null> {
  const header = request.get('Authorization');
  const presented = bearerToken(header) ?? basicPassword(header);
  if (presented !== null) {
    const { adminToken, tokens } = options;
    if (adminToken !== undefined && sameSecret(presented, adminToken)) return 'admin token';
    const principal = isAccessToken(presented) ? await tokens.verify(presented) : null;
    return principal && { principal };
  }
  const access = cookie(request, ACCESS_COOKIE);
  const principal = access === null ? null : await options.tokens.verify(access);
  if (principal) return { principal };
  const refresh = cookie(request, REFRESH_COOKIE);
  if (refresh === null) return null;
  const renewed = await options.users.refresh(refresh, originOf(request, response));
  if (renewed.kind !== 'logged_in') {
    clearCookies(options, response);
    return null;
  }
  keepCookies(options, response, renewed);
  const fresh = await options.tokens.verify(renewed.accessToken);
  return fresh && { principal: fresh };
}

function basicPassword(header: string | undefined): string | null {
  const basic = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '')?.[1];
  if (basic === undefined) return null;
  const pair = Buffer.from(basic, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? null : pair.slice(colon + 1);
}

async function logIn(options: OperatorDoorOptions, request: Request, response: Response): Promise<void> {
  const email = field(request, 'email', 254).trim().toLowerCase();
  const password = field(request, 'password', 500);
  const totp = field(request, 'code', 20).replace(/\s/g, '');
  const verdict = await checked(options, request, email);
  const refused = verdictProblem(verdict);
  if (refused) {
    loginPage(response, refused.status, TOO_MANY);
    return;
  }
  const credentials = { email, password, ...(totp !== '' && { totp }) };
  const result = await options.users.logIn(credentials, originOf(request, response));
  const address = request.ip ?? '';
  if (result.kind !== 'logged_in') {
    options.security.tell({ kind: 'login_failed', person: email, address });
    loginPage(response, result.kind === 'overloaded' ? 503 : 401, wordsOf(result));
    return;
  }
  if (!result.account.roles.includes('operator')) {
    await options.users.logOutByToken(result.refreshToken);
    options.security.tell({ kind: 'login_failed', person: email, address });
    loginPage(response, 401, WRONG);
    return;
  }
  options.security.tell({ kind: 'login_succeeded', person: email, address });
  keepCookies(options, response, result);
  response.redirect(303, '/admin/queues');
}

function checked({ security }: OperatorDoorOptions, request: Request, person: string): Promise<Verdict> {
  const asked: PersonCheckRequest = {
    address: request.ip ?? '',
    routeClass: 'login',
    person: person || 'nobody',
    principal: null,
  };
  return security.checkPerson(asked);
}

const WRONG = 'E-mail address or password is not right, or the account is none of an operator.';

function wordsOf(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'code_required':
      return 'This account needs a code of its authenticator app as well.';
    case 'code_wrong':
      return 'The code is not right, or was used before. Wait for the next one.';
    case 'wait':
      return `Too many attempts. Please wait ${Math.ceil(refusal.retryAfterMs / 60_000)} minutes.`;
    case 'overloaded':
      return 'Too many people log in at this moment. Please try again.';
    default:
      return WRONG;
  }
}

async function logOut({ users, ...rest }: OperatorDoorOptions, request: Request, response: Response) {
  const refresh = cookie(request, REFRESH_COOKIE);
  if (refresh !== null) await users.logOutByToken(refresh);
  clearCookies({ users, ...rest }, response);
  response.redirect(303, LOGIN_PATH);
}

function sameSiteOnly(request: Request, response: Response, next: NextFunction): void {
  if (isSameOrigin(request)) next();
  else send(response, otherSite());
}

const otherSite = (): Problem => new Problem('forbidden', { detail: 'The request comes from another site.' });

const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD';

export function isSameOrigin(request: Request): boolean {
  const site = request.get('Sec-Fetch-Site');
  if (site !== undefined) return site === 'same-origin';
  const origin = request.get('Origin') ?? '';
  return URL.canParse(origin) && new URL(origin).host === request.get('Host');
}

const originOf = (request: Request, response: Response) => ({
  address: request.ip ?? '',
  requestId: requestIdOf(response),
});

function field(request: Request, name: string, charsMax: number): string {
  const body: unknown = request.body;
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  return typeof value === 'string' ? value.slice(0, charsMax) : '';
}

function cookie(request: Request, name: string): string | null {
  const header = request.get('Cookie') ?? '';
  for (const part of header.split(';')) {
    const [key, value] = part.trim().split('=', 2);
    if (key === name && value !== undefined && value.length <= COOKIE_CHARS_MAX) return value;
  }
  return null;
}

function keepCookies({ secureCookies }: OperatorDoorOptions, response: Response, logIn: LogIn): void {
  const common = { httpOnly: true, sameSite: 'strict', secure: secureCookies, path: '/admin' } as const;
  response.cookie(ACCESS_COOKIE, logIn.accessToken, { ...common, expires: new Date(logIn.expiresAt) });
  response.cookie(REFRESH_COOKIE, logIn.refreshToken, {
    ...common,
    expires: new Date(logIn.refreshEndsAt),
  });
}

function clearCookies({ secureCookies }: OperatorDoorOptions, response: Response): void {
  const common = { httpOnly: true, sameSite: 'strict', secure: secureCookies, path: '/admin' } as const;
  response.clearCookie(ACCESS_COOKIE, common);
  response.clearCookie(REFRESH_COOKIE, common);
}

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:0 auto;padding:4rem 1rem}
label{display:block;margin:1rem 0 .25rem;font-weight:600}input{font:inherit;width:100%;box-sizing:border-box;padding:.55rem .7rem;border:1px solid #8888;border-radius:.4rem}
button{font:inherit;font-weight:600;margin-top:1.5rem;width:100%;padding:.65rem;border:0;border-radius:.4rem;background:#1a4fd6;color:#fff}
button:focus-visible,input:focus-visible{outline:3px solid #1a4fd6;outline-offset:2px}.told{padding:.6rem .8rem;border-left:4px solid #c62828;background:#c6282814}
small{color:#777}`;
const CSP = pageCsp(STYLE).replace("form-action 'none'", "form-action 'self'");

function loginPage(response: Response, status: number, told: string | null): void {
  response.locals['route'] = LOGIN_PATH;
  const notice = told === null ? '' : `<p class="told" role="alert">${escapeHtml(told)}</p>`;
  const content = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Operators’ log-in · ticktak</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body><main>
<h1>ticktak operators</h1>${notice}<form method="post" action="${LOGIN_PATH}">
<label for="email">E-mail address</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254">
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="500">
<label for="code">Code <small>of the authenticator app, if one is set up</small></label><input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="20">
<button>Log in</button></form></main></body></html>`;
  send(response, {
    status,
    text: { type: 'text/html; charset=utf-8', content },
    headers: { 'Content-Security-Policy': CSP, 'Cache-Control': 'no-store' },
  });
}
