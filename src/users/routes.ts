/**
 * Accounts over HTTP. Thin: users.ts and operators.ts decide, this maps what they answer.
 *
 * Guarantees: a password, token or code that came in stands in no answer's errors and no log; the refresh token
 * of a browser is in a cookie no script can read and no other site can use; before a password is looked at, the
 * security check was asked about the person.
 */
import { z } from 'zod';
import { defineRoute, type Answer, type Handled, type Route, type RouteInput } from '../http/api.js';
import { Problem } from '../http/problem.js';
import { acceptLanguage, negotiatedLocale, type Locale } from '../mail/locale.js';
import type { Devices } from '../security/device.js';
import type { PersonCheckRequest, Security, Verdict } from '../security/port.js';
import type { Access } from './access.js';
import { MAILED_TOKEN } from './mailed-tokens.js';
import { notLoggedIn, requireOperator, type Operators } from './operators.js';
import { PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PASSWORD_UNITS_MAX } from './passwords.js';
import type { Principal } from './principal.js';
import { emailSchema, NAME_CHARS_MAX, USER_ID } from './records.js';
import {
  accountJson,
  accountSchema,
  cleared,
  cookieOf,
  foreignSite,
  isOwnOrigin,
  logInAnswer,
  logInSchema,
  refusalProblem,
  type CookieOptions,
} from './replies.js';
import { CODE, RECOVERY_CODE } from './second-factor.js';
import { REFRESH_TOKEN_CHARS_MAX } from './sessions.js';
import type { Origin, Users } from './users.js';

export interface UserRoutesOptions extends CookieOptions {
  readonly users: Users;
  readonly operators: Operators;
  readonly access: Access;
  readonly security: Pick<Security, 'checkPerson' | 'tell'>;
  readonly devices?: Pick<Devices, 'of'>;
  /** What a client is told of a verdict; null when it may go on. */
  readonly verdictProblem: (verdict: Verdict) => Problem | null;
  readonly operatorSecondFactor: 'optional' | 'required';
}

export function userRoutes(options: UserRoutesOptions): Route[] {
  return [
    registerRoute(options),
    logInRoute(options),
    refreshRoute(options),
    logOutRoute(options),
    logOutAllRoute(options),
    meRoute(options),
    changeMeRoute(options),
    passwordRoute(options),
    deleteMeRoute(options),
    enrolRoute(options),
    confirmFactorRoute(options),
    removeFactorRoute(options),
    ...mailRoutes(options),
    listRoute(options),
    changeRoute(options),
    jwksRoute(options),
  ];
}

type Input<B> = RouteInput<unknown, unknown, unknown, B>;

/** Only bounded here: whether it is a good one, `passwordRefusal` says. */
const passwordSchema = z
  .string()
  .min(1)
  .max(PASSWORD_UNITS_MAX)
  .meta({ format: 'password', description: `${PASSWORD_CHARS_MIN} to ${PASSWORD_CHARS_MAX} characters.` });
const nameSchema = z
  .string()
  .max(NAME_CHARS_MAX)
  .trim()
  .min(1)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>]*$/u, 'no control characters, < or >');
const totpSchema = z.string().regex(CODE).meta({ description: 'Code of the authenticator app.' });
const recoverySchema = z.string().max(30).trim().toLowerCase().regex(RECOVERY_CODE);
const cookieSchema = z.boolean().meta({ description: 'Whether the refresh token goes into a cookie.' });
const mailedSchema = z.string().regex(MAILED_TOKEN).meta({ description: 'Of the link in the mail.' });

const TAG = 'users';
const languageHeader = z.object({ 'Accept-Language': acceptLanguage });

function localeOf({ headers }: { readonly headers: z.output<typeof languageHeader> }): Locale | undefined {
  return negotiatedLocale(headers['Accept-Language']);
}

const LOGGED_IN = ['accessToken'] as const;
const OK_ACCOUNT = { description: 'The account', schema: accountSchema };
const OK_LOG_IN = { description: 'Logged in', schema: logInSchema };
const NOTHING = { description: 'Done' };
const LIMITS = ['rate_limited', 'challenge_required', 'blocked', 'overloaded'] as const;

function registerRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/users',
    tag: TAG,
    summary: 'Register',
    description: 'Sends a mail with a link that confirms the address. A taken address answers 409.',
    routeClass: 'account',
    headers: languageHeader,
    body: z
      .object({ email: emailSchema, password: passwordSchema, name: nameSchema })
      .meta({ id: 'NewAccount' }),
    responses: { 201: OK_ACCOUNT },
    problems: ['conflict', ...LIMITS],
    handle: async (input) => {
      const stopped = await checkPerson(options, input, 'account', input.body.email);
      if (stopped) return stopped;
      const result = await options.users.register({ ...input.body, locale: localeOf(input) });
      if (result.kind !== 'registered') return refusalProblem(result, 'password');
      return { status: 201, body: accountJson(result.account), headers: { Location: '/api/v1/users/me' } };
    },
  });
}

function logInRoute(options: UserRoutesOptions): Route {
  const body = z
    .object({
      email: emailSchema,
      password: passwordSchema,
      totp: totpSchema.optional(),
      recoveryCode: recoverySchema.optional(),
      cookie: cookieSchema.optional(),
    })
    .meta({ id: 'Credentials' });
  return defineRoute({
    method: 'post',
    path: '/api/v1/sessions',
    tag: TAG,
    summary: 'Log in',
    description:
      'Answers `second_factor_required` when the account has a second factor and its code is missing or wrong.',
    routeClass: 'login',
    body,
    responses: { 201: OK_LOG_IN },
    problems: ['unauthorized', 'second_factor_required', 'forbidden', ...LIMITS],
    handle: async (input) => {
      const { cookie = false, ...credentials } = input.body;
      if (cookie && !isOwnOrigin(options, input)) return foreignSite();
      const { email: person } = credentials;
      const stopped = await checkPerson(options, input, 'login', person);
      if (stopped) return stopped;
      const result = await options.users.logIn(credentials, originOf(input));
      const { address } = input;
      if (result.kind === 'logged_in') {
        options.security.tell({ kind: 'login_succeeded', person, address });
        return logInAnswer(options, 201, result, cookie);
      }
      if (result.kind === 'wrong_credentials' || result.kind === 'code_wrong')
        options.security.tell({ kind: 'login_failed', person, address });
      return refusalProblem(result, 'password');
    },
  });
}

const refreshBody = z
  .object({ refreshToken: z.string().max(REFRESH_TOKEN_CHARS_MAX).optional() })
  .meta({ id: 'Refresh' });

function refreshRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/sessions/refresh',
    tag: TAG,
    summary: 'Get new tokens for a refresh token',
    description:
      'Each refresh token works once; one that was used before ends the log-in. Repeated within 10 seconds it answers the same refresh token again. Takes the token of the body, or of the cookie.',
    routeClass: 'login',
    security: ['refreshCookie'],
    body: refreshBody,
    responses: { 200: OK_LOG_IN },
    problems: ['unauthorized', 'forbidden', ...LIMITS],
    handle: async (input) => {
      const { refreshToken: sent } = input.body;
      const kept = sent === undefined ? cookieOf(input) : null;
      if (kept !== null && !isOwnOrigin(options, input)) return foreignSite();
      const token = sent ?? kept;
      if (token === null) return notLoggedIn();
      const result = await options.users.refresh(token, originOf(input));
      if (result.kind === 'logged_in') return logInAnswer(options, 200, result, kept !== null);
      const problem = refusalProblem(result, 'refreshToken');
      const isOver = kept !== null && problem.code === 'unauthorized';
      return isOver ? new Problem(problem.code, { ...problem.options, headers: cleared(options) }) : problem;
    },
  });
}

function logOutRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/sessions',
    tag: TAG,
    summary: 'Log out',
    description: 'Ends the log-in of the access token, and of the cookie.',
    routeClass: 'account',
    security: ['accessToken', 'refreshCookie'],
    responses: { 204: NOTHING },
    problems: ['unauthorized', 'forbidden', 'overloaded'],
    handle: async (input) => {
      const kept = cookieOf(input);
      if (kept !== null && !isOwnOrigin(options, input)) return foreignSite();
      if (!input.principal && kept === null) return notLoggedIn();
      if (input.principal) await options.users.logOut(input.principal.sessionId);
      if (kept !== null) await options.users.logOutByToken(kept);
      return { status: 204, headers: cleared(options) };
    },
  });
}

function logOutAllRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/sessions/all',
    tag: TAG,
    summary: 'Log out everywhere',
    routeClass: 'account',
    security: LOGGED_IN,
    responses: { 204: NOTHING },
    problems: ['unauthorized', 'overloaded'],
    authorize: loggedIn,
    handle: (input) =>
      withPrincipal(input, async ({ accountId }) => {
        await options.users.logOutAll(accountId);
        return { status: 204, headers: cleared(options) };
      }),
  });
}

function meRoute({ users }: UserRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/users/me',
    tag: TAG,
    summary: 'My account',
    security: LOGGED_IN,
    responses: { 200: OK_ACCOUNT },
    problems: ['unauthorized', 'overloaded'],
    authorize: loggedIn,
    handle: (input) =>
      withPrincipal(input, async ({ accountId }) => {
        const account = await users.account(accountId);
        return account ? { status: 200, body: accountJson(account) } : notLoggedIn();
      }),
  });
}

function changeMeRoute({ users }: UserRoutesOptions): Route {
  return defineRoute({
    method: 'patch',
    path: '/api/v1/users/me',
    tag: TAG,
    summary: 'Change my name',
    routeClass: 'account',
    security: LOGGED_IN,
    body: z.object({ name: nameSchema }),
    responses: { 200: OK_ACCOUNT },
    problems: ['unauthorized', 'overloaded'],
    authorize: loggedIn,
    handle: (input) =>
      withPrincipal(input, async ({ accountId }) => {
        const result = await users.changeName(accountId, input.body.name);
        return 'kind' in result ? refusalProblem(result, 'name') : { status: 200, body: accountJson(result) };
      }),
  });
}

function passwordRoute(options: UserRoutesOptions): Route {
  const body = z.object({
    password: passwordSchema,
    newPassword: passwordSchema,
    cookie: cookieSchema.optional(),
  });
  return defineRoute({
    method: 'post',
    path: '/api/v1/users/me/password',
    tag: TAG,
    summary: 'Change my password',
    description: 'Ends every log-in and answers a new one.',
    routeClass: 'account',
    security: LOGGED_IN,
    body,
    responses: { 200: OK_LOG_IN },
    problems: ['unauthorized', ...LIMITS],
    authorize: loggedIn,
    handle: (input) =>
      withPerson(options, input, async (principal) => {
        const { cookie = false, ...change } = input.body;
        const result = await options.users.changePassword(principal, change, originOf(input));
        return result.kind === 'logged_in'
          ? logInAnswer(options, 200, result, cookie)
          : refusalProblem(result, 'newPassword');
      }),
  });
}

function deleteMeRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/users/me/deletion',
    tag: TAG,
    summary: 'Delete my account',
    description: 'Erases name, address and password. Reservations keep the account id.',
    routeClass: 'account',
    security: LOGGED_IN,
    body: z.object({ password: passwordSchema }),
    responses: { 204: NOTHING },
    problems: ['unauthorized', 'conflict', ...LIMITS],
    authorize: loggedIn,
    handle: (input) =>
      withPerson(options, input, async (principal) => {
        const result = await options.users.deleteAccount(principal, input.body.password, originOf(input));
        if (result.kind !== 'done') return refusalProblem(result, 'password');
        return { status: 204, headers: cleared(options) };
      }),
  });
}

function enrolRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/users/me/second-factor',
    tag: TAG,
    summary: 'Begin to set up a second factor',
    description: 'Show `uri` as a QR code, then send the first code to `/confirm` within 15 minutes.',
    routeClass: 'account',
    security: LOGGED_IN,
    body: z.object({ password: passwordSchema }),
    responses: {
      200: { description: 'For the app', schema: z.object({ secret: z.string(), uri: z.string() }) },
    },
    problems: ['unauthorized', 'second_factor_required', ...LIMITS],
    authorize: loggedIn,
    handle: (input) =>
      withPerson(options, input, async (principal) => {
        const { password } = input.body;
        const result = await options.users.enrolSecondFactor(principal, password, originOf(input));
        if (result.kind !== 'enrolled') return refusalProblem(result, 'password');
        return { status: 200, body: { secret: result.secret, uri: result.uri } };
      }),
  });
}

function confirmFactorRoute(options: UserRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/users/me/second-factor/confirm',
    tag: TAG,
    summary: 'Set up the second factor with its first code',
    description: 'Ends every log-in and answers a new one, with recovery codes that are shown this once.',
    routeClass: 'account',
    security: LOGGED_IN,
    body: z.object({ totp: totpSchema, cookie: cookieSchema.optional() }),
    responses: {
      200: {
        description: 'It counts from now on',
        schema: logInSchema.extend({ recoveryCodes: z.array(z.string()) }).meta({ id: 'SecondFactorSet' }),
      },
    },
    problems: ['unauthorized', 'second_factor_required', 'conflict', ...LIMITS],
    authorize: loggedIn,
    handle: (input) =>
      withPerson(options, input, async (principal) => {
        const { totp, cookie = false } = input.body;
        const result = await options.users.confirmSecondFactor(principal, totp, originOf(input));
        if (result.kind !== 'logged_in') return refusalProblem(result, 'totp');
        return logInAnswer(options, 200, result, cookie, { recoveryCodes: result.recoveryCodes });
      }),
  });
}

function removeFactorRoute(options: UserRoutesOptions): Route {
  const body = z.object({
    password: passwordSchema,
    totp: totpSchema.optional(),
    recoveryCode: recoverySchema.optional(),
    cookie: cookieSchema.optional(),
  });
  return defineRoute({
    method: 'delete',
    path: '/api/v1/users/me/second-factor',
    tag: TAG,
    summary: 'Remove the second factor',
    description: 'Ends every log-in and answers a new one.',
    routeClass: 'account',
    security: LOGGED_IN,
    body,
    responses: { 200: OK_LOG_IN },
    problems: ['unauthorized', 'second_factor_required', 'conflict', ...LIMITS],
    authorize: loggedIn,
    handle: (input) =>
      withPerson(options, input, async (principal) => {
        const { cookie = false, ...proof } = input.body;
        const result = await options.users.removeSecondFactor(principal, proof, originOf(input));
        return result.kind === 'logged_in'
          ? logInAnswer(options, 200, result, cookie)
          : refusalProblem(result, 'password');
      }),
  });
}

/** What is answered to whoever asks for a mail: the same in every case. */
const ACCEPTED: Answer = { status: 202, body: { status: 'accepted' } };
const acceptedSchema = z.object({ status: z.literal('accepted') });
const emailBody = z.object({ email: emailSchema });

function mailRoutes(options: UserRoutesOptions): Route[] {
  const { users } = options;
  const accepted = { description: 'A mail is sent if there is reason to', schema: acceptedSchema };
  return [
    defineRoute({
      method: 'post',
      path: '/api/v1/email-confirmations',
      tag: TAG,
      summary: 'Ask for a mail that confirms an address',
      description: 'For an account, while logged in to it; for the purchases of a guest otherwise.',
      routeClass: 'account',
      headers: languageHeader,
      body: emailBody,
      responses: { 202: accepted },
      problems: LIMITS,
      handle: async (input) => {
        const { email } = input.body;
        const stopped = await checkPerson(options, input, 'account', email);
        if (stopped) return stopped;
        await users.requestEmailProof(email, input.principal, localeOf(input));
        return ACCEPTED;
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/v1/email-confirmations/confirm',
      tag: TAG,
      summary: 'Confirm an address',
      description:
        'A mail that was sent for an account confirms it only while logged in to that account; else it answers ' +
        '`unauthorized`, and the link goes on to work.',
      routeClass: 'account',
      body: z.object({ token: mailedSchema }),
      responses: { 200: { description: 'Confirmed', schema: z.object({ email: z.string() }) } },
      problems: ['unauthorized', ...LIMITS],
      handle: async ({ body: { token }, principal }) => {
        const result = await users.confirmEmail(token, principal);
        if (result.kind !== 'confirmed') return refusalProblem(result, 'token');
        return { status: 200, body: { email: result.email } };
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/v1/password-resets',
      tag: TAG,
      summary: 'Ask for a mail that allows a new password',
      description: 'Answers the same whether there is an account or not.',
      routeClass: 'login',
      headers: languageHeader,
      body: emailBody,
      responses: { 202: accepted },
      problems: LIMITS,
      handle: async (input) => {
        const { email } = input.body;
        // Counted apart from the person's log-ins: whoever guesses there must not keep its owner from this.
        const stopped = await checkPerson(options, input, 'login', `reset ${email}`);
        if (stopped) return stopped;
        await users.requestPasswordReset(email, localeOf(input));
        return ACCEPTED;
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/v1/password-resets/confirm',
      tag: TAG,
      summary: 'Set a new password',
      description: 'Ends every log-in of the account.',
      routeClass: 'login',
      body: z.object({ token: mailedSchema, password: passwordSchema }),
      responses: { 204: NOTHING },
      problems: LIMITS,
      handle: async (input) => {
        const { token, password } = input.body;
        const result = await users.resetPassword(token, password, originOf(input));
        return result.kind === 'done' ? { status: 204 } : refusalProblem(result, 'password');
      },
    }),
  ];
}

const PAGE_MAX = 100;
const CURSOR_CHARS_MAX = 500;

function listRoute(options: UserRoutesOptions): Route {
  const page = z.object({ accounts: z.array(accountSchema), next: z.string().optional() });
  return defineRoute({
    method: 'get',
    path: '/api/v1/users',
    tag: 'operators',
    summary: 'Accounts, oldest first',
    routeClass: 'admin',
    security: LOGGED_IN,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
      after: z.string().max(CURSOR_CHARS_MAX).optional(),
    }),
    responses: { 200: { description: 'A page; pass `next` as `after`', schema: page } },
    problems: ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'],
    authorize: operatorOnly(options),
    handle: async ({ query: { limit, after } }) => {
      const found = await options.operators.list({ limit, ...(after !== undefined && { after }) });
      const next = found.next === undefined ? {} : { next: found.next };
      return { status: 200, body: { accounts: found.items.map(accountJson), ...next } };
    },
  });
}

function changeRoute(options: UserRoutesOptions): Route {
  const body = z
    .strictObject({
      operator: z.boolean().optional().meta({ description: 'Grants or takes the role of an operator.' }),
      steward: z.boolean().optional().meta({
        description: 'Grants or takes the role of a steward, who checks people in and does nothing else.',
      }),
      disabled: z.boolean().optional(),
      resetSecondFactor: z.literal(true).optional(),
    })
    .meta({ id: 'AccountChange' });
  return defineRoute({
    method: 'patch',
    path: '/api/v1/users/{id}',
    tag: 'operators',
    summary: "Change an account's roles, or disable it",
    description: 'Ends every log-in of the account. The last operator cannot be removed.',
    routeClass: 'admin',
    security: LOGGED_IN,
    params: z.object({ id: z.string().regex(USER_ID) }),
    body,
    responses: { 200: OK_ACCOUNT },
    problems: ['unauthorized', 'forbidden', 'second_factor_required', 'conflict', 'overloaded'],
    authorize: operatorOnly(options),
    handle: (input) =>
      withPrincipal(input, async (principal) => {
        const result = await options.operators.change(
          principal,
          input.params.id,
          input.body,
          originOf(input),
        );
        if (result.kind !== 'changed') return refusalProblem(result, '');
        return { status: 200, body: accountJson(result.account) };
      }),
  });
}

function jwksRoute({ access }: UserRoutesOptions): Route {
  const key = z.object({ kty: z.string(), crv: z.string(), x: z.string(), y: z.string(), kid: z.string() });
  return defineRoute({
    method: 'get',
    path: '/.well-known/jwks.json',
    tag: TAG,
    summary: 'The keys that access tokens are checked with',
    responses: {
      200: { description: 'RFC 7517', schema: z.object({ keys: z.array(key) }).meta({ id: 'KeySet' }) },
    },
    problems: ['overloaded'],
    handle: async () => ({
      status: 200,
      body: await access.keys.jwks(),
      headers: { 'Cache-Control': 'public, max-age=60' },
    }),
  });
}

/** Asked before the body is read. */
const loggedIn = ({ principal }: { readonly principal: Principal | null }): Problem | null =>
  principal ? null : notLoggedIn();

const operatorOnly =
  ({ operatorSecondFactor: secondFactor }: UserRoutesOptions) =>
  ({ principal }: { readonly principal: Principal | null }): Problem | null =>
    requireOperator(principal, { secondFactor });

function withPrincipal(
  { principal }: Pick<Input<unknown>, 'principal'>,
  work: (principal: Principal) => Promise<Handled>,
): Promise<Handled> | Handled {
  return principal ? work(principal) : notLoggedIn();
}

/** Like `withPrincipal`, with the security check before it: for what looks at passwords and codes. */
function withPerson(
  options: UserRoutesOptions,
  input: Input<unknown>,
  work: (principal: Principal) => Promise<Handled>,
): Promise<Handled> | Handled {
  return withPrincipal(input, async (principal) => {
    const stopped = await checkPerson(options, input, 'account', principal.email);
    return stopped ?? work(principal);
  });
}

async function checkPerson(
  { security, verdictProblem, devices }: UserRoutesOptions,
  { address, principal, request }: Input<unknown>,
  routeClass: PersonCheckRequest['routeClass'],
  person: string,
): Promise<Problem | null> {
  const solution = request.get('X-Challenge-Solution');
  const device = routeClass === 'account' ? devices?.of(request) : undefined;
  const verdict = await security.checkPerson({
    address,
    routeClass,
    person,
    principal,
    ...(device !== undefined && { device }),
    ...(solution !== undefined && { solution }),
  });
  return verdictProblem(verdict);
}

function originOf({ address, requestId }: Pick<Input<unknown>, 'address' | 'requestId'>): Origin {
  return { address, requestId };
}
